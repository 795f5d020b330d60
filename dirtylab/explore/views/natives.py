"""Native trackers as choices of the views: those that were given, and the peers that are built."""

import functools
import pathlib

from dirtylab.explore.kit.controls import literal
from dirtylab.figures.style import FAINT, look_of
from dirtylab.native.contestants import native
from dirtylab.structures import STRUCTURES


def offered() -> tuple[str, ...]:
    """Return names of native trackers, and built peers that were not chosen yet as ``peer:…``."""
    return (*native(tuple(STRUCTURES)), *peers())


def peers() -> tuple[str, ...]:
    """Return the peers that are built and not among the structures yet."""
    known = {origin.path for origin in native(tuple(STRUCTURES)).values()}
    return tuple(f"peer:{name}" for name, library in _built() if library.absolute() not in known)


def labels_of(names: tuple[str, ...]) -> dict[str, str]:
    """Return how choices are called."""
    return {name: name.replace("peer:", "peer ") for name in names}


def colors_of(names: tuple[str, ...]) -> dict[str, str]:
    """Return their colours in figures; a peer has none before it is chosen."""
    return {name: look_of(name).color if name in STRUCTURES else FAINT for name in names}


def by_path(line: str, names: tuple[str, ...]) -> str:
    """Return a line of Python in which native trackers are given as another process knows them."""
    built = {library.absolute(): f"peer:{name}" for name, library in _built()}
    for name, origin in native(names).items():
        line = line.replace(literal(name), literal(built.get(origin.path, f"{origin.path}:{name}")))
    return line


@functools.cache
def _built() -> tuple[tuple[str, pathlib.Path], ...]:
    """Return the peers that are built; asked once a kernel, for it takes 0.1 s."""
    from dirtylab.native.peers.build import state
    from dirtylab.native.peers.recipes import PEERS

    found = ((name, state(name).library) for name in PEERS)
    return tuple((name, library) for name, library in found if library is not None)
