"""The mappings of a process, from ``/proc/PID/maps``."""

import os
import stat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_KERNELS = 2**63
"""First address of the kernel's half."""
_ZERO = os.makedev(1, 5)

Span = tuple[int, int]
File = tuple[str, str, int]


class Area(NamedTuple):
    """A mapping of a process."""

    start: int
    end: int
    writeable: bool
    """Whether it is at the moment."""
    shared: bool
    file: File
    """Device and inode; and the address at which the file's beginning would lie."""
    name: str


def areas_of(pid: int | str) -> list[Area]:
    """Return the mappings of a process, in order; empty for a zombie.

    Raises
    ------
    FileNotFoundError
        There is no such process.
    """
    found = []
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            span, rights, offset, device, inode, *name = line.split(maxsplit=5)
            start, end = (int(part, 16) for part in span.split("-"))
            if start < _KERNELS:
                file = (device, inode, start - int(offset, 16))
                label = name[0].strip() if name else ""
                found.append(Area(start, end, rights[1] == "w", rights[3] == "s", file, label))
    return found


def is_device(pid: int | str, area: Area) -> bool:
    """Return whether an area is memory of a character device, by its file and not by its name.

    Of those, ``/dev/zero`` alone is ordinary memory.
    """
    if not area.name.startswith("/"):
        return False
    try:
        found = os.stat(f"/proc/{pid}/root{area.name}")
    except (OSError, ValueError):  # deleted, say, or a name that maps can't spell
        return False
    return stat.S_ISCHR(found.st_mode) and found.st_rdev != _ZERO


def overlapping(areas: list[Area], spans: npt.NDArray[np.uint64]) -> list[Area]:
    """Return the parts of `areas` that lie in `spans` (first, behind); both are in order."""
    found = []
    place = 0
    for first, behind in spans.tolist():
        while place < len(areas) and areas[place].end <= first:
            place += 1
        at = place
        while at < len(areas) and areas[at].start < behind:
            one = areas[at]
            found.append(one._replace(start=max(one.start, first), end=min(one.end, behind)))
            at += 1
    return found


def without(spans: list[Span], start: int, end: int) -> list[Span]:
    """Return what of `spans` lies outside ``start … end``."""
    parts = [
        part
        for first, behind in spans
        for part in ((first, min(behind, start)), (max(first, end), behind))
    ]
    return [(first, behind) for first, behind in parts if first < behind]


def inside(known: dict[File, list[Span]], area: Area) -> list[Span]:
    """Return the parts of the area's file in `known` that lie in it."""
    spans = known.get(area.file, [])
    parts = [(max(start, area.start), min(end, area.end)) for start, end in spans]
    return [(start, end) for start, end in parts if start < end]


def outside(area: Area, spans: list[Span]) -> list[Area]:
    """Return the parts of an area that lie in none of `spans`."""
    rest = [(area.start, area.end)]
    for start, end in spans:
        rest = without(rest, start, end)
    return [area._replace(start=start, end=end) for start, end in rest]
