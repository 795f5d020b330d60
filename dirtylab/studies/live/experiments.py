"""Small live experiments; recorded results are used where this machine can't run them."""

import contextlib
import json
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab._data import data_file
from dirtylab.datasets import DATASETS, free
from dirtylab.live._machine import GuestError
from dirtylab.live.kvm import Guest, KvmRing
from dirtylab.live.trackers import TRACKERS, missing
from dirtylab.studies.live.store import Measured, load

if TYPE_CHECKING:
    import pandas as pd

RECORDED = "measured/live/experiments.json"
RING = "kvm-ring"
Rows = list[dict[str, Any]]


def available() -> "pd.DataFrame":
    """Return each tracker with whether it is available here, or why not."""
    import pandas as pd

    found = {name: missing(name) or "yes" for name in TRACKERS}
    return pd.DataFrame({"tracker": list(found), "here": list(found.values())}).set_index("tracker")


def written_and_read(pages: int = 5000, dirty: int = 4500) -> "pd.DataFrame":
    """Let guest and process write each pattern; compare the pages that the kernel reports.

    Returns
    -------
    pandas.DataFrame
        A row a pattern: distinct pages ``written``, pages that each tracker ``read``; ``equal``
        where all sets equal the pages written; ``own`` pages of the guest; ``exits`` of the
        ring, which had 1,024 entries.  ``source`` says whether this was measured now or recorded.
    """
    return _live_or_recorded("written_and_read", lambda: _written_and_read(pages, dirty))


def overrun(pages: int = 2**16, entries: int = 1024) -> "pd.DataFrame":
    """Fill a dirty ring, with and without limiting the guest.

    Returns
    -------
    pandas.DataFrame
        A row a number of pages ``written``, none twice: how many were harvested from a guest that
        got no more pages at a time than its ring has room for (``guarded``), and from one that
        the kernel alone should have stopped (``unguarded``).
    """
    return _live_or_recorded("overrun", lambda: _overrun(pages, entries))


def measured() -> Measured:
    """Return what ``dirtylab live`` measured for the data shipped with dirtylab."""
    return load(data_file("measured/live"))


def experiments() -> dict[str, Rows]:
    """Return the rows of all experiments, run now; none where no tracker is available."""
    if any(missing(name) for name in TRACKERS):
        return {}
    return {
        "written_and_read": _written_and_read(5000, 4500),
        "overrun": _overrun(2**16, 1024),
    }


def write_experiments(folder: pathlib.Path) -> None:
    """Write the rows of all experiments that can be run here."""
    from dirtylab.measure.files import write_json

    if found := experiments():
        write_json(folder / pathlib.Path(RECORDED).name, found)


def _live_or_recorded(name: str, run: Any) -> "pd.DataFrame":
    import pandas as pd

    here = not any(missing(one) for one in TRACKERS)
    rows = run() if here else json.loads(data_file(RECORDED).read_text(encoding="utf-8"))[name]
    return pd.DataFrame(rows).assign(source="live" if here else "recorded")


def _written_and_read(pages: int, dirty: int) -> Rows:
    rows = []
    for dataset in free():
        frames = DATASETS[dataset](pages, dirty)
        row: dict[str, Any] = {"dataset": dataset, "written": int(np.unique(frames).size)}
        equal = True
        for name, make in TRACKERS.items():
            options = {"entries": 1024} if name == RING else {}
            with make(pages, **options) as tracked:  # type: ignore[attr-defined]
                tracked.insert(frames)
                if isinstance(tracked, Guest):
                    row["own"] = tracked.own_frames.size
                found = tracked.harvest()
                equal = equal and np.array_equal(np.unique(found), np.unique(frames))
                row[name] = found.size
                if isinstance(tracked, KvmRing):
                    row["exits"] = tracked.exits
        rows.append({**row, "equal": equal})
    return rows


def _overrun(pages: int, entries: int) -> Rows:
    rows = []
    for written in (500, 900, 1_000, 1_200, 2_000, 5_000):
        frames = DATASETS["random"](pages, written, replacement=False)
        row: dict[str, Any] = {"entries": entries, "written": written}
        for guarded in (True, False):
            with KvmRing(pages, entries=entries, guarded=guarded) as ring:
                with contextlib.suppress(GuestError):  # stuck, once entries were overwritten
                    ring.insert(frames)
                row["guarded" if guarded else "unguarded"] = len(ring)
        rows.append(row)
    return rows
