"""Record the planned migrations; each run is kept at once, and a later call goes on."""

import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dirtylab._progress import Step, run_all
from dirtylab.measure.locks import alone_on_machine
from dirtylab.measure.machine import alike, describe_machine
from dirtylab.migration import real
from dirtylab.migration.real.ticks import ticks_per_second
from dirtylab.studies.migrations.plan import Planned, plan
from dirtylab.studies.migrations.store import (
    GIVEN,
    PLANNED,
    ROUND_COLUMNS,
    RUN_COLUMNS,
    RUNS,
    Recorded,
    load,
    planned_row,
    round_rows,
    run_row,
    save,
)

if TYPE_CHECKING:
    import pandas as pd

Tell = Callable[[str], object]


def record(
    folder: pathlib.Path,
    report: Tell,
    runs: Sequence[Planned] | None = None,
    migrate: Callable[..., real.RealMigration] = real.run,
) -> int:
    """Make the runs that `folder` lacks; return how many could not be made.

    Parameters
    ----------
    folder : pathlib.Path
        Where runs are, or will be; it exists.
    report : callable
        Takes one line on each run that could not be made.
    runs : sequence of Planned, optional
        The plan when omitted.
    migrate : callable, optional
        What makes a run.

    Raises
    ------
    ValueError, OSError
        What is in the folder is of another machine or of another plan, or can't be read.
    """
    wanted = plan() if runs is None else list(runs)
    kept = _kept(folder, [*plan(), *wanted])
    done = set(kept.runs["id"])
    failed: list[str] = []

    def step(one: Planned) -> Callable[[], object]:
        def make() -> None:
            nonlocal kept
            try:
                found = migrate(**one.arguments())
            except (real.QemuError, OSError, MemoryError) as error:
                failed.append(one.id)
                report(f"{one.id}: not made: {error}")
                return
            kept = _with(kept, one, found)
            save(folder, kept)

        return make

    steps: list[Step] = [
        (f"{one.id} {one.tracker} {one.pattern} {one.memory_mib} MiB", step(one))
        for one in wanted
        if one.id not in done
    ]
    if steps:
        with alone_on_machine():
            run_all(steps)
    return len(failed)


def _kept(folder: pathlib.Path, wanted: Sequence[Planned]) -> Recorded:
    """Return what is recorded, empty at first."""
    import pandas as pd

    machine = {**describe_machine(), "ticks_per_second": round(ticks_per_second())}
    if not (folder / RUNS).exists():
        none = pd.DataFrame(columns=list(RUN_COLUMNS)), pd.DataFrame(columns=list(ROUND_COLUMNS))
        return Recorded(*none, machine)
    found = load(folder)
    if not alike(found.machine, machine):
        raise ValueError(f"{folder}: was recorded on another machine; name another folder")
    rows = {one.id: planned_row(one) for one in wanted}
    for row in found.runs.to_dict("records"):
        if not _same(row, rows.get(str(row["id"]), {})):
            raise ValueError(
                f"{folder / RUNS}: run {row['id']} is not the one planned; name another folder"
            )
    return found


def _same(row: dict[Any, Any], planned: dict[str, Any]) -> bool:
    """Return whether a row of a file is what the plan says."""
    return all(_value(row[name]) == _value(planned.get(name)) for name in (*PLANNED, *GIVEN))


def _value(value: Any) -> Any:
    import pandas as pd

    if isinstance(value, str):
        return value
    return None if value is None or pd.isna(value) else float(value)


def _with(kept: Recorded, one: Planned, found: real.RealMigration) -> Recorded:
    rows = kept.runs.to_dict("records")
    machine = {**kept.machine, "qemu": found.version}
    return Recorded(
        _table([*rows, run_row(one, found)]), _joined(kept.rounds, round_rows(one, found)), machine
    )


def _table(rows: list[dict[Any, Any]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rows, columns=list(RUN_COLUMNS))


def _joined(first: "pd.DataFrame", second: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    parts = [one for one in (first, second) if len(one)]
    return pd.concat(parts, ignore_index=True) if parts else first
