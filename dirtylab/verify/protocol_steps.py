"""Inserts and harvests as programs for :mod:`.checker`: the steps of :mod:`.protocol_models`.

Each program is the kernel of the same name with one atomic step a line, on words of a few bits.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from dirtylab.verify.program import (
    WRITE,
    AnyOrder,
    Program,
    Report,
    Step,
)


class Shape(NamedTuple):
    """A small tree: `levels` of words of `word` bits, grouped into nodes of `radix`."""

    levels: int = 2
    radix: int = 2
    word: int = 2

    @property
    def pages(self) -> int:
        """Size of the slot."""
        return self.radix**self.levels

    def place(self, level: int, number: int) -> str:
        """Return the name of a word."""
        if level == self.levels - 1 and level > 0:
            return "root"
        name = "leaf" if level == 0 else "middle" if self.levels == 3 else f"level{level}"
        return f"{name}[{number}]"

    def places(self) -> tuple[str, ...]:
        """Return the names of all words, the root last."""
        bits = [self.pages // self.radix**level for level in range(self.levels)]
        return tuple(
            self.place(level, number)
            for level, count in enumerate(bits)
            for number in range(-(-count // self.word))
        )

    def path(self, frame: int) -> list[tuple[str, int]]:
        """Return word and bit of a frame on each level, the leaf first."""
        found = []
        for level in range(self.levels):
            bit = frame // self.radix**level
            found.append((self.place(level, bit // self.word), 1 << bit % self.word))
        return found

    def node(self, frame: int, level: int) -> int:
        """Return the bits of the frame's node in its word."""
        bit = frame // self.radix**level % self.word
        return ((1 << self.radix) - 1) << bit // self.radix * self.radix


def _set(place: str, bit: int) -> Step:
    return Step("or", place, bit, wanted=False)


def ones(word: int) -> Iterator[int]:
    """Yield the numbers of the set bits, lowest first."""
    return (bit for bit in range(word.bit_length()) if word >> bit & 1)


# --- tree: insert -------------------------------------------------------------------------------


def insert_up(shape: Shape, frame: int) -> Program:
    """Set the leaf bit, then every bit above that is not set."""
    (leaf, bit), *above = shape.path(frame)
    yield WRITE
    yield _set(leaf, bit)
    for place, mask in above:
        if not (yield Step("load", place, mask)):
            yield _set(place, mask)


def insert_blind(shape: Shape, frame: int) -> Program:
    """Set every bit on the way up without a look."""
    yield WRITE
    for place, bit in shape.path(frame):
        yield _set(place, bit)


def insert_early(shape: Shape, frame: int) -> Program:
    """Stop at the first node that was not empty."""
    yield WRITE
    for level, (place, bit) in enumerate(shape.path(frame)):
        if (yield Step("or", place, bit)) & shape.node(frame, level):
            return


def insert_early_bit(shape: Shape, frame: int) -> Program:
    """Stop where the leaf bit was set already."""
    (leaf, bit), *above = shape.path(frame)
    yield WRITE
    if (yield Step("or", leaf, bit)) & bit:
        return
    for place, mask in above:
        yield _set(place, mask)


def insert_early_word(shape: Shape, frame: int) -> Program:
    """Stop where the leaf word was not empty."""
    (leaf, bit), *above = shape.path(frame)
    yield WRITE
    if (yield Step("or", leaf, bit)):
        return
    for place, mask in above:
        yield _set(place, mask)


def insert_bytewise(shape: Shape, frame: int) -> Program:
    """Load, set, store: not one step but two, on every level."""
    yield WRITE
    for place, bit in shape.path(frame):
        old = yield Step("load", place)
        yield Step("store", place, old | bit, wanted=False)


def insert_down(shape: Shape, frame: int) -> Program:
    """Set the bits from the root down."""
    yield WRITE
    for place, bit in reversed(shape.path(frame)):
        yield _set(place, bit)


def insert_relaxed(shape: Shape, frame: int) -> Program:
    """Set the bits with relaxed order: the processor may do so in any."""
    yield WRITE
    yield AnyOrder(tuple(_set(place, bit) for place, bit in shape.path(frame)))


def insert_look_first(shape: Shape, frame: int) -> Program:
    """Look at the bit above before the leaf is set: what release alone lets a processor do."""
    (leaf, bit), *above = shape.path(frame)
    yield WRITE
    first = (yield Step("load", *above[0])) if above else True
    yield _set(leaf, bit)
    if not first:
        yield _set(*above[0])
    for place, mask in above[1:]:
        if not (yield Step("load", place, mask)):
            yield _set(place, mask)


def insert_looks_down(shape: Shape, frame: int) -> Program:
    """Look at the bits above from the root down: relaxed looks may overtake each other.

    They can't overtake an or: a look is done anew behind it.
    """
    (leaf, bit), *above = shape.path(frame)
    yield WRITE
    yield _set(leaf, bit)
    seen = {}
    for place, mask in reversed(above):
        seen[place] = yield Step("load", place, mask)
    done = False
    for place, mask in above:
        if done:
            seen[place] = yield Step("load", place, mask)
        if not seen[place]:
            yield _set(place, mask)
            done = True


def insert_test_unfenced(shape: Shape, frame: int) -> Program:
    """Do nothing where the leaf bit is set, without a fence: the page's write may come after."""
    if (yield Step("load", *shape.path(frame)[0])):
        yield WRITE
        return
    yield from insert_blind(shape, frame)


# --- tree: harvest ------------------------------------------------------------------------------


def harvest_down(shape: Shape) -> Program:
    """Take each word after the one above it."""
    yield from _take(shape, shape.levels - 1, 0)


def _take(shape: Shape, level: int, number: int) -> Program:
    bits = yield Step("exchange", shape.place(level, number), 0)
    yield from _below(shape, level, number, bits)


def _below(shape: Shape, level: int, number: int, bits: int) -> Program:
    """Go on from the bits of a word: to the words below it, or to frames."""
    found = [number * shape.word + bit for bit in ones(bits)]
    if level == 0:
        yield Report(tuple(found))
        return
    for below in sorted({bit * shape.radix // shape.word for bit in found}):
        yield from _take(shape, level - 1, below)


def harvest_children_first(shape: Shape) -> Program:
    """Clear a word's bits when all below them has been taken."""
    yield from _take_after(shape, shape.levels - 1, 0)


def _take_after(shape: Shape, level: int, number: int) -> Program:
    place = shape.place(level, number)
    if level == 0:
        yield from _take(shape, 0, number)
        return
    bits = yield Step("load", place)
    found = [number * shape.word + bit for bit in ones(bits)]
    for below in sorted({bit * shape.radix // shape.word for bit in found}):
        yield from _take_after(shape, level - 1, below)
    if bits:
        yield Step("and", place, ~bits, wanted=False)


def harvest_two_steps(shape: Shape) -> Program:
    """Load each word and store zero, instead of exchanging."""
    yield from _take_unsafely(shape, shape.levels - 1, 0)


def _take_unsafely(shape: Shape, level: int, number: int) -> Program:
    place = shape.place(level, number)
    bits = yield Step("load", place)
    yield Step("store", place, 0, wanted=False)
    found = [number * shape.word + bit for bit in ones(bits)]
    if level == 0:
        yield Report(tuple(found))
        return
    for below in sorted({bit * shape.radix // shape.word for bit in found}):
        yield from _take_unsafely(shape, level - 1, below)


# --- bitmap -------------------------------------------------------------------------------------


def harvest_bitmap(shape: Shape) -> Program:
    """Exchange each word that is not zero; the shape has one level only."""
    for number in range(-(-shape.pages // shape.word)):
        if (yield Step("load", shape.place(0, number), (1 << shape.word) - 1)):
            yield from _take(shape, 0, number)


# --- list ---------------------------------------------------------------------------------------


def insert_entry(frame: int) -> Program:
    """Draw a ticket, write the entry."""
    yield WRITE
    ticket = yield Step("add", "ticket", 1)
    yield Step("store", f"entry[{ticket}]", frame + 1, wanted=False)


def harvest_entries(carried: Any) -> Program:
    """Take old holes that have been filled, then all tickets; carries holes and where it was."""
    scanned, holes = carried or (0, ())
    left = []
    stop = yield Step("load", "ticket")
    for ticket in (*holes, *range(scanned, stop)):
        entry = yield Step("load", f"entry[{ticket}]")
        if entry:
            yield Report((entry - 1,))
        else:
            left.append(ticket)
    return stop, tuple(left)


def harvest_to_first_hole(carried: Any) -> Program:
    """Stop at the first entry that has not been written yet."""
    scanned = carried or 0
    stop = yield Step("load", "ticket")
    while scanned < stop and (entry := (yield Step("load", f"entry[{scanned}]"))):
        yield Report((entry - 1,))
        scanned += 1
    return scanned


def harvest_past_holes(carried: Any) -> Program:
    """Take all tickets, and never look again at an entry that was not written."""
    scanned = carried or 0
    stop = yield Step("load", "ticket")
    for ticket in range(scanned, stop):
        entry = yield Step("load", f"entry[{ticket}]")
        if entry:
            yield Report((entry - 1,))
    return stop


# --- ring ---------------------------------------------------------------------------------------

INVALID, DIRTY, HARVESTED = 0, 1, 2


def push_entry(vcpu: int, frame: int, position: int) -> Program:
    """Write the frame, then the flags that publish it."""
    yield Step("store", f"frame[{vcpu},{position}]", frame, wanted=False)
    yield Step("store", f"flags[{vcpu},{position}]", DIRTY, wanted=False)


def push_flags_first(vcpu: int, frame: int, position: int) -> Program:
    """Publish the entry before its frame is there."""
    yield Step("store", f"flags[{vcpu},{position}]", DIRTY, wanted=False)
    yield Step("store", f"frame[{vcpu},{position}]", frame, wanted=False)


def insert_ring(push: Any, vcpu: int, frame: int, carried: Any) -> Program:
    """Push an entry for each write."""
    position = carried or 0
    yield WRITE
    yield from push(vcpu, frame, position)
    return position + 1


def insert_protected(vcpu: int, frame: int, carried: Any) -> Program:
    """Push unless the page's bit is set."""
    position = carried or 0
    yield WRITE
    if (yield Step("or", "written", 1 << frame)) >> frame & 1:
        return position
    yield from push_entry(vcpu, frame, position)
    return position + 1


def fetch_ring(vcpu: int, position: int, entries: int) -> Program:
    """Fetch and reset the dirty entries of a ring; return position and frames."""
    frames = []
    while position < entries:
        flags = f"flags[{vcpu},{position}]"
        if (yield Step("load", flags)) != DIRTY:
            break
        frames.append((yield Step("load", f"frame[{vcpu},{position}]")))
        yield Step("store", flags, HARVESTED, wanted=False)
        position += 1
    return position, frames


def harvest_rings(vcpus: int, entries: int, carried: Any) -> Program:
    """Fetch ring after ring; an entry is reported when it is harvested."""
    positions = list(carried or (0,) * vcpus)
    for vcpu in range(vcpus):
        positions[vcpu], frames = yield from fetch_ring(vcpu, positions[vcpu], entries)
        yield Report(tuple(frames))
    return tuple(positions)


def harvest_protected(vcpus: int, entries: int, carried: Any) -> Program:
    """Fetch ring after ring, then protect each page again; only then it may be read."""
    positions = list(carried or (0,) * vcpus)
    found: list[int] = []
    for vcpu in range(vcpus):
        positions[vcpu], frames = yield from fetch_ring(vcpu, positions[vcpu], entries)
        found += frames
    for frame in found:
        yield Step("and", "written", ~(1 << frame), wanted=False)
        yield Report((frame,))
    return tuple(positions)


def harvest_read_first(vcpus: int, entries: int, carried: Any) -> Program:
    """Read the pages when they are fetched, and protect them afterwards."""
    positions = list(carried or (0,) * vcpus)
    for vcpu in range(vcpus):
        positions[vcpu], frames = yield from fetch_ring(vcpu, positions[vcpu], entries)
        yield Report(tuple(frames))
        for frame in frames:
            yield Step("and", "written", ~(1 << frame), wanted=False)
    return tuple(positions)
