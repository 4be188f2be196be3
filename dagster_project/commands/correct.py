"""`scriptorium correct`: a transcript as a person has edited it in the place of what was heard, and the way back.

Belongs here: finding the recording that is meant, saying what will change, and the run that changes it. Does not belong
here: reading and matching the edited file (`resources/speech`), keeping it (`assets/recordings/transcript.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from assets.recordings.correcting import TRANSCRIPT, corrected, is_correction
from dagster_project.commands import daemon, out_of_date, products, running, terminal
from dagster_project.commands.stages import Stages
from dagster_project.instance import bury_orphans, opened
from dagster_project.settings import Settings
from resources.errors import BadInput
from resources.intake.identity import shown
from resources.store import records

_PRODUCT = "recordings"
_SHOWN = 5


def correct(
    settings: Settings, name: str, file: Path, *, force: bool, verbose: bool, interrupts: running.Interrupts
) -> bool:
    """Put the words of `file` into the transcript of the recording called `name`, and make what follows from it.

    The path of the notes goes to standard output, the rest to standard error. True if all went well; where the file
    says what the transcript says, only what is missing or out of date is made. Raises BadInput for a name or file that
    is none or does not fit, MissingArtifact if there is no transcript, Stopped after Ctrl-C.
    """
    with opened(settings) as instance, terminal.Board(terminal.console()) as board:
        bury_orphans(instance, daemon_alive=daemon.alive(instance))
        stages = Stages(settings, instance, board, interrupts, verbose=verbose)
        key = find(instance, name)
        path = Path.cwd() / file.expanduser()
        base, made = corrected(instance, stages.store, key, path, force=force)
        if made.segments == base.segments:
            board.line(f"{shown(path.name)} says what the transcript of {key} says already: nothing to correct.")
            return _run(stages, key, None)
        assert made.correction is not None
        count = made.correction.changed_words
        board.line(
            f"{made.correction.name}: {count:,} of {made.words:,} words differ from the transcript of {key}."
            if count
            else f"{made.correction.name}: the words of the transcript of {key}, with other segments or speakers."
        )
        return _run(stages, key, {"correction": str(path), "force_correction": force})


def discard(settings: Settings, name: str, *, verbose: bool, interrupts: running.Interrupts) -> bool:
    """Hear the recording called `name` anew in place of its corrected transcript, and make what follows from it.

    True if all went well, also where nothing was corrected. Raises BadInput for a name that is none, Stopped after
    Ctrl-C.
    """
    with opened(settings) as instance, terminal.Board(terminal.console()) as board:
        bury_orphans(instance, daemon_alive=daemon.alive(instance))
        stages = Stages(settings, instance, board, interrupts, verbose=verbose)
        key = find(instance, name)
        latest = records.latest(instance, TRANSCRIPT, key)
        if latest is None or not is_correction(latest):
            board.line(f"The transcript of {key} is as it was heard: there is no correction to discard.")
            return True
        board.line(f"The recording {key} is heard anew; its correction stays among the versions of its transcript.")
        return _run(stages, key, {"replace_correction": True})


def find(instance: dg.DagsterInstance, name: str) -> str:
    """The key of the recording that is meant: a key, the beginning of one, or the name of the recording's file.

    BadInput names those that are near, or those that could be meant.
    """
    keys = instance.get_dynamic_partitions(_PRODUCT)
    if name in keys:
        return name
    found = [key for key in keys if name and key.startswith(name)]
    if not found:
        named = _named(instance)
        found = [key for key in keys if Path(name).name == named.get(key)]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInput(f'Several recordings could be meant by "{shown(name)}".', f"Give the whole key: {_some(found)}.")
    near = difflib.get_close_matches(name, keys, n=_SHOWN, cutoff=0.4) or keys[-_SHOWN:]
    remedy = f"There are: {_some(near)}." if near else "Make its notes first: scriptorium notes FILE."
    raise BadInput(f'There is no recording "{shown(name)}".', remedy)


def _named(instance: dg.DagsterInstance) -> dict[str, str]:
    """The file name of each recording, by its key, as its latest event says."""
    names: dict[str, str] = {}
    cursor, more = None, True
    while more:
        page = instance.fetch_materializations(dg.AssetKey("recording"), limit=1000, cursor=cursor)
        for record in page.records:  # newest first
            event = record.asset_materialization
            if event is not None and record.partition_key is not None and "name" in event.metadata:
                names.setdefault(record.partition_key, str(event.metadata["name"].value))
        cursor, more = page.cursor, page.has_more
    return names


def _some(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{', '.join(keys[:_SHOWN])}{more}"


def _run(stages: Stages, key: str, config: dict[str, Any] | None) -> bool:
    """Make the transcript with this config, all that follows from it, and what is missing besides.

    Without a config the transcript is left alone, and of what follows only that is made which is out of date.
    """
    product = products.find(stages.defs, _PRODUCT)
    lost = products.missing(product, stages.instance, stages.store, [key])
    wanted = {asset for selection in lost for asset in selection}
    if config is None:
        below = out_of_date.below(stages.defs, stages.instance, TRANSCRIPT, key)
        wanted |= {found.asset_key for found in (*below.now, *below.then)}
    else:
        wanted |= {asset for asset in product.assets if asset == TRANSCRIPT or _follows(product, asset)}
    if wanted and not stages.run(
        _PRODUCT,
        key,
        [asset for asset in product.assets if asset in wanted],
        config=None if config is None else {TRANSCRIPT.to_user_string(): config},
        said="notes are ready",
    ):
        return False
    pdf = products.library_pdf(stages.store, stages.instance, key)
    if pdf is not None:
        print(pdf, flush=True)  # noqa: T201  # the command's result
    return pdf is not None


def _follows(product: products.Product, asset: dg.AssetKey) -> bool:
    """Whether an asset is made from the transcript, directly or not."""
    return TRANSCRIPT in product.parents[asset] or any(_follows(product, one) for one in product.parents[asset])
