"""A recording forgotten for good: nothing of it is found in any byte of the home, and nothing else is lost."""

import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from dagster_project.commands import forget, products
from dagster_project.commands.daemon import Daemon
from dagster_project.definitions import build_defs
from dagster_project.instance import opened
from dagster_project.settings import Settings
from resources import failures_log
from resources.errors import BadInput
from resources.intake.recordings import recordings_intake
from resources.store import manifests, records

NAME = "Geheimes Gespräch – Übernahme.mp4"
TITLE = "Geheimes Gespräch – Übernahme"


class Home:
    """A home with two recordings: `secret` was dropped into the inbox, `other` given to `scriptorium notes`."""

    def __init__(self, home: Path, talks: Path, repo: Path) -> None:
        self.home, self.talks, self.repo = home, talks, repo
        self.settings = Settings(_env_file=None, home=home, speech_model="tiny.en", settle_seconds=0, offline=True)
        self.environment = {
            **os.environ,
            "SCRIPTORIUM_HOME": str(home),
            "SCRIPTORIUM_SPEECH_MODEL": "tiny.en",
            "SCRIPTORIUM_SETTLE_SECONDS": "0",
            "DAGSTER_HOME": str(home / "dagster"),
        }

    @property
    def original(self) -> Path:
        return self.settings.homes.recordings_inbox / NAME

    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.home / "dagster"))

    def partitions(self) -> list[str]:
        with self.instance() as instance:
            return list(instance.get_dynamic_partitions("recordings"))

    @property
    def secret(self) -> str:
        return next(key for key in self.partitions() if key.startswith("geheimes"))

    @property
    def other(self) -> str:
        return next(key for key in self.partitions() if key.startswith("bridge"))

    def words(self, key: str) -> list[str]:
        """The words that were recognised, in order."""
        store = (build_defs(self.settings).resources or {})["store"]
        with self.instance() as instance:
            record = records.latest(instance, dg.AssetKey("transcript"), key)
            assert record is not None
            return [word.text.strip() for segment in store.load(record).segments for word in segment.words]

    def forget(self, key: str, yes: bool = True) -> bool:
        return forget.run(self.settings, key, yes=yes)

    def script(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=self.repo,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
        )

    def notes(self, path: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dagster_project.cli", "notes", str(path)],
            cwd=self.repo,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            stdin=subprocess.DEVNULL,
        )

    def tick(self) -> dg.SensorResult:
        """What the recordings' sensor asks for now."""
        definitions = build_defs(self.settings)
        with (
            self.instance() as instance,
            dg.build_sensor_context(
                instance=instance, instance_ref=instance.get_ref(), definitions=definitions
            ) as context,
        ):
            return definitions.resolve_sensor_def("recordings").evaluate_tick(context)

    def holding(self, *texts: str) -> dict[str, list[str]]:
        """The files below the home, by path, that hold one of `texts` in their name or bytes, and which."""
        found: dict[str, list[str]] = {}
        for path in self.home.rglob("*"):
            content = path.read_bytes() if path.is_file() and path != self.original else b""
            name = path.relative_to(self.home).as_posix()
            spelled = {text: [text.encode(), text.encode("ascii", "backslashreplace")] for text in texts}
            for text, spellings in spelled.items():
                if any(spelling in content for spelling in spellings) or (text in name and path != self.original):
                    found.setdefault(name, []).append(text)
        return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, repo: Path, clip: Callable[[Path, float], Path]) -> Home:
    """Made by the real commands and the real daemon, and never changed: tests take copies."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "talks").mkdir()
    home = Home(folder / "home", folder / "talks", repo)
    clip(folder / "talks" / "bridge.mp4", 10.0)  # both show the title slide's second key frame: one picture for two
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SCRIPTORIUM_HOME", "DAGSTER_HOME", "SCRIPTORIUM_SPEECH_MODEL", "SCRIPTORIUM_SETTLE_SECONDS"):
            patch.setenv(name, home.environment[name])
        done = home.notes(folder / "talks" / "bridge.mp4")
        assert done.returncode == 0, done.stderr
        with opened(home.settings) as instance, Daemon(instance, home.home / "dagster", print) as daemon:
            home.original.write_bytes(b"not yet all of it")
            daemon.ensure()
            _until(lambda: home.settings.homes.failures_log.exists())  # refused, by name
            hidden = clip(home.original.with_name(".coming.mp4"), 12.0)
            hidden.replace(home.original)
            _until(lambda: [run.is_finished for run in instance.get_runs()] == [True, True])
        with opened(home.settings) as instance:
            failures_log.append(
                home.settings.homes.failures_log,
                failures_log.line("failed", NAME, "No room.", "Free some.", where=f"({home.secret}) at notes"),
            )
            instance.add_backfill(
                PartitionBackfill(
                    backfill_id="aaaaaaaa",
                    status=BulkActionStatus.COMPLETED_SUCCESS,
                    from_failure=False,
                    tags={"who": "me"},
                    backfill_timestamp=time.time(),
                    asset_selection=[dg.AssetKey("notes")],
                    partition_names=[home.secret, home.other],
                )
            )
    return home


@pytest.fixture
def home(made: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A copy at the same place: paths are absolute in events."""
    aside = tmp_path / "aside"
    made.home.rename(aside)
    shutil.copytree(aside, made.home, symlinks=True)
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(made.home))
    monkeypatch.setenv("DAGSTER_HOME", str(made.home / "dagster"))
    yield made
    shutil.rmtree(made.home)
    aside.rename(made.home)


def _until(reached: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.3)


def _only_said_in(words: list[str], other: list[str], count: int = 3) -> str:
    """Some words in a row that one transcript has and the other has not."""
    said = " ".join(other)
    return next(text for i in range(len(words)) if (text := " ".join(words[i : i + count])) not in said)


def test_nothing_of_it_is_left_and_nothing_else_is_lost(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    secret, other = home.secret, home.other
    phrase = _only_said_in(home.words(secret), home.words(other))
    with home.instance() as instance:
        run = next(run.run_id for run in instance.get_runs() if run.tags["dagster/partition"] == secret)
    texts = (secret, NAME, TITLE, phrase, run)
    before = home.holding(*texts)
    for place in ("intake.sqlite", "library/failures.log", "dagster/daemon.log", "dagster/history/runs/index.db",
                  "dagster/history/runs/.db", "dagster/history/runs.db", "dagster/schedules/schedules.db"):  # fmt: skip
        assert place in before, f"{place} does not name it: this test would prove nothing there"
    assert {text for found in before.values() for text in found} == set(texts)
    shared = {d for d, keys in _users(home).items() if keys >= {secret, other}}
    assert shared, "they have no content in common: this test would prove nothing of that"

    assert home.forget(secret)

    assert home.holding(*texts) == {"intake.sqlite": [NAME, TITLE]}  # it goes on leaving the original alone
    said = capfd.readouterr().out
    assert str(home.original) in said
    assert "but the rows of the intake by which the inbox leaves the original alone" in said
    home.original.unlink()
    home.tick()
    assert home.holding(*texts) == {}
    assert home.partitions() == [other]
    assert all((home.home / "store/objects" / digest[:2] / digest).is_file() for digest in shared)
    assert set(_users(home).values()) == {frozenset([other])}
    with closing(sqlite3.connect(home.home / "store" / "verified.sqlite")) as verified:
        seen = {digest for (digest,) in verified.execute("select digest from verified")}
    assert seen
    assert seen <= set(_users(home))
    with opened(home.settings) as instance:
        store = (build_defs(home.settings).resources or {})["store"]
        product = products.find(build_defs(home.settings), "recordings")
        assert not products.missing(product, instance, store, [other])
        pdf = products.library_pdf(store, instance, other)
    assert pdf is not None
    assert pdf.read_bytes().startswith(b"%PDF")


def _users(home: Home) -> dict[str, frozenset[str]]:
    """Which recordings use an object."""
    found: dict[str, set[str]] = {}
    root = home.home / "store"
    for path in manifests.stored(root):
        manifest = manifests.read(root, path)
        for file in manifest.files:
            found.setdefault(file.digest, set()).add(str(manifest.partition))
    return {digest: frozenset(keys) for digest, keys in found.items()}


def test_dagster_can_be_asked_as_before(home: Home) -> None:
    secret, other = home.secret, home.other
    # As a webserver has it: the databases are open, in another process, while it happens.
    code = (
        "import sqlite3, sys, time\n"
        "dbs = [sqlite3.connect(path) for path in sys.argv[1:]]\n"
        "[db.execute('select count(*) from sqlite_master').fetchall() for db in dbs]\n"
        "print('open', flush=True)\n"
        "time.sleep(120)\n"
    )
    paths = [home.home / "dagster" / path for path in ("history/runs/index.db", "history/runs.db")]
    reader = subprocess.Popen([sys.executable, "-c", code, *map(str, paths)], stdout=subprocess.PIPE)
    try:
        assert reader.stdout is not None
        reader.stdout.readline()
        with home.instance() as instance:
            last = max(record.storage_id for record in _materializations(instance, "published", None))
            assert home.forget(secret)
            assert reader.poll() is None
            for asset in ("recording", "audio", "transcript", "notes", "published"):
                key = dg.AssetKey(asset)
                assert _materializations(instance, asset, secret) == []
                assert len(_materializations(instance, asset, other)) == 1
                (record,) = instance.get_asset_records([key])
                event = record.asset_entry.last_materialization
                assert event is not None
                assert event.asset_materialization is not None
                assert event.asset_materialization.partition == other
                assert instance.get_materialized_partitions(key) == {other}
                cached = record.asset_entry.cached_status
                assert cached is None or secret not in str(cached)
            assert instance.get_latest_materialization_event(dg.AssetKey("notes")) is not None
            assert [run.tags["dagster/partition"] for run in instance.get_runs()] == [other]
            assert instance.get_backfills() == []
            for sensor in instance.all_instigator_state():
                assert instance.get_ticks(sensor.instigator_origin_id, sensor.selector_id) is not None
            # Sensors remember the last event they have read by its number: it is not given again.
            instance.report_runless_asset_event(dg.AssetMaterialization("published", partition=other))
            assert _materializations(instance, "published", other)[0].storage_id > last
    finally:
        reader.kill()
        reader.wait()


def _materializations(instance: dg.DagsterInstance, asset: str, key: str | None) -> list[dg.EventLogRecord]:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=None if key is None else [key])
    return list(instance.fetch_materializations(wanted, limit=100).records)


def test_the_sensor_leaves_the_original_alone_and_a_person_may_name_it(home: Home) -> None:
    secret = home.secret
    assert home.forget(secret)
    audit = home.home / "forgotten.log"
    assert len(audit.read_text().splitlines()) == 1
    copy = home.original.with_name("another name.mp4")
    copy.write_bytes(home.original.read_bytes())
    for _ in range(3):
        asked = home.tick()
        assert not asked.run_requests
        assert not asked.asset_events
        assert not asked.dynamic_partitions_requests
    (home.home / "intake.sqlite").unlink()  # it is but a cache
    home.tick()
    assert not home.tick().run_requests
    done = home.notes(copy)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_file()
    (again,) = set(home.partitions()) - {home.other}
    assert again.partition("~")[2] == secret.partition("~")[2]
    assert not home.tick().run_requests
    assert home.forget(again)
    assert [line.split("  ")[1] for line in audit.read_text().splitlines()] == ["forgotten", "taken in", "forgotten"]
    assert home.partitions() == [home.other]
    assert not home.tick().run_requests


def test_a_daemon_that_works_meanwhile_brings_nothing_back(home: Home) -> None:
    secret, other = home.secret, home.other
    with opened(home.settings) as instance, Daemon(instance, home.home / "dagster", print, home.environment) as daemon:
        ticks = _ticks(instance)
        daemon.ensure()
        _until(lambda: _ticks(instance) > ticks)
        assert home.forget(secret)
        ticks = _ticks(instance)
        _until(lambda: _ticks(instance) > ticks + 1)
        assert [run.tags["dagster/partition"] for run in instance.get_runs()] == [other]
    assert home.partitions() == [other]
    assert home.holding(secret, NAME, TITLE) == {"intake.sqlite": [NAME, TITLE]}


def _ticks(instance: dg.DagsterInstance) -> int:
    """The number of the latest tick of the recordings' sensor."""
    (sensor,) = (state for state in instance.all_instigator_state() if state.instigator_name == "recordings")
    return instance.get_ticks(sensor.instigator_origin_id, sensor.selector_id, limit=1)[0].tick_id


def test_what_runs_is_not_forgotten(home: Home) -> None:
    secret = home.secret
    with home.instance() as instance:
        run = instance.run_storage.add_run(
            dg.DagsterRun("recordings", tags={"dagster/partition": secret}, status=dg.DagsterRunStatus.STARTED)
        )
        with pytest.raises(BadInput, match="being worked on"):
            home.forget(secret)
        instance.report_run_canceled(run)
        instance.add_backfill(
            PartitionBackfill("bbbbbbbb", BulkActionStatus.REQUESTED, False, {}, time.time(),
                              asset_selection=[dg.AssetKey("notes")], partition_names=[secret]),
        )  # fmt: skip
        with pytest.raises(BadInput, match="bbbbbbbb"):
            home.forget(secret)
    assert secret in home.partitions()
    assert (home.home / "library/recordings" / secret / "notes.pdf").is_file()
    assert not (home.home / "forgotten.log").exists()


def test_a_run_that_made_others_too_is_not_deleted(home: Home) -> None:
    secret, other = home.secret, home.other
    with home.instance() as instance:
        run = instance.run_storage.add_run(
            dg.DagsterRun("recordings", tags={"dagster/partition": secret}, status=dg.DagsterRunStatus.SUCCESS)
        )
        made = DagsterEvent(
            event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
            job_name=run.job_name,
            event_specific_data=StepMaterializationData(dg.AssetMaterialization("audio", partition=other)),
        )
        instance.report_dagster_event(made, run.run_id)
    with pytest.raises(BadInput, match="other partitions"):
        home.forget(secret)
    assert secret in home.partitions()


_KILLED = """
import os, signal, sys
from dagster_project.commands import erasing, forget
from dagster_project.settings import Settings
from resources import traces
from resources.intake.ledger import Ledger
from resources.store.upkeep import forgetting
import dagster as dg

places = {
    "objects deleted": (forgetting, "_sync"),
    "store deleted": (forgetting, "sweep_temporary"),
    "logs cleared": (erasing, "erase"),
    "ticks deleted": (erasing, "_erase_last_key"),
    "run half deleted": (dg.DagsterInstance, "delete_run"),
    "events deleted": (erasing, "_mend_assets"),
    "Dagster's part done": (Ledger, "drop"),
    "partition still there": (dg.DagsterInstance, "delete_dynamic_partition"),
    "nothing rewritten yet": (traces, "wash"),
}
owner, name = places[sys.argv[1]]
real = getattr(owner, name)


def die(*args, **kwargs):
    if name == "delete_run":
        args[0].run_storage.delete_run(args[1])
    if name == "wash" and "index" not in str(args[0]):
        return real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)


setattr(owner, name, die)
forget.run(Settings(), sys.argv[2], yes=True)
"""


@pytest.mark.parametrize(
    "moment",
    ["objects deleted", "store deleted", "logs cleared", "ticks deleted", "run half deleted", "events deleted",
     "Dagster's part done", "partition still there", "nothing rewritten yet"],
)  # fmt: skip
def test_killed_at_any_moment_a_second_call_finishes(home: Home, moment: str) -> None:
    secret, other = home.secret, home.other
    phrase = _only_said_in(home.words(secret), home.words(other))
    digest = _digest(home, secret)
    killed = home.script(_KILLED, moment, secret)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    audit = home.home / "forgotten.log"
    assert audit.read_text().count(digest) == 1  # from before anything was deleted
    assert not home.tick().run_requests

    assert home.forget(secret)

    home.original.unlink()
    home.tick()
    assert home.holding(secret, NAME, TITLE, phrase) == {}
    assert audit.read_text().count(digest) == 1
    assert home.partitions() == [other]
    assert set(_users(home).values()) == {frozenset([other])}
    objects = {path.name for path in (home.home / "store/objects").glob("*/*")}
    assert objects == set(_users(home))


def _digest(home: Home, key: str) -> str:
    with home.instance() as instance, recordings_intake(instance, home.settings.homes.intake, 1.0) as intake:
        digest = intake.ledger.digest_of(key)
    assert digest is not None
    return digest


def test_a_key_that_is_none_gets_those_that_are_like_it(home: Home) -> None:
    with pytest.raises(BadInput, match="no partition") as told:
        home.forget(home.other[:-1])
    assert home.other in told.value.remedy
    assert not (home.home / "forgotten.log").exists()


def test_nobody_is_asked_where_nobody_is(home: Home) -> None:
    done = home.script(
        "import sys\nfrom dagster_project.commands.forget import run\nfrom dagster_project.settings import Settings\n"
        "sys.stdin = open('/dev/null')\nrun(Settings(), sys.argv[1], yes=False)",
        home.secret,
    )
    assert done.returncode == 1
    assert "--yes" in done.stderr
    assert "7 manifests" in done.stderr  # what would be deleted
    assert home.secret in home.partitions()


@pytest.mark.parametrize(("answer", "gone"), [("n", False), ("", False), ("y", True)])
def test_at_a_terminal_it_asks_first(home: Home, answer: str, gone: bool) -> None:
    secret = home.secret
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [sys.executable, "-c", _ASKED, secret],
            cwd=home.repo, env=home.environment, stdin=theirs, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == (0 if gone else 1), done.stderr
    assert "for ever" in done.stderr
    assert ("Nothing was deleted" in done.stderr) is not gone
    assert (secret not in home.partitions()) is gone
    assert (home.home / "forgotten.log").exists() is gone


_ASKED = """
import sys
from dagster_project.commands.forget import run
from dagster_project.settings import Settings
sys.exit(0 if run(Settings(), sys.argv[1], yes=False) else 1)
"""


def test_another_file_of_the_same_name_is_no_trace(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    namesake = home.original.parent / "next year" / NAME
    namesake.parent.mkdir()
    shutil.copy(home.talks / "bridge.mp4", namesake)  # its bytes are those of the other recording
    home.tick()
    assert home.forget(home.secret)
    assert "name is that of others" in capfd.readouterr().out
    with home.instance() as instance, recordings_intake(instance, home.settings.homes.intake, 1.0) as intake:
        assert intake.ledger.places(home.other).count(str(namesake)) == 1


def test_a_damaged_manifest_of_another_keeps_the_objects(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    secret, other = home.secret, home.other
    phrase = _only_said_in(home.words(secret), home.words(other))
    root = home.home / "store"
    damaged = next(root / path for path in manifests.stored(root) if f"/notes/{other}"[1:] in path.partition("/")[2])
    sound = damaged.read_bytes()
    damaged.chmod(0o644)
    damaged.write_bytes(sound.replace(b'"kind"', b'"kinds"'))
    objects = len(list((root / "objects").glob("*/*")))
    assert not home.forget(secret)
    assert damaged.name in capfd.readouterr().out
    assert len(list((root / "objects").glob("*/*"))) == objects
    assert home.holding(secret, phrase).keys() <= {f"store/objects/{d[:2]}/{d}" for d in _names(root)}
    damaged.write_bytes(sound)
    assert home.forget(secret)
    assert home.holding(secret, phrase) == {}
    assert {path.name for path in (root / "objects").glob("*/*")} == set(_users(home))


def _names(root: Path) -> list[str]:
    return [path.name for path in (root / "objects").glob("*/*")]


def test_what_else_names_it_is_told(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    secret = home.secret
    note = home.home / "library" / "a list of mine.txt"
    note.write_text(f"to do: read {secret}\n")
    assert not home.forget(secret)
    assert str(note) in capfd.readouterr().out
    note.unlink()
    assert home.forget(secret)


def test_what_killed_runs_and_reports_left_behind_goes_too(home: Home) -> None:
    secret, other = home.secret, home.other
    root = home.home / "store"
    scratch = root / "scratch" / "transcript" / secret / "0123"
    scratch.mkdir(parents=True)
    (scratch / "window").write_text("a secret window")
    aside = root / "bad" / f"{next(d for d, keys in _users(home).items() if keys == {secret})}-12345678"
    aside.parent.mkdir(exist_ok=True)
    aside.write_text("a secret, half readable")
    orphan = root / "objects" / "ab" / ("ab" + "c" * 62)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_text("a secret that no manifest names")
    torn = root / "tmp" / "0123"
    torn.write_text("a secret half written")
    os.utime(torn, (time.time() - 59, time.time() - 59))
    mine = home.home / "library" / "recordings" / secret / "remarks.txt"
    mine.write_text("a secret remark")
    with home.instance() as instance:
        report = instance.run_storage.add_run(dg.DagsterRun("store_report", status=dg.DagsterRunStatus.SUCCESS))
        instance.report_engine_event(f"the largest: notes [{secret}], notes [{other}]", report)
    with closing(sqlite3.connect(home.home / "dagster" / "history" / "runs" / "index.db")) as index:
        # As Dagster's own deletions and updates leave it, where SQLite is not built to overwrite what is deleted.
        index.execute("pragma secure_delete = off")
        index.execute("create table earlier (text text)")
        index.executemany("insert into earlier values (?)", [("a secret of old " * 300,)] * 20)
        index.commit()
        index.execute("drop table earlier")
        index.commit()
    assert "dagster/history/runs/index.db" in home.holding("a secret of old")
    assert home.forget(secret)
    assert home.holding("a secret") == {}
    with home.instance() as instance:
        assert [run.tags["dagster/partition"] for run in instance.get_runs()] == [other]


def _take_in(instance: dg.DagsterInstance, key: str, path: str) -> None:
    """As `scriptorium notes` reports a file that lies anywhere."""
    instance.report_runless_asset_event(
        dg.AssetMaterialization("recording", partition=key, metadata={"path": dg.MetadataValue.path(path)})
    )


def test_what_others_are_called_too_is_theirs(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    secret, other = home.secret, home.other
    long = "Lecture on the history of glaciers and their moraines, part "  # 60 characters: cut, both are the same
    log = home.settings.homes.failures_log
    lines = {
        "mine by its name": failures_log.line("refused", f"{long}1.mp4", "No sound.", "Add some."),
        "mine by its key": failures_log.line("failed", f"{long}2.mp4", "No room.", "", where=f"({secret}) at notes"),
        "of another": failures_log.line("refused", f"{long}2.mp4", "No sound.", "Add some."),
        "of another whose name ends alike": failures_log.line("refused", f"My {NAME}", "No sound.", "Add some."),
        "of another by its key": failures_log.line("failed", NAME, "No room.", "", where=f"({other}) at notes"),
    }
    for line in lines.values():
        failures_log.append(log, line)
    with home.instance() as instance:
        _take_in(instance, secret, f"/somewhere/{long}1.mp4")
        _take_in(instance, secret, "/somewhere/audio.flac")  # as a file is called in every manifest of audio
        _take_in(instance, other, f"/elsewhere/{long}2.mp4")
        _take_in(instance, other, f"/elsewhere/My {NAME}")
    (home.home / "intake.sqlite").unlink()  # it is but a cache
    assert home.forget(secret), capfd.readouterr().out
    said = capfd.readouterr().out
    assert "warn  name: its name is that of others" in said
    assert "history/runs/index.db: table event_logs" in said
    assert "store/assets" not in said
    left = log.read_text()
    assert [what for what, line in lines.items() if line in left] == [what for what in lines if "of another" in what]
    with home.instance() as instance:
        assert len(_materializations(instance, "recording", other)) == 3


@pytest.mark.parametrize("away", ["all manifests", "those of another recording"])
def test_while_manifests_are_away_no_object_goes(home: Home, away: str, capfd: pytest.CaptureFixture[str]) -> None:
    secret, other = home.secret, home.other
    root, aside = home.home / "store", home.home.parent / "away"
    paths = list(manifests.stored(root)) if away == "all manifests" else [
        path for path in manifests.stored(root) if path.split("/")[2] == other
    ]  # fmt: skip
    for path in paths:
        (aside / path).parent.mkdir(parents=True)
        (root / path).rename(aside / path)
    objects = set(_names(root))
    try:
        assert not home.forget(secret)
        assert set(_names(root)) == objects
        said = capfd.readouterr().out
        assert "it is not there" in said
        assert "backup" in said
    finally:
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (aside / path).rename(root / path)
        shutil.rmtree(aside)
    assert home.forget(secret)
    assert set(_users(home).values()) == {frozenset([other])}
    assert set(_names(root)) == set(_users(home))


def test_the_ledger_is_searched_too(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    secret = home.secret
    with closing(sqlite3.connect(home.home / "intake.sqlite")) as ledger, ledger:
        ledger.execute(
            "insert into originals (asset, key, digest, path, size, mtime_ns) values ('films', ?, 'd', 'p', 1, 1)",
            (secret,),
        )
    assert not home.forget(secret)
    assert "intake.sqlite: table originals" in capfd.readouterr().out
    with closing(sqlite3.connect(home.home / "intake.sqlite")) as ledger, ledger:
        ledger.execute("delete from originals where asset = 'films'")
    assert home.forget(secret)


def test_it_says_what_takes_long(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    young = home.home / "store" / "tmp" / "0123"
    young.write_text("half written")
    os.utime(young, (time.time() - 50, time.time() - 50))
    assert home.forget(home.secret)
    said = capfd.readouterr().err
    places = [said.find(text) for text in ("as soon as no run", "Waiting a minute", "Searching", "searching: ")]
    assert -1 not in places, said
    assert places == sorted(places)
