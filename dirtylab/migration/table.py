"""Bandwidth by downtime: where a migration ends, and after how long."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dirtylab._format import ns_text, three_digits
from dirtylab._units import parse_rate, parse_seconds
from dirtylab.migration.precopy import migrate

if TYPE_CHECKING:
    import pandas as pd

BANDWIDTHS = ("100Mbit/s", "1Gbit/s", "2.5Gbit/s", "10Gbit/s")
DOWNTIMES = ("125ms", "250ms", "500ms", "1s", "5s")


@dataclasses.dataclass(frozen=True)
class MigrationTable:
    """Seconds that migrations take."""

    seconds: "pd.DataFrame"
    """One row a bandwidth in bytes a second, one column a downtime in seconds; NaN where it does
    not end in the time allowed."""

    def __str__(self) -> str:
        heads = "".join(
            f"{ns_text(1e9 * float(one), trim=True):>10}" for one in self.seconds.columns
        )
        lines = [f"{'':>14}{heads}"]
        for bandwidth, row in zip(self.seconds.index, self.seconds.to_numpy(), strict=True):
            cells = "".join(f"{'-' if one != one else ns_text(1e9 * one):>10}" for one in row)
            lines.append(f"{three_digits(bandwidth / 1e6, trim=True) + ' MB/s':>14}{cells}")
        return "\n".join([*lines, "columns: downtime allowed; a dash: does not end in time"])


def migration_table(
    pages: int | str,
    dataset: str = "random",
    *,
    bandwidth: Sequence[float | str] = BANDWIDTHS,
    downtime: Sequence[float | str] = DOWNTIMES,
    report: Callable[[float], None] | None = None,
    **facts: Any,
) -> MigrationTable:
    """Tell how long migrations take over bandwidth and downtime.

    Parameters
    ----------
    pages : int or str
        Memory of the guest.
    dataset : str, optional
        Pattern of its writes.
    bandwidth, downtime : sequence of float or str, optional
        Bytes a second, and seconds.
    report : callable, optional
        Called with the share that is done.
    **facts
        Everything else that ``dirtylab.migrate`` takes.

    Returns
    -------
    MigrationTable
        Which prints as text.

    Raises
    ------
    ValueError, TypeError
        As ``dirtylab.migrate``.

    Notes
    -----
    Cost: that of a migration, times the cells.

    Examples
    --------
    >>> print(migration_table("16MiB", "idle", bandwidth=["1MB/s"], downtime=["1s"]).seconds.shape)
    (1, 1)
    """
    import pandas as pd

    rates = [parse_rate("bandwidth", one) for one in bandwidth]
    pauses = [parse_seconds("downtime", one) for one in downtime]
    cells: dict[float, list[float]] = {}
    for row, rate in enumerate(rates):
        found = [
            migrate(pages, dataset, bandwidth=rate, downtime=pause, **facts) for pause in pauses
        ]
        cells[rate] = [one.seconds if one.converges else float("nan") for one in found]
        if report is not None:
            report((row + 1) / len(rates))
    return MigrationTable(pd.DataFrame.from_dict(cells, orient="index", columns=pauses))


def tracker_table(
    pages: int | str,
    dataset: str = "random",
    *,
    trackers: Sequence[str] = ("none", "kvm-log", "kvm-ring:4096"),
    **facts: Any,
) -> "pd.DataFrame":
    """Tell what a tracker changes of a migration.

    Parameters
    ----------
    pages : int or str
        Memory of the guest.
    dataset : str, optional
        Pattern of its writes.
    trackers : sequence of str, optional
        As ``dirtylab.migrate`` takes them.
    **facts
        Everything else that ``dirtylab.migrate`` takes.

    Returns
    -------
    pandas.DataFrame
        One row a tracker: its verdict in words, ``seconds``, ``downtime``, ``rho`` and
        ``guest_slowdown``, how many times as long the guest's writes take.

    Raises
    ------
    ValueError, TypeError
        As ``dirtylab.migrate``.

    Examples
    --------
    >>> tracker_table("16MiB", "idle", bandwidth="10MB/s")["seconds"].nunique()
    2
    """
    import pandas as pd

    found = {name: migrate(pages, dataset, tracker=name, **facts) for name in trackers}
    names = ("verdict", "seconds", "downtime", "rho", "guest_slowdown")
    rows = [[getattr(one, name) for name in names] for one in found.values()]
    return pd.DataFrame(rows, index=list(found), columns=list(names))
