"""Native trackers among the structures: by their path, under a name of their own.

:mod:`~dirtylab.native.paths` says how they are written.  The name that a
tracker gives itself stands on all axes; it must be no structure's of the package, and no other
file's.  The same file, given again, is read again: what has changed is a new tracker.
"""

import hashlib
import os
import pathlib
from collections.abc import Sequence

from dirtylab import _check
from dirtylab.native import compiler, contract
from dirtylab.native.errors import TrackerError
from dirtylab.native.paths import LIBRARIES, is_path, split
from dirtylab.native.structure import NativeTracker, Origin, kind_of
from dirtylab.native.table import read_tables
from dirtylab.native.verdict import require_sound
from dirtylab.structures import STRUCTURES, Structure

_loaded: dict[tuple[str, str], type[NativeTracker]] = {}
"""Library and name to class; a library is read once a process."""
_digests: dict[str, str] = {}
"""Library to digest, as it was when it was read."""


def classes(given: str | os.PathLike[str]) -> dict[str, type[NativeTracker]]:
    """Return the trackers of a file, all that have no other name than given, as classes by name.

    Parameters
    ----------
    given : str or path
        As ``path`` or ``path:name``.

    Raises
    ------
    TrackerError
        It can't be compiled or loaded, or has no tracker of that name.
    UnsoundError
        A tracker fails the check.
    FileNotFoundError
        There is no such file.
    """
    path, chosen = split(os.fspath(given))
    library = compiler.library_of(pathlib.Path(path))
    there = contract.trackers_of(library)
    if chosen and chosen not in there:
        raise TrackerError(f"{path}: has no tracker {chosen!r}; it has {', '.join(there)}")
    names = [chosen] if chosen else there
    for name in names:
        require_sound(library, name, path)
    origin = Origin(pathlib.Path(path).absolute(), identity_of(pathlib.Path(path)))
    return {name: _class(library, name, origin) for name in names}


def entered(given: str | os.PathLike[str]) -> str:
    """Register the one tracker that is given, and return its name.

    Parameters and errors are those of :func:`classes`; and a TrackerError where there are several
    to choose from, or the name is taken.
    """
    path, chosen = split(os.fspath(given))
    if not chosen:
        there = contract.trackers_of(compiler.library_of(pathlib.Path(path)))
        if len(there) > 1:
            raise TrackerError(
                f"{path}: has {len(there)} trackers, {', '.join(there)}: give one, as in "
                f"{path}:{there[0]}"
            )
    ((name, kind),) = classes(given).items()
    register(kind)
    return name


def named(given: Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Return the names of structures given by name or, native trackers, by path.

    Raises
    ------
    ValueError
        There is no such structure, or one is given twice.
    TrackerError, FileNotFoundError
        As :func:`entered` raises them.
    """
    names = []
    for one in given:
        text = os.fspath(one)
        names.append(entered(text) if is_path(text) else text)
        _check.choice("structures", names[-1], tuple(STRUCTURES))
    if len(set(names)) < len(names):
        raise ValueError(f"structures={', '.join(str(one) for one in given)}: names one twice")
    return tuple(names)


def register(kind: type[NativeTracker]) -> None:
    """Enter a tracker among the structures; a TrackerError where its name is taken."""
    known = STRUCTURES.get(kind.name)
    own = known is not None and issubclass(known, NativeTracker)
    if known is not None and not (own and known.origin.path == kind.origin.path):  # type: ignore[attr-defined]
        whose = f"the tracker of {known.origin.path}" if own else "a structure of dirtylab"  # type: ignore[attr-defined]
        raise TrackerError(
            f"{kind.origin.path.name}: its tracker is called {kind.name!r}, as is {whose}: give it "
            "a name of its own in its table"
        )
    STRUCTURES[kind.name] = kind


def native(names: Sequence[str]) -> dict[str, Origin]:
    """Return those names that are native trackers', with where they come from."""
    found = {name: STRUCTURES.get(name) for name in names}
    return {
        name: kind.origin
        for name, kind in found.items()
        if kind is not None and issubclass(kind, NativeTracker)
    }


def register_from(path: pathlib.Path, identity: str, name: str) -> None:
    """Enter a tracker that another process has: from the same path, if it is the same there.

    Raises
    ------
    TrackerError
        There is none at that path on this machine, or it is another one.
    """
    known = STRUCTURES.get(name)
    if known is None or getattr(known, "origin", None) != Origin(path, identity):
        register(_as_sent(path, identity, name))


def revived(
    path: pathlib.Path, identity: str, name: str, pages: int, frames: Sequence[int]
) -> Structure:
    """Return a structure that was pickled."""
    made = _as_sent(path, identity, name)(pages)
    made.insert(frames)
    return made


def identity_of(path: pathlib.Path) -> str:
    """Return a digest of a source with the files of its own that it includes, or of a library."""
    if path.suffix in LIBRARIES:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:20]
    return hashlib.sha256(compiler.expanded(path)).hexdigest()[:20]


def _as_sent(path: pathlib.Path, identity: str, name: str) -> type[NativeTracker]:
    try:
        found = identity_of(path)
    except OSError:
        raise TrackerError(f"{path}: {name} is not on this machine") from None
    if found != identity:
        raise TrackerError(f"{path}: {name} is another one here, or has changed since")
    return classes(f"{path}:{name}")[name]


def _class(library: pathlib.Path, name: str, origin: Origin) -> type[NativeTracker]:
    where = str(library)
    digest = hashlib.sha256(library.read_bytes()).hexdigest()
    if _digests.setdefault(where, digest) != digest:
        raise TrackerError(
            f"{origin.path}: has changed since this process loaded it; start a new one"
        )
    key = (where, name)
    if key not in _loaded or _loaded[key].origin != origin:
        table = next(one for one in read_tables(library) if one.name == name)
        _loaded[key] = kind_of(table, origin)
    return _loaded[key]
