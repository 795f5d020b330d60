"""What is expected of a live migration, and its text."""

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

from dirtylab._format import nbytes_text, ns_text
from dirtylab.datasets import written
from dirtylab.migration.costs import SHIPPED
from dirtylab.migration.question import CURVE, IDLE, TRACE, Question

if TYPE_CHECKING:
    import pandas as pd

_NUMBERS = ("converges", "seconds", "low", "high", "downtime", "syncs", "sent_bytes", "rho",
            "guest_slowdown")  # fmt: skip
_BORDER = 0.8
"""Where the ends of the band are further apart, a few per cent decide."""


@dataclasses.dataclass(frozen=True)
class Migration:
    """What is expected of a live migration."""

    question: Question
    converges: bool
    seconds: float
    """From the command to the end; the time allowed where it does not converge."""
    low: float
    high: float
    """Seconds with the rate 3 % and the bandwidth 2 % to either side."""
    downtime: float
    """Seconds that the guest stands still; NaN where it does not converge."""
    syncs: int
    sent_bytes: int
    rho: float
    """New dirty bytes by bytes sent, in 100 ms; it converges below 1."""
    guest_slowdown: float
    """Time of a write with tracking by that without; 1 for a paced guest that keeps its pace; NaN
    where only a curve of unique pages is known."""
    rounds: "pd.DataFrame"
    """One row a sync: seconds, pages pending after it, bytes sent before it."""

    def __str__(self) -> str:
        slower = "" if math.isnan(self.guest_slowdown) else (
            f", the guest's writes take {self.guest_slowdown:.3g} times as long"
        )  # fmt: skip
        lines = [
            asked_text(self.question),
            self.verdict,
            f"{self.syncs} syncs, {self.sent_bytes / 1e6:,.1f} MB sent, rho {self.rho:.2f}{slower}",
        ]
        if self.near_border:
            lines.append("note: near the border; a few per cent of rate or bandwidth decide")
        return "\n".join([*lines, _told(self.question)])

    @property
    def near_border(self) -> bool:
        """Whether a few per cent of rate or bandwidth decide."""
        return self.low <= _BORDER * self.high

    @property
    def verdict(self) -> str:
        """Whether it converges, how long it takes, and the downtime, as one line."""
        if not self.converges:
            return f"does not converge within {ns_text(1e9 * self.seconds)}"
        return (
            f"converges in {ns_text(1e9 * self.seconds)} ({ns_text(1e9 * self.low)} … "
            f"{ns_text(1e9 * self.high)}), downtime {ns_text(1e9 * self.downtime)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON; None for a number that there is not."""
        found = {name: getattr(self, name) for name in _NUMBERS}
        clean = {name: None if _is_nan(value) else value for name, value in found.items()}
        asked = self.question._asdict()
        if asked["curve"] is not None:
            asked["curve"] = {
                name: part.tolist() for name, part in asked["curve"]._asdict().items()
            }
        return {"question": asked, **clean}

    def as_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False, default=str)


def asked_text(asked: Question) -> str:
    """Return what is asked as one line."""
    return (
        f"{nbytes_text(4096 * asked.pages)} guest, {_pattern(asked)}; "
        f"{asked.bandwidth / 1e6:,.4g} MB/s, {ns_text(1e9 * asked.downtime)} allowed, "
        f"{asked.tracker}"
    )


def _pattern(asked: Question) -> str:
    if asked.dataset in (IDLE, CURVE):
        return "idle" if asked.dataset == IDLE else "writes by a curve of unique pages"
    name = written(asked.dataset, asked.options) if asked.options else asked.dataset
    if asked.rate is None:
        rate = "as recorded" if asked.dataset == TRACE else "as fast as it can"
    else:
        rate = f"{asked.rate:,.0f} writes/s"
    return f"{name} over {asked.working_set:,} pages, {rate}"


def _told(asked: Question) -> str:
    rules = {
        "qemu-7.2": "by the rules of QEMU 7.2",
        "later": "by later rules of QEMU (a sync where a round after the first takes 5 s)",
    }[asked.rules]
    how = "closed form, " if asked.dataset == CURVE else ""
    return f"{how}{rules}, costs of recorded runs ({asked.costs or SHIPPED})"


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
