"""What the model says of a real migration, beside what QEMU reported."""

import math
from typing import Any

from dirtylab._format import ns_text
from dirtylab.migration.answer import Migration
from dirtylab.migration.precopy import migrate
from dirtylab.migration.real.result import RealMigration
from dirtylab.migration.real.setup import Setup


def expected(asked: Setup, speed: float = 0.0, **more: Any) -> Migration:
    """Return what :func:`dirtylab.migrate` says.

    Parameters
    ----------
    asked : Setup
        What was migrated; the model knows nothing of several vCPUs and of extras.
    speed : float, optional
        Writes a second that the guest did before, for one that is not paced.
    **more
        For :func:`dirtylab.migrate`, such as ``costs`` or ``rules``.
    """
    if asked.rate is None and speed > 0:
        more.setdefault("speed", max(1.0, speed))
    return migrate(
        asked.pages, asked.dataset, working_set=asked.working_set or None, rate=asked.rate,
        bandwidth=asked.bandwidth, downtime=asked.downtime, tracker=asked.tracker,
        nonzero=asked.nonzero, prealloc=asked.prealloc, limit=asked.limit, **more, **asked.options,
    )  # fmt: skip


def beside(real: RealMigration, model: Migration) -> str:
    """Return a table of both."""
    head = ("", "converges", "seconds", "downtime", "syncs", "MB sent")
    rows = [head]
    both: tuple[tuple[str, Any], ...] = (("QEMU", real), ("model", model))
    for name, one in both:
        down = "" if math.isnan(one.downtime) else ns_text(1e9 * one.downtime)
        rows.append((
            name, "yes" if one.converges else "no", f"{one.seconds:.3g}", down, f"{one.syncs}",
            f"{one.sent_bytes / 1e6:,.1f}",
        ))  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
