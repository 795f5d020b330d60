"""Put the C programs of this folder to GenMC, and compare with the verdicts in expected.txt.

``python tests/weak_memory/check.py [WORD …]`` checks the rows that have all the words, all rows
without any.  GenMC is looked for on the path, or where the variable GENMC says; how to build it is
in docs/lockless.md.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
EXPECTED = HERE / "expected.txt"
MODELS = ("rc11", "imm")
VERDICTS = ("right", "late", "lost")
SHAPES = (
    "VCPU0=0 HARVESTS=2",
    "VCPU0=0 VCPU0_THEN=0",
    "VCPU0=0 VCPU1=0",
    "VCPU0=0 VCPU1=1",
    "VCPU0=0 VCPU1=2",
    "VCPU0=2 VCPU1=0 VCPU1_THEN=2",
    "VCPU0=0 VCPU1=2 VCPU1_THEN=0",
    "VCPU0=0 VCPU1=0 VCPU1_THEN=1",
)
"""Who inserts what, and how often is harvested beside them; once where nothing is said."""
_OPTIONS = ("--mo", "--check-consistency-type=full", "--check-consistency-point=exec")
_FAILED = 42
"""Status of GenMC where an assertion does not hold."""


class Row(NamedTuple):
    """A program with its orders, and what is known of it."""

    program: str
    options: tuple[str, ...]
    verdicts: tuple[str, str]
    """Under RC11 and under IMM; ``late`` is never lost."""

    @property
    def name(self) -> str:
        """Return program and options."""
        return " ".join((self.program, *self.options))


def rows(path: Path = EXPECTED) -> Iterator[Row]:
    """Yield what is written down: program and options, then the verdicts of both models."""
    for line in path.read_text(encoding="utf-8").splitlines():
        told = line.partition("#")[0].split()
        if told:
            yield Row(told[0], tuple(told[1:-2]), (told[-2], told[-1]))


def genmc() -> str | None:
    """Return the path of GenMC, None where there is none."""
    return shutil.which(os.environ.get("GENMC", "genmc"))


def command(row: Row, shape: str, *more: str) -> list[str]:
    """Return definitions and file, as a compiler takes them."""
    defined = [f"-D{one}" for one in (*row.options, *shape.split(), *more)]
    return [*defined, str(HERE / f"{row.program}.c")]


def holds(tool: str, model: str, row: Row, shape: str, *more: str) -> bool:
    """Return whether all assertions hold in every execution that the model allows."""
    words = [tool, f"--{model}", *_OPTIONS, "--", *command(row, shape, *more)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode not in (0, _FAILED):
        raise RuntimeError(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def verdict(tool: str, model: str, row: Row) -> str:
    """Return the worst that may happen in any shape."""
    if not all(holds(tool, model, row, shape) for shape in SHAPES):
        return "lost"
    if not all(holds(tool, model, row, shape, "LATE") for shape in SHAPES):
        return "late"
    return "right"


def main(words: list[str]) -> int:
    """Check rows one after the other; return 1 where a verdict is another one."""
    tool = genmc()
    if tool is None:
        sys.stdout.write("GenMC is not installed; docs/lockless.md says how to build it\n")
        return 0
    wrong = 0
    for row in rows():
        if not set(words) <= {row.program, *row.options}:
            continue
        found = tuple(verdict(tool, model, row) for model in MODELS)
        wrong += found != row.verdicts
        told = "" if found == row.verdicts else f"   EXPECTED {' '.join(row.verdicts)}"
        sys.stdout.write(f"{row.name:74}{' '.join(found)}{told}\n")
        sys.stdout.flush()
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
