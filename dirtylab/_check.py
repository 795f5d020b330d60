"""The one gate for user input: each function returns the clean value or raises one clear error.

A message names the argument, the value it had and what is allowed.  Kernels never validate;
what has passed here is safe to index with.
"""

import math
import numbers
import operator
import os
from collections.abc import Collection, Iterable, Mapping, Set
from typing import Any, Never

import numpy as np
import numpy.typing as npt

from dirtylab._jit import kernel
from dirtylab._memory import tightest
from dirtylab._units import MAX_PAGES as MAX_PAGES

_LARGE = 16 * 2**20
"""Bytes from which on limits are read before an allocation: it takes longer than reading them."""
Frames = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]

_FRAME = np.dtype(np.uint64)


def integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return `value` as an int within ``low … high``.

    Raises
    ------
    TypeError
        `value` is not an integer (a float such as 3.0 and a bool are not).
    ValueError
        `value` is out of range.
    """
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}={value!r}: must be an integer, not a truth value")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{name}={value!r}: must be an integer, not {kind}") from None
    if number < low or (high is not None and number > high):
        allowed = f"{low} or more" if high is None else f"{low} … {high}"
        raise ValueError(f"{name}={number}: must be {allowed}")
    return number


def real(name: str, value: object, low: float, high: float) -> float:
    """Return `value` as a float within ``low … high``.

    Raises
    ------
    TypeError
        `value` is not a real number (a bool and a string are not).
    ValueError
        `value` is out of range or not a number.
    """
    number = _float(name, value)
    if not low <= number <= high:  # also when it is NaN
        raise ValueError(f"{name}={value}: must be {low:g} … {high:g}")
    return number


def positive(name: str, value: object) -> float:
    """Return `value` as a finite float above 0; errors as for :func:`real`."""
    number = _float(name, value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name}={value}: must be above 0 and finite")
    return number


def truth(name: str, value: object) -> bool:
    """Return `value` when it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}={value!r}: must be True or False")
    return bool(value)


def pages(value: object, low: int = 0) -> int:
    """Return the size of a slot in 4 KiB pages, ``low … 2^52``."""
    return integer("pages", value, low, MAX_PAGES)


def choice(name: str, value: object, allowed: Collection[str]) -> str:
    """Return `value` when it is one of the `allowed` words."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}={value!r}: must be one of {', '.join(allowed)}")
    return value


def options(owner: str, given: Iterable[str], allowed: Collection[str]) -> None:
    """Refuse a keyword that `owner` does not know."""
    for name in given:
        if name not in allowed:
            known = ", ".join(allowed) or "none"
            raise TypeError(f"{name}: unknown option of {owner}; allowed: {known}")


def memory(name: str, value: int, nbytes: int) -> None:
    """Refuse an allocation of `nbytes`, asked for by ``name=value``, that can't fit here.

    Raises
    ------
    MemoryError
        This machine has less memory, or this process may use less: limits of its control groups
        count, and its own.  Nothing was allocated.
    """
    room = tightest() if nbytes >= _LARGE else None
    if room is not None and nbytes > room.free:
        raise MemoryError(
            f"{name}={value}: needs {_gib(nbytes)} of memory; {room.source} allows "
            f"{_gib(room.limit)}, of which {_gib(room.free)} are free"
        )
    installed = physical_memory()
    if nbytes > installed:
        raise MemoryError(
            f"{name}={value}: needs {_gib(nbytes)} of memory; this machine has {_gib(installed)}"
        )


def usable_memory() -> int:
    """Return the bytes that this process may use: the machine's, or less where a limit is set."""
    room = tightest()
    return physical_memory() if room is None else min(physical_memory(), room.limit)


def physical_memory() -> int:
    """Return the machine's memory in bytes, or 2^63 where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 2**63


def _float(name: str, value: object) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={value!r}: must be a number, not {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:  # an int of more than 1024 bits
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def _gib(nbytes: int) -> str:
    return f"{nbytes / 2**30:,.1f} GiB"


def frames(name: str, values: object, pages: int) -> Frames:
    """Return `values` as a contiguous uint64 array of frames below `pages`.

    Parameters
    ----------
    name : str
        What to call the argument in a message.
    values : array_like of int
        One frame or a one-dimensional sequence, in any order, repeats allowed.
    pages : int
        Size of the slot.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``, uint64; `values` itself where it already is such an array.

    Raises
    ------
    TypeError
        Not integers, or a masked array.
    ValueError
        More than one dimension.
    IndexError
        A frame is negative or not below `pages`; the first such is named.
    """
    if (
        type(values) is np.ndarray
        and values.dtype is _FRAME
        and values.ndim == 1
        and values.flags.c_contiguous
    ):
        wide = array = values  # what generators give: 1.5 µs less of a call of 1.8 µs
    else:
        array = _as_integers(name, values, pages)
        wide = _as_uint64(array)
    worst = first_at_or_above(wide, pages)
    if worst < wide.size:
        _refuse_frame(name, worst, array[worst], pages)
    return wide


def _as_integers(name: str, values: object, pages: int) -> npt.NDArray[Any]:
    """Return anything like an array of integers as a one-dimensional one."""
    if values is None or isinstance(values, str | bytes | Set | Mapping):
        kind = type(values).__name__
        raise TypeError(f"{name}: must be an array or sequence of integers, not {kind}")
    kinds = set(map(type, values)) if isinstance(values, list | tuple) else {type(values)}
    if any(issubclass(kind, np.ma.MaskedArray) for kind in kinds):
        raise TypeError(f"{name}: must be without a mask; give what compressed() returns")
    array = np.atleast_1d(_as_array(name, values))
    if array.ndim != 1:
        raise ValueError(f"{name}: must be one-dimensional, not of shape {array.shape}")
    if array.size == 0:
        return np.empty(0, np.uint64)
    if array.dtype == object or (array.dtype.kind == "f" and not isinstance(values, np.ndarray)):
        array = _from_objects(name, values, pages)  # NumPy makes floats of [0, 2**63]
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name}: must be integers, not {array.dtype}")
    return array


def _as_array(name: str, values: object) -> npt.NDArray[Any]:
    """Return an array of `values`, of no subclass."""
    try:
        return np.asarray(values)
    except ValueError:  # rows of several lengths
        raise ValueError(f"{name}: must be one-dimensional, not a sequence of sequences") from None


def apart(frames: Frames, owned: Iterable[npt.NDArray[Any]]) -> Frames:
    """Return `frames`, copied where they lie in one of the arrays that they would change."""
    return frames.copy() if any(np.may_share_memory(frames, one) for one in owned) else frames


def output(out: object, needed: int) -> Frames:
    """Return `out` when it can take `needed` frames.

    Raises
    ------
    TypeError
        Not a writeable, contiguous, one-dimensional uint64 array, or one of a subclass.
    ValueError
        Too small.
    """
    if not isinstance(out, np.ndarray) or out.dtype != np.uint64 or out.ndim != 1:
        found = f"{out.dtype} of shape {out.shape}" if isinstance(out, np.ndarray) else repr(out)
        raise TypeError(f"out: must be a one-dimensional uint64 array, not {found}")
    if type(out) is not np.ndarray:
        raise TypeError(f"out: must be a plain numpy.ndarray, not {type(out).__name__}")
    flags = out.flags
    if not (flags.writeable and flags.c_contiguous and flags.aligned):
        raise TypeError("out: must be writeable, contiguous and aligned")
    if out.size < needed:
        raise ValueError(f"out: has room for {out.size} frames, {needed} needed; nothing written")
    return out


@kernel
def first_at_or_above(frames: Frames, pages: int) -> int:
    """Return the index of the first frame not below `pages`, or the size when there is none."""
    limit = np.uint64(pages)
    # The maximum first: it vectorises, 3 times faster than a loop that may leave early.
    highest = np.uint64(0)
    for frame in frames:
        highest = max(highest, frame)
    if frames.size == 0 or highest < limit:
        return frames.size
    index = 0
    while frames[index] < limit:
        index += 1
    return index


def _from_objects(name: str, values: object, pages: int) -> npt.NDArray[Any]:
    """Turn Python integers, some too large for 64 bits, into uint64."""
    array = np.atleast_1d(np.asarray(values, dtype=object))
    for index, value in enumerate(array):
        if not isinstance(value, int | np.integer) or isinstance(value, bool):
            raise TypeError(f"{name}[{index}]={value!r}: must be an integer")
        if not 0 <= value < pages:
            _refuse_frame(name, index, value, pages)
    return array.astype(np.uint64)


def _as_uint64(array: npt.NDArray[Any]) -> Frames:
    """Widen to 64 bits; a negative frame becomes one that is far out of range."""
    if array.dtype == np.uint64 and array.flags.c_contiguous:
        return array
    if array.dtype.kind == "i":
        return np.ascontiguousarray(array, dtype=np.int64).view(np.uint64)
    return np.ascontiguousarray(array, dtype=np.uint64)


def _refuse_frame(name: str, index: int, value: object, pages: int) -> Never:
    allowed = f"must be 0 … {pages - 1}" if pages else "a slot of 0 pages has no frames"
    raise IndexError(f"{name}[{index}]={value}: {allowed}")
