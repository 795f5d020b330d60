"""Base of the live trackers: bound to one process, closeable, with an interruptible harvest."""

import abc
import html
import os
from types import TracebackType
from typing import Self

from dirtylab._check import Frames
from dirtylab.live._unshared import Unshared, require_process
from dirtylab.structures.base import Structure


class Tracker(Unshared, Structure):
    """A structure whose frames are written to memory, and found by the kernel.

    Belongs to the process that made it, for one thread at a time.  In a forked child
    :meth:`close` works, and leaves the parent's alone; all else raises RuntimeError.
    """

    unique_output = True

    def __init__(self, pages: int) -> None:
        super().__init__(pages)
        self._maker = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    @abc.abstractmethod
    def is_open(self) -> bool:
        """Whether descriptors and memory are still held."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release descriptors and memory; a second call does nothing."""

    def harvest(self, out: Frames | None = None) -> Frames:
        """Return the dirty frames and forget these and no other.

        Parameters and errors as :meth:`collect`.  After an interrupt all of them are in still.
        """
        target = self._target(out)
        self._collect(target)
        try:
            self._forget()  # stores and no call: nothing can interrupt between them and the return
            return target
        except BaseException:
            self._put_back(target)
            raise

    def clear(self) -> None:
        self._require_open()
        self._drop()
        self._forget()

    def __repr__(self) -> str:
        if not self.is_open:
            return f"<{self.name}: {self.pages} pages, closed>"
        if os.getpid() != self._maker:
            return f"<{self.name}: {self.pages} pages, of process {self._maker}>"
        return super().__repr__()

    def _repr_html_(self) -> str:
        if self.is_open and os.getpid() == self._maker:
            return super()._repr_html_()
        return f"<pre>{html.escape(repr(self))}</pre>"

    def _require_open(self) -> None:
        if not self.is_open:
            raise ValueError(f"{self.name}: is closed")
        require_process(self.name, self._maker)

    @abc.abstractmethod
    def _drop(self) -> None:
        """Make the kernel forget."""

    @abc.abstractmethod
    def _forget(self) -> None:
        """Forget the frames read from the kernel, by stores alone."""

    @abc.abstractmethod
    def _put_back(self, frames: Frames) -> None:
        """Have `frames` in again, however many of them are in already."""
