"""Report on real dirty pages: Markdown from the measured data."""

from dirtylab.studies.live.judge import log_ring_crossovers, nesting
from dirtylab.studies.live.replay import epochs, same_job, winners
from dirtylab.studies.live.store import Measured


def recordings_table(measured: Measured) -> str:
    """Return the time of an epoch of each recording, µs, the best in bold."""
    times = same_job(epochs(measured.replays))
    best = winners(measured.replays)
    lines = [
        "| recording | " + " | ".join(map(str, times)) + " | best |",
        "| :-- |" + " --: |" * len(times.columns) + " :-- |",
    ]
    for name, row in times.iterrows():
        found = best.loc[str(name)]
        told = f"{found['best']} or {found['next']}" if found["even"] else str(found["best"])
        cells = " | ".join(f"{value:.1f}" for value in row)
        lines.append(f"| {name} | {cells} | {told} |")
    return "\n".join(lines)


def crossovers_list(measured: Measured) -> str:
    """Return the crossovers of KVM's log and ring, a point a slot, and the effect of nesting."""
    points = "\n".join(f"- {met}" for met in log_ring_crossovers(measured.harvests))
    return f"{points}\n\n{nesting(measured.machine)}".strip()


def text_report(measured: Measured) -> str:
    """Return the results for the terminal."""
    from dirtylab.measure.machine import caption
    from dirtylab.studies.live.judge import log_ring_crossovers, nesting
    from dirtylab.studies.live.record import medians
    from dirtylab.studies.live.replay import epochs, winners

    harvests = medians(measured.harvests).div(1000).round(1)
    parts = [
        f"Harvest of random frames, median µs\n\n{harvests.to_string()}",
        *[f"log and ring: {crossover}" for crossover in log_ring_crossovers(measured.harvests)],
        f"Epoch of a recording, median µs\n\n{epochs(measured.replays).round(1).to_string()}",
        f"Best of those that return sorted frames\n\n{winners(measured.replays).to_string()}",
        nesting(measured.machine),
        f"Measured on {caption(measured.machine)}",
    ]
    return "\n\n".join(part for part in parts if part)
