"""Three fidelities side by side: textbook rounds, the closed form, the simulation."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab.migration.closed import Line, closed_form, curve_of, is_scattered
from dirtylab.migration.costs import Costs, costs_of
from dirtylab.migration.precopy import migrated
from dirtylab.migration.question import Question, ask
from dirtylab.migration.textbook import curve, textbook
from dirtylab.migration.tracking import tracking

if TYPE_CHECKING:
    import pandas as pd


TEXTBOOK, CLOSED_FORM, SIMULATION = "textbook", "closed form", "simulation"


class Told(NamedTuple):
    """What a fidelity expects; NaN: it does not say."""

    converges: bool
    seconds: float
    """The time allowed where it does not converge."""
    downtime: float
    syncs: int
    """Rounds, of the textbook."""
    sent_bytes: float


def fidelities(pages: int | str, dataset: str = "random", **facts: Any) -> "pd.DataFrame":
    """Return what each fidelity expects of a migration, to see what the rules of a VMM add.

    Parameters
    ----------
    pages : int or str
        Memory of the guest.
    dataset : str, optional
        Pattern of its writes, one with a closed form, or ``"idle"``.
    **facts
        Everything else that :func:`dirtylab.migrate` takes.

    Returns
    -------
    pandas.DataFrame
        Rows ``textbook``, ``closed form`` and ``simulation``; columns ``converges``, ``seconds``
        (the time allowed where it does not converge), ``rounds`` and ``sent_bytes`` (NaN: the
        textbook does not say).

    Raises
    ------
    ValueError, TypeError
        As :func:`dirtylab.migrate`; or the pattern has no closed form.
    """
    return compared(ask(pages, dataset, **facts))


def compared(asked: Question) -> "pd.DataFrame":
    """Return what each fidelity expects, as :func:`fidelities`."""
    import pandas as pd

    costs = costs_of(asked.costs)
    found = simpler(asked, costs)
    whole = migrated(asked, costs)
    found[SIMULATION] = Told(
        whole.converges, whole.seconds, whole.downtime, whole.syncs, float(whole.sent_bytes)
    )
    rows = [(one.converges, one.seconds, one.syncs, one.sent_bytes) for one in found.values()]
    return pd.DataFrame(
        rows, index=list(found), columns=["converges", "seconds", "rounds", "sent_bytes"]
    )


def simpler(asked: Question, costs: Costs) -> dict[str, Told]:
    """Return what textbook rounds and the closed form expect."""
    if asked.curve is not None:
        raise ValueError("dataset: must be a pattern; a curve has a closed form only")
    cost, free = (
        tracking(name, asked.dataset, asked.options, asked.working_set, costs)
        for name in (asked.tracker, "none")
    )
    line = Line(asked.pages, asked.pages - asked.nonzero, max(1, asked.working_set),
                asked.bandwidth, asked.downtime, asked.limit, asked.prealloc,
                is_scattered(asked.dataset))  # fmt: skip
    rate = math.inf if asked.rate is None else asked.rate
    tracked, alone = (
        curve_of(asked.dataset, line, asked.options, one, rate, asked.speed) for one in (cost, free)
    )
    closed = closed_form(line, costs, tracked, cost.sync_s)
    times = np.geomspace(1e-3, max(asked.limit, 1.0), 60)
    points = curve(times, np.maximum.accumulate([alone(float(one)) for one in times]))
    book = textbook(asked.pages, line.zeros, points, bandwidth=asked.bandwidth,
                    downtime=asked.downtime)  # fmt: skip
    in_time = book.converges and book.seconds <= asked.limit
    return {
        TEXTBOOK: Told(in_time, min(book.seconds, asked.limit), math.nan, book.rounds, math.nan),
        CLOSED_FORM: Told(*closed[:5]),
    }
