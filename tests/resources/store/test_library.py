"""The library holds whole files under readable names, and never a link into the store."""

import itertools
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from resources.store import filesystem
from resources.store.filesystem import FileSystem
from resources.store.io_manager import ArtifactStore
from resources.store.library import Library


@pytest.fixture(params=["one disk", "two disks"])
def store(request: pytest.FixtureRequest, home: Path, root: Path, tmp_path: Path) -> ArtifactStore:
    """The library on the store's disk, and on another (where there is one: `home` lies in memory, `tmp_path` not)."""
    library = home if request.param == "one disk" else tmp_path
    return ArtifactStore(root=str(root), library=str(library / "library"))


@pytest.fixture
def library(store: ArtifactStore) -> Path:
    return Path(store.library)


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Path]:
    """Three files, one of them big enough for several chunks."""
    contents = {"notes.pdf": os.urandom(2_500_000), "notes.md": b"# Notes\n", "slide-001.jpg": b"\xff\xd8"}
    (tmp_path / "made").mkdir()
    for name, content in contents.items():
        (tmp_path / "made" / name).write_bytes(content)
    return {name: tmp_path / "made" / name for name in contents}


class KilledAt(FileSystem):
    """The process ends before the call of this number."""

    def __init__(self, number: int) -> None:
        self.calls, self.number = itertools.count(1), number

    def __getattribute__(self, name: str) -> Any:
        if name in vars(FileSystem) and next(self.calls) == self.number:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getattribute__(name)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def digest(path: Path) -> str:
    return blake3(path.read_bytes()).hexdigest()


def test_files_are_there_whole_and_ordinary(store: ArtifactStore, library: Path, made: dict[str, Path]) -> None:
    before = os.umask(0o022)
    try:
        digests = store.publish("recordings/talk~12", made)
    finally:
        os.umask(before)
    folder = library / "recordings/talk~12"
    assert visible(folder) == sorted(made)
    assert digests == {name: digest(path) for name, path in made.items()}
    for name, path in made.items():
        copy = folder / name
        assert copy.read_bytes() == path.read_bytes()
        assert copy.stat().st_mode & 0o777 == 0o644
        assert copy.stat().st_nlink == 1
        assert copy.stat().st_ino != path.stat().st_ino
        assert not copy.is_symlink()
    assert not [
        path
        for path in library.rglob("*")
        if path.name not in made and path.is_file() and path.name != ".published.json"
    ]


def test_what_is_no_longer_published_goes_and_what_is_not_ours_stays(
    store: ArtifactStore, library: Path, made: dict[str, Path]
) -> None:
    store.publish("r", made)
    (library / "r/my notes.txt").write_text("mine")
    (library / "r/slide-002.jpg").write_bytes(b"mine too")
    store.publish("r", {"notes.pdf": made["notes.pdf"]})
    assert visible(library / "r") == ["my notes.txt", "notes.pdf", "slide-002.jpg"]
    (library / "r/slide-002.jpg").unlink()
    store.publish("r", made)
    (library / "r/notes.md").write_text("edited by a person")
    store.publish("r", {"notes.pdf": made["notes.pdf"]})
    assert visible(library / "r") == ["my notes.txt", "notes.md", "notes.pdf"]
    assert (library / "r/notes.md").read_text() == "edited by a person"
    store.publish("r", {})
    assert visible(library / "r") == ["my notes.txt", "notes.md"]


def test_what_a_person_wrote_is_kept_beside_the_new_edition(
    store: ArtifactStore, library: Path, made: dict[str, Path]
) -> None:
    (library / "r").mkdir(parents=True)
    (library / "r/notes.pdf").write_bytes(b"scanned by hand")
    store.publish("r", made)
    assert (library / "r/notes (yours).pdf").read_bytes() == b"scanned by hand"
    for text in ("edited", "edited again"):
        (library / "r/notes.md").write_text(text)
        store.publish("r", made)
    assert (library / "r/notes.md").read_bytes() == made["notes.md"].read_bytes()
    assert (library / "r/notes (yours).md").read_text() == "edited"
    assert (library / "r/notes (yours 2).md").read_text() == "edited again"
    made["notes.md"].write_text("# A new edition\n")  # over an old one of ours nothing is kept
    store.publish("r", made)
    assert len([path for path in (library / "r").iterdir() if "yours" in path.name]) == 3


def test_publishing_the_same_again_touches_nothing(store: ArtifactStore, library: Path, made: dict[str, Path]) -> None:
    store.publish("r", made)

    # Being read is allowed, and moves the time of the last access; being written or replaced is not.
    def written() -> dict[Path, tuple[int, int, int]]:
        stats = {path: path.stat() for path in (library / "r").iterdir()}
        return {path: (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in stats.items()}

    before = written()
    store.publish("r", made)
    assert written() == before


def test_a_link_in_a_files_place_is_replaced_not_followed(
    store: ArtifactStore, library: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(made["notes.md"].read_bytes())
    (library / "r").mkdir(parents=True)
    (library / "r/notes.md").symlink_to(precious)
    made["notes.md"].write_text("new")
    store.publish("r", made)
    assert precious.read_text() == "# Notes\n"
    assert not (library / "r/notes.md").is_symlink()


def test_a_damaged_record_is_forgotten(store: ArtifactStore, library: Path, made: dict[str, Path]) -> None:
    for content in (b"", b"[]", b'{"published": 3}', b'{"published": {"../x": ["y"]}}', b"\xff"):
        store.publish("r", made)
        (library / "r/.published.json").write_bytes(content)
        store.publish("r", {"notes.pdf": made["notes.pdf"]})
        assert "notes.pdf" in visible(library / "r")


@pytest.mark.parametrize("folder", ["../out", "/out", "a/../../out", "", "a\0b"])
def test_nothing_is_published_outside(folder: str, store: ArtifactStore, made: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="inside the library"):
        store.publish(folder, made)
    with pytest.raises(ValueError, match="safe file name"):
        store.publish("r", {"../x": made["notes.md"]})


def test_killed_at_any_step_every_file_is_the_old_or_the_new(
    store: ArtifactStore, library: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    old, new = dict(made), {}
    for name in ("notes.pdf", "notes.md"):
        new[name] = tmp_path / f"new-{name}"
        new[name].write_bytes(b"new " + old[name].read_bytes())
    wanted = {name: {digest(files[name]) for files in (old, new) if name in files} for name in old}
    for step in range(1, 100):
        store.publish("r", old)
        pid = os.fork()
        if pid == 0:
            with filesystem.using(KilledAt(step)):
                Library(library, store.artifacts.tmp).publish("r", new)
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        for name in visible(library / "r"):
            assert digest(library / "r" / name) in wanted[name]
        store.publish("r", new)
        assert visible(library / "r") == ["notes.md", "notes.pdf"]
        if ended == 0:
            break
    assert 8 < step < 99  # publishing has more than eight calls, and the loop came to the end of them
