"""A sweep small enough for a test, and a machine that only pretends to measure."""

import numpy as np

from dirtylab.measure.sweep import Done

SMALL = {
    "structures": ["list", "bitmap"],
    "operations": ["collect", "harvest"],
    "pages": [4096],
    "dirty": [5, 64],
    "repeats": 3,
}
A_ROUND = 3 * 2
"""Rows of a round: two structures and the control, two operations."""
MACHINE = {"id": "0badcafe", "facts": {"cpu": "pretended", "clock_step_ns": 50}}


def pretend(task, noise=0.01):
    """Return what a measurement would, without one; the same numbers for the same task."""
    seed = [task.cell.pages, task.cell.dirty]
    rngs = {
        number: np.random.default_rng([*seed, number])
        for number in range(task.first, task.first + task.rounds)
    }
    rows = [
        {
            "structure": one.structure,
            **{f"structure_{name}": value for name, value in one.options},
            "operation": operation,
            "control": one.control,
            "seed": task.plan.seed,
            "cache": task.plan.cache,
            "through": "compiled",
            "call_ns": 1000,
            "repeat": number,
            "ns": float(1000 * task.cell.dirty * np.exp(noise * rngs[number].standard_normal())),
            "reference_ns": 32_000.5,
            "bytes": 512,
            "growth": -4096,
            "words": 64,
            "nodes": 0,
        }
        for number in rngs
        for one in task.plan.candidates
        for operation in task.plan.operations
    ]
    return Done(rows, MACHINE)


def rounds_of(table):
    """Return each cell's rounds with the number of their rows."""
    keys = [name for name in table if name.startswith("dataset")] + ["pages", "dirty", "repeat"]
    return table.groupby(keys, dropna=False).size()
