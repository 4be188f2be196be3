"""A job of three assets, in a file of its own because a re-execution loads it again from there.

Tests copy this file. The folder it lies in steers it: `a` returns what `a.txt` holds, and an asset fails while a file
`fail-<name>` exists.
"""

from pathlib import Path

import dagster as dg

from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.store.types import Text


def chain() -> dg.JobDefinition:
    folder = Path(__file__).parent

    def maybe_fail(name: str) -> None:
        if (folder / f"fail-{name}").exists():
            raise RuntimeError(f"{name} was told to fail")

    @dg.asset
    def a() -> Text:
        maybe_fail("a")
        return Text((folder / "a.txt").read_text())

    @dg.asset
    def b(a: Text) -> Text:
        maybe_fail("b")
        return Text(f"{a} b")

    @dg.asset
    def c(b: Text) -> Text:
        maybe_fail("c")
        return Text(f"{b} c")

    store = ArtifactStore(root=str(folder / "store"), library=str(folder / "library"))
    return dg.Definitions(
        assets=[a, b, c],
        jobs=[dg.define_asset_job("chain", "*")],
        resources={"store": store, "io_manager": ArtifactIOManager(store=store)},
        executor=dg.in_process_executor,
    ).resolve_job_def("chain")
