"""What takes long: further cases of a kind whose first ones are always run.

``make test`` leaves them out, ``make test-slow`` runs them, and CI runs both.
"""

import itertools

import pytest

slow = pytest.mark.slow


def further(*values):
    """Return parameters that are run among the slow tests only."""
    return [pytest.param(one, marks=slow) for one in values]


def crossed(*axes):
    """Return each combination; slow where more than one value is not the first of its axis."""
    found = []
    for values in itertools.product(*map(list, axes)):
        others = sum(one != next(iter(axis)) for one, axis in zip(values, axes, strict=True))
        marks = slow if others > 1 else ()
        found.append(pytest.param(*values, marks=marks, id="-".join(map(str, values))))
    return found
