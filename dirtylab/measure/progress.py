"""Progress bars with the time left, by the cells' estimated work or by a time budget."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

Step = Callable[[str, float], object]
"""Called when something is done, with its name and how much work it was."""


@contextlib.contextmanager
def work_bar(total: float, *, shown: bool) -> Iterator[Step]:
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
def time_bar(seconds: float, *, shown: bool) -> Iterator[Step]:
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


def _bar(layout: str, total: float) -> Any:
    from tqdm.auto import tqdm

    # None: no bar where stderr is no terminal.  The bar is drawn anew for each cell: none takes
    # less than some milliseconds, and large ones take seconds.
    return tqdm(
        total=total, bar_format=layout, desc="compiling", disable=None, dynamic_ncols=True,
        mininterval=0, miniters=0,
    )  # fmt: skip
