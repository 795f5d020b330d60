"""Calls of native functions from compiled code: the address is an argument, one kernel for all.

A call by address from a Numba kernel takes 1.7 ns, through ctypes from Python 0.4 µs and more.
The address is data, so kernels can be cached, and one specialisation serves every tracker.
Where the JIT is switched off ctypes calls.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

_emitted: Callable[[Any], Any] = intrinsic
_I64 = ir.IntType(64)
_POINTER = ir.IntType(8).as_pointer()


def _function(kinds: str, result: ir.Type) -> Any:
    """Return an intrinsic that calls a function by its address.

    Parameters
    ----------
    kinds : str
        A letter an argument: ``p`` an address (uint64), ``a`` an array's data, ``n`` a number.
    result : llvmlite.ir.Type
        What it returns: a 64-bit number or nothing.
    """
    returned = types.none if isinstance(result, ir.VoidType) else types.uint64

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = []
        for kind, type_, value in zip(kinds, signature.args[1:], args[1:], strict=True):
            if kind == "a":
                data = context.make_array(type_)(context, builder, value).data
                values.append(builder.bitcast(data, _POINTER))
            else:
                values.append(builder.inttoptr(value, _POINTER) if kind == "p" else value)
        shape = ir.FunctionType(result, [_I64 if kind == "n" else _POINTER for kind in kinds])
        told = builder.call(builder.inttoptr(args[0], shape.as_pointer()), values)
        return told if returned is types.uint64 else context.get_dummy_value()

    def signature_of(*given: Any) -> Any:
        pairs = zip(kinds, given, strict=True)
        kept = (one if kind == "a" else types.uint64 for kind, one in pairs)
        return returned(types.uint64, *kept)

    return signature_of, emit


@_emitted
def call_insert(typing: Any, address: Any, tracker: Any, frames: Any, count: Any) -> Any:
    """``insert(tracker, frames, count)``."""
    signature_of, emit = _function("pan", ir.VoidType())
    return signature_of(tracker, frames, count), emit


@_emitted
def call_harvest(typing: Any, address: Any, tracker: Any, out: Any, room: Any) -> Any:
    """``harvest(tracker, out, room)``: how many frames it wrote."""
    signature_of, emit = _function("pan", _I64)
    return signature_of(tracker, out, room), emit


@_emitted
def call_clear(typing: Any, address: Any, tracker: Any) -> Any:
    """``clear(tracker)``."""
    signature_of, emit = _function("p", ir.VoidType())
    return signature_of(tracker), emit


@_emitted
def call_ioctl(typing: Any, address: Any, fd: Any, request: Any, argument: Any) -> Any:
    """``ioctl(fd, request, argument)``: what it returned, in the lower 32 bits."""
    signature_of, emit = _function("nnp", _I64)
    return signature_of(fd, request, argument), emit


def _by_ctypes(kinds: str, *, returns: bool) -> Any:
    """Return what calls a function by its address, from Python; `kinds` as in :func:`_function`."""
    word = ctypes.c_uint64
    kind = ctypes.CFUNCTYPE(word if returns else None, *(word for _ in kinds))

    def call(address: Any, *given: Any) -> Any:
        plain = [
            one.ctypes.data if letter == "a" else int(one)
            for letter, one in zip(kinds, given, strict=True)
        ]
        return kind(int(address))(*plain)

    return call


if config.DISABLE_JIT:  # type: ignore[attr-defined]
    call_insert = _by_ctypes("pan", returns=False)
    call_harvest = _by_ctypes("pan", returns=True)
    call_clear = _by_ctypes("p", returns=False)
    call_ioctl = _by_ctypes("nnp", returns=True)
