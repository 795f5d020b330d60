"""Is a careful row to be believed?  What a sweep's checks say of the nine runs.

The tree is measured twice in every round, the second one with frames of its own: it must cost the
same.  A reference kernel that never changes is timed in each round: its times show whether the
machine was busy or changed its speed.  Where a row fails, more rounds are taken; where that does
not help, or took too long, the row says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab.measure.quality import CHANCE, SLOWS, judge
from dirtylab.studies.mailing_list.rows import STRUCTURES, posted_rows

CONTROL, REFERENCE = "posted-tree again", "reference kernel"
"""Names of the two in the samples, beside the structures."""
BUSY = 1.3
"""How much slower than at its quickest the reference kernel may be in the median: beyond, others
use the processor."""
MOST = 3
"""Multiple of the rounds asked for that a row in doubt gets."""
MOST_SECONDS = 8.0
"""Seconds after which a row in doubt gets no more rounds: on a busy machine that of 10 million
frames took 46 s, of 97 in all."""


def doubts(samples: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """Yield what is doubtful about a row, in words; nothing where all is well.

    Parameters
    ----------
    samples : mapping of str to sequence of float
        Careful samples in ns, by structure, :data:`CONTROL` and :data:`REFERENCE`, each in the
        order of the rounds; nothing is said where the last two are lacking.

    Notes
    -----
    A test raises a false alarm with a probability of 1 % over all nine rows and structures.
    """
    if CONTROL not in samples or REFERENCE not in samples:
        return
    tests = len(posted_rows()) * len(STRUCTURES)
    speed = np.asarray(samples[REFERENCE], float)
    for name in STRUCTURES:
        twice = (samples[name], samples[CONTROL]) if name == "posted-tree" else None
        found = judge(samples[name], speed, twice=twice)
        if found.drift_chance * tests < CHANCE:
            way = "rose" if found.drift > 0 else "fell"
            yield f"{name}: times {way} with the rounds (rank correlation {found.drift:+.2f})"
        control = found.control
        if control and control.low is not None and found.control_chance * tests < CHANCE:
            ends = f"{control.low:.2f} … {control.high:.2f}"
            yield f"the tree measured twice differs by a ratio of {ends}"
    yield from _of_the_machine(speed)


def _of_the_machine(speed: npt.NDArray[Any]) -> Iterator[str]:
    low, middle, high = np.percentile(speed, [10, 50, 90])
    if middle > BUSY * speed.min():
        slower = middle / speed.min()
        yield f"the machine was busy: a fixed piece of work took {slower:.2f}× its least"
    elif high > SLOWS * low:
        yield f"the machine's speed changed by {100 * (high / low - 1):.0f} %"
