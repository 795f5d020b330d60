"""Structures driven by compiled code: which kernels belong to which state.

::

    @driven(BitmapState, insert=insert, collect=collect, harvest=harvest, clear=clear)
    class Bitmap(Structure): ...

A state is a NamedTuple of arrays, a class of its own for each kind of structure; the kernels take
it first.  A loop that is compiled elsewhere, such as the one that measures, calls :func:`insert`,
:func:`collect`, :func:`harvest` and :func:`clear` with a state, and each is compiled for its class.

A class that declares nothing, or one that overrides a verb of the class that did, is driven through
Python: :func:`state_for` gives None for it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from numba.extending import overload

from dirtylab._check import Frames
from dirtylab.structures.base import Structure

State = Any
"""A NamedTuple of arrays; its class is the key."""
Kind = TypeVar("Kind", bound=type[Structure])

_VERBS = (
    "insert", "collect", "harvest", "clear", "_insert", "_collect", "_take", "_clear", "_append",
    "_driven_state",
)  # fmt: skip
"""Methods that say what a structure does; where one is another than was declared, nothing is
driven."""


class Kernels(NamedTuple):
    """Compiled functions of a state."""

    insert: Callable[[State, Frames], object]
    """``(state, frames)``: mark frames, all below the slot's size; 0, None or True: all are in."""
    collect: Callable[[State, Frames], int]
    """``(state, out)``: write the dirty frames, for which there is room; return how many."""
    harvest: Callable[[State, Frames], int]
    """As `collect`, and forget them."""
    clear: Callable[[State], object]
    """``(state)``: forget all."""


KERNELS: dict[type, Kernels] = {}
"""The kernels of each class of states."""


def driven(state: type, **kernels: Callable[..., Any]) -> Callable[[Kind], Kind]:
    """Declare the kernels of a structure's class.

    Parameters
    ----------
    state : type
        The NamedTuple that its ``_driven_state`` returns.
    **kernels
        ``insert``, ``collect``, ``harvest`` and ``clear``, as in :class:`Kernels`.

    Raises
    ------
    TypeError
        One is missing, or one is unknown.
    ValueError
        The state has other kernels already.
    """
    declared = Kernels(**kernels)
    if KERNELS.setdefault(state, declared) != declared:
        raise ValueError(f"state={state.__name__}: has other kernels already")

    def declare(kind: Kind) -> Kind:
        kind._driven = {verb: getattr(kind, verb, None) for verb in _VERBS}
        return kind

    return declare


def state_for(structure: Structure, dirty: int) -> State | None:
    """Return a structure's state with room for an epoch of `dirty` frames.

    Parameters
    ----------
    structure : Structure
        What is to be driven; what it holds stays.
    dirty : int
        Frames of an epoch, at most.

    Returns
    -------
    NamedTuple or None
        None where it can be driven through Python only.
    """
    kind, known = type(structure), structure._driven
    if known is None or any(getattr(kind, verb, None) is not known[verb] for verb in _VERBS):
        return None
    return structure._driven_state(dirty)


def insert(state: State, frames: Frames) -> None:
    """Mark frames; callable from compiled code."""
    KERNELS[type(state)].insert(state, frames)


def collect(state: State, out: Frames) -> int:
    """Write the dirty frames; callable from compiled code."""
    return KERNELS[type(state)].collect(state, out)


def harvest(state: State, out: Frames) -> int:
    """Write the dirty frames and forget them; callable from compiled code."""
    return KERNELS[type(state)].harvest(state, out)


def clear(state: State) -> None:
    """Forget all; callable from compiled code."""
    KERNELS[type(state)].clear(state)


@overload(insert)
def _insert_compiled(state: Any, frames: Any) -> Callable[..., Any]:
    chosen = KERNELS[state.instance_class].insert

    def compiled(state: Any, frames: Any) -> None:
        chosen(state, frames)

    return compiled


@overload(collect)
def _collect_compiled(state: Any, out: Any) -> Callable[..., Any]:
    chosen = KERNELS[state.instance_class].collect

    def compiled(state: Any, out: Any) -> int:
        return chosen(state, out)

    return compiled


@overload(harvest)
def _harvest_compiled(state: Any, out: Any) -> Callable[..., Any]:
    chosen = KERNELS[state.instance_class].harvest

    def compiled(state: Any, out: Any) -> int:
        return chosen(state, out)

    return compiled


@overload(clear)
def _clear_compiled(state: Any) -> Callable[..., Any]:
    chosen = KERNELS[state.instance_class].clear

    def compiled(state: Any) -> None:
        chosen(state)

    return compiled
