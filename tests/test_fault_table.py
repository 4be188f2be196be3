"""Every row of the fault table names a test that is there and says what the reader sees."""

import ast
import re
from pathlib import Path

NEEDED = [  # what the table has to speak of, whoever edits it
    "power cut",
    "SIGKILL at random, 200 times",
    "no space, quota used up or I/O error",
    "each region of a big object",
    "each bit and each cut of a manifest",
    "two writers",
    "while garbage is collected",
    "in any order",
    "another user",
    "sync, then rename, then folder sync",
]


def rows(repo: Path) -> list[list[str]]:
    table = (repo / "docs/reliability.md").read_text().split("| Fault | What the reader sees | Test |\n")[1]
    lines = [line for line in table.splitlines()[1:] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names_in(path: Path) -> set[str]:
    """The test functions of a module, and classes or variables that are test cases."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


def test_each_row_names_a_test_that_is_there(repo: Path) -> None:
    found = rows(repo)
    assert len(found) > 30
    for row in found:
        fault, seen, test = row
        assert fault
        assert seen
        named = re.findall(r"`([^`]+\.py)::(test_\w+|Test\w+)`", test)
        assert named, f"no test stands beside {fault!r}"
        for path, name in named:
            assert name in names_in(repo / "tests" / path), f"{path} has no {name}"


def test_the_table_speaks_of_every_fault(repo: Path) -> None:
    faults = "\n".join(row[0] for row in rows(repo)).lower()
    assert [needed for needed in NEEDED if needed.lower() not in faults] == []
