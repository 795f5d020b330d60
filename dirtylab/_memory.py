"""What memory this process may use: limits of its control groups, and its own.

A process that exceeds the limit of a control group is killed silently, so limits are read before
large allocations.  A limit holds for all of a group's processes and for the groups
below: of a group and its ancestors the one with the least room counts.

Where they are: ``/proc/self/cgroup`` names the process's group in each hierarchy and
``/proc/self/mountinfo`` where a hierarchy is mounted, the whole of it or, in a container, a part.

=========  ===================================  ===================================================
version 2  ``memory.max``                       ``memory.current``
version 1  ``memory.limit_in_bytes``            ``memory.usage_in_bytes``; ``memory.stat`` tells the
                                                least limit of all ancestors, those too that a
                                                container doesn't see
=========  ===================================  ===================================================

Source: Linux's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst, proc(5).
"""

import functools
import os
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

try:
    import resource
except ImportError:  # a system without them
    resource = None  # type: ignore[assignment]

_NO_LIMIT = 2**60
"""What version 1 tells where there is none is not far below 2^63."""


class Room(NamedTuple):
    """The room that one limit leaves."""

    source: str
    limit: int
    """Bytes."""
    free: int
    """Free bytes, the page cache counted as free: it can be reclaimed."""


class _Files(NamedTuple):
    """What a version calls its files."""

    limit: str
    used: str
    prefix: str
    """Of the sums over a group and those below it, in ``memory.stat``."""


_V1 = _Files("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
_V2 = _Files("memory.max", "memory.current", "")


def tightest(root: str | os.PathLike[str] = "/") -> Room | None:
    """Return the limit with the least room, or None where there is no limit.

    Parameters
    ----------
    root : path, optional
        What stands for ``/``, in tests.

    Notes
    -----
    Cost: some 100 µs.
    """
    rooms = [*group_rooms(pathlib.Path(root)), *own_rooms()]
    return min(rooms, key=lambda room: room.free, default=None)


def group_rooms(root: pathlib.Path) -> Iterator[Room]:
    """Yield what the limits of the process's control groups and their ancestors leave."""
    proc = root / "proc" / "self"
    for folder, top, files in _groups(_read(proc / "cgroup"), str(root)):
        # Where the group itself is not to be seen, its nearest ancestor is.
        for group in (folder, *folder.parents):
            yield from _room_of(group, files)
            if group == top:
                break


def own_rooms() -> Iterator[Room]:
    """Yield what ``RLIMIT_AS`` and ``RLIMIT_DATA`` leave, where they are set."""
    if resource is None:
        return
    sizes = _read(pathlib.Path("/proc/self/statm")).split()
    for name, field in (("RLIMIT_AS", 0), ("RLIMIT_DATA", 5)):
        limit = resource.getrlimit(getattr(resource, name))[0]
        if limit != resource.RLIM_INFINITY:
            used = int(sizes[field]) * os.sysconf("SC_PAGE_SIZE") if len(sizes) > field else 0
            yield Room(f"this process's {name}", limit, max(limit - used, 0))


@functools.lru_cache(maxsize=4)  # the table of mounts of a large host is long
def _groups(memberships: str, root: str) -> tuple[tuple[pathlib.Path, pathlib.Path, _Files], ...]:
    """Return the process's group, where its hierarchy is mounted, and the version's files."""
    paths = dict(_paths(memberships))
    found = []
    mounts = _read(pathlib.Path(root, "proc", "self", "mountinfo"))
    for part, place, files in filter(None, map(_hierarchy, mounts.splitlines())):
        if files in paths:
            top = pathlib.Path(root, place.lstrip("/"))
            found.append((top / _below(paths[files], part), top, files))
    return tuple(found)


def _paths(memberships: str) -> Iterator[tuple[_Files, str]]:
    """Yield the process's group by version, from lines such as ``4:cpu,memory:/a``."""
    for line in memberships.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield _V2, path
        elif "memory" in controllers.split(","):
            yield _V1, path


def _hierarchy(line: str) -> tuple[str, str, _Files] | None:
    """Return which part of a hierarchy is mounted, and where, from a line of the mounts."""
    own, _, rest = line.partition(" - ")
    fields, (kind, *more) = own.split(" "), rest.split(" ") or [""]
    if len(fields) < 5:
        return None
    part, place = map(_unescaped, fields[3:5])
    if kind == "cgroup2":
        return part, place, _V2
    if kind == "cgroup" and more and "memory" in more[-1].split(","):
        return part, place, _V1
    return None


def _below(path: str, part: str) -> str:
    """Return a group's path from the mounted part on; "" where it is not in there."""
    start = part.rstrip("/")
    inside = path == start or path.startswith(f"{start}/")
    steps = path[len(start) :].strip("/") if inside else ""
    return "" if ".." in steps.split("/") else steps


def _room_of(group: pathlib.Path, files: _Files) -> Iterator[Room]:
    limit = _number(_read(group / files.limit))
    told = dict(re.findall(r"^(\w+) (\d+)$", _read(group / "memory.stat"), re.MULTILINE))
    held = _number(_read(group / files.used)) or 0
    for kind in ("inactive_file", "active_file"):
        held -= int(told.get(files.prefix + kind, 0))
    limits = [limit, _number(told.get("hierarchical_memory_limit", ""))]
    given = [one for one in limits if one is not None and one < _NO_LIMIT]
    if given:
        least = min(given)
        yield Room("its control group", least, min(max(least - max(held, 0), 0), least))


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]{1,20}", text) else None


def _unescaped(path: str) -> str:
    r"""Return a path of the table of mounts, in which a blank is written ``\040``."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text(errors="surrogateescape").strip()
    except (OSError, ValueError):
        return ""
