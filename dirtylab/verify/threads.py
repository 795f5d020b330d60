"""Several threads at once, stopped together."""

import threading
from collections.abc import Callable, Sequence


def in_threads(works: Sequence[Callable[[], object]], stop: Callable[[], object]) -> None:
    """Run each of `works` in a thread of its own; on trouble or Ctrl-C `stop` them, then raise."""
    trouble: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            trouble.append(error)
            stop()

    # No daemon threads: the interpreter could end, and free their code, while they run it.
    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except BaseException:
        stop()
        for thread in threads:
            if thread.ident is not None:  # else it was not started
                thread.join()
        raise
    if trouble:
        raise trouble[0]
