"""``dirtylab sweep``: its arguments, and what it prints."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dirtylab._console import tell
from dirtylab.cli.arguments import (
    add_cache,
    amounts,
    count,
    dataset,
    pages_list,
    seconds,
    seed,
    structure,
)

if TYPE_CHECKING:
    import pandas as pd


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "sweep",
        help="measure a grid of structures, patterns and sizes; go on where it stopped",
        description="Measure every structure x operation x pattern x size and write one row a "
        "sample. The same command goes on where it stopped. A name may have options, as in "
        "tree:radix=16 or clustered:length=64; numbers may be written 10M, 2^20, 64GiB (of guest "
        "memory), 1%% or 0.01 (of the pages) or 1k..1M (in steps of 1, 2 and 5). A structure "
        "may be the path of a tracker of your own, such as ./mine.c (see dirtylab tracker).",
    )
    names: dict[str, Any] = {"nargs": "+", "metavar": "NAME"}
    command.add_argument("--structures", **names, type=structure, help="default: the tuned ones")
    command.add_argument("--operations", **names, help="default: insert collect harvest epoch")
    command.add_argument("--datasets", **names, type=dataset, help="default: random")
    numbers: dict[str, Any] = {"nargs": "+", "metavar": "N"}
    command.add_argument("--pages", **numbers, type=pages_list, help="default: 10M")
    command.add_argument("--dirty", **numbers, type=amounts, help="default: 0.0001 0.001 0.01 0.1")
    command.add_argument("--repeats", type=count(2, 10**6), metavar="N", help="rounds of each cell")
    command.add_argument(
        "--budget",
        type=seconds,
        metavar="TIME",
        help="90s, 5m or 1h, spent on the most uncertain cells",
    )
    command.add_argument("--seed", type=seed, metavar="N", help="default: 2016")
    add_cache(command)
    command.add_argument("--out", default="sweep", metavar="DIR", help="default: %(default)s")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; return the exit status."""
    from dirtylab.measure.apart import ApartError
    from dirtylab.measure.sweep import sweep

    given: dict[str, Any] = {
        name: getattr(arguments, name)
        for name in (
            "structures", "operations", "datasets", "repeats", "budget", "seed", "cache",
        )
        if getattr(arguments, name) is not None
    }  # fmt: skip
    for name in ("pages", "dirty"):
        if getattr(arguments, name) is not None:
            given[name] = [one for several in getattr(arguments, name) for one in several]
    try:
        table = sweep(**given, out=arguments.out, report=tell, progress=True)
    except KeyboardInterrupt:
        tell(f"dirtylab sweep: interrupted; finished cells are in {arguments.out}, the same")
        tell("command goes on from there")
        return 130
    except (AssertionError, ApartError) as error:
        # Wrong frames returned, or a native tracker crashed: no timing of the cell counts.
        tell(f"dirtylab sweep: {error}; cells finished before are in {arguments.out}")
        return 1
    print(summary(table))
    return 0


def summary(table: "pd.DataFrame") -> str:
    """Return the medians of a sweep, one row a cell, and remarks on its quality."""
    from dirtylab.measure.machine import caption
    from dirtylab.measure.quality import remarks

    kept = table[~table["control"]]
    names = [str(name) for name in table]
    patterns = [name for name in names if name.startswith("dataset")]
    rows = ["operation", *patterns, "pages", "dirty"]
    columns = [name for name in names if name.startswith("structure")]
    medians = kept.groupby([*rows, *columns], sort=False)["ns"].median().div(1000)
    lines = [
        "Medians in µs",
        "",
        medians.unstack(columns).to_string(float_format=lambda value: f"{value:,.2f}"),
        "",
        *_how(kept),
        *(
            f"{name} is the native tracker of {path}, which passed its check; measured only."
            for name, path in table.attrs.get("trackers", {}).items()
        ),
        *[f"note: {remark}" for remark in remarks(table)],
        *[
            f"Measured on {caption({**facts, **_caches(kept)})}"
            for facts in table.attrs["machines"].values()
        ],
    ]
    return "\n".join(lines)


def _caches(table: "pd.DataFrame") -> dict[str, str]:
    """Return what the caches held, where it was the same in all rows."""
    states = set(table["cache"])
    return {"cache": states.pop()} if len(states) == 1 else {}


def _how(table: "pd.DataFrame") -> Iterator[str]:
    """Yield how structures were driven, and what a call from Python would add."""
    from dirtylab._format import ns_text
    from dirtylab.measure.driver import COMPILED

    driven = table["through"] == COMPILED
    costs = table[driven].groupby(["operation", "structure"], sort=False)["call_ns"].median()
    if len(costs):
        yield "Driven by one compiled loop; frames were checked before, off the clock."
        yield f"A call from Python would add {ns_text(costs.min())} … {ns_text(costs.max())}."
    if rest := sorted(set(table.loc[~driven, "structure"])):
        yield f"Timed through Python, calls included, for want of kernels: {', '.join(rest)}."
