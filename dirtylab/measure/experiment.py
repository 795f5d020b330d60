"""The one experiment: contestants take turns in each round, in a new random order, on new frames.

Slow phases of the machine, and what others leave in the caches, then affect all alike::

    round -1        frames drawn, every turn taken, nothing kept: compiles, faults memory in
    round 0, 1, …   frames drawn, every turn taken in a new order, rows kept

Who measures brings the hooks: what draws the frames of a round and sets contestants up, or fills
the caches with other memory (`prepare`), and one turn, which reads the clock in compiled code,
requires that what came back is what went in, and returns its rows.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

Contestant = TypeVar("Contestant")
Result = TypeVar("Result")
Row = TypeVar("Row")


def take_turns(
    contestants: Sequence[Contestant],
    rng: np.random.Generator,
    turn: Callable[[Contestant], Result],
    *,
    prepare: Callable[[], object] | None = None,
) -> list[tuple[Contestant, Result]]:
    """Let each contestant have its turn, once, in a random order.

    Parameters
    ----------
    contestants : sequence
        Who takes part.
    rng : numpy.random.Generator
        Draws the order.
    turn : callable
        Takes a contestant.
    prepare : callable, optional
        Called before the first turn.

    Returns
    -------
    list of (contestant, result)
        In the order of the turns.
    """
    if prepare is not None:
        prepare()
    order = rng.permutation(len(contestants))
    return [(contestants[place], turn(contestants[place])) for place in order]


def experiment(
    contestants: Sequence[Contestant],
    rounds: int,
    rng: np.random.Generator,
    turn: Callable[[Contestant, int], Iterable[Row]],
    *,
    prepare: Callable[[int], object] | None = None,
    finish: Callable[[int], object] | None = None,
    untimed: int = 0,
) -> list[Row]:
    """Measure contestants round by round.

    Parameters
    ----------
    contestants : sequence
        Who takes part.
    rounds : int
        Rounds whose rows are kept.
    rng : numpy.random.Generator
        Draws the orders.
    turn : callable
        Takes a contestant and the number of the round; returns rows.
    prepare, finish : callable, optional
        Called before and after the turns of each round, with its number.
    untimed : int, optional
        Rounds before the first, numbered below 0, whose rows are dropped.

    Returns
    -------
    list
        Rows, in the order in which they were measured.

    Raises
    ------
    AssertionError
        From `turn`: a contestant returned other frames than went in.
    """
    kept: list[Row] = []
    for number in range(-untimed, rounds):
        before: Any = None if prepare is None else lambda n=number: prepare(n)
        found = take_turns(contestants, rng, lambda one, n=number: turn(one, n), prepare=before)  # type: ignore[misc]
        if number >= 0:
            kept += [row for _, rows in found for row in rows]
        if finish is not None:
            finish(number)
    return kept
