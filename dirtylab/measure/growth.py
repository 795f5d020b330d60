"""How much the process has really grown: its resident memory, as the system counts it."""

import mmap
import pathlib
import resource
import sys

_STATM = pathlib.Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return the process's resident memory in bytes.

    From ``/proc/self/statm`` where the system has it; elsewhere the greatest that it ever was,
    which tells growth but no shrinking.
    """
    try:
        return int(_STATM.read_text().split()[1]) * mmap.PAGESIZE
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
