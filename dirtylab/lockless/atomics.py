"""Atomic operations on 64-bit words: LLVM's own, each with its memory order in its name.

Numba has none for the CPU; each function here is an ``@intrinsic`` that emits one LLVM instruction:
``atomicrmw``, ``load atomic`` or ``store atomic``.  What that becomes:

=====================  ============================  =======================================
here                   x86-64                        AArch64 (LSE)
=====================  ============================  =======================================
``or_…``, result       ``lock or``                   ``ldset``, ``ldsetl``, ``ldsetal``
unused
``fetch_or_…``         ``lock bts`` or a loop of     ``ldset…``
                       ``lock cmpxchg``
``exchange_…``         ``xchg``                      ``swp``, ``swpa``, ``swpal``
``add_relaxed``        ``lock xadd``                 ``ldadd``
``load_…``             ``mov``                       ``ldr``, ``ldar``
``store_…``            ``mov``                       ``str``, ``stlr``
=====================  ============================  =======================================

On x86-64 every locked instruction is a full barrier, so the order asked for costs nothing there and
a wrong one goes unnoticed; :mod:`dirtylab.verify.checker` is where it is noticed.

Where the JIT is switched off the plain Python forms run: for one thread only.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from dirtylab._words import Words

import numpy as np  # isort: skip

_emitted: Callable[[Any], Any] = intrinsic
_I64 = ir.IntType(64)
_ALIGN = 8


class NotLockFreeError(RuntimeError):
    """64-bit atomics are calls into a library of locks on this platform."""


def is_lock_free(triple: str | None = None, cpu: str = "", features: str = "") -> bool:
    """Return whether LLVM makes 64-bit atomics out of instructions, not calls to ``__atomic_…``.

    Parameters
    ----------
    triple : str, optional
        A target such as ``"aarch64-linux-gnu"``; this process's own when omitted.
    cpu, features : str, optional
        As LLVM names them.

    Returns
    -------
    bool

    Raises
    ------
    RuntimeError
        This LLVM does not know the target.

    Notes
    -----
    Cost: 1 ms; compiles two instructions and reads the assembler text.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    wanted = triple or llvm.get_process_triple()
    if triple is not None:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(wanted).create_target_machine(
        cpu=cpu, features=features, codemodel="default", reloc="pic"
    )
    assembler: str = machine.emit_assembly(llvm.parse_assembly(_probe(wanted)))
    return "__atomic_" not in assembler


def require_lock_free(triple: str | None = None, cpu: str = "") -> None:
    """Refuse a platform on which an insert would take a lock.

    Raises
    ------
    NotLockFreeError
        64-bit atomics are not lock-free here.
    """
    if not is_lock_free(triple, cpu):
        wanted = triple or llvm.get_process_triple()
        raise NotLockFreeError(
            f"platform {wanted!r}: 64-bit atomics are not lock-free here, an insert could block; "
            "dirtylab.lockless needs a 64-bit platform such as x86-64 or AArch64"
        )


def require_threads() -> None:
    """Refuse real threads where nothing is atomic: with the JIT switched off.

    Raises
    ------
    RuntimeError
        NUMBA_DISABLE_JIT is set.
    """
    if config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT=1: without the JIT nothing is atomic; unset it")


def _probe(triple: str) -> str:
    """Return a module that takes a word and puts one back."""
    return (
        f'target triple = "{triple}"\n'
        "define i64 @probe(ptr %p, i64 %v) {\n"
        "  %old = atomicrmw or ptr %p, i64 %v seq_cst\n"
        "  %was = atomicrmw xchg ptr %p, i64 %old seq_cst\n"
        "  ret i64 %was\n}\n"
    )


# --- emitters -----------------------------------------------------------------------------------


def _pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Return the address of word ``args[1]`` of the array ``args[0]``."""
    words = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(words.data, [args[1]])


def _modify(operation: str, order: str) -> Any:
    def emitted(typing: Any, words: Any, place: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _pointer(context, builder, signature, args)
            return builder.atomic_rmw(operation, pointer, args[2], order)

        return types.uint64(words, place, types.uint64), emit

    return _emitted(emitted)


def _set(order: str) -> Any:
    """As :func:`_modify` of "or" without a result: ``lock or``, where a result costs a loop."""

    def emitted(typing: Any, words: Any, place: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _pointer(context, builder, signature, args)
            builder.atomic_rmw("or", pointer, args[2], order)
            return context.get_dummy_value()

        return types.none(words, place, types.uint64), emit

    return _emitted(emitted)


def _load(order: str) -> Any:
    def emitted(typing: Any, words: Any, place: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.load_atomic(_pointer(context, builder, signature, args), order, _ALIGN)

        return types.uint64(words, place), emit

    return _emitted(emitted)


def _store(order: str) -> Any:
    def emitted(typing: Any, words: Any, place: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pointer = _pointer(context, builder, signature, args)
            builder.store_atomic(args[2], pointer, order, _ALIGN)
            return context.get_dummy_value()

        return types.none(words, place, types.uint64), emit

    return _emitted(emitted)


@_emitted
def _sched_yield(typing: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.none(), emit


# --- what kernels call --------------------------------------------------------------------------

Modify = Callable[[Words, Any, Any], Any]
Load = Callable[[Words, Any], Any]
_INLINE: Any = {"forceinline": True}


def _or(words: Words, place: Any, value: Any) -> Any:
    old = words[place]
    words[place] = old | value
    return old


def _and(words: Words, place: Any, value: Any) -> Any:
    old = words[place]
    words[place] = old & value
    return old


def _exchange(words: Words, place: Any, value: Any) -> Any:
    old = words[place]
    words[place] = value
    return old


def _add(words: Words, place: Any, value: Any) -> Any:
    old = words[place]
    words[place] = old + value
    return old


def _three(python: Modify, emitted: Any) -> Modify:
    """Return a function of three arguments that is `python` interpreted and `emitted` compiled."""

    def function(words: Words, place: Any, value: Any) -> Any:
        return python(words, place, value)

    @overload(function, jit_options=_INLINE)
    def _compiled(words: Any, place: Any, value: Any) -> Modify:
        def compiled(words: Any, place: Any, value: Any) -> Any:
            return emitted(words, place, value)

        return compiled

    return function


def _two(emitted: Any) -> Load:
    def function(words: Words, place: Any) -> Any:
        return words[place]

    @overload(function, jit_options=_INLINE)
    def _compiled(words: Any, place: Any) -> Load:
        def compiled(words: Any, place: Any) -> Any:
            return emitted(words, place)

        return compiled

    return function


or_release = _three(_or, _set("release"))
"""Set bits, publishing what was written before."""
or_fully = _three(_or, _set("seq_cst"))
"""Set bits in the one order on which all threads agree."""
fetch_or = _three(_or, _modify("or", "seq_cst"))
"""Set bits in the one order on which all threads agree; return the word as it was."""
fetch_and = _three(_and, _modify("and", "seq_cst"))
"""Keep only the bits given; return the word as it was."""
exchange_acquire = _three(_exchange, _modify("xchg", "acquire"))
"""Put a word and return the one that was there, with all that its writer published."""
exchange = _three(_exchange, _modify("xchg", "seq_cst"))
"""Put a word, in the one order on which all threads agree; return the one that was there."""
add_relaxed = _three(_add, _modify("add", "monotonic"))
"""Add and return the sum before: a ticket.  Orders nothing else."""
load_relaxed = _two(_load("monotonic"))
load_acquire = _two(_load("acquire"))
load = _two(_load("seq_cst"))
store_relaxed = _three(_exchange, _store("monotonic"))
store_release = _three(_exchange, _store("release"))


def give_way() -> None:
    """Let another thread run on this core; callable from compiled code."""


@overload(give_way, jit_options=_INLINE)
def _give_way_compiled() -> Callable[[], None]:
    def compiled() -> None:
        _sched_yield()

    return compiled


def aligned_zeros(words: int) -> Words:
    """Return zeroed words that begin on a cache line, so that what is one line here is one there.

    Parameters
    ----------
    words : int
        How many.

    Returns
    -------
    numpy.ndarray
        Shape ``(words,)``, uint64, its address a multiple of 128.
    """
    spare = np.zeros(words + 16, np.uint64)
    begin = (-spare.ctypes.data % 128) // 8
    return spare[begin : begin + words]
