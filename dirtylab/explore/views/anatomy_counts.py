"""What an operation touches in the small structures: counted, on average, and as n grows."""

from typing import NamedTuple

import numpy as np

from dirtylab.explore.views.small_example import SmallExample, Touched
from dirtylab.theory.operations import Pattern, radix_nodes

OPERATIONS = ("insert", "harvest")
GROWTH = {
    "insert": {"list": "O(1)", "bitmap": "O(1)", "tree": "O(log n)"},
    "harvest": {"list": "O(k), sorted O(k log k)", "bitmap": "O(n)", "tree": "O(k log n)"},
}
"""Of each operation: n pages, k inserts; the bits of a word and the radix are constant."""


class Counted(NamedTuple):
    """What one structure touches."""

    name: str
    growth: str
    done: int
    needed: int
    expected: float
    """By the closed form, for as many random frames."""
    unit: str


def touched_by(operation: str, example: SmallExample) -> Touched:
    """Return what a harvest reads, or what the last insert wrote."""
    return example.harvest() if operation == "harvest" else example.last_insert()


def counts_of(operation: str, example: SmallExample, step: int) -> list[Counted]:
    """Return how far an operation is in each structure."""
    touched = touched_by(operation, example)
    inserts = len(example.entries)
    if operation == "harvest":
        expected = (float(inserts), float(example.words), _nodes_read(example))
    else:
        expected = (float(inserts > 0), float(inserts > 0), _nodes_written(example))
    return [
        Counted(name, growth, min(step, len(places)), len(places), mean, unit)
        for (name, growth), places, mean, unit in zip(
            GROWTH[operation].items(), touched, expected, ("entries", "words", "nodes"), strict=True
        )
    ]


def _nodes_read(example: SmallExample) -> float:
    """Return the nodes that a harvest reads on average after as many random inserts."""
    if not example.entries:
        return 0.0
    pattern = Pattern("random", example.pages, np.array([float(len(example.entries))]), {})
    return float(np.sum(radix_nodes(pattern, (example.radix,))))


def _nodes_written(example: SmallExample) -> float:
    """Return the nodes that the last of as many random inserts writes on average.

    A level is written where the node below was empty: of a node with a share p of the pages, after
    k - 1 others, with the probability (1 - p)^(k - 1).
    """
    if not example.entries:
        return 0.0
    written = 1.0
    for level in range(1, len(example.levels)):
        span = example.radix**level
        shares = np.diff([*range(0, example.pages, span), example.pages]) / example.pages
        written += float(np.sum(shares * (1 - shares) ** (len(example.entries) - 1)))
    return written
