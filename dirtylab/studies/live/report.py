"""What was found on real dirty pages, in Markdown, from the measured data."""

from dirtylab._tables import markdown_table
from dirtylab.studies.live.judge import meetings, nesting
from dirtylab.studies.live.replay import epochs, winners
from dirtylab.studies.live.store import Measured

_SHOWN = ("list", "bitmap", "tree8", "tree64", "hybrid")


def recordings_table(measured: Measured) -> str:
    """Return the time of an epoch of each recording, µs, the best in bold."""
    times = epochs(measured.replays)[list(_SHOWN)]
    best = winners(measured.replays)
    rows = []
    for name, row in times.iterrows():
        found = best.loc[str(name)]
        told = f"{found['best']} or {found['next']}" if found["even"] else str(found["best"])
        rows.append([str(name), *(f"{value:.1f}" for value in row), told])
    rule = ":-- " + "--: " * len(_SHOWN) + ":--"
    return markdown_table(["recording", *_SHOWN, "best"], rows, rule)


def meetings_list(measured: Measured) -> str:
    """Return where KVM's log and ring meet, a point a slot, and what the machine distorts."""
    points = "\n".join(f"- {met}" for met in meetings(measured.harvests))
    return f"{points}\n\n{nesting(measured.machine)}".strip()


def text_report(measured: Measured) -> str:
    """Return what was measured, for the terminal."""
    from dirtylab.measure.machine import caption
    from dirtylab.studies.live.record import medians

    harvests = medians(measured.harvests).div(1000).round(1)
    parts = [
        f"Harvest of random frames, median µs\n\n{harvests.to_string()}",
        *[f"log and ring: {meeting}" for meeting in meetings(measured.harvests)],
        f"Epoch of a recording, median µs\n\n{epochs(measured.replays).round(1).to_string()}",
        f"Best of those that return sorted frames\n\n{winners(measured.replays).to_string()}",
        nesting(measured.machine),
        f"Measured on {caption(measured.machine)}",
    ]
    return "\n\n".join(part for part in parts if part)
