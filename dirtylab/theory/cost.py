"""Time as a sum of work times prices: fitted to measurements, and honest about its error.

::

    ns  =  price(call) · 1  +  price(words) · words  +  price(distinct) · distinct frames  +  …

No price is negative.  The fit is to *relative* errors, in logarithms: a model that is 10 % off at
100 frames is as good or bad as one 10 % off at 10 million.  (Least squares on nanoseconds would
explain the largest cells and be hundreds of times off at the smallest.)  Steps at cache sizes are
added one at a time as long as each lowers the Bayesian information criterion.

Cost: some 0.1 s a fit of 200 cells.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from dirtylab._check import Array
from dirtylab.theory.terms import Terms

FOLDS = 5
ROUNDS = 5
"""Times that the fit is weighted anew."""
LEAST_CELLS = 8
"""Cells that a step has to have a part in."""
DEAREST_NS = 1000.0
"""Most that a unit of a step may cost: some memory accesses that miss all caches.  Without it, a
step that was nearly 0 in training took a price of 10^6 ns, and a cell elsewhere 20 minutes."""
_ODD = 0.25
"""Relative error from which on a cell counts less: a busy machine, say."""
_LEAST_NS = 1.0


class Error(NamedTuple):
    """Relative errors of predictions, as shares: 0.1 is 10 %."""

    median: float
    high: float
    """90th percentile."""

    @classmethod
    def of(cls, predicted: Array, measured: Array) -> "Error":
        """Return the error of predictions."""
        off = np.abs(predicted / measured - 1.0)
        return cls(float(np.median(off)), float(np.percentile(off, 90)))


class Law(NamedTuple):
    """How the time of one operation of one structure comes about."""

    prices: Mapping[str, float]
    """Nanoseconds a unit, by term; only those that are not 0."""
    training: Error
    """Error on the cells that it was fitted to."""
    held_out: Error
    """Error on cells that it was not fitted to, by cross-validation."""
    cells: int

    def predict(self, amounts: Terms) -> Array:
        """Return nanoseconds for amounts of work."""
        known = {**amounts.always, **_renamed(amounts.steps)}
        parts = [price * np.asarray(known[name], float) for name, price in self.prices.items()]
        total: Array = np.maximum(np.sum(parts, axis=0), _LEAST_NS)
        return total

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "prices": dict(self.prices),
            "training": list(self.training),
            "held_out": list(self.held_out),
            "cells": self.cells,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Law":
        """Return what :meth:`as_dict` gave."""
        training, held_out = Error(*given["training"]), Error(*given["held_out"])
        return cls(dict(given["prices"]), training, held_out, int(given["cells"]))


def fit(cells: Sequence[Terms], ns: npt.ArrayLike, *, seed: int = 2016) -> Law:
    """Return the prices that explain measured times best.

    Parameters
    ----------
    cells : sequence of Terms
        The work of each cell; one number each.
    ns : array_like of float
        Shape ``(cells,)``: nanoseconds measured, above 0.
    seed : int, optional
        Draws the folds of the cross-validation.

    Returns
    -------
    Law
        With its error on the cells and, by 5-fold cross-validation, on cells held out.

    Raises
    ------
    ValueError
        Fewer than 10 cells, or times that are not above 0.
    """
    measured = np.asarray(ns, float)
    if measured.size != len(cells) or measured.size < 2 * FOLDS:
        raise ValueError(f"cells: {len(cells)}; must be {2 * FOLDS} or more, with as many times")
    if not (np.isfinite(measured) & (measured > 0)).all():
        raise ValueError("ns: must be above 0")
    names, matrix, base = _table(cells)
    chosen, prices = _select(matrix, base, measured)
    fold = np.random.default_rng(seed).permutation(measured.size) % FOLDS
    predicted = np.empty_like(measured)
    for number in range(FOLDS):
        rest, out = fold != number, fold == number
        columns, found = _select(matrix[rest], base, measured[rest])
        predicted[out] = matrix[out][:, columns] @ found
    own = np.maximum(matrix[:, chosen] @ prices, _LEAST_NS)
    kept = {names[column]: float(price) for column, price in zip(chosen, prices, strict=True)}
    return Law(
        {name: price for name, price in kept.items() if price > 0},
        Error.of(own, measured),
        Error.of(np.maximum(predicted, _LEAST_NS), measured),
        measured.size,
    )


def _table(cells: Sequence[Terms]) -> tuple[list[str], Array, list[int]]:
    """Return names of terms, amounts (a row a cell), and the columns that are always used."""
    always = list(dict.fromkeys(name for cell in cells for name in cell.always))
    steps = list(dict.fromkeys(name for cell in cells for name in _renamed(cell.steps)))
    names = [*always, *steps]
    matrix = np.zeros((len(cells), len(names)))
    for row, cell in enumerate(cells):
        known = {**cell.always, **_renamed(cell.steps)}
        for column, name in enumerate(names):
            if name in known:
                matrix[row, column] = float(known[name])
    return names, matrix, list(range(len(always)))


def _renamed(steps: Mapping[str, Array]) -> dict[str, Array]:
    return {f"+ {name}": amount for name, amount in steps.items()}


def _select(matrix: Array, base: list[int], measured: Array) -> tuple[list[int], Array]:
    """Return the columns to use and their prices: `base`, and steps while the BIC falls."""
    chosen = list(base)
    fitted = _solve(matrix[:, chosen], measured, _evenly(measured), ROUNDS)
    penalty = np.log(measured.size)
    best = fitted.loss + penalty * np.count_nonzero(fitted.prices)
    left = [
        column
        for column in range(matrix.shape[1])
        if column not in chosen and np.count_nonzero(matrix[:, column]) >= LEAST_CELLS
    ]
    while left:
        # With the weights of the fit so far, one round tells the best: half the time of all rounds.
        tried = {
            column: _solve(matrix[:, [*chosen, column]], measured, fitted.weights, 1)
            for column in left
        }
        column = min(tried, key=lambda one: tried[one].loss)
        more = _solve(matrix[:, [*chosen, column]], measured, fitted.weights, ROUNDS)
        score = more.loss + penalty * np.count_nonzero(more.prices)
        left.remove(column)
        if more.prices[-1] > DEAREST_NS:
            continue
        if score >= best:
            break
        best, fitted = score, more
        chosen.append(column)
    return chosen, fitted.prices


class _Fitted(NamedTuple):
    prices: Array
    loss: float
    """Minus twice the log-likelihood, up to a constant."""
    weights: Array


def _evenly(measured: Array) -> Array:
    return 1.0 / measured


def _solve(matrix: Array, measured: Array, weights: Array, rounds: int) -> _Fitted:
    """Return non-negative prices, fitted and weighted anew so many times."""
    for _ in range(rounds):
        rows = matrix * weights[:, None]
        size = np.maximum(rows.max(axis=0), 1e-300)
        prices = nnls(rows / size, measured * weights, maxiter=100 * matrix.shape[1])[0] / size
        predicted = np.maximum(matrix @ prices, _LEAST_NS)
        off = np.log(predicted / measured)
        # The geometric mean of both, so that too high and too low cost the same; and less weight
        # for cells that are far off.
        weights = np.sqrt(np.minimum(1.0, _ODD / np.maximum(np.abs(off), 1e-12)))
        weights /= np.sqrt(predicted * measured)
    squares = float(np.mean(np.minimum(np.abs(off), 1.0) ** 2))
    return _Fitted(prices, measured.size * float(np.log(max(squares, 1e-12))), weights)
