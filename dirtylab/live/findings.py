"""What was found on real dirty pages, in Markdown, from the measured data."""

from dirtylab.live.live_arguments import Measured
from dirtylab.live.meeting import meetings, nesting
from dirtylab.live.replay import epochs, winners

_SHOWN = ("list", "bitmap", "tree8", "tree64", "hybrid")


def recordings_table(measured: Measured) -> str:
    """Return the time of an epoch of each recording, µs, the best in bold."""
    times = epochs(measured.replays)[list(_SHOWN)]
    best = winners(measured.replays)
    lines = [
        "| recording | " + " | ".join(_SHOWN) + " | best |",
        "| :-- |" + " --: |" * len(_SHOWN) + " :-- |",
    ]
    for name, row in times.iterrows():
        found = best.loc[str(name)]
        told = f"{found['best']} or {found['next']}" if found["even"] else str(found["best"])
        cells = " | ".join(f"{value:.1f}" for value in row)
        lines.append(f"| {name} | {cells} | {told} |")
    return "\n".join(lines)


def meetings_list(measured: Measured) -> str:
    """Return where KVM's log and ring meet, a point a slot, and what the machine distorts."""
    points = "\n".join(f"- {met}" for met in meetings(measured.harvests))
    return f"{points}\n\n{nesting(measured.machine)}".strip()
