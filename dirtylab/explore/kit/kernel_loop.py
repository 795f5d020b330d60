"""Calls on the kernel's main loop, coalesced: many requests, one drawing, of the latest state.

JupyterLab runs widget callbacks on another thread than cells (ipykernel 7's subshells).  Drawing
there corrupts figures of a running cell or kills the kernel; so a callback only requests a drawing
here, and the main loop draws when no cell runs.  Requests that come meanwhile are coalesced.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any


def main_loop() -> Any:
    """Return the asyncio loop on which the kernel runs cells; None outside a kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    kernel = getattr(shell, "kernel", None)
    io_loop = getattr(kernel, "io_loop", None)
    return getattr(io_loop, "asyncio_loop", None)


class Coalesced:
    """Coalesces requests into one call of a function on the main loop.

    Parameters
    ----------
    action : callable
        What is called.
    delay : float, optional
        Seconds that must pass without another request.
    """

    def __init__(self, action: Callable[[], object], delay: float = 0.0) -> None:
        self._action, self._delay = action, delay
        self._lock = threading.Lock()
        self._requests = 0
        self._pending = False

    def __call__(self) -> None:
        """Request a call; from any thread.  Outside a kernel the function is called at once."""
        loop = main_loop()
        if loop is None or loop.is_closed():
            self._action()
            return
        with self._lock:
            self._requests += 1
            if self._pending:
                return
            self._pending = True
            try:
                loop.call_soon_threadsafe(self._begin, loop)
            except BaseException:  # an interrupt here would leave a request pending for ever
                self._pending = False
                raise

    def _begin(self, loop: Any) -> None:
        if self._delay:
            loop.call_later(self._delay, self._when_quiet, loop, self._requests)
        else:
            self._run()

    def _when_quiet(self, loop: Any, requests: int) -> None:
        if self._requests != requests:
            loop.call_later(self._delay, self._when_quiet, loop, self._requests)
        else:
            self._run()

    def _run(self) -> None:
        with self._lock:
            self._pending = False
        self._action()
