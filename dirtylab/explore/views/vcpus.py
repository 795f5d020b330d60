"""The vCPUs view: how much faster vCPUs insert together than alone, as recorded."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dirtylab import _check
from dirtylab.explore.kit.controls import Control, Slider
from dirtylab.explore.kit.view import Shown, View
from dirtylab.figures.style import Picture, png_bytes
from dirtylab.measure.machine import caption
from dirtylab.studies.lockless.figures import (
    NAMES,
    PLACEMENTS,
    vcpus_counts,
    vcpus_limit,
    vcpus_picture,
)
from dirtylab.studies.lockless.summary import recorded, shown

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, kw_only=True)
class VcpuState:
    """What the view shows."""

    vcpus: int


class VcpuView(View[VcpuState]):
    """Throughput of vCPUs by structure and by where their frames lie.

    Parameters
    ----------
    state, usual : VcpuState
        What is shown, and what Reset goes back to.
    summary : mapping, optional
        As :func:`dirtylab.studies.lockless.summary.recorded` returns it, which is also the default.
    """

    function = "vcpus"
    title = "vCPUs that insert at once"

    def __init__(
        self, state: VcpuState, usual: VcpuState, summary: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(state, usual)
        self._summary = recorded() if summary is None else summary
        self._counts = tuple(vcpus_counts(self._summary))
        self._drawn: dict[int, Picture] = {}
        self._check(state.vcpus)

    def controls(self) -> Sequence[Control]:
        """Return the slider."""
        return [
            Slider("vcpus", "vCPUs", self._counts, self.state.vcpus,
                   lambda n: "1 vCPU" if n == 1 else f"{n} vCPUs")
        ]  # fmt: skip

    def draw(self) -> Shown:
        """Draw the state; the figure of each number of vCPUs is made once."""
        picture = self.picture()
        width, height = picture.figure.get_size_inches()
        return Shown(
            png_bytes(picture.figure), (round(100 * width), round(100 * height)), picture.alt,
            self.sentence(), f"Recorded on {caption(self._summary['machine'])}.",
        )  # fmt: skip

    def sentence(self) -> str:
        """Return the finding."""
        vcpus, found = self.state.vcpus, self._summary["vcpus"]
        apart, word = (
            {name: found[name][placement][str(vcpus)]["times_one"] for name in found}
            for placement in ("apart", "same word")
        )
        if vcpus == 1:
            return "One vCPU: the baseline; each point is 1."
        limit = vcpus_limit(self._summary, vcpus)
        return (
            f"{vcpus} vCPUs on {limit} cores, frames far apart: bitmap {shown(apart['bitmap'])}, "
            f"tree of radix 64 {shown(apart['tree64'])} times one vCPU's inserts. In one word: "
            f"{shown(word['bitmap'])} and {shown(word['tree64'])}; the list, whose ticket all "
            f"vCPUs share, {shown(apart['list'])} anywhere."
        )

    def table(self) -> "pd.DataFrame":
        """Return throughput by structure and placement at the chosen number of vCPUs."""
        import pandas as pd

        rows = []
        for name in NAMES:
            for placement, look in PLACEMENTS.items():
                one = self._summary["vcpus"][name][placement][str(self.state.vcpus)]
                at, low, high = one["times_one"]
                rows.append(
                    {"structure": NAMES[name], "frames": look.label, "vcpus": self.state.vcpus,
                     "million_a_second": one["million_a_second"][0],
                     "times_one": at, "low_95": low, "high_95": high}
                )  # fmt: skip
        return pd.DataFrame.from_records(rows).astype({"low_95": float, "high_95": float})

    def picture(self) -> Picture:
        """Return the figure."""
        vcpus = self._check(self.state.vcpus)
        if vcpus not in self._drawn:
            self._drawn[vcpus] = vcpus_picture(self._summary, vcpus)
        return self._drawn[vcpus]

    def provenance(self) -> dict[str, Any]:
        """Return the parameters and the recorded machine."""
        return {"vcpus": self.state.vcpus, "machine": dict(self._summary["machine"])}

    def _check(self, vcpus: int) -> int:
        _check.integer("vcpus", vcpus, 1)
        if vcpus not in self._counts:
            allowed = ", ".join(map(str, self._counts))
            raise ValueError(f"vcpus={vcpus}: must be one of {allowed}")
        return vcpus
