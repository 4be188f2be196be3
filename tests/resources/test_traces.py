"""Whatever a file holds is found: split between reads and pages, written as JSON, in a log not yet merged."""

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from resources import traces

NAME = "Geheimes Gespräch.mp4"


def _found(root: Path, *texts: str, skip: tuple[Path, ...] = ()) -> list[tuple[str, str]]:
    return [(str(path.relative_to(root)), where) for path, where, _ in traces.search([root], texts, skip)[0]]


def test_a_text_is_found_across_the_blocks_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(b"x" * ((8 << 20) - 5) + NAME.encode() + b"x" * 1000)
    found, files, size = traces.search([tmp_path], [NAME], [])
    assert found == [(file, "its bytes", True)]
    assert (files, size) == (1, file.stat().st_size)


@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize("ascii_", [True, False])
def test_a_text_is_found_in_json_in_json(tmp_path: Path, depth: int, ascii_: bool) -> None:
    said: object = f'"{NAME}" was refused'
    for _ in range(depth):
        said = json.dumps({"said": said}, ensure_ascii=ascii_)
    (tmp_path / "event").write_text(str(said), encoding="utf-8")
    assert _found(tmp_path, NAME) == [("event", "its bytes")]


def test_names_of_files_folders_and_links_count_but_not_that_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "secret home"
    (root / "secret folder").mkdir(parents=True)
    (root / "link").symlink_to("secret place")
    (root / "a").mkdir()
    (root / "a" / "secret.txt").write_text("nothing")
    (root / "a" / "good.txt").write_text("nothing")
    assert sorted(_found(root, "secret")) == [
        ("a/secret.txt", "its name"), ("link", "where it leads"), ("secret folder", "its name"),
    ]  # fmt: skip


def test_what_is_skipped_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    for name in ("inbox/a.txt", "b.txt", "c.txt"):
        (tmp_path / name).write_text("secret")
    assert _found(tmp_path, "secret", skip=(tmp_path / "inbox", tmp_path / "b.txt")) == [("c.txt", "its bytes")]


def test_a_value_that_lies_on_two_pages_is_found_in_its_row(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table events (run_id text, event text)")
        database.execute("pragma synchronous = off")
        for place in range(400, 4700):  # at one of these it is split between two pages of 4096 bytes
            text = "x" * place + "secret" + "x" * (9000 - place)
            database.execute("delete from events")
            database.execute("insert into events values ('run-1', ?)", (text,))
            database.commit()
            if b"secret" not in path.read_bytes():
                break
        else:
            pytest.fail("no value was split")
    assert _found(tmp_path, "secret") == [("events.db", "table events (run run-1)")]
    assert traces.is_named(path, ["secret"])
    assert not traces.is_named(path, ["something else"])


def test_a_file_that_is_no_database_in_spite_of_its_beginning_counts_as_found(tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    ((_, where),) = _found(tmp_path, "secret")
    assert "can't be searched" in where


def _filled(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=1)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma secure_delete = off")
    database.execute("create table said (id integer primary key, text text)")
    database.executemany("insert into said (text) values (?)", [(f"secret {i} " + "x" * 3000,) for i in range(50)])
    database.execute("insert into said (text) values ('kept')")
    database.execute("delete from said where text like 'secret%'")
    return database


def test_what_was_deleted_is_gone_after_washing_though_others_have_it_open(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(_filled(path)) as other:
        assert _found(tmp_path, "secret"), "deleted rows are not in the file: this test would prove nothing"
        assert traces.wash(path)
        assert _found(tmp_path, "secret") == []
        assert other.execute("select id, text from said").fetchall() == [(51, "kept")]


def test_washing_waits_for_a_reader_and_says_when_it_goes_on_too_long(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with closing(_filled(path)) as writer, closing(sqlite3.connect(path, check_same_thread=False)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from said").fetchone()
        writer.execute("insert into said (text) values ('later')")
        assert not traces.wash(path, within_s=0.5)
        threading.Timer(0.5, reader.rollback).start()
        assert traces.wash(path, within_s=20)
    assert _found(tmp_path, "secret") == []


def test_lines_are_blanked_in_place(tmp_path: Path) -> None:
    log = tmp_path / "failures.log"
    log.write_text("one\ntwo secret\nthree\nsecret four")
    with log.open("ab") as appending:
        assert traces.blank_lines(log, traces.naming(["secret"])) == 2
        appending.write(b"\nfive\n")
    assert log.read_text() == "one\n          \nthree\n           \nfive\n"
    assert traces.blank_lines(tmp_path / "absent.log", traces.naming(["secret"])) == 0


def test_where_only_a_doubtful_text_is_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("my secret talk")
    (tmp_path / "two.txt").write_text("a talk")
    with closing(sqlite3.connect(tmp_path / "three.db")) as database, database:
        database.execute("create table said (text text)")
        database.executemany("insert into said values (?)", [("a talk",), ("my secret",)])
        database.execute("create table heard (text text)")
        database.execute("insert into heard values ('a talk')")
    found, _, _ = traces.search([tmp_path], ["secret"], [], doubtful=["talk"])
    assert sorted((trace.path.name, trace.where, trace.sure) for trace in found) == [
        ("one.txt", "its bytes", True), ("three.db", "table heard", False), ("three.db", "table said", True),
        ("two.txt", "its bytes", False),
    ]  # fmt: skip


def test_of_a_database_only_those_rows_are_left_out_that_may_be_there(tmp_path: Path) -> None:
    path = tmp_path / "intake.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table files (path text, state text)")
        database.execute("insert into files values ('secret', 'ignored')")
        database.commit()
        allowed = {path: lambda row: row["state"] == "ignored"}
        assert _found(tmp_path, "secret")
        assert traces.search([tmp_path], ["secret"], [], allowed=allowed)[0] == []
        database.execute("insert into files values ('secret', 'taken')")
        database.commit()
        assert [trace.where for trace in traces.search([tmp_path], ["secret"], [], allowed=allowed)[0]] == [
            "table files"
        ]


def test_what_was_clean_and_has_not_changed_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, clean, told = tmp_path / "a.txt", dict[Path, tuple[int, ...]](), list[tuple[int, int]]()
    file.write_text("nothing")
    traces.search([tmp_path], ["secret"], [], clean=clean)
    assert clean == {}  # written a moment ago
    monkeypatch.setattr(traces, "_SETTLED_S", -1.0)
    traces.search([tmp_path], ["nothing"], [], clean=clean)
    assert clean == {}  # it holds what is looked for
    traces.search([tmp_path], ["secret"], [], clean=clean, watch=lambda *step: told.append(step))
    assert told == [(6, 7), (7, 7)]
    assert traces.search([tmp_path], ["nothing"], [], clean=clean) == ([], 1, 7)  # known to be clean: not read
    file.write_text("a secret")
    assert [trace.path for trace in traces.search([tmp_path], ["secret"], [], clean=clean)[0]] == [file]
