"""``dirtylab sweep``: its arguments, and what it prints."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_SCALES = {"k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_STEPS = (1, 2, 5)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "sweep",
        help="measure a grid of structures, patterns and sizes; go on where it stopped",
        description="Measure every structure x operation x pattern x size and write one row a "
        "sample. The same command goes on where it stopped. A name may have options, as in "
        "tree:radix=16 or clustered:length=64; numbers may be written 10M, 2^20, 0.01 (of the "
        "pages) or 1k..1M (in steps of 1, 2 and 5).",
    )
    names: dict[str, Any] = {"nargs": "+", "metavar": "NAME"}
    command.add_argument("--structures", **names, type=choice, help="default: the five tuned ones")
    command.add_argument("--operations", **names, help="default: insert collect harvest epoch")
    command.add_argument("--datasets", **names, type=dataset, help="default: random")
    numbers: dict[str, Any] = {"nargs": "+", "metavar": "N", "type": numbers_of}
    command.add_argument("--pages", **numbers, help="default: 10M")
    command.add_argument("--dirty", **numbers, help="default: 0.0001 0.001 0.01 0.1")
    command.add_argument("--repeats", type=int, metavar="N", help="rounds of each cell")
    command.add_argument(
        "--budget", metavar="TIME", help="90s, 5m or 1h, spent where it helps most"
    )
    command.add_argument("--seed", type=int, metavar="N", help="default: 2016")
    command.add_argument("--cache", choices=["warm", "cold"], help="default: warm")
    command.add_argument("--out", default="sweep", metavar="DIR", help="default: %(default)s")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; return the exit status."""
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
        table = sweep(**given, out=arguments.out, report=_tell, progress=True)
    except KeyboardInterrupt:
        _tell(f"dirtylab sweep: interrupted; finished cells are in {arguments.out}, the same")
        _tell("command goes on from there")
        return 130
    except AssertionError as error:  # a structure lies: no timing of the cell counts
        _tell(f"dirtylab sweep: {error}; cells finished before are in {arguments.out}")
        return 1
    print(summary(table))
    return 0


def summary(table: "pd.DataFrame") -> str:
    """Return the medians of a sweep, one row a cell, and what is to be known of its quality."""
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
        *[f"note: {remark}" for remark in remarks(table)],
        *[f"Measured on {caption(facts)}" for facts in table.attrs["machines"].values()],
    ]
    return "\n".join(lines)


def dataset(text: str) -> tuple[str, dict[str, Any]]:
    """Return a pattern and its options from text such as ``clustered:length=64``."""
    from dirtylab.datasets import DATASETS, parsed

    if text.partition(":")[0] not in DATASETS:
        return choice(text)  # what measures it says which there are
    try:
        return parsed(text)
    except (ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def choice(text: str) -> tuple[str, dict[str, Any]]:
    """Return name and options from text such as ``tree:radix=16``."""
    from dirtylab._options import guessed

    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, sign, value = part.partition("=")
        if not sign:
            raise argparse.ArgumentTypeError(f"{text!r}: options are written name:key=value,…")
        options[key] = guessed(value)
    return name, options


def numbers_of(text: str) -> list[float]:
    """Return the numbers that text such as 10M, 2^20, 0.01 or 1k..1M stands for."""
    low, sign, high = text.partition("..")
    if not sign:
        return [_number(low)]
    first, last = _number(low), _number(high)
    if not (isinstance(first, int) and isinstance(last, int) and first <= last):
        raise argparse.ArgumentTypeError(f"{text!r}: a range is written 1k..1M, lower end first")
    found = steps(first, last)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: has none of 1, 2, 5, 10, 20, 50 … in it")
    return list(found)


def steps(first: int, last: int) -> Sequence[int]:
    """Return 1, 2, 5, 10, … from `first` to `last`."""
    scales = [10**power for power in range(len(str(last)))]
    return [one * scale for scale in scales for one in _STEPS if first <= one * scale <= last]


def _number(text: str) -> float:
    found = re.fullmatch(r"(\d+)\^(\d+)", text)
    if found:
        return int(found[1]) ** min(int(found[2]), 64)
    found = re.fullmatch(r"([0-9.]+(?:e\+?[0-9]+)?)(k|M|G|Ki|Mi|Gi)?", text)
    try:
        value = float(found[1]) if found else -1.0
    except ValueError:
        value = -1.0
    if value <= 0 or found is None:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number above 0: 10M, 2^20, 0.01")
    scaled = value * _SCALES.get(found[2] or "", 1)
    share = scaled < 1 or (scaled == 1 and "." in text)
    if not share and scaled != int(scaled):
        raise argparse.ArgumentTypeError(f"{text!r}: must be a whole number, or a share up to 1")
    return scaled if share else int(scaled)


def _tell(text: str) -> None:
    print(text, file=sys.stderr)
