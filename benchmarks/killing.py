"""SIGKILL a command that makes notes, again and again, and see that it takes up what it had done.

Belongs here: the kills, and the evidence that nothing was done twice. For `speech.py` and `tests/faults`.
"""

import random
import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Windows:
    """The windows of a transcript that were seen in a home's scratch: inode and time of each file by its name.

    A window that is heard again is written again: another file under the same name.
    """

    home: Path
    files: dict[str, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))

    def look(self) -> int:
        """How many are kept now."""
        found = 0
        for path in self.home.glob("store/scratch/transcript/*/*/items/*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # replaced, or deleted, in between
                continue
            found += 1
            self.files[path.name].add((status.st_ino, status.st_mtime_ns))
        return found

    @property
    def twice(self) -> list[str]:
        """The names of windows that were written more than once."""
        return sorted(name for name, files in self.files.items() if len(files) > 1)


def kill_and_finish(
    command: list[str],
    environment: dict[str, str],
    windows: Windows,
    kills: int,
    seed: int,
    within_s: float,
    spread_s: float,
) -> None:
    """Run `command` and SIGKILL it `kills` times, each time a random moment (at most `spread_s`) after it has kept one
    more window than before; then let it end. RuntimeError, with what it said, if it ends otherwise than it should.
    """
    moments = random.Random(seed)
    kept = 0
    for number in range(kills + 1):
        last = number == kills
        end = time.monotonic() + within_s
        at = float("inf")
        with (
            tempfile.TemporaryFile("w+") as said,
            subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT) as process,
        ):
            try:
                while process.poll() is None and time.monotonic() < min(at, end):
                    if windows.look() > kept and not last and at == float("inf"):
                        at = time.monotonic() + moments.uniform(0, spread_s)
                    time.sleep(0.005)
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
            process.wait()
            said.seek(0)
            words = said.read()
        kept = windows.look()
        if process.returncode != (0 if last else -signal.SIGKILL) or time.monotonic() > end:
            raise RuntimeError(f"turn {number + 1} ended with {process.returncode}: {words}")
