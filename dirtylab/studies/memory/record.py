"""Memory of structures on this machine: computed, allocated, and growth of the process."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab.measure.growth import growth_of
from dirtylab.structures import STRUCTURES, Structure
from dirtylab.theory.memory import known_bytes, structure_bytes

if TYPE_CHECKING:
    import pandas as pd


def weigh(pages: int = 10_000_000, dirty: int = 100_000, *, seed: int = 2016) -> "pd.DataFrame":
    """Return the memory of every structure after an insert of random frames.

    Parameters
    ----------
    pages : int, optional
        Size of the slot.
    dirty : int, optional
        Frames inserted; a structure with a capacity has room for as many.
    seed : int, optional
        Draws them.

    Returns
    -------
    pandas.DataFrame
        A row a structure: ``computed`` bytes, missing where there is no closed form (measured
        only), its own ``nbytes``, the process's real ``growth`` in bytes, and ``bitmaps``, the
        computed bytes relative to a bitmap.

    Notes
    -----
    Untouched memory is not resident: a tree's growth depends on the frames.  A ring that overflows
    also has a backlog, which is not computed.
    """
    import pandas as pd

    from dirtylab.datasets import DATASETS

    frames = DATASETS["random"](pages, dirty, seed=seed)
    rows = []
    for name, kind in STRUCTURES.items():
        options = kind.options_for(dirty)

        def filled(kind: type[Structure] = kind, options: dict[str, Any] = options) -> Structure:
            structure = kind(pages, **options)
            structure.insert(frames)
            return structure

        filled()  # compiles, not counted
        structure, growth = growth_of(filled)
        computed = known_bytes(name, pages, **options)
        rows.append((name, computed, structure.nbytes, growth))
    table = pd.DataFrame(rows, columns=["structure", "computed", "nbytes", "growth"])
    table["bitmaps"] = np.round(table["computed"] / structure_bytes("bitmap", pages), 3)
    return table.set_index("structure")
