"""The epochs of a recording so far: in memory and, where there is one, in a journal."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab._reading import printable
from dirtylab.live.journal import Journal

Pages = npt.NDArray[np.uint64]


class Taken:
    """Finished epochs.

    Parameters
    ----------
    journal : Journal or None
        Where they are written to; a full disk ends the journal, not the recording.
    facts : dict
        What is recorded.
    pages : int, optional
        Size of the slot; when omitted, page numbers are keys, to be made small.
    """

    def __init__(
        self, journal: Journal | None, facts: dict[str, Any], pages: int | None = None
    ) -> None:
        self.epochs: list[tuple[int, Pages]] = []
        """Nanoseconds from the start to the end, and pages, of each."""
        self.notes: list[str] = []
        """Lines on what was not recorded, and on an early end."""
        self._journal = journal
        self._written = {"notes": 0, "memories": 0}
        self._write(lambda journal: journal.begin(facts, pages))

    @property
    def harvests(self) -> list[Pages]:
        """The pages of each epoch."""
        return [pages for _, pages in self.epochs]

    @property
    def ends(self) -> list[int]:
        """Nanoseconds from the start to the end of each epoch."""
        return [end for end, _ in self.epochs]

    @property
    def facts(self) -> dict[str, Any]:
        """What the notes add to the facts."""
        return {"notes": self.notes} if self.notes else {}

    def add(self, end: int, pages: Pages, memories: Sequence[dict[str, Any]] = ()) -> None:
        """Add an epoch; `memories` are all known so far."""
        self.epochs.append((end, pages))
        if self._journal:
            known: dict[str, list[Any]] = {"notes": list(self.notes), "memories": list(memories)}
            new = {name: found[self._written[name] :] for name, found in known.items()}
            self._write(lambda journal: journal.add(end, pages, new))
            self._written = {name: len(found) for name, found in known.items()}

    def note(self, lines: Sequence[str]) -> None:
        """Add the lines that are not known yet."""
        self.notes += [line for line in lines if line not in self.notes]

    def end_early(self, error: BaseException) -> None:
        """Note that an error has ended the recording; raise it when there is no epoch."""
        if not self.epochs:
            raise error
        what = str(error) or type(error).__name__
        self.notes.append(f"ended after {len(self.epochs):,} epochs: {what}")

    def _write(self, act: Callable[[Journal], object]) -> None:
        journal = self._journal
        if journal is None:
            return
        try:
            act(journal)
        except OSError as error:
            self._journal = None
            self.notes.append(
                f"{printable(journal.path)}: epochs from {len(self.epochs):,} on are not written "
                f"there, only kept in memory: {error.strerror or error}"
            )
