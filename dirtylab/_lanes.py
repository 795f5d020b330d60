"""Vector code for sorting: a few vectors sorted, an array split in two, repeats left out.

A vector has as many bits as the processor's: 512, 256 or 128.  Sorting a few vectors takes no more
than the least and the greatest of two, which every processor has; what splits and what leaves out
repeats needs AVX-512, and :data:`HAS_LANES` tells whether compiled code may use it here.  What
calls them is in :mod:`dirtylab.structures.ordering`.

Sources: Batcher, Sorting networks and their applications, 1968; Bramas, A novel hybrid quicksort
algorithm vectorized using AVX-512, 2017.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from dirtylab._vectors import target_has

HAS_LANES = target_has("avx512f", "avx512bw", "avx512dq", "avx512vl")
BITS = 512 if HAS_LANES else 256 if target_has("avx2") else 128
"""Of a vector."""
VECTORS = 8
"""Vectors that are sorted together, at most."""

_NETWORKS = {
    4: [(0, 1), (2, 3), (0, 2), (1, 3), (1, 2)],
    8: [(0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7), (0, 1), (2, 3), (4, 5),
        (6, 7), (2, 4), (3, 5), (1, 4), (3, 6), (1, 2), (3, 4), (5, 6)],
}  # fmt: skip
"""Pairs to be exchanged, by the number of vectors."""

_I1, _I32, _I64 = (ir.IntType(bits) for bits in (1, 32, 64))
_emitted: Callable[[Any], Any] = intrinsic
"""Numba passes the first argument of an emitted function itself."""


@contextlib.contextmanager
def _while_below(builder: Any, place: Any, end: Any) -> Iterator[None]:
    """Repeat what is emitted inside while `place`, a variable, is below `end`."""
    test, body, after = (builder.append_basic_block(name) for name in ("test", "body", "after"))
    builder.branch(test)
    builder.position_at_end(test)
    builder.cbranch(builder.icmp_signed("<", builder.load(place), end), body, after)
    builder.position_at_end(body)
    yield
    builder.branch(test)
    builder.position_at_end(after)


class _Lanes:
    """Emits steps on vectors of one dtype."""

    def __init__(self, builder: Any, dtype: Any) -> None:
        self.builder = builder
        self.count = BITS // dtype.bitwidth
        self.element = ir.IntType(dtype.bitwidth)
        self.size = dtype.bitwidth // 8
        self.kind = ir.VectorType(self.element, self.count)
        self.mask = ir.VectorType(_I1, self.count)
        self.name = f"v{self.count}i{dtype.bitwidth}"
        self.numbers = range(self.count)

    def call(self, name: str, result: Any, *args: Any) -> Any:
        kind = ir.FunctionType(result, [arg.type for arg in args])
        made = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}")
        return self.builder.call(made, args)

    def shuffle(self, vector: Any, lanes: Any, other: Any = None) -> Any:
        places = ir.Constant(ir.VectorType(_I32, self.count), list(lanes))
        undefined = ir.Constant(vector.type, ir.Undefined)
        return self.builder.shuffle_vector(vector, undefined if other is None else other, places)

    def splat(self, value: Any) -> Any:
        undefined = ir.Constant(ir.VectorType(value.type, self.count), ir.Undefined)
        one = self.builder.insert_element(undefined, value, ir.Constant(_I32, 0))
        return self.shuffle(one, [0] * self.count)

    def first(self, count: Any) -> Any:
        """Return a mask of the first `count` lanes, which may be negative or too many."""
        lanes = ir.Constant(ir.VectorType(_I64, self.count), list(self.numbers))
        return self.builder.icmp_signed("<", lanes, self.splat(count))

    def at(self, pointer: Any, place: Any, kind: Any = None) -> Any:
        where = self.builder.gep(pointer, [place])
        return self.builder.bitcast(where, ir.PointerType(kind or self.kind))

    def load(self, pointer: Any, place: Any) -> Any:
        return self.builder.load(self.at(pointer, place), align=self.size)

    def store(self, vector: Any, pointer: Any, place: Any) -> None:
        self.builder.store(vector, self.at(pointer, place), align=self.size)

    def load_some(self, pointer: Any, place: Any, mask: Any, filler: Any) -> Any:
        """Return lanes under `mask`, those of `filler` elsewhere."""
        size = ir.Constant(_I32, self.size)
        return self.call(f"masked.load.{self.name}.p0", self.kind, self.at(pointer, place), size,
                         mask, filler)  # fmt: skip

    def store_some(self, vector: Any, pointer: Any, place: Any, mask: Any) -> None:
        size = ir.Constant(_I32, self.size)
        self.call(f"masked.store.{self.name}.p0", ir.VoidType(), vector, self.at(pointer, place),
                  size, mask)  # fmt: skip

    def compress(self, vector: Any, mask: Any) -> Any:
        nothing = ir.Constant(self.kind, None)
        name = f"x86.avx512.mask.compress.{self.name}"
        return self.call(name, self.kind, vector, nothing, mask)

    def number_of(self, mask: Any) -> Any:
        bits = self.builder.bitcast(mask, ir.IntType(self.count))
        return self.builder.zext(self.builder.ctpop(bits), _I64)

    def write_new(self, vector: Any, before: Any, out: Any, pos: Any, first: bool = False) -> Any:
        """Write the lanes that differ from `before` as uint64, garbage behind; return how many.

        The first lane is written anyhow where `first`.
        """
        builder = self.builder
        new = builder.icmp_unsigned("!=", vector, before)
        if first:
            new = builder.or_(new, ir.Constant(self.mask, [1] + [0] * (self.count - 1)))
        kept = self.compress(vector, new)
        wide = ir.VectorType(_I64, self.count)
        if self.element != _I64:
            kept = builder.zext(kept, wide)
        builder.store(kept, self.at(out, pos, wide), align=8)
        return self.number_of(new)

    def write_all(self, vectors: list[Any], out: Any, pos: Any) -> Any:
        """Write what sorted vectors hold, without repeats; return how many."""
        if not HAS_LANES:
            return self._write_one_by_one(vectors, out, pos)
        shift = range(self.count - 1, 2 * self.count - 1)
        end, before = pos, vectors[0]
        for number, vector in enumerate(vectors):
            shifted = self.shuffle(before, shift, vector)
            written = self.write_new(vector, shifted, out, end, first=number == 0)
            end, before = self.builder.add(end, written), vector
        return self.builder.sub(end, pos)

    def _write_one_by_one(self, vectors: list[Any], out: Any, pos: Any) -> Any:
        builder = self.builder
        total = ir.Constant(_I64, len(vectors) * self.count)
        kept = cgutils.alloca_once(builder, self.element, size=total)
        for number, vector in enumerate(vectors):
            self.store(vector, kept, ir.Constant(_I64, number * self.count))
        zero, one = ir.Constant(_I64, 0), ir.Constant(_I64, 1)
        other = builder.not_(builder.load(kept))
        place, end, last = (
            cgutils.alloca_once_value(builder, first) for first in (zero, pos, other)
        )
        with _while_below(builder, place, total):
            where, to = builder.load(place), builder.load(end)
            value = builder.load(builder.gep(kept, [where]))
            new = builder.icmp_unsigned("!=", value, builder.load(last))
            wide = value if self.element == _I64 else builder.zext(value, _I64)
            # A repeat is written where it is already: no branch, and nothing behind the last.
            builder.store(wide, builder.gep(out, [builder.select(new, to, builder.sub(to, one))]))
            builder.store(builder.add(to, builder.zext(new, _I64)), end)
            builder.store(value, last)
            builder.store(builder.add(where, one), place)
        return builder.sub(builder.load(end), pos)


class _Network(_Lanes):
    """Emits a sort of 4 or 8 vectors.

    Columns are sorted first, then merged in pairs, each merge as wide as all vectors: lanes change
    places in ten steps of sixteen lanes, in 22 where rows are sorted first.
    """

    def __init__(self, builder: Any, dtype: Any, opaque: Any) -> None:
        """`opaque` is a 0 that LLVM can't know to be one.

        Where it knows which lanes take the lower it merges that into the next shuffle, which takes
        AVX-512 a third more steps; without AVX-512 it is part of an instruction.
        """
        super().__init__(builder, dtype)
        whole = ir.IntType(self.count)
        unknown = builder.trunc(opaque, whole) if HAS_LANES else ir.Constant(whole, 0)
        self._upper = [
            builder.bitcast(
                builder.add(
                    unknown,
                    ir.Constant(whole, sum(1 << lane for lane in self.numbers if lane >> bit & 1)),
                ),
                self.mask,
            )
            for bit in range(whole.width.bit_length() - 1)
        ]

    def lower_and_higher(self, one: Any, other: Any) -> tuple[Any, Any]:
        low, high = (self.call(f"{name}.{self.name}", self.kind, one, other)
                     for name in ("umin", "umax"))  # fmt: skip
        return low, high

    def exchanged(self, vector: Any, other: Any, bit: int) -> Any:
        """Return the lower of two vectors in the lanes without `bit`, the higher in those with."""
        low, high = self.lower_and_higher(vector, other)
        return self.builder.select(self._upper[bit], high, low)

    def exchange(self, vectors: list[Any], pairs: list[tuple[int, int]]) -> None:
        for low, high in pairs:
            vectors[low], vectors[high] = self.lower_and_higher(vectors[low], vectors[high])

    def merged(self, vectors: list[Any], bit: int) -> list[Any]:
        """Merge the columns of lanes without `bit` with those of the lanes with it."""
        mirror = [lane ^ ((2 << bit) - 1) for lane in self.numbers]
        back = [self.shuffle(vector, mirror) for vector in reversed(vectors)]
        vectors = [self.exchanged(*pair, bit) for pair in zip(vectors, back, strict=True)]
        for lower in range(bit - 1, -1, -1):
            partner = [lane ^ (1 << lower) for lane in self.numbers]
            vectors = [self.exchanged(vector, self.shuffle(vector, partner), lower)
                       for vector in vectors]  # fmt: skip
        half = len(vectors) // 2
        while half:
            self.exchange(vectors, [(low, low + half) for low in range(len(vectors))
                                    if not low & half])  # fmt: skip
            half //= 2
        return vectors

    def sorted_all(self, vectors: list[Any]) -> list[Any]:
        self.exchange(vectors, _NETWORKS[len(vectors)])
        for bit in range(self.count.bit_length() - 1):
            vectors = self.merged(vectors, bit)
        half = len(vectors) // 2
        begin = self.count // 2
        zipped = [[lane for number in range(first, first + begin)
                   for lane in (number, number + self.count)] for first in (0, begin)]  # fmt: skip
        for _ in range(half.bit_length()):  # columns become rows
            vectors = [self.shuffle(vectors[one], part, vectors[one + half])
                       for one in range(half) for part in zipped]  # fmt: skip
        return vectors


class _Split(_Lanes):
    """Emits a split: lows to the begin of one array, the others to the end of another."""

    def __init__(self, builder: Any, dtype: Any, arrays: Any, ends: Any, pivot: Any) -> None:
        super().__init__(builder, dtype)
        self.source, self.left, self.right = arrays
        self.begin, self.end = ends
        self.pivot = self.splat(pivot)
        self.step = ir.Constant(_I64, self.count)
        self.low, self.high, self.place = (
            cgutils.alloca_once_value(builder, one) for one in (self.begin, self.end, self.begin)
        )
        self.ahead = cgutils.alloca_once_value(builder, self.load(self.source, self.begin))

    def advance(self, number: Any, given: Any = None) -> None:
        """Split the vector read before, of which `number` lanes count, under the mask `given`.

        The next is read first: up to a vector beyond the lows is written.
        """
        builder = self.builder
        vector = builder.load(self.ahead)
        after = builder.add(builder.load(self.place), number)
        builder.store(after, self.place)
        last = builder.sub(self.end, self.step)
        inside = builder.select(builder.icmp_signed("<", after, last), after, last)
        builder.store(self.load(self.source, inside), self.ahead)
        below = builder.icmp_unsigned("<", vector, self.pivot)
        above = builder.icmp_unsigned(">=", vector, self.pivot)
        if given is not None:
            below, above = builder.and_(below, given), builder.and_(above, given)
        low, high, lows = builder.load(self.low), builder.load(self.high), self.number_of(below)
        self.store(self.compress(vector, below), self.left, low)
        final = builder.sub(high, builder.sub(number, lows))
        others = self.shuffle(self.compress(vector, above), reversed(self.numbers))
        self._store_before(others, high, final)
        builder.store(builder.add(low, lows), self.low)
        builder.store(final, self.high)

    def _store_before(self, vector: Any, high: Any, final: Any) -> None:
        """Store a vector up to `high`; only from `final` on where all would not be inside."""
        builder = self.builder
        to = builder.sub(high, self.step)
        outside = builder.icmp_signed("<", to, self.begin)
        with builder.if_else(outside, likely=False) as (some, whole):
            with some:
                mask = builder.not_(self.first(builder.sub(final, to)))
                self.store_some(vector, self.right, to, mask)
            with whole:
                self.store(vector, self.right, to)


def _data(context: Any, builder: Any, signature: Any, args: Any, *places: int) -> list[Any]:
    """Return pointers to the first elements of the arrays that are arguments."""
    return [context.make_array(signature.args[place])(context, builder, args[place]).data
            for place in places]  # fmt: skip


@_emitted
def lanes_of(typing: Any, values: Any) -> Any:
    """Return how many lanes a vector of the dtype of `values` has."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(_I64, BITS // signature.args[0].dtype.bitwidth)

    return types.int64(values), emit


@_emitted
def split_lanes(
    typing: Any, values: Any, first: Any, last: Any, lows: Any, others: Any, pivot: Any
) -> Any:
    """Split ``values[first:last]``, at least a vector; return where the ones end.

    What is below `pivot` is moved to the begin of ``lows[first:last]``, which may be the same
    array, the others to the end of ``others[first:last]``.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not HAS_LANES:
            return args[1]
        arrays = _data(context, builder, signature, args, 0, 3, 4)
        split = _Split(builder, signature.args[0].dtype, arrays, args[1:3], args[5])
        all_but_one = ir.Constant(_I64, split.count - 1)
        some = builder.and_(builder.sub(args[2], args[1]), all_but_one)
        with builder.if_then(builder.icmp_signed("!=", some, ir.Constant(_I64, 0))):
            split.advance(some, split.first(some))
        with _while_below(builder, split.place, args[2]):
            split.advance(split.step)
        return builder.load(split.low)

    integer = types.int64
    return types.int64(values, integer, integer, lows, others, values.dtype), emit


@_emitted
def distinct_lanes(typing: Any, values: Any, place: Any, out: Any, pos: Any) -> Any:
    """Write the values of one vector that differ from the one before them; return how many.

    The vector is at `place`, not 0; written is to ``out[pos:]``, garbage behind, a vector in all.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if not HAS_LANES:
            return ir.Constant(_I64, 0)
        lanes = _Lanes(builder, signature.args[0].dtype)
        source, target = _data(context, builder, signature, args, 0, 2)
        before = lanes.load(source, builder.sub(args[1], ir.Constant(_I64, 1)))
        return lanes.write_new(lanes.load(source, args[1]), before, target, args[3])

    return types.int64(values, types.int64, out, types.int64), emit


def _interpreted(values: Any, first: int, count: int, out: Any, pos: int) -> int:
    found = sorted({*values[first : first + count].tolist()})
    out[pos : pos + len(found)] = found
    return len(found)


def _sorter(number: int) -> Callable[[Any, int, int, Any, int], int]:
    @_emitted
    def sort_vectors(typing: Any, values: Any, first: Any, count: Any, out: Any, pos: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            opaque = builder.lshr(args[2], ir.Constant(_I64, 48))
            network = _Network(builder, signature.args[0].dtype, opaque)
            source, target = _data(context, builder, signature, args, 0, 3)
            # What is missing is filled up with repeats, which are left out anyhow.
            filler = network.splat(builder.load(builder.gep(source, [args[1]])))
            vectors = []
            for begin in range(0, number * network.count, network.count):
                start = ir.Constant(_I64, begin)
                mask = network.first(builder.sub(args[2], start))
                place = builder.add(args[1], start)
                vectors.append(network.load_some(source, place, mask, filler))
            return network.write_all(network.sorted_all(vectors), target, args[4])

        return types.int64(values, types.int64, types.int64, out, types.int64), emit

    return _interpreted if config.DISABLE_JIT else sort_vectors


sort_four, sort_eight = _sorter(4), _sorter(8)
"""Sort the `count` values from `first` on, at least one and at most so many vectors; write the
distinct ones to ``out[pos:]``, garbage behind, so many vectors in all; return how many."""

if config.DISABLE_JIT:

    def lanes_of(values: Any) -> int:
        return BITS // (8 * int(values.itemsize))
