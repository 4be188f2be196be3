"""What the sentiment inbox takes, by the name and by the head of a file."""

from pathlib import Path

import dagster as dg
import pytest

from resources.errors import BadInput
from resources.intake import sentiment
from resources.intake.files import Claim


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_names() -> None:
    names = sentiment.sentiment().names
    said = {name: names.claim(name) for name in ("a.csv", "A.TSV", "a.txt", "a.wav", "a.md", "data", "a.unknown")}
    assert [name for name, claim in said.items() if claim is Claim.YES] == ["a.csv", "A.TSV"]
    assert [name for name, claim in said.items() if claim is Claim.MAYBE] == ["data", "a.unknown"]


def test_what_is_seen_in_the_head(tmp_path: Path) -> None:
    rows = [f"hi @jo{n} *so* nice see http://x.org/{n},pos" for n in range(40)]
    path = write(tmp_path / "a.csv", "\n".join(["text,label", *rows]))
    seen = sentiment.inspect_labelled(path)
    assert (seen["rows"], seen["columns"], seen["text_column"].value) == (40, 2, '"text"')
    assert (seen["form"].value, seen["encoding_of_head"].value) == ("table", "utf-8")
    preview = str(seen["preview"].value)
    assert preview.splitlines() == [r"- hi @user \*so\* nice see http"] * 5, "names of people are not shown"


def test_a_large_file_is_judged_by_its_head(tmp_path: Path) -> None:
    row = '"this is quite a nice, long tweet",pos\n'
    path = write(tmp_path / "a.csv", "text,label\n" + row * 20_000)
    seen = sentiment.inspect_labelled(path)
    assert seen["rows_about"] == pytest.approx(20_000, rel=0.01)  # the head ends within a row
    assert "rows" not in seen


def test_sentiment140_is_known(tmp_path: Path) -> None:
    row = '"0","1","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","real_person","so \xe9 sad today"\n'
    seen = sentiment.inspect_labelled(write(tmp_path / "a.csv", (row * 3).encode("latin-1")))
    assert (seen["form"].value, seen["text_column"].value) == ("Sentiment140", "number 6")
    assert "real" not in str({name: getattr(value, "value", value) for name, value in seen.items()})


@pytest.mark.parametrize("rows", [10, 5000], ids=["whole", "beginning"])
def test_sentiment140_s_loose_quotes_are_taken_in_as_they_are_read(tmp_path: Path, rows: int) -> None:
    row = '"0","1","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","jo","she said "hello" and left"\n'
    seen = sentiment.inspect_labelled(write(tmp_path / "a.csv", row * rows))
    assert (seen["form"].value, seen["columns"]) == ("Sentiment140", 6)
    assert seen["rows" if rows == 10 else "rows_about"] == pytest.approx(rows, rel=0.01)  # the head ends within a row
    assert "she said" in str(seen["preview"].value)


def test_where_it_is_not_clear_which_column_it_is_the_run_may_be_told(tmp_path: Path) -> None:
    rows = "what a day,so it is,1\nyes it is it is,all the time,0\n"
    assert sentiment.inspect_labelled(write(tmp_path / "a.csv", rows))["columns"] == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("just a line\nand another\n", "has one column", id="one column"),
        pytest.param("1,2\n3,4\n", "has no column of texts", id="numbers"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00", "is no text", id="binary"),
        pytest.param("", "is empty", id="empty"),
        pytest.param("text,label\n", "a header line and no rows", id="header alone"),
        pytest.param("text,label\nso nice,1\nso, so,0\n", "line 3: has 3 cells", id="uneven"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        sentiment.inspect_labelled(write(tmp_path / "a.csv", content))


def test_a_file_too_large_for_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentiment, "LARGEST", 10)
    with pytest.raises(BadInput, match="at most 10 are read"):
        sentiment.inspect_labelled(write(tmp_path / "a.csv", "text,label\nhi,1\n"))


def test_markdown_is_quoted() -> None:
    assert sentiment.quoted("[a](b) | <i>\n*c*") == r"\[a\]\(b\) \| \<i\>\\n\*c\*"
    assert len(sentiment.quoted("x" * 500, 20)) == 20


def test_it_is_taken_in_as_an_event_of_its_asset(tmp_path: Path) -> None:
    path = write(tmp_path / "My Tweets.csv", "text,label\nso nice,1\nso sad,0\n")
    with (
        dg.DagsterInstance.local_temp() as instance,
        sentiment.sentiment_intake(instance, tmp_path / "intake.sqlite") as intake,
    ):
        taken = intake.take_in(path)
    assert taken.is_new
    assert taken.key.startswith("my-tweets~")
    assert taken.event is not None
    assert taken.event.asset_key == dg.AssetKey("sentiment_file")
    assert taken.event.metadata["rows"].value == 2
