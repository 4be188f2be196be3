"""The command `scriptorium`.

Belongs here: commands, their options and their help. Does not belong here: the work, which is imported when it is asked
for, so that `scriptorium --help` is quick.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from dagster_project.commands import terminal
from resources.errors import ScriptoriumError

if TYPE_CHECKING:
    from dagster_project.commands.running import Interrupts
    from dagster_project.settings import Settings

app = typer.Typer(
    name="scriptorium",
    help="Recordings in, notes out; datasets in, checkpoints out. Drop files into the inbox while `scriptorium dev`"
    " runs, or name them here.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run a command. Exit code 0: done; 1: something failed, said in one line; 2: wrong usage; 130: Ctrl-C."""
    try:
        app()
    except ScriptoriumError as error:
        terminal.error(error.message, error.remedy)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        terminal.error(f"{type(error).__name__}: {error}", f"This is a bug; the details are in {_kept_traceback()}.")
        sys.exit(1)


def _kept_traceback() -> Path:
    """Write the traceback of the exception being handled to a file, and return its path."""
    descriptor, name = tempfile.mkstemp(prefix="scriptorium-", suffix=".log")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        traceback.print_exc(file=file)
    return Path(name)


def _settings() -> Settings:
    from pydantic import ValidationError

    from dagster_project.settings import Settings

    try:
        return Settings()
    except ValidationError as wrong:
        for problem in wrong.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            secret = any(part in name for part in ("URL", "KEY", "TOKEN"))
            given = "" if secret else f" (it is {problem['input']!r})"
            terminal.error(f"SCRIPTORIUM_{name}: {problem['msg']}{given}.", "Correct it.")
        sys.exit(2)


def _stoppable(work: Callable[[Interrupts], bool]) -> NoReturn:
    """Do `work`, which Ctrl-C stops, and exit by how it went. It imports what it needs itself: Ctrl-C works by then."""
    from dagster_project.commands.running import Interrupts, Stopped

    with Interrupts() as interrupts:
        try:
            done = work(interrupts)
        except Stopped:
            raise typer.Exit(130) from None
    raise typer.Exit(0 if done else 1)


@app.command()
def notes(
    files: Annotated[
        list[str], typer.Argument(help="Recordings: files, folders (with all in them), patterns like '*.mp4'.")
    ],
    again: Annotated[bool, typer.Option("--again", help="Make everything anew, also what is already made.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the libraries print as well.")] = False,
) -> None:
    """Make notes of recordings here and now, and print where the PDFs are.

    Each recording becomes a run that the Dagster UI shows. What is already made is not made again, and a command that
    was stopped goes on where it left off. The paths go to standard output, everything else to standard error.
    """
    settings = _settings()

    def work(interrupts: Interrupts) -> bool:
        from dagster_project.commands.notes import make_notes

        return make_notes(settings, files, again=again, verbose=verbose, interrupts=interrupts)

    _stoppable(work)


@app.command()
def correct(
    key: Annotated[str, typer.Argument(help="The recording: its key, the beginning of that, or the name of its file.")],
    file: Annotated[
        Path | None,
        typer.Argument(help="The edited transcript: a copy of transcript.txt, .srt, .vtt or .json from the library."),
    ] = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Give up the correction: hear the recording anew.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Take a file that hardly resembles what was heard.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the libraries print as well.")] = False,
) -> None:
    """Correct a transcript: edit a copy of it, give it back, and notes, subtitles and summary are made of your words.

    Words you left alone keep their times, the others get them from their neighbours. No later run replaces a
    correction: only --discard does, or `scriptorium restore transcript KEY RUN` with an earlier version. The path of
    the notes goes to standard output, everything else to standard error.
    """
    if (file is None) != discard:
        raise typer.BadParameter("Give the edited FILE, or --discard to hear the recording anew.")
    settings = _settings()

    def work(interrupts: Interrupts) -> bool:
        from dagster_project.commands import correct as command

        if file is None:
            return command.discard(settings, key, verbose=verbose, interrupts=interrupts)
        return command.correct(settings, key, file, force=force, verbose=verbose, interrupts=interrupts)

    _stoppable(work)


@app.command()
def backfill(
    product: Annotated[str, typer.Argument(help="recordings, or a partitioned job such as cifar10_train.")],
    keys: Annotated[
        list[str] | None, typer.Argument(help="Partition keys; without them, all that the option finds.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Make everything anew, of every partition.")] = False,
    missing: Annotated[
        bool, typer.Option("--missing", help="Make what was never made, or whose stored or library files are gone.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Make what the latest run failed to make.")] = False,
) -> None:
    """Make partitions again, by Dagster's daemon, and wait for them.

    With KEYs alone, all their assets are made anew; with --missing or --failed only what these find of them, and no
    more than that: notes that only lost their library copy are copied again, nothing is listened to again. A daemon is
    started for the while if none is alive. Runs that crash are retried.
    """
    if all_ + missing + failed > 1 or (all_ and keys) or not (all_ or missing or failed or keys):
        raise typer.BadParameter("Give either --all, or --missing or --failed (with or without KEYs), or KEYs.")
    settings = _settings()
    from dagster_project.commands.backfill import Mode, run

    mode: Mode = "missing" if missing else "failed" if failed else "all"
    raise typer.Exit(0 if run(settings, product, keys or [], mode) else 1)


@app.command()
def train(
    product: Annotated[str, typer.Argument(help="cifar10, housing, sentiment or tweets.")],
    preset: Annotated[
        list[str] | None,
        typer.Option(help="An entry of the product's presets (tweets: one of each kind); else the machine's default."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Where the dataset comes from: an archive, a folder or a file of it.")
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="sentiment, tweets: a field, see docs/tweets.md."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Train the preset anew, also if it is up to date.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the libraries print as well.")] = False,
) -> None:
    """Make a product's dataset if it is missing, train a preset and the baselines, and choose the champion.

    For sentiment, every file is a dataset with a champion of its own; tweets end in a comparison. What is there and up
    to date is not made again, and a command that was stopped goes on at the last epoch. The path of the verdict goes to
    standard output, everything else to standard error.
    """
    settings = _settings()

    def work(interrupts: Interrupts) -> bool:
        from dagster_project.commands import train as command

        return command.train(
            settings, product, preset or [], data=data, fields=fields or [], again=again, verbose=verbose,
            interrupts=interrupts,
        )  # fmt: skip

    _stoppable(work)


@app.command()
def infer(
    product: Annotated[str, typer.Argument(help="cifar10, housing, sentiment or tweets.")],
    paths: Annotated[list[str] | None, typer.Argument(help="Files, or folders with all in them.")] = None,
    prompt: Annotated[
        list[str] | None, typer.Option(help="tweets: the beginning of one, instead of a file; may be repeated.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(help="`champion`, a preset, or a checkpoint's first digits; else the best there is."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what the libraries print as well.")] = False,
) -> None:
    """Predict for files by a product's champion, or by another checkpoint, and print where the predictions are."""
    if not paths and not prompt:
        raise typer.BadParameter("Name files or folders, or for tweets give --prompt.")
    settings = _settings()

    def work(interrupts: Interrupts) -> bool:
        from dagster_project.commands import infer as command

        return command.infer(
            settings, product, paths or [], prompts=prompt or [], checkpoint=checkpoint, verbose=verbose,
            interrupts=interrupts,
        )  # fmt: skip

    _stoppable(work)


@app.command()
def versions(
    asset: Annotated[str, typer.Argument(help="The asset, e.g. transcript.")],
    key: Annotated[str | None, typer.Argument(help="The partition; left out for an asset that has none.")] = None,
) -> None:
    """List every version of an asset that Dagster knows, newest first: run, time, size, version, state."""
    settings = _settings()
    from dagster_project.commands.versions import show

    raise typer.Exit(0 if show(settings, asset, key) else 1)


@app.command()
def restore(
    asset: Annotated[str, typer.Argument(help="The asset, e.g. summary.")],
    key_and_run: Annotated[
        list[str], typer.Argument(metavar="[KEY] RUN", help="The partition, if it has any, and the run that made it.")
    ],
) -> None:
    """Make what an earlier run made the latest version again.

    RUN is a run id from `scriptorium versions`, or its beginning. What is then out of date is named, and the command
    that makes it again is printed on standard output.
    """
    if len(key_and_run) > 2:
        raise typer.BadParameter("Give ASSET, KEY and RUN; leave out KEY for an asset without partitions.")
    settings = _settings()
    from dagster_project.commands import versions

    *key, run = key_and_run
    raise typer.Exit(0 if versions.restore(settings, asset, key[0] if key else None, run) else 1)


@app.command()
def forget(
    key: Annotated[str, typer.Argument(help="The recording's partition key, e.g. my-meeting~0123456789abcdef.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a recording wholly: library, store, intake, and all that Dagster keeps of it.

    Originals are never touched; it says where they lie. It asks first, and afterwards searches everything. Exit code 1
    if something is left or you say no; then do what it says and run it again.
    """
    settings = _settings()
    from dagster_project.commands.forget import run

    raise typer.Exit(0 if run(settings, key, yes=yes) else 1)


@app.command()
def doctor() -> None:
    """Say of each part of this install whether it is fine, and what to do if not. Exit code 1 if one is bad."""
    settings = _settings()
    from dagster_project.commands.doctor import examine

    raise typer.Exit(1 if terminal.table(examine(settings)) else 0)


@app.command()
def demo() -> None:
    """Take the sample lecture through the inbox, the sensor and a run to a PDF, and compare it with what was said."""
    settings = _settings()
    from dagster_project.commands.demo import run

    raise typer.Exit(0 if run(settings) else 1)


@app.command()
def setup() -> None:
    """Make the folders, and write dagster.yaml if there is none."""
    settings = _settings()
    from dagster_project.instance import prepare

    home = prepare(settings)
    typer.echo(f"home   {settings.homes.home}")
    typer.echo(f"inbox  {settings.homes.recordings_inbox}")
    if home != settings.homes.dagster:
        typer.echo(f"runs   {home} (from DAGSTER_HOME)")


@app.command()
def dev(
    host: Annotated[
        str, typer.Option(help="Address to listen on. The UI has no login: keep it on this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
) -> None:
    """Start the Dagster UI, its daemon and the sensors; stop with Ctrl-C."""
    settings = _settings()
    from dagster_project.commands import servers

    servers.dev(settings, host, port)


@app.command()
def mlflow(
    host: Annotated[
        str, typer.Option(help="Address to listen on. The UI has no login: keep it on this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 5000,
) -> None:
    """Show trainings in MLflow's UI: curves, parameters, plots, registered models; stop with Ctrl-C."""
    settings = _settings()
    from dagster_project.commands import servers

    servers.mlflow(settings, host, port)


if __name__ == "__main__":
    main()
