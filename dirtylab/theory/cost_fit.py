"""Fit a linear cost model to measured times: feature values times coefficients, with its error.

::

    ns  =  c(call) · 1  +  c(words) · words  +  c(distinct) · distinct frames  +  …

No coefficient c is negative.  The fit minimises *relative* errors, in logarithms: 10 % off at 100
frames counts as much as 10 % off at 10 million.  (Least squares on nanoseconds would fit the
largest cells and be hundreds of times off at the smallest.)  Hinges at cache sizes are added one
at a time as long as each lowers the Bayesian information criterion.

Cost: some 0.1 s a fit of 200 cells.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from dirtylab._check import Array
from dirtylab.theory.features import Features

FOLDS = 5
ROUNDS = 5
"""Iterations of reweighting."""
LEAST_CELLS = 8
"""Cells in which a hinge must be above 0 to be considered."""
DEAREST_NS = 1000.0
"""Largest coefficient of a hinge: some memory accesses that miss all caches.  Without it, a hinge
that was nearly 0 in training got a coefficient of 10^6 ns, and a cell elsewhere 20 minutes."""
_ODD = 0.25
"""Relative error above which a cell gets less weight: the machine may have been busy."""
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
    """The fitted cost model of one operation of one structure."""

    coefficients: Mapping[str, float]
    """Nanoseconds a unit, by feature; only those that are not 0."""
    training: Error
    """Error on the cells that it was fitted to."""
    held_out: Error
    """Error on cells that it was not fitted to, by cross-validation."""
    cells: int

    def predict(self, values: Features) -> Array:
        """Return nanoseconds for the values of features."""
        known = {**values.always, **_renamed(values.hinges)}
        parts = [each * np.asarray(known[name], float) for name, each in self.coefficients.items()]
        total: Array = np.maximum(np.sum(parts, axis=0), _LEAST_NS)
        return total

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "prices": dict(self.coefficients),
            "training": list(self.training),
            "held_out": list(self.held_out),
            "cells": self.cells,
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Law":
        """Return what :meth:`as_dict` gave."""
        training, held_out = Error(*given["training"]), Error(*given["held_out"])
        return cls(dict(given["prices"]), training, held_out, int(given["cells"]))


def fit(cells: Sequence[Features], ns: npt.ArrayLike, *, seed: int = 2016) -> Law:
    """Fit the coefficients to measured times.

    Parameters
    ----------
    cells : sequence of Features
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
    chosen, coefficients = _select(matrix, base, measured)
    fold = np.random.default_rng(seed).permutation(measured.size) % FOLDS
    predicted = np.empty_like(measured)
    for number in range(FOLDS):
        rest, out = fold != number, fold == number
        columns, found = _select(matrix[rest], base, measured[rest])
        predicted[out] = matrix[out][:, columns] @ found
    own = np.maximum(matrix[:, chosen] @ coefficients, _LEAST_NS)
    kept = {names[column]: float(c) for column, c in zip(chosen, coefficients, strict=True)}
    return Law(
        {name: c for name, c in kept.items() if c > 0},
        Error.of(own, measured),
        Error.of(np.maximum(predicted, _LEAST_NS), measured),
        measured.size,
    )


def _table(cells: Sequence[Features]) -> tuple[list[str], Array, list[int]]:
    """Return names of features, their values (a row a cell), and the columns always used."""
    always = list(dict.fromkeys(name for cell in cells for name in cell.always))
    hinges = list(dict.fromkeys(name for cell in cells for name in _renamed(cell.hinges)))
    names = [*always, *hinges]
    matrix = np.zeros((len(cells), len(names)))
    for row, cell in enumerate(cells):
        known = {**cell.always, **_renamed(cell.hinges)}
        for column, name in enumerate(names):
            if name in known:
                matrix[row, column] = float(known[name])
    return names, matrix, list(range(len(always)))


def _renamed(hinges: Mapping[str, Array]) -> dict[str, Array]:
    return {f"+ {name}": value for name, value in hinges.items()}


def _select(matrix: Array, base: list[int], measured: Array) -> tuple[list[int], Array]:
    """Return the columns to use and their coefficients: `base`, and hinges while the BIC falls."""
    chosen = list(base)
    fitted = _solve(matrix[:, chosen], measured, _evenly(measured), ROUNDS)
    penalty = np.log(measured.size)
    best = fitted.loss + penalty * np.count_nonzero(fitted.coefficients)
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
        score = more.loss + penalty * np.count_nonzero(more.coefficients)
        left.remove(column)
        if more.coefficients[-1] > DEAREST_NS:
            continue
        if score >= best:
            break
        best, fitted = score, more
        chosen.append(column)
    return chosen, fitted.coefficients


class _Fitted(NamedTuple):
    coefficients: Array
    loss: float
    """Minus twice the log-likelihood, up to a constant."""
    weights: Array


def _evenly(measured: Array) -> Array:
    return 1.0 / measured


def _solve(matrix: Array, measured: Array, weights: Array, rounds: int) -> _Fitted:
    """Return non-negative coefficients by iteratively reweighted least squares."""
    for _ in range(rounds):
        rows = matrix * weights[:, None]
        size = np.maximum(rows.max(axis=0), 1e-300)
        coefficients = (
            nnls(rows / size, measured * weights, maxiter=100 * matrix.shape[1])[0] / size
        )
        predicted = np.maximum(matrix @ coefficients, _LEAST_NS)
        off = np.log(predicted / measured)
        # The geometric mean of both, so that too high and too low cost the same; and less weight
        # for cells that are far off.
        weights = np.sqrt(np.minimum(1.0, _ODD / np.maximum(np.abs(off), 1e-12)))
        weights /= np.sqrt(predicted * measured)
    squares = float(np.mean(np.minimum(np.abs(off), 1.0) ** 2))
    return _Fitted(coefficients, measured.size * float(np.log(max(squares, 1e-12))), weights)
