"""Vector code for bits: words compared with 0, bits turned into frame numbers, eight words at once.

All but :func:`summary` need AVX-512 with VBMI2; :data:`HAS_VECTOR` tells whether compiled code may
use them here.  What calls them is in :mod:`dirtylab._words`.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic


def target_has(*features: str) -> bool:
    """Return whether the CPU that Numba compiles for, not only the host's, has all `features`."""
    if config.DISABLE_JIT:
        return False
    if config.CPU_FEATURES is not None:
        told = config.CPU_FEATURES
    else:
        told = get_host_cpu_features() if config.CPU_NAME is None else ""
    return set(features) <= {word[1:] for word in told.split(",") if word.startswith("+")}


HAS_VECTOR = target_has("avx512f", "avx512bw", "avx512vl", "avx512vbmi2", "avx512vpopcntdq")

_I1, _I8, _I32, _I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
_BYTES, _LANES = ir.VectorType(_I8, 64), ir.VectorType(_I64, 8)
_WORD_MASK, _LANE_MASK = ir.VectorType(_I1, 64), ir.VectorType(_I1, 8)


_emitted: Callable[[Any], Any] = intrinsic
"""Numba passes the first argument of an emitted function itself."""


def _data(context: Any, builder: Any, signature: Any, args: Any, place: int) -> Any:
    """Return the pointer to the first element of the array that is argument `place`."""
    return context.make_array(signature.args[place])(context, builder, args[place]).data


def _splat(builder: Any, value: Any) -> Any:
    undefined = ir.Constant(_LANES, ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(_I32, 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(_I32, 8), [0] * 8))


def _lanes(builder: Any, pointer: Any, offset: Any) -> Any:
    return builder.bitcast(builder.gep(pointer, [offset]), ir.PointerType(_LANES))


def _call(builder: Any, name: str, result: Any, args: Any) -> Any:
    kind = ir.FunctionType(result, [arg.type for arg in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _decoded(builder: Any, word: Any, base: Any, shift: Any) -> Callable[[int], Any]:
    """Compress 0 … 63 under `word`; return what gives eight frames, from the `first` on."""
    numbers = ir.Constant(_BYTES, list(range(64)))
    mask = builder.bitcast(word, _WORD_MASK)
    packed = _call(
        builder, "llvm.x86.avx512.mask.compress.v64i8", _BYTES,
        [numbers, ir.Constant(_BYTES, None), mask],
    )  # fmt: skip
    bases, shifts = _splat(builder, base), _splat(builder, shift)

    def eight(first: int) -> Any:
        places = ir.Constant(ir.VectorType(_I32, 8), [first + lane for lane in range(8)])
        some = builder.shuffle_vector(packed, ir.Constant(_BYTES, ir.Undefined), places)
        return builder.shl(builder.add(builder.zext(some, _LANES), bases), shifts)

    return eight


def _emit_decode(builder: Any, word: Any, base: Any, shift: Any, out: Any, pos: Any) -> Any:
    """Store frames eight at a time, as many as there are, at most 64."""
    eight, count = _decoded(builder, word, base, shift), builder.ctpop(word)

    def store(first: int) -> None:
        offset = builder.add(pos, ir.Constant(_I64, first))
        builder.store(eight(first), _lanes(builder, out, offset), align=8)

    def more_than(bits: int) -> Any:
        return builder.if_then(builder.icmp_unsigned(">", count, ir.Constant(_I64, bits)))

    store(0)
    with more_than(8):
        store(8)
        with more_than(16):
            store(16)
            store(24)
            with more_than(32):
                for first in range(32, 64, 8):
                    store(first)
    return count


def _emit_decode_within(
    builder: Any, word: Any, base: Any, shift: Any, out: Any, pos: Any, size: Any
) -> Any:
    """Store frames eight at a time, under a mask of those for which there is room."""
    eight, all_bits = _decoded(builder, word, base, shift), builder.ctpop(word)
    room = builder.sub(size, pos)
    fewer = builder.icmp_signed("<", room, all_bits)
    count = builder.select(fewer, room, all_bits)
    counts = _splat(builder, count)
    for first in range(0, 64, 8):
        with builder.if_then(builder.icmp_signed(">", count, ir.Constant(_I64, first))):
            places = ir.Constant(_LANES, [first + lane for lane in range(8)])
            wanted = builder.icmp_unsigned("<", places, counts)
            to = _lanes(builder, out, builder.add(pos, ir.Constant(_I64, first)))
            _call(
                builder, "llvm.masked.store.v8i64.p0", ir.VoidType(),
                [eight(first), to, ir.Constant(_I32, 8), wanted],
            )  # fmt: skip
    return count


@_emitted
def decode_within(typing: Any, word: Any, base: Any, shift: Any, out: Any, pos: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not HAS_VECTOR:
            return ir.Constant(_I64, 0)
        array = context.make_array(signature.args[3])(context, builder, args[3])
        size = builder.extract_value(array.shape, 0)
        word, base, shift, _, pos = args
        return _emit_decode_within(builder, word, base, shift, array.data, pos, size)

    return types.int64(types.uint64, types.uint64, types.uint64, out, types.int64), emit


@_emitted
def decode_vector(typing: Any, word: Any, base: Any, shift: Any, out: Any, pos: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not HAS_VECTOR:
            return ir.Constant(_I64, 0)
        pointer = _data(context, builder, signature, args, 3)
        return _emit_decode(builder, args[0], args[1], args[2], pointer, args[4])

    return types.int64(types.uint64, types.uint64, types.uint64, out, types.int64), emit


@_emitted
def summary(typing: Any, words: Any, first: Any) -> Any:
    """Compare 64 words with 0 at once; any processor's vectors will do."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        many = ir.VectorType(_I64, 64)
        pointer = builder.gep(_data(context, builder, signature, args, 0), [args[1]])
        read = builder.load(builder.bitcast(pointer, ir.PointerType(many)), align=8)
        some = builder.icmp_unsigned("!=", read, ir.Constant(many, None))
        return builder.bitcast(some, _I64)

    return types.uint64(words, types.int64), emit


@_emitted
def singles_vector(typing: Any, words: Any, places: Any, first: Any, out: Any, pos: Any) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not HAS_VECTOR:
            return ir.Constant(_I1, 0)
        base, where, to = (_data(context, builder, signature, args, place) for place in (0, 1, 3))
        numbers = builder.load(_lanes(builder, where, args[2]), align=8)
        start = _splat(builder, builder.ptrtoint(base, _I64))
        address = builder.add(start, builder.shl(numbers, ir.Constant(_LANES, [3] * 8)))
        pointers = builder.inttoptr(address, ir.VectorType(ir.PointerType(_I64), 8))
        eight = _call(
            builder, "llvm.masked.gather.v8i64.v8p0", _LANES,
            [pointers, ir.Constant(_I32, 8), ir.Constant(_LANE_MASK, [1] * 8),
             ir.Constant(_LANES, None)],
        )  # fmt: skip
        below = builder.sub(eight, ir.Constant(_LANES, [1] * 8))
        more = builder.icmp_unsigned("!=", builder.and_(eight, below), ir.Constant(_LANES, None))
        lowest = _call(
            builder, "llvm.ctpop.v8i64", _LANES, [builder.and_(below, builder.not_(eight))]
        )
        frames = builder.add(builder.shl(numbers, ir.Constant(_LANES, [6] * 8)), lowest)
        builder.store(frames, _lanes(builder, to, args[4]), align=8)
        return builder.icmp_unsigned("==", builder.bitcast(more, _I8), ir.Constant(_I8, 0))

    return types.boolean(words, places, types.int64, out, types.int64), emit
