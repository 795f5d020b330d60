"""``python -m dirtylab.native._child LIBRARY TRACKER DESCRIPTOR SEED SKIP``: the checks, run apart.

Writes a line of JSON to the descriptor as a property begins and another as it ends, so that the
parent knows which one a crash or a hang belongs to.
"""

import contextlib
import ctypes
import json
import os
import pathlib
import sys

import numpy as np

from dirtylab.native.handle import Broken
from dirtylab.native.properties import properties_of
from dirtylab.native.table import read_tables

_SET_DUMPABLE, _SET_DEATH_SIGNAL, _KILL = 4, 1, 9


def main(library: str, tracker: str, descriptor: int, seed: int, skip: int) -> None:
    """Check the properties of a tracker from the one numbered `skip` on."""
    with contextlib.suppress(AttributeError):  # Linux: no core files, no orphan
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, _KILL, 0, 0, 0)
    table = next(one for one in read_tables(pathlib.Path(library)) if one.name == tracker)
    properties = properties_of(table)
    _tell(descriptor, {"all": list(properties)})
    for number, (name, holds) in enumerate(properties.items()):
        if number < skip:
            continue
        _tell(descriptor, {"begin": name})
        broken = ""
        try:
            holds(table, np.random.default_rng((seed, number)))
        except Broken as how:
            broken = str(how)
        _tell(descriptor, {"end": name, "broken": broken})


def _tell(descriptor: int, what: dict[str, object]) -> None:
    os.write(descriptor, (json.dumps(what) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(word) for word in sys.argv[3:6]))
    os._exit(0)  # destructors of a tracker's library are not what is checked
