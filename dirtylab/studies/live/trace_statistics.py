"""Statistics of recordings beside pages drawn at random, by :func:`describe`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab.datasets import DATASETS
from dirtylab.datasets.describe import Description, describe
from dirtylab.datasets.tracefile import Trace
from dirtylab.datasets.traces import recording, recordings

if TYPE_CHECKING:
    import pandas as pd


def median_epoch(trace: Trace) -> int:
    """Return the number of the epoch of median size."""
    sizes = [epoch.size for epoch in trace.epochs]
    return int(np.argsort(sizes, kind="stable")[len(sizes) // 2])


def beside_random(trace: Trace, seed: int = 2016) -> tuple[Description, Description]:
    """Describe a trace's median epoch, and as many pages drawn at random from the same slot."""
    epoch = trace.epochs[median_epoch(trace)]
    facts = describe(epoch, trace.pages)
    drawn = DATASETS["random"](trace.pages, facts.distinct, seed=seed, replacement=False)
    return facts, describe(drawn, trace.pages)


def again(trace: Trace) -> float:
    """Return the median share of an epoch's pages that the epoch before wrote, too."""
    pairs = zip(trace.epochs[:-1], trace.epochs[1:], strict=True)
    shares = [np.isin(later, before).mean() for before, later in pairs if later.size]
    return float(np.median(shares)) if shares else 0.0


def trace_statistics(names: Sequence[str] | None = None) -> "pd.DataFrame":
    """Return a row a recording: statistics of its median epoch and of as many random pages.

    Parameters
    ----------
    names : sequence of str, optional
        Of recordings; all when omitted.

    Returns
    -------
    pandas.DataFrame
        ``dirty`` pages of ``pages``; ``run``: mean length of runs in pages; ``words``: 64-bit words
        of a bitmap touched; ``… at random``: the same of random pages; ``again``: share of pages
        that the epoch before wrote, too.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for name in recordings() if names is None else names:
        trace = recording(name)
        facts, drawn = beside_random(trace)
        rows.append(
            {
                "trace": name, "pages": trace.pages, "epochs": len(trace.epochs),
                "dirty": facts.distinct, "density": facts.density,
                "run": facts.run_mean, "run at random": drawn.run_mean,
                "words": facts.words, "words at random": drawn.words,
                "again": again(trace),
            }
        )  # fmt: skip
    return pd.DataFrame(rows).set_index("trace")
