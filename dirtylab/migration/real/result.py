"""What QEMU reported of a migration."""

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from dirtylab._format import nbytes_text, ns_text
from dirtylab.datasets import written
from dirtylab.migration.real.setup import Setup, written_extras

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class RealMigration:
    """What QEMU reported."""

    question: Setup
    converges: bool
    seconds: float
    """Total time; the time allowed where it did not converge."""
    downtime: float
    """Seconds that the guest stood still; NaN where it did not converge."""
    syncs: int
    sent_bytes: int
    speed: float
    """Writes a second before the migration, counted by the guest; 0 for an idle one."""
    writes: float
    """Writes a second while it was migrated."""
    throttle: int
    """Per cent of the time that auto-converge took from the guest at the end."""
    differing: int | None
    """Pages that differ at both ends, with both stopped; None where they were not compared."""
    postcopied: bool
    """Whether the guest went on at the destination before all its pages were there."""
    version: str
    """Of QEMU."""
    rounds: "pd.DataFrame"
    """One row a sync; see :func:`dirtylab.migration.real.rounds.table_of`."""

    def __str__(self) -> str:
        asked = self.question
        rate = "as fast as it can" if asked.rate is None else f"{asked.rate:,.0f} writes/s"
        pattern = written(asked.dataset, asked.options) if asked.options else asked.dataset
        extras = f", {written_extras(asked.extras)}" if asked.extras else ""
        lines = [
            f"{nbytes_text(asked.memory_bytes)} guest of {asked.vcpus} vCPU, {pattern} over "
            f"{asked.working_set:,} pages, {rate}; {asked.bandwidth / 1e6:,.4g} MB/s, "
            f"{ns_text(1e9 * asked.downtime)} allowed, {asked.tracker}{extras}",
            f"QEMU {self.version}: {self._verdict()}",
            f"{self.syncs} syncs, {self.sent_bytes / 1e6:,.1f} MB sent; the guest wrote "
            f"{self.speed:,.0f} times a second before, {self.writes:,.0f} meanwhile",
        ]
        if self.throttle:
            lines.append(f"auto-converge took {self.throttle} % of the guest's time")
        if self.postcopied:
            lines.append("the guest went on at the destination before all its pages were there")
        if self.differing is not None:
            lines.append(
                "memory is the same at both ends" if not self.differing
                else f"memory differs at both ends: {self.differing} pages"
            )  # fmt: skip
        return "\n".join(lines)

    def _verdict(self) -> str:
        if not self.converges:
            return f"did not converge within {ns_text(1e9 * self.seconds)}"
        return (
            f"converged in {ns_text(1e9 * self.seconds)}, downtime {ns_text(1e9 * self.downtime)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON; None for a downtime that never came."""
        names = ("converges", "seconds", "downtime", "syncs", "sent_bytes", "speed", "writes",
                 "throttle", "differing", "postcopied", "version")  # fmt: skip
        found = {name: getattr(self, name) for name in names}
        found["downtime"] = self.downtime if self.converges else None
        return {"question": self.question._asdict(), **found}

    def as_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False)
