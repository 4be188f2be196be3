"""What `scriptorium forget` is to forget: all that is known of the file behind a key, and what it shares with others.

Belongs here: paths, names as they are spelled in logs, and which of them may mean another file. Does not belong here:
deleting and searching (`forget.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from resources import traces
from resources.intake.identity import FileStat, shown
from resources.intake.intake import Intake
from resources.intake.ledger import IGNORED
from resources.store import durable

DIGITS = re.compile(r"~([0-9a-f]{16,64})\Z")
_SOMEBODYS = re.compile(rb'" \([^()\s]+~[0-9a-f]{16,64}\)|\(run [0-9a-f-]{8,36}\)\s*\Z')
"""A line of failures.log that says whose it is: see `resources/failures_log.py` and `sensors/failures.py`."""


@dataclass(frozen=True)
class Subject:
    """What is to be forgotten: `paths` where its file was, `originals` of these where it still is.

    `staying` are originals in the inbox. `names` are the file's names and `places` its paths, each as it is and as it
    is shown, in full or cut; those in `common` are other files', too, or in what is said of these.
    """

    key: str
    digest: str | None
    paths: list[str]
    originals: list[str]
    staying: list[tuple[str, FileStat]]
    names: list[str]
    places: list[str]
    common: frozenset[str]

    @property
    def own(self) -> list[str]:
        """What means this file and no other: its key, its digest, and such of its names and paths."""
        certain = [self.key, *([self.digest] if self.digest else [])]
        return [*certain, *(text for text in (*self.names, *self.places) if text not in self.common)]

    def is_failure(self, runs: Iterable[str]) -> Callable[[bytes], bool]:
        """Tells whether a line of failures.log is about this file: by key, digest or run, else by its name, quoted."""
        certain = traces.naming([self.key, self.digest or "", *runs])
        quoted = [f'"{name}"' for name in self.names if name not in self.common]
        named = traces.naming([*quoted, *(place for place in self.places if place not in self.common)])
        return lambda line: certain(line) or (not _SOMEBODYS.search(line) and named(line))

    def is_left_alone(self, row: traces.Row) -> bool:
        """Tells whether a row of the ledger is one by which the inbox leaves an original alone."""
        kept = {os.fsencode(path) for path, _ in self.staying}
        return row.get("path") in kept and row.get("state") == IGNORED and row.get("key") is None


def identify(instance: dg.DagsterInstance, intake: Intake, key: str, inbox: Path, stored: Iterable[str]) -> Subject:
    """All that is known of the file behind `key`: from the ledger, its events, and the log of what was forgotten.

    `stored` are the names that files in the store have. Hashes the originals.
    """
    paths, digest = dict.fromkeys(intake.ledger.places(key)), intake.ledger.digest_of(key)
    others = {path for path, row in intake.ledger.files("").items() if row.key != key}
    for partition, said in _events(instance, intake.product.asset):
        path = str(said["path"].value) if "path" in said else None
        if partition != key:
            others |= {path} if path else set()
            continue
        if path:
            paths[path] = None
        if digest is None and "digest" in said:
            digest = str(said["digest"].value)
    if digest is None and (digits := DIGITS.search(key)):
        digest = intake.forgotten.starting_with(digits[1])
    originals = [path for path in paths if _is_original(path, digest)]
    inside = os.path.realpath(inbox) + os.sep
    names = _each(spelling for path in paths for spelling in _names(path))
    places = _each(spelling for path in paths for spelling in (path, shown(path, 4096)))
    others -= {*paths, *places}
    said_of_others = {*stored, *(said for path in others for said in (path, shown(path, 4096), *_names(path)))}
    return Subject(
        key=key,
        digest=digest,
        paths=list(paths),
        originals=originals,
        staying=[(path, FileStat.of(Path(path).stat())) for path in originals if path.startswith(inside)],
        names=names,
        places=places,
        common=frozenset(text for text in (*names, *places) if any(text in said for said in said_of_others)),
    )


def _names(path: str) -> list[str]:
    """The name as it is, and as the sensors show it: see `shown` and who calls it."""
    name = Path(path).name
    return [name, shown(name, 4096), shown(name, 200), shown(name, 60)]


def _each(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _events(instance: dg.DagsterInstance, asset: str) -> Iterator[tuple[str | None, dict[str, dg.MetadataValue]]]:
    """Partition and metadata of every event of the asset, newest first: files taken in, then files refused."""
    for fetch in (instance.fetch_materializations, instance.fetch_observations):
        cursor, more = None, True
        while more:
            page = fetch(dg.AssetKey(asset), limit=1000, cursor=cursor)
            for record in page.records:
                event = record.asset_materialization or record.event_log_entry.asset_observation
                if event is not None:
                    yield record.partition_key, dict(event.metadata)
            cursor, more = page.cursor, page.has_more


def _is_original(path: str, digest: str | None) -> bool:
    try:
        return digest is not None and Path(path).is_file() and durable.hash_file(Path(path)) == digest
    except OSError:
        return True  # it can't be read now: better named once too often
