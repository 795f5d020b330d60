"""Report of the crossover study: sentences and tables made from its data."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab._format import ns_text, share_text
from dirtylab._tables import markdown_table
from dirtylab.advice.model import Model
from dirtylab.measure.machine import alike, caption
from dirtylab.studies.crossovers.judge import (
    EVEN,
    are_usual,
    check,
    exponent,
    find_crossovers,
    is_pair,
    pairs_shown,
)
from dirtylab.studies.crossovers.record import JUDGED, CrossoverStudy

if TYPE_CHECKING:
    import pandas as pd

BANDS = (
    ("below 0.1 % of the pages", 0.0, 0.001),
    ("0.1 % … 3 %", 0.001, 0.03),
    ("more", 0.03, 1.01),
)
"""Shares of dirty pages that a rule of thumb tells apart."""
RULE_PATTERNS = (
    ("random", "scattered pages"),
    ("clustered:length=64", "runs of 64"),
    ("sequential", "one run"),
)


def all_crossovers(study: CrossoverStudy) -> "pd.DataFrame":
    """Return all crossovers of posted structures with each other, and of tuned ones."""
    import pandas as pd

    kinds = study.posted, study.tuned
    both = [find_crossovers(study.rounds, names, JUDGED) for names in kinds]
    return pd.concat(both, ignore_index=True)


def markdown(study: CrossoverStudy, found: "pd.DataFrame", model: Model) -> str:
    """Return the findings as Markdown.

    Parameters
    ----------
    study : CrossoverStudy
        The measurements.
    found : pandas.DataFrame
        Its :func:`all_crossovers`.
    model : Model
        The cost model whose validation is reported.
    """
    parts = [
        *(crossover_table(found, operation) for operation in JUDGED),
        "\n".join(f"* {line}" for line in moves(found)),
    ]
    if are_usual((*study.posted, *study.tuned)):
        parts += ["\n".join(f"* {line}" for line in reasons(study))]
        parts += [predictions(study, found, model)]
    return "\n\n".join(part for part in parts if part)


def crossover_table(found: "pd.DataFrame", operation: str) -> str:
    """Return one operation's crossovers: a row a pair and pattern, a column a slot."""
    chosen = found[found["operation"] == operation]
    slots = sorted(chosen["pages"].unique())
    heads = [f"{operation}: below its mark the first is cheaper", "pattern"]
    heads += [f"{slot:,} pages" for slot in slots]
    rows = []
    for one, other in pairs_shown(found):
        pair = chosen[is_pair(chosen, one, other)]
        for pattern in pair["pattern"].unique():
            own = pair[pair["pattern"] == pattern]
            cells = [_cell(own[own["pages"] == slot], one) for slot in slots]
            rows.append([f"`{one}`, `{other}`", str(pattern), *cells])
    return markdown_table(heads, rows, ":-- :-- " + "--: " * len(slots))


def _cell(rows: "pd.DataFrame", first: str) -> str:
    """Return the crossovers of a pair in one slot; where there is none, the cheaper one."""
    if rows.empty:
        return ""
    told = []
    for row in rows.to_dict("records"):
        if row["cheaper"] == EVEN:
            return _undecided(row)
        if not np.isfinite(row["at"]):
            return "first always" if row["cheaper"] == first else "second always"
        if row["low"] <= 0 or not np.isfinite(row["high"]):
            told.append(_undecided(row))
            continue
        way = "" if row["cheaper"] == first else "above "
        told.append(f"{way}{share_text(row['at'] / row['pages'], 2)} ({_interval(row)})")
    return "<br>".join(told)


def _undecided(row: dict[Any, Any]) -> str:
    """Return between which shares two are too close to call: no further than what was tried."""
    ends = max(row["low"], row["least"]), min(row["high"], row["most"])
    shares = (share_text(end / row["pages"], 2) for end in ends)
    return f"too close to call from {' to '.join(shares)}"


def _interval(row: dict[Any, Any]) -> str:
    return "–".join(share_text(row[end] / row["pages"], 2) for end in ("low", "high"))


def rule_of_thumb(study: CrossoverStudy) -> str:
    """Return the cheapest structure by dirty share, three rows, and pattern, by measured epochs.

    In each band the structure whose times are nearest to the best ones of all cells, by their
    geometric mean over slots and numbers of frames; those within a tenth of it are named too.
    """
    rounds = study.rounds[(study.rounds["operation"] == "epoch") & (study.rounds["set"] == "find")]
    medians = rounds.groupby(["pattern", "pages", "dirty"])[list(study.tuned)].median().dropna()
    over = medians.div(medians.min(axis=1), axis=0).apply(np.log).reset_index()
    share = over["dirty"] / over["pages"]
    rows = []
    for words, low, high in BANDS:
        inside = over[(share >= low) & (share < high)]
        cells = [
            _cheapest(inside[inside["pattern"] == pattern][list(study.tuned)].mean())
            for pattern, _ in RULE_PATTERNS
        ]
        rows.append([words, *cells])
    heads = ["dirty between harvests", *(words for _, words in RULE_PATTERNS)]
    return markdown_table(heads, rows, ":-- " * len(heads))


def _cheapest(over: "pd.Series[float]") -> str:
    """Return the structure that is nearest to the best, and those within a tenth of it."""
    ordered = over.sort_values()
    near = [str(name) for name in ordered.index if ordered[name] <= ordered.iloc[0] + np.log(1.1)]
    return f"**{near[0]}**" + (f", or {', '.join(near[1:])}" if near[1:] else "")


def moves(found: "pd.DataFrame") -> Iterator[str]:
    """Yield how crossovers move with the slot and the pattern, in words."""
    for operation in JUDGED:
        chosen = found[found["operation"] == operation]
        for one, other in pairs_shown(found):
            pair = chosen[is_pair(chosen, one, other)]
            told = [
                f"pages^{power:.2f} ({pattern})"
                for pattern, own in pair.groupby("pattern", sort=False)
                for power in [exponent(_single(own))]
                if np.isfinite(power)
            ]
            if told:
                words = ", ".join(told)
                yield f"{operation}, `{one}` and `{other}`: dirty frames at the crossover ~ {words}"


def _single(own: "pd.DataFrame") -> "pd.DataFrame":
    """Return only those slots in which a pair has a single crossover."""
    times = own.groupby("pages")["at"].transform("size")
    return own[times == 1]


def reasons(study: CrossoverStudy) -> Iterator[str]:
    """Yield why posted and tuned crossovers differ, in numbers of the study."""
    rounds = study.rounds
    slot = int(max(rounds.loc[rounds["posted-bitmap"].notna(), "pages"]))
    patterns = list(rounds["pattern"].unique())
    pattern = "random" if "random" in patterns else patterns[0]
    curve = {"pages": slot, "set": "find", "operation": "harvest", "pattern": pattern}
    chosen = rounds[np.logical_and.reduce([rounds[key] == value for key, value in curve.items()])]
    medians = chosen.groupby("dirty").median(numeric_only=True)
    least, most = f"{medians.index[0]:,}", f"{medians.index[-1]:,}"
    few, many = medians.iloc[0], medians.iloc[-1]
    posted, tuned = few["posted-bitmap"], few["bitmap"]
    yield (
        f"a harvest of {slot:,} nearly clean pages takes the posted bitmap {ns_text(posted)}, as "
        f"it tests every bit, and the tuned one {ns_text(tuned)}, as it skips words: "
        f"{posted / tuned:,.0f} times"
    )
    few_times, many_times = (one["posted-tree"] / one["tree64"] for one in (few, many))
    yield (
        f"the posted tree, which walks from one dirty page to the next, takes {few_times:.1f} "
        f"times as long as `tree64` at {least} dirty frames and {many_times:.0f} times at {most}"
    )
    yield (
        "the posted list is copied as it is, unsorted and with repeats, and so is the fastest; "
        f"sorted and unique output takes the tuned list "
        f"{many['list'] / many['posted-list']:.0f} times as long at {most} frames"
    )


def predictions(study: CrossoverStudy, found: "pd.DataFrame", model: Model) -> str:
    """Return how well crossovers and model predict cells that they were not fitted to."""
    both = study.posted, study.tuned
    checks = [check(study.rounds, _among(found, names), names)[0] for names in both]
    cells = sum(one.cells for one in checks)
    right = sum(one.right for one in checks)
    between = sum(one.between for one in checks)
    undecided = sum(one.undecided for one in checks)
    words = (
        f"Outside of their 95 % intervals, the crossovers predicted the winner in {right:,} of "
        f"{cells:,} held-out cells ({100 * right / cells:.1f} %); {between:,} cells "
        "lay within an interval or where two structures are too close to call, and in "
        f"{undecided:,} the rounds did not agree on a winner."
    )
    whose = "" if alike(model.machine, study.machine) else f" of {caption(model.machine)}"
    return f"{words} The cost model{whose}: {model.trial}." if model.trial else words


def _among(found: "pd.DataFrame", names: Sequence[str]) -> "pd.DataFrame":
    return found[found["one"].isin(names)]
