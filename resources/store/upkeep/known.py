"""Which manifests Dagster's event log still knows.

Belongs here: reading all materialization events for the manifests they name. Does not belong here: finding the one an
input is read from (`records.py`), and what is deleted (`collecting.py`).
"""

import time
from collections import defaultdict
from collections.abc import Iterator

import dagster as dg

from resources.store import records
from resources.store.upkeep.collecting import Known
from resources.store.upkeep.references import Owner

_PAGE = 200


class EventLog:
    """The manifests named by the materializations of all assets that are not wiped, of runs that are not deleted.

    Called again it reads only events that have come since. With `keep_versions` above 0 only so many of the newest
    versions of each asset partition must be kept, and those that were among them within the last `grace_days`: a run
    may still be reading one.
    """

    def __init__(self, instance: dg.DagsterInstance, keep_versions: int = 0, grace_days: float = 0) -> None:
        self._instance, self._keep_versions, self._grace_s = instance, keep_versions, grace_days * 86_400
        self._refusals: dict[str, set[str]] = {}
        self._cursors: dict[dg.AssetKey, str] = {}
        # By asset and partition: manifest -> its run and the time of its last event, in the order of those.
        self._versions: dict[tuple[str, str | None], dict[str, tuple[str, float]]] = defaultdict(dict)

    def __call__(self) -> Known:
        """What the event log knows now. Raises what the instance's storage raises."""
        for key in self._instance.all_asset_keys():
            for record in self._new_events(key):
                self._note(key, record)
        keep, newest, named = {}, set(), set()
        for (asset, partition), versions in self._versions.items():
            manifests = list(reversed(versions))
            named.update(manifests)
            newest.add(manifests[0])
            for manifest in self._kept(asset, versions, manifests):
                keep[manifest] = Owner(asset, partition, versions[manifest][0])
        return Known(keep, frozenset(newest), frozenset(named))

    def _kept(self, asset: str, versions: dict[str, tuple[str, float]], manifests: list[str]) -> list[str]:
        """Of `manifests`, newest first, those that must stay. What a blocking check refused doesn't count as kept."""
        n, since = self._keep_versions, time.time() - self._grace_s
        if len(manifests) <= n or not n:
            return manifests
        kept, good = [], list[float]()  # `good`: when each version above was made that no check refused
        for manifest in manifests:
            run, made = versions[manifest]
            if len(good) < n or good[-n] > since:  # the n-th newer one pushes it out
                kept.append(manifest)
            if not self._refused(asset, run):
                good.append(made)
        return kept

    def _refused(self, asset: str, run: str) -> bool:
        if run not in self._refusals:
            self._refusals[run] = {key.to_user_string() for key in records.refused(self._instance, run)}
        return asset in self._refusals[run]

    def _new_events(self, key: dg.AssetKey) -> Iterator[dg.EventLogRecord]:
        more = True
        while more:
            page = self._instance.fetch_materializations(
                key, limit=_PAGE, cursor=self._cursors.get(key), ascending=True
            )
            yield from page.records
            self._cursors[key], more = page.cursor, page.has_more

    def _note(self, key: dg.AssetKey, record: dg.EventLogRecord) -> None:
        event = record.asset_materialization
        named = event.metadata.get(records.MANIFEST) if event else None
        if not isinstance(named, dg.TextMetadataValue) or not named.value:
            return  # nothing was stored with it: external, or reported by hand
        versions = self._versions[key.to_user_string(), record.partition_key]
        versions.pop(named.value, None)  # made the latest again: it moves to the end
        maker = event.metadata.get(records.RESTORED_RUN) if event else None
        run = maker.value if isinstance(maker, dg.TextMetadataValue) and maker.value else record.run_id
        versions[named.value] = (run, record.timestamp)
