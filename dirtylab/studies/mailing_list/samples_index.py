"""The study's samples by method, row and structure, as the claims need them."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab.measure.timing import Estimate, estimate
from dirtylab.studies.lockless.summary import recorded
from dirtylab.studies.mailing_list.doubts import CONTROL, REFERENCE, doubts
from dirtylab.studies.mailing_list.experiments import Experiment
from dirtylab.studies.mailing_list.rows import BETWEEN, STRUCTURES, Row, posted_rows
from dirtylab.studies.mailing_list.runs import CAREFUL, METHODS, POSTED, Record
from dirtylab.theory.crossover import crossings
from dirtylab.theory.intervals import Interval, ratio_interval

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, str, str, int, str]


class SamplesIndex:
    """Samples by method, operation, order, dirty frames and structure, and the experiments.

    Parameters
    ----------
    records : iterable of dict
        Samples, as in the tidy CSV.
    experiments : mapping of str to Experiment, optional
        What the experiments found.
    """

    def __init__(
        self, records: Iterable[Record], experiments: Mapping[str, Experiment] | None = None
    ) -> None:
        self.records = list(records)
        self.experiments = dict(experiments or {})
        self._ns: dict[Key, list[float]] = {}
        self._medians: dict[Key, float] = {}
        for one in self.records:
            key = (one["method"], one["operation"], one["order"], one["dirty"], one["structure"])
            self._ns.setdefault(key, []).append(one["ns"])

    @functools.cached_property
    def lockless(self) -> dict[str, Any]:
        """The recorded summary of inserting while harvesting, with its machine."""
        return recorded()

    @property
    def rows(self) -> list[Row]:
        """The posted rows that have been measured in full."""
        return [row for row in posted_rows() if all(self.has(m, row) for m in METHODS)]

    @property
    def complete(self) -> bool:
        """Whether all nine rows have been measured."""
        return len(self.rows) == len(posted_rows())

    def has(self, method: str, row: Row) -> bool:
        """Return whether `row` was measured by `method`."""
        return (method, "collect", row.order, row.dirty, "posted-bitmap") in self._ns

    def samples(
        self, method: str, row: Row, structure: str, operation: str = "collect"
    ) -> list[float]:
        """Return the raw samples in ns."""
        return self._ns[method, operation, row.order, row.dirty, structure]

    def estimate(self, method: str, row: Row, structure: str) -> Estimate:
        """Return median, 10th and 90th percentile and minimum in ns."""
        return estimate(self.samples(method, row, structure))

    def median(self, method: str, row: Row, structure: str, operation: str = "collect") -> float:
        """Return the median in ns."""
        key = (method, operation, row.order, row.dirty, structure)
        if key not in self._medians:  # a view asks 170 times a drawing: 15 ms of 32
            self._medians[key] = estimate(self._ns[key]).median
        return self._medians[key]

    def ratio(self, method: str, row: Row, above: str, below: str) -> float:
        """Return the ratio of two structures' medians."""
        return self.median(method, row, above) / self.median(method, row, below)

    def ratio_interval(self, row: Row, above: str, below: str) -> Interval:
        """Return the median ratio of careful rounds and its 95 % interval."""
        return ratio_interval(*(self.samples(CAREFUL, row, name) for name in (above, below)))

    def doubts(self, row: Row) -> list[str]:
        """Return why a careful row is not to be believed; empty where it is, or was not checked."""
        names = (*STRUCTURES, CONTROL, REFERENCE)
        keys = {name: (CAREFUL, "collect", row.order, row.dirty, name) for name in names}
        return list(doubts({name: self._ns[key] for name, key in keys.items() if key in self._ns}))

    def winner(self, method: str, row: Row) -> str:
        """Return which of tree and bitmap collects faster."""
        ratio = self.ratio(method, row, "posted-bitmap", "posted-tree")
        return "posted-tree" if ratio > 1 else "posted-bitmap"

    def random_rows(self) -> list[Row]:
        """Return the measured rows of random frames."""
        return [row for row in self.rows if row.order == "random"]

    def growth(self, method: str, structure: str) -> float:
        """Return the exponent of growth over the random rows: the slope of the log-log line."""
        rows = self.random_rows()
        x = np.log([row.dirty for row in rows])
        y = np.log([self.median(method, row, structure) for row in rows])
        return float(np.polyfit(x, y, 1)[0])

    def crossing_rows(self, method: str) -> list[Row]:
        """Return the rows of random frames among which the crossover lies."""
        between = [row for row in BETWEEN if self.has(method, row)]
        return sorted([*self.random_rows(), *between], key=lambda row: row.dirty)

    def posted_bracket(self) -> tuple[int, int]:
        """Return the two posted rows between which the bitmap overtook the tree in 2016.

        A line between them would name a number, but the ratio bends on the way.
        """
        rows = self.random_rows()
        slower = [row.dirty for row in rows if self.winner(POSTED, row) == "posted-tree"]
        return max(slower), min(row.dirty for row in rows if row.dirty > max(slower))

    def crossover(self, method: str) -> float | None:
        """Return the dirty frames, random, from which on the bitmap beats the tree."""
        return self._first_crossing(method, [one.at for one in self._over_tree(method)])

    def crossover_interval(self, method: str) -> tuple[float, float] | None:
        """Return a 95 % interval of the crossover: where the intervals of the rows' ratios hold 1.

        None where a row has too few samples, or an end lies beyond the rows.
        """
        found = self._over_tree(method)
        lows, highs = [one.low for one in found], [one.high for one in found]
        if None in lows or None in highs:
            return None
        low, high = self._first_crossing(method, lows), self._first_crossing(method, highs)
        return None if low is None or high is None else (low, high)

    def _over_tree(self, method: str) -> list[Interval]:
        """Return bitmap over tree, round by round, of each row of random frames."""
        return [
            ratio_interval(
                self.samples(method, row, "posted-bitmap"), self.samples(method, row, "posted-tree")
            )
            for row in self.crossing_rows(method)
        ]

    def _first_crossing(self, method: str, ratios: Sequence[float | None]) -> float | None:
        found = crossings(
            [row.dirty for row in self.crossing_rows(method)], np.asarray(ratios, float)
        )
        return float(found[0]) if found.size else None

    def frame(self) -> "pd.DataFrame":
        """Return the samples as a tidy DataFrame."""
        import pandas as pd

        return pd.DataFrame.from_records(self.records)
