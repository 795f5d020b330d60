"""Structures driven by compiled code: which kernels belong to which state.

::

    @driven(BitmapState, insert=insert, collect=collect, harvest=harvest, clear=clear)
    class Bitmap(Structure): ...

A state is a NamedTuple of arrays, a class of its own for each kind of structure; the kernels take
it first.  A loop that is compiled elsewhere, such as the one that measures, calls :func:`insert`,
:func:`collect`, :func:`harvest` and :func:`clear` with what :func:`state_for` returns: the state
and the addresses of its kernels.  A call by address takes 2 ns; a call by name makes Numba compile
all of the kernels once more in each loop: the first sweep of all structures took 68 s, not 46.

A class that declares nothing, or one that overrides a verb of the class that did, is driven through
Python: :func:`state_for` gives None for it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from numba import config, typeof, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

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


class Driven(NamedTuple):
    """A state, and where the compiled code of its kernels begins."""

    state: State
    insert: int
    collect: int
    harvest: int
    clear: int


def state_for(structure: Structure, dirty: int) -> Driven | None:
    """Return a structure's state with room for an epoch of `dirty` frames, and its kernels.

    Parameters
    ----------
    structure : Structure
        What is to be driven; what it holds stays.
    dirty : int
        Frames of an epoch, at most.

    Returns
    -------
    Driven or None
        None where it can be driven through Python only.

    Notes
    -----
    Cost: the first time for a kind of state its kernels are compiled, or loaded.
    """
    kind, known = type(structure), structure._driven
    if known is None or any(getattr(kind, verb, None) is not known[verb] for verb in _VERBS):
        return None
    state = structure._driven_state(dirty)
    return None if state is None else bound(state)


def bound(state: State) -> Driven:
    """Return a state with the addresses of the kernels of its class.

    Raises
    ------
    KeyError
        None were declared for it.
    """
    return Driven(state, *_addresses(state))


def insert(driven: Driven, frames: Frames) -> None:
    """Mark frames; callable from compiled code."""
    KERNELS[type(driven.state)].insert(driven.state, frames)


def collect(driven: Driven, out: Frames) -> int:
    """Write the dirty frames; callable from compiled code."""
    return KERNELS[type(driven.state)].collect(driven.state, out)


def harvest(driven: Driven, out: Frames) -> int:
    """Write the dirty frames and forget them; callable from compiled code."""
    return KERNELS[type(driven.state)].harvest(driven.state, out)


def clear(driven: Driven) -> None:
    """Forget all; callable from compiled code."""
    KERNELS[type(driven.state)].clear(driven.state)


_emitted: Callable[[Any], Any] = intrinsic
_FRAMES = types.Array(types.uint64, 1, "C")
_ARGUMENTS = {"insert": (_FRAMES,), "collect": (_FRAMES,), "harvest": (_FRAMES,), "clear": ()}
_known: dict[tuple[Any, ...], tuple[int, ...]] = {}
"""Class of a state and dtypes of its arrays, to the addresses of its kernels: Numba's own type of
the state takes 15 µs to make."""


def _addresses(state: State) -> tuple[int, ...]:
    """Return where the kernels of a state begin; zeros where the JIT is switched off."""
    if config.DISABLE_JIT:  # type: ignore[attr-defined]
        return (0,) * len(_ARGUMENTS)
    key = (type(state), *[getattr(one, "dtype", None) for one in state])
    if key not in _known:
        kind, chosen = typeof(state), KERNELS[type(state)]  # type: ignore[no-untyped-call]
        _known[key] = tuple(
            _address(getattr(chosen, verb), (kind, *others)) for verb, others in _ARGUMENTS.items()
        )
    return _known[key]


def _address(function: Any, arguments: tuple[Any, ...]) -> int:
    """Return where a function's code for some types begins, in Numba's own calling convention."""
    function.compile(arguments)
    made = function.overloads[arguments]
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))


def _call(verb: str, typing: Any, driven: Any, *others: Any) -> Any:
    """Return what an intrinsic does that calls a kernel by its address."""
    kind = driven.types[0]
    if any(one.layout != "C" for one in others):
        raise TypeError(f"{verb}: frames must be contiguous")
    place = Driven._fields.index(verb)
    function = types.Dispatcher(getattr(KERNELS[kind.instance_class], verb))
    inner = typing.resolve_function_type(function, (kind, *_ARGUMENTS[verb]), {})

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        convention = context.call_conv
        shape = convention.get_function_type(inner.return_type, inner.args).as_pointer()
        code = builder.inttoptr(builder.extract_value(given[0], place), shape)
        state = builder.extract_value(given[0], 0)
        status, told = convention.call_function(
            builder, code, inner.return_type, inner.args, [state, *given[1:]]
        )
        with cgutils.if_unlikely(builder, status.is_error):  # type: ignore[no-untyped-call]
            convention.return_status_propagate(builder, status)
        return told

    return inner.return_type(driven, *others), emit


@_emitted
def _call_insert(typing: Any, driven: Any, frames: Any) -> Any:
    return _call("insert", typing, driven, frames)


@_emitted
def _call_collect(typing: Any, driven: Any, out: Any) -> Any:
    return _call("collect", typing, driven, out)


@_emitted
def _call_harvest(typing: Any, driven: Any, out: Any) -> Any:
    return _call("harvest", typing, driven, out)


@_emitted
def _call_clear(typing: Any, driven: Any) -> Any:
    return _call("clear", typing, driven)


@overload(insert, inline="always")
def _insert_compiled(driven: Any, frames: Any) -> Callable[..., Any]:
    def compiled(driven: Any, frames: Any) -> None:
        _call_insert(driven, frames)

    return compiled


@overload(collect, inline="always")
def _collect_compiled(driven: Any, out: Any) -> Callable[..., Any]:
    def compiled(driven: Any, out: Any) -> int:
        return _call_collect(driven, out)

    return compiled


@overload(harvest, inline="always")
def _harvest_compiled(driven: Any, out: Any) -> Callable[..., Any]:
    def compiled(driven: Any, out: Any) -> int:
        return _call_harvest(driven, out)

    return compiled


@overload(clear, inline="always")
def _clear_compiled(driven: Any) -> Callable[..., Any]:
    def compiled(driven: Any) -> None:
        _call_clear(driven)

    return compiled
