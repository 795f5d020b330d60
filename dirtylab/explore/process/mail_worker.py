"""One of the nine runs of 2016, measured again in a process of its own.

``python -m dirtylab.explore.process.mail_worker RUN REPEATS`` prints a line of JSON for each
thing that happens:
the posted program's code wants untouched memory and a cold start, which the worker that measures
one job after the other can't give it.
"""

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from dirtylab.mailing_list.rows import posted_rows


class Rerun(NamedTuple):
    """What is measured again."""

    run: int
    """1 … 9, in the mail's order."""
    repeats: int


class Happened(NamedTuple):
    """What became of it; as :class:`dirtylab.explore.process.messages.Event`."""

    kind: str
    done: int
    total: int
    cell: int = 0
    rows: tuple[tuple[str, float], ...] = ()
    message: str = ""


def happenings(wanted: Rerun) -> Iterator[Happened]:
    """Measure, and tell of each round; the last has all samples, ``method/structure`` to ns."""
    import numpy as np

    from dirtylab.mailing_list.program import Arena, compile_loops, run_once
    from dirtylab.mailing_list.runs import AS_POSTED, CAREFUL, require_agreement

    yield Happened("progress", 0, wanted.repeats, message="compiling, or loading what is compiled")
    compile_loops()
    row = posted_rows()[wanted.run - 1]
    yield Happened("progress", 0, wanted.repeats, message="one cold run, as posted")
    arena = Arena.build(row.pages, row.dirty, row.order)
    cold = run_once(arena)
    require_agreement(arena)
    yield _rows(0, wanted.repeats, AS_POSTED, cold)
    rng = np.random.default_rng(2016)
    samplers = arena.samplers()
    names = list(samplers)
    for number in range(wanted.repeats):
        arena.fill(row.order, number)  # frames of its own: a processor learns those it has seen
        found = {names[index]: samplers[names[index]](1) for index in rng.permutation(len(names))}
        yield _rows(number + 1, wanted.repeats, CAREFUL, found)
    yield Happened("done", wanted.repeats, wanted.repeats, message=f"{row.label}: run again here")


def _rows(done: int, total: int, method: str, ns: Any) -> Happened:
    samples = tuple((f"{method}/{name}", float(value)) for name, value in ns.items())
    return Happened("cell", done, total, 0, samples, f"{done} of {total} samples")


class Rerunner:
    """Runs :func:`happenings` in a new process each time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = False

    def measure(self, job: Rerun, on_event: Callable[[Any], None]) -> None:
        """Begin; `on_event` is called from a thread."""
        self._cancelled = False
        command = [
            sys.executable,
            "-m",
            "dirtylab.explore.process.mail_worker",
            str(job.run),
            str(job.repeats),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        reader = threading.Thread(target=self._read, args=(self._process, job, on_event))
        reader.daemon = True
        reader.start()

    def cancel(self) -> None:
        """Kill the process; what it told is kept."""
        self._cancelled = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process."""
        self.cancel()

    def _read(
        self, process: "subprocess.Popen[str]", job: Rerun, on_event: Callable[[Any], None]
    ) -> None:
        last = Happened("progress", 0, job.repeats)
        with process:
            for line in process.stdout or ():
                with contextlib.suppress(ValueError, TypeError):
                    told = json.loads(line)
                    last = Happened(**{**told, "rows": tuple(map(tuple, told["rows"]))})
                    on_event(last)
            why = (process.stderr.read() if process.stderr else "").strip().splitlines()[-1:]
        if last.kind != "done":
            kind = "cancelled" if self._cancelled else "failed"
            message = f"the measuring process ended ({process.returncode}) {' '.join(why)}"
            kept = f"cancelled: {last.done} of {job.repeats} samples are measured and kept"
            on_event(Happened(kind, last.done, job.repeats, 0, (),
                              kept if self._cancelled else message))  # fmt: skip


def main() -> None:
    """Measure the run and the repeats that the arguments name."""
    run, repeats = map(int, sys.argv[1:3])
    for one in happenings(Rerun(run, repeats)):
        sys.stdout.write(json.dumps(one._asdict()) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
