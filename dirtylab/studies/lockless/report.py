"""Results of the checker, the soak and the measurements, as Markdown tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from dirtylab._tables import markdown_table
from dirtylab.studies.lockless.store import soak_summary
from dirtylab.studies.lockless.summary import shown

Summary = Mapping[str, Any]
_GROUPS = {"ours": "", "offered": "offered as faster", "weakened": "mutant"}
_EARLY = {"tree8-early": "tree8", "tree64-early": "tree64", "ring-protect": "ring"}


def markdown_findings(summary: Summary) -> str:
    """Return what the checker found: schedules by outcome, a row a protocol."""
    rows = [
        [one["name"], _GROUPS[one["group"]], f"{one['schedules']:,}"]
        + [_share(one[outcome], one["schedules"]) for outcome in ("duplicate", "late", "lost")]
        + [f"**{one['worst']}**"]
        for one in summary["checker"]
    ]
    heads = ["protocol", "", "schedules", "duplicate", "late", "lost", "verdict"]
    return markdown_table(heads, rows, ":-- :-- --: --: --: --: :--")


def markdown_soak(summary: Summary) -> str:
    """Return what the soak found, a row a structure."""
    soak = summary["soak"]
    rows = [
        [name, *(f"{one[key]:,}" for key in ("inserts", "harvests", "duplicates", "late", "lost"))]
        for name, one in {**soak["structures"], "**all**": soak["total"]}.items()
    ]
    heads = ["structure", "inserts", "harvests", "reported again", "late", "lost"]
    return markdown_table(heads, rows, ":-- --: --: --: --: --:")


def markdown_caught(summary: Summary) -> str:
    """Return after how many inserts and seconds the soak saw each mutant fail."""
    rows = [
        [name, f"{one['inserts']:,}", f"{one['late']:,}", f"{one['lost']:,}",
         f"{one['seconds']:.1f} s"]
        for name, one in summary["soak"]["weakened"].items()
    ]  # fmt: skip
    heads = ["mutant", "inserts", "late", "lost", "after"]
    return markdown_table(heads, rows, ":-- --: --: --: --:")


def markdown_gain(summary: Summary) -> str:
    """Return what giving up "never late" gains: times of the faster variant over its original."""
    rows, found = [], summary["atomic"]
    for name, twin in _EARLY.items():
        rates = [
            summary["vcpus"][name][place][vcpus]["million_a_second"][0]
            / summary["vcpus"][twin][place][vcpus]["million_a_second"][0]
            for place, vcpus in (("apart", "1"), ("apart", "2"), ("same word", "2"))
        ]
        new = [
            f"{found[name]['new']['atomic_ns'][0] / found[twin]['new']['atomic_ns'][0]:.2f}"
            if name in found
            else "–"
        ]
        rows.append([name, twin, *(f"{value:.2f}" for value in rates), *new])
    heads = [
        "may be late", "never late", "rate of one vCPU, pages dirty already", "of two, apart",
        "of two, in one word", "ns, pages clean before",
    ]  # fmt: skip
    return markdown_table(heads, rows, ":-- :-- --: --: --: --:")


def markdown_apart(summary: Summary) -> str:
    """Return the throughput of two vCPUs over one's, by where their frames lie."""
    places = ("apart", "same node", "same line", "same word")
    rows = [
        [name, *(shown(found[place]["2"]["times_one"]) for place in places)]
        for name, found in summary["vcpus"].items()
    ]
    return markdown_table(["two vCPUs", *places], rows, ":-- --: --: --: --:")


def _share(count: int, total: int) -> str:
    if not count:
        return "none"
    share = count / total
    return f"{share:.1%}" if share >= 0.001 else f"{count:,}"


def soak_report(rows: Sequence[dict[str, Any]]) -> str:
    """Return the soak for the terminal."""
    summary = soak_summary(rows)
    lines = [f"{'':28}{'inserts':>15}{'harvests':>13}{'again':>12}{'late':>9}{'lost':>9}"]
    for name, one in {**summary["structures"], "all": summary["total"]}.items():
        lines.append(
            f"{name:28}{one['inserts']:15,}{one['harvests']:13,}{one['duplicates']:12,}"
            f"{one['late']:9,}{one['lost']:9,}"
        )
    for name, one in summary["weakened"].items():
        lines.append(
            f"{name:28}{one['inserts']:15,}{'':25}{one['late']:9,}{one['lost']:9,}"
            f"   caught in run {one['runs']}, {one['seconds']:.2f} s"
        )
    return "\n".join(lines)
