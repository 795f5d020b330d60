"""A structure that the package does not know, to be registered at run time."""

import numpy as np

from dirtylab.structures import Operations, Structure
from dirtylab.structures.base import require


class RunList(Structure):
    """Runs of dirty frames in ascending order; memory follows their number."""

    name = "runs"
    sorted_output = True
    unique_output = True
    grows = True

    def __init__(self, pages):
        super().__init__(pages)
        self.clear()

    @property
    def nbytes(self):
        return self._runs.nbytes

    def clear(self):
        self._runs = np.empty((0, 2), np.uint64)
        self._taken = None

    def __len__(self):
        self._settle()
        return int((self._runs[:, 1] - self._runs[:, 0]).sum())

    def check(self):
        self._settle()
        ends = self._runs.ravel()
        require(bool((ends[1:] > ends[:-1]).all()), "runs are in order, apart and not empty")
        require(not ends.size or int(ends[-1]) <= self._pages, "runs end within the slot")

    def operations(self):
        runs = len(self._runs)
        return Operations(words=2 * runs, nodes=0, bytes=16 * runs)

    def _frames(self):
        parts = [np.arange(start, stop, dtype=np.uint64) for start, stop in self._runs]
        return np.concatenate([np.empty(0, np.uint64), *parts])

    def _insert(self, frames):
        found = np.unique(np.concatenate([self._frames(), frames]))
        first = np.flatnonzero(np.diff(found, prepend=found[:1] - np.uint64(2)) != 1)
        last = np.append(first[1:], found.size)[: first.size] - 1
        self._runs = np.column_stack([found[first], found[last] + np.uint64(1)])

    def _output_size(self):
        return len(self)

    def _collect(self, out):
        out[:] = self._frames()
        return out.size

    def _contains(self, frame):
        return bool(((self._runs[:, 0] <= frame) & (frame < self._runs[:, 1])).any())
