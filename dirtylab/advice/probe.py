"""A quick probe of whether a cost model fits this machine.

Whole epochs of the tuned structures on a few small cells are measured, in 2 seconds once the
kernels are compiled, and compared with what the model predicts for them.
"""

from typing import NamedTuple

import numpy as np

from dirtylab.advice.model import Model
from dirtylab.measure.sweep import sweep
from dirtylab.structures import tuned
from dirtylab.theory.operations import Pattern

PAGES = 1_000_000
DIRTY = (100, 3_000, 60_000)
ROUNDS = 3
NEAR = 1.5
"""Factor within which a model fits; the trial of a model that was calibrated here is off by 1.4 at
its 90th percentile."""


class Probe(NamedTuple):
    """Measured times over predicted ones."""

    scale: float
    """Median of all."""
    spread: float
    """Factor within which all lie around the median: 1 where the model's ratios are right."""
    least: float
    most: float

    @property
    def fits(self) -> bool:
        """Return whether picks and times of the model can be trusted here."""
        return self.spread <= NEAR and 1 / NEAR <= self.scale <= NEAR

    def __str__(self) -> str:
        times = f"times here are {self.scale:.2f}× the model's ({self.least:.2f} … {self.most:.2f})"
        if self.fits:
            return f"a quick probe: {times}; it fits this machine"
        ratios = "its picks may be wrong" if self.spread > NEAR else "its picks should hold"
        return f"a quick probe: {times}; {ratios}; dirtylab calibrate learns this machine"


def probe(model: Model) -> Probe:
    """Measure how far a model is off on this machine.

    Parameters
    ----------
    model : Model
        A cost model, of any machine; the caches are brought into its state.

    Returns
    -------
    Probe
    """
    table = sweep(
        structures=[name for name in tuned() if name in model.structures],
        operations=["epoch"],
        pages=[PAGES],
        dirty=DIRTY,
        repeats=ROUNDS,
        cache=model.cache,
    )
    kept = table[~table["control"]]
    # The quickest of three: what else runs on the machine makes some slower, none quicker.
    least = kept.groupby(["structure", "dirty"])["ns"].min().reset_index()
    factors = [
        float(row["ns"]) / float(model.times(row["structure"], "epoch", _pattern(row["dirty"])))
        for row in least.to_dict("records")
    ]
    scale = float(np.median(factors))
    off = np.exp(np.abs(np.log(np.array(factors) / scale)))
    return Probe(scale, float(off.max()), min(factors), max(factors))


def _pattern(dirty: int) -> Pattern:
    return Pattern("random", PAGES, np.array(float(dirty)), {})
