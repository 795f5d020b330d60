"""The protocols for :mod:`.checker`: ours, those offered, and mutants broken on purpose."""

from typing import Any, NamedTuple

from dirtylab.verify.program import LATE, LOST, RIGHT, Program, Protocol
from dirtylab.verify.protocol_steps import (
    Shape,
    harvest_bitmap,
    harvest_children_first,
    harvest_down,
    harvest_entries,
    harvest_past_holes,
    harvest_protected,
    harvest_read_first,
    harvest_rings,
    harvest_to_first_hole,
    harvest_two_steps,
    insert_blind,
    insert_bytewise,
    insert_down,
    insert_early,
    insert_early_bit,
    insert_early_word,
    insert_entry,
    insert_look_first,
    insert_looks_down,
    insert_protected,
    insert_relaxed,
    insert_ring,
    insert_test_unfenced,
    insert_up,
    push_entry,
    push_flags_first,
)


def tree(
    insert: Any = insert_up, harvest: Any = harvest_down, shape: Shape | None = None
) -> Protocol:
    """Return the protocol of a tree of `shape`."""
    chosen = shape or Shape()
    name = f"{insert.__name__}, {harvest.__name__}"
    return Protocol(
        name,
        chosen.places(),
        lambda vcpu, frame, carried: insert(chosen, frame),
        lambda carried: harvest(chosen),
    )


def bitmap(insert: Any = insert_blind, harvest: Any = harvest_bitmap) -> Protocol:
    """Return the protocol of a bitmap of four pages in two words."""
    return tree(insert, harvest, Shape(levels=1, radix=4, word=2))


def pagelist(harvest: Any = harvest_entries, entries: int = 5) -> Protocol:
    """Return the protocol of a list."""
    places = ("ticket", *(f"entry[{ticket}]" for ticket in range(entries)))
    return Protocol(
        harvest.__name__, places, lambda vcpu, frame, carried: insert_entry(frame), harvest
    )


def ring(
    insert: Any = push_entry, harvest: Any = harvest_rings, vcpus: int = 3, entries: int = 4
) -> Protocol:
    """Return the protocol of rings; `insert` is how an entry is pushed, or a whole insert."""
    places = tuple(
        f"{what}[{vcpu},{position}]"
        for vcpu in range(vcpus)
        for position in range(entries)
        for what in ("flags", "frame")
    )
    whole = insert is insert_protected

    def inserting(vcpu: int, frame: int, carried: Any) -> Program:
        if whole:
            return insert_protected(vcpu, frame, carried)
        return insert_ring(insert, vcpu, frame, carried)

    return Protocol(
        f"{insert.__name__}, {harvest.__name__}",
        (*places, "written"),
        inserting,
        lambda carried: harvest(vcpus, entries, carried),
    )


class ProtocolModel(NamedTuple):
    """A protocol as a program for the checker, and the worst outcome expected."""

    name: str
    protocol: Protocol
    worst: str
    """The expected worst outcome; the checker finds its own, and a test compares them."""
    pages: int = 4
    """Frames to choose from; where they lie does not matter to lists and rings."""
    inserts: int = 2
    """Fewest inserts with which it fails."""


THREE = Shape(levels=3)
WIDE = Shape(levels=2, radix=2, word=4)


def ours() -> list[ProtocolModel]:
    """Return models of the kernels in :mod:`dirtylab.lockless`."""
    return [
        ProtocolModel("bitmap", bitmap(), RIGHT),
        ProtocolModel("tree, 2 levels", tree(), RIGHT),
        ProtocolModel("tree, 3 levels", tree(shape=THREE), RIGHT, 8),
        ProtocolModel("tree, 2 nodes a word", tree(shape=WIDE), RIGHT),
        ProtocolModel("tree without looks", tree(insert_blind), RIGHT),
        ProtocolModel("list", pagelist(), RIGHT, 3),
        ProtocolModel("ring", ring(), RIGHT, 3),
    ]


def offered() -> list[ProtocolModel]:
    """Return the faster variants that give up "never late"."""
    return [
        ProtocolModel("tree, early", tree(insert_early), LATE),
        ProtocolModel("ring, protected", ring(insert_protected, harvest_protected), LATE, 3),
    ]


def mutants() -> list[ProtocolModel]:
    """Return protocols broken on purpose."""
    return [
        ProtocolModel("parent after child", tree(insert_up, harvest_children_first), LOST),
        ProtocolModel("byte update", tree(insert_bytewise), LOST),
        ProtocolModel("byte update, bitmap", bitmap(insert_bytewise), LOST),
        ProtocolModel("exit at a set leaf bit", tree(insert_early_bit), LATE),
        ProtocolModel("exit at a used leaf word", tree(insert_early_word), LATE),
        ProtocolModel("exit at a used word of 2 nodes", tree(insert_early_word, shape=WIDE), LATE),
        ProtocolModel("root first", tree(insert_down), LOST),
        ProtocolModel("relaxed climb", tree(insert_relaxed), LOST),
        ProtocolModel("look before the leaf is set", tree(insert_look_first), LOST),
        ProtocolModel(
            "looks that overtake each other", tree(insert_looks_down, shape=THREE), LATE, 4, 3
        ),
        ProtocolModel("leaf tested without a fence", tree(insert_test_unfenced), LOST),
        ProtocolModel("load and store, no exchange", tree(insert_up, harvest_two_steps), LOST),
        ProtocolModel("list, up to the first hole", pagelist(harvest_to_first_hole), LATE, 3),
        ProtocolModel("list, holes forgotten", pagelist(harvest_past_holes), LOST, 3),
        ProtocolModel("ring, flags before frame", ring(push_flags_first), LOST, 3),
        ProtocolModel(
            "ring, page read before reset", ring(insert_protected, harvest_read_first), LOST, 3
        ),
    ]
