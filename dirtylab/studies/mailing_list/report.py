"""The study in words: one table of the nine runs, the verdicts, the experiments."""

import textwrap
from collections.abc import Iterable

from dirtylab import _tables as tables
from dirtylab._format import ns_in_unit_of, ns_text, three_digits
from dirtylab.measure.machine import caption
from dirtylab.studies.mailing_list.claims import Verdict
from dirtylab.studies.mailing_list.rows import SHORT, STRUCTURES, Row
from dirtylab.studies.mailing_list.runs import AS_POSTED, CAREFUL, POSTED
from dirtylab.studies.mailing_list.samples_index import SamplesIndex
from dirtylab.studies.mailing_list.study import Study

RATIOS = (
    ("posted-tree", "posted-list"),
    ("posted-bitmap", "posted-list"),
    ("posted-bitmap", "posted-tree"),
)
METHOD_LABELS = {
    POSTED: "posted in 2016",
    AS_POSTED: "here, as posted",
    CAREFUL: "here, carefully",
}
_WIDTH = 96


def table_lines(index: SamplesIndex) -> list[tuple[str, ...]]:
    """Return the nine runs as cells of text: a heading, then five lines a run.

    And one for each doubt about it.
    """
    names = tuple(SHORT[name] for name in STRUCTURES)
    ratios = tuple(f"{SHORT[above]}/{SHORT[below]}" for above, below in RATIOS)
    lines: list[tuple[str, ...]] = [("run", *names, *ratios)]
    for row in index.rows:
        lines.append((row.label, *[""] * 6))
        lines.extend(_method_line(index, method, row) for method in METHOD_LABELS)
        lines.append(_spread_line(index, row))
        lines.append(_interval_line(index, row))
        lines += [(f"  in doubt: {one}", *[""] * 6) for one in index.doubts(row)]
    return lines


def _method_line(index: SamplesIndex, method: str, row: Row) -> tuple[str, ...]:
    times = [ns_text(index.median(method, row, name)) for name in STRUCTURES]
    ratios = [three_digits(index.ratio(method, row, *pair)) for pair in RATIOS]
    return (f"  {METHOD_LABELS[method]}", *times, *ratios)


def _spread_line(index: SamplesIndex, row: Row) -> tuple[str, ...]:
    cells = []
    for name in STRUCTURES:
        found = index.estimate(CAREFUL, row, name)
        ends = (ns_in_unit_of(end, found.median) for end in (found.low, found.high))
        cells.append("–".join(ends))
    return ("    10th–90th percentile", *cells, "", "", "")


def _interval_line(index: SamplesIndex, row: Row) -> tuple[str, ...]:
    cells = []
    for pair in RATIOS:
        _, low, high = index.ratio_interval(row, *pair)
        ends = (three_digits(end) for end in (low, high) if end is not None)
        cells.append("–".join(ends))
    return ("    95 % interval", "", "", "", *cells)


def text_table(index: SamplesIndex) -> str:
    """Return the nine runs as a table for the terminal, 97 columns wide."""
    widths = (24, 11, 11, 11, 12, 15, 13)
    lines = []
    for cells in table_lines(index):
        padded = [
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append("".join(padded).rstrip())
    rule = "─" * sum(widths)
    return "\n".join([lines[0], rule, *lines[1:]])


def markdown_table(index: SamplesIndex) -> str:
    """Return the nine runs as a Markdown table, a line a run and method."""
    heads, *lines = table_lines(index)
    rows = [
        (cells[0].strip() if cells[0].startswith(" ") else f"**{cells[0]}**", *cells[1:])
        for cells in lines
    ]  # fmt: skip
    return tables.markdown_table(heads, rows, ":-- " + "--: " * (len(heads) - 1))


def markdown_verdicts(study: Study) -> str:
    """Return the verdicts as a Markdown table."""
    rows = [
        (str(one.number), one.claim, f"**{one.verdict}**", one.measured, one.why)
        for one in study.verdicts
    ]
    heads = ["", "claim of 2016", "verdict", "measured here", "why"]
    return tables.markdown_table(heads, rows, "--: :-- :-- :-- :--")


def markdown_experiments(study: Study) -> str:
    """Return the experiments as a Markdown list."""
    found = study.samples_index.experiments.values()
    return "\n".join(f"- **{one.title}.** {one.finding}" for one in found)


def text_report(study: Study) -> str:
    """Return everything for the terminal."""
    pages = 10_000_000
    parts = [
        f"Dirty frames of a slot of {pages:,} pages ({pages * 4096 / 2**30:.0f} GiB), compacted "
        "into a list of frames",
        text_table(study.samples_index),
    ]
    if study.verdicts:
        parts += [_heading("The seven claims"), *map(_verdict_text, study.verdicts)]
    if study.samples_index.experiments:
        parts += [_heading("Defects and flaws, each shown by an experiment just run")]
        parts += [
            _wrapped(f"{one.title}{'' if one.shown else ' (NOT SHOWN HERE)'}.", [one.finding])
            for one in study.samples_index.experiments.values()
        ]
    parts.append(_wrapped("Measured on", [caption(study.machine)]))
    return "\n\n".join(parts)


def _verdict_text(one: Verdict) -> str:
    return _wrapped(f"{one.number}. [{one.verdict}] {one.claim}", [one.measured, one.why])


def _heading(text: str) -> str:
    return f"{text}\n{'─' * len(text)}"


def _wrapped(first: str, rest: Iterable[str]) -> str:
    lines = textwrap.wrap(first, _WIDTH)
    for paragraph in rest:
        lines += textwrap.wrap(paragraph, _WIDTH, initial_indent="   ", subsequent_indent="   ")
    return "\n".join(lines)
