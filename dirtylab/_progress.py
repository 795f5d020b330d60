"""Progress: a bar on stderr, or in a notebook, by steps, by work done, or by time passed.

By the work that cells are, not by their number, it tells the time left.
"""

import contextlib
import html
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Step = tuple[str, Callable[[], object]]
"""What a step is called, and what it does."""
Done = Callable[[str, float], object]
"""Called when something is done, with its name and how much work it was."""


@contextlib.contextmanager
def work_bar(total: float, *, shown: bool) -> Iterator[Done]:
    """Show how much of `total` is done, and how long the rest will take."""
    if not shown:
        yield lambda name, work: None
        return
    with _bar("{desc}: {percentage:3.0f} %|{bar}| {elapsed}, {remaining} left", total) as bar:

        def step(name: str, work: float) -> None:
            bar.set_description_str(name, refresh=False)
            bar.update(work)

        yield step


@contextlib.contextmanager
def time_bar(seconds: float, *, shown: bool) -> Iterator[Done]:
    """Show how much of a time is left."""
    if not shown:
        yield lambda name, work: None
        return
    begin = time.monotonic()
    with _bar("{desc}: {n:.0f} of {total:.0f} s|{bar}|", seconds) as bar:

        def step(name: str, work: float) -> None:
            bar.set_description_str(name, refresh=False)
            bar.update(min(time.monotonic() - begin, seconds) - bar.n)

        yield step


@contextlib.contextmanager
def share_bar() -> Iterator[Callable[[float, str], object]]:
    """Show the share of something that is done; called with it and what is done now."""
    with _bar("{percentage:3.0f} %|{bar}| {desc}", 1.0) as bar:

        def report(share: float, text: str) -> None:
            bar.set_description_str(text, refresh=False)
            bar.update(share - bar.n)

        yield report


def _bar(layout: str, total: float) -> Any:
    from tqdm.auto import tqdm

    # None: no bar where stderr is no terminal.  The bar is drawn anew for each cell: none takes
    # less than some milliseconds, and large ones take seconds.
    return tqdm(
        total=total, bar_format=layout, desc="compiling", disable=None, dynamic_ncols=True,
        mininterval=0, miniters=0,
    )  # fmt: skip


def run_steps(steps: Sequence[Step], *, shown: bool = True) -> Iterator[str]:
    """Run steps one after the other under a progress bar; yield each one's label when done."""
    run = _run_in_notebook if shown and in_notebook() else _run_in_terminal
    yield from run(steps, shown)


def run_all(steps: Sequence[Step]) -> None:
    """Run steps one after the other under a progress bar."""
    for _ in run_steps(steps):
        pass


def in_notebook() -> bool:
    """Return whether this runs in a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def _run_in_terminal(steps: Sequence[Step], shown: bool) -> Iterator[str]:
    from tqdm import tqdm

    hidden = None if shown else True  # None: where stderr is no terminal, logs say
    with tqdm(steps, unit="step", disable=hidden, dynamic_ncols=True) as bar:
        for label, action in bar:
            bar.set_description(label)
            action()
            yield label


def _run_in_notebook(steps: Sequence[Step], shown: bool) -> Iterator[str]:
    """Show a bar that becomes a line of text at the end: a saved notebook keeps the last state."""
    from IPython.display import HTML, display

    begin = time.perf_counter()
    handle: Any = display(HTML(""), display_id=True)
    done = 0
    try:
        for done, (label, action) in enumerate(steps):
            bar = f'<progress aria-label="progress" value="{done}" max="{len(steps)}"></progress>'
            handle.update(HTML(f"{bar} {html.escape(label)}"))
            action()
            done += 1
            yield label
    finally:
        took = time.perf_counter() - begin
        handle.update(HTML(f"{done} of {len(steps)} steps in {took:.1f} s"))
