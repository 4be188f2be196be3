"""Which names count, and what the walk through a folder finds."""

import pytest

from resources.intake.files import Claim, Names, scan, unfinished
from resources.intake.recordings import MEDIA, OTHER

NAMES = Names(taken=MEDIA, never=OTHER)


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.mp4",
        "._resource.mp4",
        "a.mp4.part",
        "a.mp4.crdownload",
        "a.MP4.PART",
        "a.mp4.download",
        "a.mp4~",
        "a.temp.mp4",
        "~$a.docx",
        "Thumbs.db",
        "lost+found",
    ],
)
def test_unfinished_and_system_names(name):
    assert unfinished(name)


@pytest.mark.parametrize("name", ["a.mp4", "part.mp4", "-a.mp4", "a b.mp4", "x.partial.mp4", "temp.mp4", "~a.mp4"])
def test_finished_names(name):
    assert not unfinished(name)


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("a.mp4", Claim.YES),
        ("A.MKV", Claim.YES),
        ("a.ref.txt", Claim.NEVER),
        ("README", Claim.NEVER),
        ("list.m3u8", Claim.NEVER),
        ("noext", Claim.MAYBE),
        ("a.xyz", Claim.MAYBE),
        (".mp4", Claim.YES),
    ],
)
def test_what_names_claim(name, claim):
    assert NAMES.claim(name) is claim


def test_no_suffix_is_both_media_and_not():
    assert not MEDIA & OTHER
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in MEDIA | OTHER)


def test_the_walk_finds_files_in_folders_and_skips_what_is_hidden_or_unfinished(tmp_path):
    for place in ("a.mp4", "x.mp4/b.mp4", "deep/er/c.mp3", ".hidden/d.mp4", "e.mp4.download/e.mp4", "f.txt", "g.part"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found = {file.path.removeprefix(f"{tmp_path}/"): file.stat.size for file in scan(str(tmp_path), NAMES)}
    assert found == {"a.mp4": 1, "x.mp4/b.mp4": 1, "deep/er/c.mp3": 1}


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        list(scan(str(tmp_path / "gone"), NAMES))


def test_links_are_followed_to_files_of_the_inbox_only(tmp_path):
    inbox, beside = tmp_path / "inbox", tmp_path / "inbox2"
    inbox.mkdir()
    beside.mkdir()
    (inbox / "a.mp4").write_bytes(b"inside")
    (beside / "b.mp4").write_bytes(b"outside")
    (inbox / "in.mp4").symlink_to("a.mp4")
    (inbox / "out.mp4").symlink_to("../inbox2/b.mp4")
    (inbox / "up.mp4").symlink_to("../inbox/../inbox2/b.mp4")
    problems = {file.path.rpartition("/")[2]: file.problem for file in scan(str(inbox), NAMES)}
    assert problems["a.mp4"] is problems["in.mp4"] is None
    for name in ("out.mp4", "up.mp4"):
        assert "outside the inbox" in problems[name].message
