"""`scriptorium backfill`: partitions made again by the daemon, and waited for.

Belongs here: which partitions are meant, launching asset backfills, the last word. Does not belong here: what of a
partition is to be made (`products.py`), following the runs (`watching.py`).

The backfill goes the way of GraphQL's `launchPartitionBackfill`, like one from the UI: it stays in progress until its
runs have ended, and so a run that crashes is retried. One of `dagster job backfill` counts as completed once submitted,
and Dagster retries no run of a completed backfill (ran).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import dagster as dg

from dagster_project.commands import daemon, products, terminal
from dagster_project.commands.watching import POLL_S, Group, Outcome, Watch
from dagster_project.definitions import build_defs
from dagster_project.instance import LOCATION, WORKSPACE, BadInstance, bury_orphans, dagster_home, opened
from dagster_project.settings import Settings
from resources.store.io_manager import ArtifactStore

if TYPE_CHECKING:
    from dagster._core.workspace.context import WorkspaceProcessContext

Mode = Literal["all", "missing", "failed"]
Launch = Callable[[Sequence[dg.AssetKey], Sequence[str], str], str]


def run(settings: Settings, name: str, keys: Sequence[str], mode: Mode) -> bool:
    """Backfill product `name`; True if every partition was made. Raises BadInput for a product or key that is none."""
    defs = build_defs(settings)
    product = products.find(defs, name)
    with opened(settings) as instance, terminal.Board(terminal.console()) as board:
        bury_orphans(instance, daemon_alive=daemon.alive(instance))
        selections = _selections(defs, product, instance, products.chosen(product, instance, keys), mode)
        count = sum(len(found) for found in selections.values())
        if not count:
            board.line(f"{name}: nothing to do, {'no partitions' if mode == 'all' else f'nothing is {mode}'}")
            return True
        for assets, found in selections.items():
            board.line(f"{', '.join(asset.to_user_string() for asset in assets)}: {len(found)} of {name}")
        title = f"scriptorium backfill {name} ({mode if not keys or mode != 'all' else 'by key'})"
        outcome = launch_and_wait(instance, dagster_home(settings), product, selections, board, title)
        board.line(f"{name}: {len(outcome.made)} made, {len(outcome.failed)} failed")
    return not outcome.failed


def _selections(
    defs: dg.Definitions, product: products.Product, instance: dg.DagsterInstance, keys: Sequence[str], mode: Mode
) -> products.Selections:
    if mode == "all":
        return products.everything(product, keys)
    store = (defs.resources or {})["store"]
    assert isinstance(store, ArtifactStore)
    find = products.missing if mode == "missing" else products.failed
    return find(product, instance, store, keys)


@contextmanager
def _workspace(instance: dg.DagsterInstance) -> Iterator[WorkspaceProcessContext]:
    """The workspace with its definitions loaded into this process."""
    from dagster._core.remote_origin import InProcessCodeLocationOrigin
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget, WorkspaceFileTarget

    origins = [
        InProcessCodeLocationOrigin(origin.loadable_target_origin, location_name=origin.location_name)
        for origin in WorkspaceFileTarget([str(WORKSPACE)]).create_origins()
        if origin.location_name == LOCATION
    ]
    with WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origins)) as context:
        yield context


def launcher(workspace: WorkspaceProcessContext) -> Launch:
    """A function that launches an asset backfill of (assets, keys, title) and returns its id.

    It executes the same GraphQL mutation as the UI. Raises BadInstance with Dagster's words if it refuses.
    """
    from dagster_graphql.client.query import LAUNCH_PARTITION_BACKFILL_MUTATION
    from dagster_graphql.schema import create_schema

    schema = create_schema()

    def launch(assets: Sequence[dg.AssetKey], keys: Sequence[str], title: str) -> str:
        wanted = {
            "assetSelection": [asset.to_graphql_input() for asset in assets],
            "partitionNames": list(keys),
            "title": title,
        }
        answer = schema.execute(
            LAUNCH_PARTITION_BACKFILL_MUTATION,
            context_value=workspace.create_request_context(),
            variable_values={"backfillParams": wanted},
        )
        said = (answer.data or {}).get("launchPartitionBackfill") or {}
        if answer.errors or said.get("__typename") != "LaunchBackfillSuccess":
            reasons = [str(error) for error in answer.errors or []] or [said.get("message", "no reason given")]
            raise BadInstance(f"Dagster refused the backfill: {'; '.join(reasons)}", "Run `scriptorium doctor`.")
        return str(said["backfillId"])

    return launch


def launch_and_wait(
    instance: dg.DagsterInstance,
    home: Path,
    product: products.Product,
    selections: products.Selections,
    board: terminal.Board,
    title: str,
) -> Outcome:
    """Make what `selections` says, by the daemon, and wait for it. One that is not alive is started for the while.

    Ctrl-C cancels the backfills.
    """
    with _workspace(instance) as workspace:
        launch, watches = launcher(workspace), list[Watch]()
        outcome, runner = Outcome(), daemon.Daemon(instance, home, say=board.line)
        parts = [(products.layers(product, assets), list(keys)) for assets, keys in selections.items()]
        # The first backfills come before the daemon: it looks for them as it starts, and again only every 30 s.
        with runner:
            for step in range(max(len(layers) for layers, _ in parts)):
                groups = [
                    Group(launch(layers[step], keys, title), layers[step], keys)
                    for layers, keys in parts
                    if step < len(layers)
                ]
                watches.append(Watch(instance, groups, board))
                _wait(watches[-1], runner)
                outcome.add(watches[-1].outcome)
        if runner.own:
            _conclude(workspace, watches)
    return outcome


def _wait(watch: Watch, runner: daemon.Daemon) -> None:
    try:
        runner.ensure()
        while not watch.look():
            time.sleep(POLL_S)
            runner.ensure()
    except KeyboardInterrupt:
        watch.cancel()
        raise


def _conclude(workspace: WorkspaceProcessContext, watches: Sequence[Watch]) -> None:
    """Let Dagster note that the backfills are over; our daemon would have done it half a minute later."""
    from dagster._daemon.backfill import execute_backfill_iteration

    for _ in range(3):
        if all(watch.concluded() for watch in watches):
            return
        for _ in execute_backfill_iteration(workspace, logging.getLogger("dagster.daemon.BackfillDaemon")):
            pass
