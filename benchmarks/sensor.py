"""How long a tick of the recordings' sensor takes when 10,000 and when 100,000 files are known already.

    python benchmarks/sensor.py [--long] [--files N] [--ticks N] [--folder PATH]

Known files are real (tiny) files in a real inbox; their ledger rows, partitions, events and finished runs are written
into the tables of a real Dagster instance, by copying what Dagster itself wrote for the first one. Ticks are then
evaluated as the code server does it: a new instance from its reference, the sensor's function, the result's checks.
Side by side in the same run: a plain walk through the same folder (`os.walk` and `os.stat`), as the floor.

After the ticks with nothing new, 50 new recordings are dropped and taken in, to show what a burst costs on top.
"""

import argparse
import logging
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
import wave
from pathlib import Path

import dagster as dg
from blake3 import blake3

from resources.intake.identity import FileStat
from resources.intake.intake import Intake
from resources.intake.ledger import Ledger
from resources.intake.recordings import recordings
from sensors.recordings import recordings_inbox

AIMS_S = {10_000: 1.0, 100_000: 10.0}
CURSOR_AIM_BYTES = 4096
BURST = 50
PARTITIONS = dg.DynamicPartitionsDefinition(name="recordings")


@dg.asset(partitions_def=PARTITIONS, deps=[dg.AssetKey("recording")])
def published() -> None:
    """Stands for the chain; nothing is run here."""


class Home:
    """An inbox and a Dagster instance under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.inbox, self.ledger = folder, folder / "inbox", folder / "intake.sqlite"
        self.inbox.mkdir()
        (folder / "dagster").mkdir()
        self.instance = dg.DagsterInstance.local_temp(str(folder / "dagster"))
        sensor = recordings_inbox(
            folder=self.inbox,
            ledger=self.ledger,
            failures=folder / "failures.log",
            disk=folder,
            settle_seconds=0,
            min_free_gb=0,
        )
        self.definitions = dg.Definitions(
            assets=[dg.AssetSpec("recording", partitions_def=PARTITIONS), published],
            jobs=[dg.define_asset_job("recordings", [published], executor_def=dg.in_process_executor)],
            sensors=[sensor],
        )
        self.sensor = self.definitions.resolve_sensor_def("recordings")
        self.cursor: str | None = None

    def tick(self, apply: bool) -> tuple[float, int]:
        """Evaluate one tick; returns its seconds and the runs asked for. `apply` makes them, as the daemon does."""
        start = time.perf_counter()
        with dg.build_sensor_context(
            instance_ref=self.instance.get_ref(), cursor=self.cursor, definitions=self.definitions
        ) as context:
            data = self.sensor.evaluate_tick(context)
        seconds = time.perf_counter() - start
        self.cursor = data.cursor
        if apply:
            for event in data.asset_events:
                self.instance.report_runless_asset_event(event)
            for request in data.dynamic_partitions_requests or []:
                self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
            for asked in data.run_requests or []:
                tags = {**asked.tags, "dagster/run_key": str(asked.run_key), "dagster/partition": str(asked.run_key)}
                run = dg.DagsterRun(job_name="recordings", tags=tags, status=dg.DagsterRunStatus.SUCCESS)
                self.instance.run_storage.add_run(run)
        return seconds, len(data.run_requests or [])


def recording(path: Path, number: int) -> None:
    """Two seconds of sound at 100 samples a second, unlike those of any other number."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(100)
        out.writeframes(number.to_bytes(8, "little") + bytes(392))


def seed(home: Home, files: int) -> None:
    """Make `files` files known. The first goes the real way; the others are written as copies of its rows."""
    first = home.inbox / "first.wav"
    recording(first, 0)
    while home.tick(apply=True)[1] or home.instance.get_runs_count() == 0:
        pass
    home.tick(apply=True)
    (key,) = home.instance.get_dynamic_partitions("recordings")
    digest = blake3(first.read_bytes()).hexdigest()
    seeds: list[tuple[Path, FileStat, str, str]] = []
    for number in range(1, files):
        folder = home.inbox / f"{number // 1000:03}"
        if number % 1000 == 0 or number == 1:
            folder.mkdir(exist_ok=True)
        path = folder / f"lecture {number:06}.wav"
        path.write_bytes(b"%d" % number)
        other = blake3(b"%d" % number).hexdigest()
        seeds.append((path, FileStat.of(path.stat()), f"lecture-{number:06}~{other[:16]}", other))
        if number % 20_000 == 0:
            print(f"{number}/{files} files written", flush=True)
    _seed_ledger(home, seeds)
    home.instance.add_dynamic_partitions("recordings", [row[2] for row in seeds])
    print("partitions written", flush=True)
    storage = home.folder / "dagster" / "history"
    runs = _copy_rows(
        storage / "runs.db",
        {"runs": "run_id", "run_tags": "run_id"},
        [(digest, other, key, k) for _, _, k, other in seeds],
    )
    events = _copy_rows(
        storage / "runs" / "index.db",
        {"event_logs": None},
        [(digest, other, key, k) for _, _, k, other in seeds],
    )
    with Intake(recordings(1.0), home.instance, home.ledger, "recordings") as intake:
        for path, stat, known, other in (seeds[0], seeds[len(seeds) // 2], seeds[-1]):
            due = intake.due(known, other, str(path), stat)
            if due.event or due.run:
                raise SystemExit(f"the copied rows of {known} are not what Dagster would have written")
    print(f"{runs} rows of runs and {events} rows of events written", flush=True)


def _seed_ledger(home: Home, seeds: list[tuple[Path, FileStat, str, str]]) -> None:
    owner = home.instance.run_storage.get_run_storage_id()  # type: ignore[attr-defined]
    with Ledger(home.ledger, "recording", owner):
        pass
    with sqlite3.connect(home.ledger) as db:
        db.executemany(
            "insert into files (asset, path, size, mtime_ns, ctime_ns, inode, state, since, key)"
            " values ('recording', ?, ?, ?, ?, ?, 'taken', 0, ?)",
            [(os.fsencode(path), *stat, key) for path, stat, key, _ in seeds],
        )
        db.executemany(
            "insert into originals (asset, key, digest, path, size, mtime_ns, open)"
            " values ('recording', ?, ?, ?, ?, ?, 0)",
            [(key, digest, os.fsencode(path), stat.size, stat.mtime_ns) for path, stat, key, digest in seeds],
        )
    db.close()
    print("ledger written", flush=True)


def _copy_rows(database: Path, tables: dict[str, str | None], changes: list[tuple[str, str, str, str]]) -> int:
    """For each change, copy every row of the first recording with its digest and key replaced.

    `tables` names the column that gets a new id per copy, the same in all tables. Returns how many rows were written.
    """
    written = 0
    with sqlite3.connect(database) as db:
        for table, renamed in tables.items():
            cursor = db.execute(f"select * from {table}")
            columns = [column[0] for column in cursor.description]
            keep = [i for i, column in enumerate(columns) if column != "id"]
            rows = cursor.fetchall()
            names = ", ".join(f'"{columns[i]}"' for i in keep)
            marks = ", ".join("?" for _ in keep)
            for number, (old_digest, new_digest, old_key, new_key) in enumerate(changes, 1):
                copies = []
                for row in rows:
                    values = [
                        value.replace(old_key, new_key).replace(old_digest, new_digest)
                        if isinstance(value, str)
                        else value
                        for value in row
                    ]
                    if renamed:
                        values[columns.index(renamed)] = f"00000000-0000-4000-8000-{number:012}"
                    copies.append([values[i] for i in keep])
                db.executemany(f"insert into {table} ({names}) values ({marks})", copies)
                written += len(copies)
    db.close()
    return written


def walk(root: Path) -> float:
    """The floor: look at every file's stat and do nothing with it."""
    start = time.perf_counter()
    for folder, _, names in os.walk(root):
        for name in names:
            os.stat(f"{folder}/{name}")  # noqa: PTH116 - as plain as it gets
    return time.perf_counter() - start


def measure(files: int, ticks: int, folder: Path) -> None:
    home = Home(folder)
    seed(home, files)
    home.tick(apply=False)  # warms the caches of the file system and of Python
    idle, floor = [], []
    for number in range(ticks):
        seconds, asked = home.tick(apply=False)
        if asked:
            raise SystemExit(f"{asked} runs were asked for where nothing is new")
        idle.append(seconds)
        floor.append(walk(home.inbox))
        print(f"{files} known, tick {number + 1}/{ticks}: {seconds:.2f} s; plain walk {floor[-1]:.2f} s", flush=True)
    cursor = len((home.cursor or "").encode())
    for number in range(BURST):
        recording(home.inbox / f"new {number}.wav", number + 1)
    burst, asked = home.tick(apply=True)
    print(f"{files} known and {BURST} new: {burst:.2f} s for {asked} runs asked for", flush=True)
    if asked != BURST:
        raise SystemExit(f"{asked} of {BURST} new recordings were asked for")
    again, asked = home.tick(apply=False)
    print(f"the tick after that: {again:.2f} s", flush=True)
    if asked:
        raise SystemExit(f"{asked} runs were asked for twice")
    home.instance.dispose()
    middle = statistics.median(idle)
    print(f"{files} known: {middle / statistics.median(floor):.1f} times a plain walk (n={ticks})")
    aim = AIMS_S.get(files)
    verdict = "unmeasured" if aim is None else "ok" if middle <= aim else "short"
    print(f"sensor_tick_s_{files} {middle:.2f} {'-' if aim is None else f'{aim:g}'} {verdict}")
    print(f"sensor_cursor_bytes_{files} {cursor} {CURSOR_AIM_BYTES} {'ok' if cursor <= CURSOR_AIM_BYTES else 'short'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, action="append", help="known files; may be given several times")
    parser.add_argument("--ticks", type=int, default=7)
    parser.add_argument("--long", action="store_true", help="15 ticks each")
    parser.add_argument("--folder", type=Path, help="where to work (default: the temporary folder)")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    for files in arguments.files or sorted(AIMS_S):
        folder = Path(tempfile.mkdtemp(prefix="sensor-benchmark-", dir=arguments.folder))
        try:
            measure(files, 15 if arguments.long else arguments.ticks, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
