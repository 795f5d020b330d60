"""Print the lowest versions that pyproject.toml allows, as constraints for pip.

``python tests/lowest.py > constraints.txt`` takes ``>=`` of every dependency, extra and of the test
group; what they need in turn is left to pip.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
_BOUND = re.compile(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9][0-9A-Za-z.]*)")


def requirements(project: dict) -> Iterator[str]:
    """Yield every requirement of the package, its extras and the test group."""
    yield from project["project"]["dependencies"]
    for extra in project["project"]["optional-dependencies"].values():
        yield from extra
    yield from project["dependency-groups"]["test"]


def constraints(project: dict) -> dict[str, str]:
    """Return each package's lowest version; a package named twice must have one bound."""
    found: dict[str, str] = {}
    for one in requirements(project):
        match = _BOUND.match(one)
        if match is None:
            raise ValueError(f"{one}: has no lowest version; write {one}>=…")
        name, version = match.groups()
        if found.setdefault(name, version) != version:
            raise ValueError(f"{name}: has two lowest versions, {found[name]} and {version}")
    return found


if __name__ == "__main__":
    read = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    sys.stdout.writelines(f"{name}=={version}\n" for name, version in constraints(read).items())
