"""The vCPUs view: how much faster vCPUs insert together than alone, as recorded."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dirtylab import _check
from dirtylab.explore.kit.controls import Control, Slider
from dirtylab.explore.kit.figure_view import FigureView
from dirtylab.explore.views.vcpu_figure import RECTANGLE, SIZE, VcpuArtists, VcpuContent
from dirtylab.measure.machine import caption
from dirtylab.studies.lockless.figures import (
    NAMES,
    PLACEMENTS,
    vcpus_alt,
    vcpus_counts,
    vcpus_limit,
)
from dirtylab.studies.lockless.summary import recorded, shown

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True, kw_only=True)
class VcpuState:
    """What the view shows."""

    vcpus: int


class VcpuView(FigureView[VcpuState, VcpuContent]):
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
    size = SIZE
    rectangles = (RECTANGLE,)
    artists = VcpuArtists

    def __init__(
        self, state: VcpuState, usual: VcpuState, summary: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(state, usual)
        self._summary = recorded() if summary is None else summary
        self._counts = tuple(vcpus_counts(self._summary))
        self._check(state.vcpus)

    def controls(self) -> Sequence[Control]:
        """Return the slider."""
        return [
            Slider("vcpus", "vCPUs", self._counts, self.state.vcpus,
                   lambda n: "1 vCPU" if n == 1 else f"{n} vCPUs")
        ]  # fmt: skip

    def content(self) -> VcpuContent:
        """Return what was recorded of so many vCPUs; errors say how many were."""
        vcpus = self._check(self.state.vcpus)
        return VcpuContent(self._summary, vcpus, vcpus_limit(self._summary, vcpus))

    def alt(self, content: VcpuContent, sentence: str) -> str:
        """Return the picture in words."""
        return f"{vcpus_alt(content.summary, content.vcpus)} {sentence}"

    def note(self, content: VcpuContent) -> str:
        """Return the small print."""
        return (
            f"Medians of {content.summary['rounds']} rounds, bars: 95 % intervals; each vCPU a "
            "thread, kept on a core; where there are more vCPUs than cores they take turns. "
            f"Recorded on {caption(content.summary['machine'])}."
        )

    def sentence(self, content: VcpuContent) -> str:
        """Return the finding."""
        vcpus, found = content.vcpus, content.summary["vcpus"]
        apart, word = (
            {name: found[name][placement][str(vcpus)]["times_one"] for name in found}
            for placement in ("apart", "same word")
        )
        if vcpus == 1:
            return "One vCPU: the baseline; each point is 1."
        limit = content.limit
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

    def provenance(self) -> dict[str, Any]:
        """Return the parameters and the recorded machine."""
        return {"vcpus": self.state.vcpus, "machine": dict(self._summary["machine"])}

    def _check(self, vcpus: int) -> int:
        _check.integer("vcpus", vcpus, 1)
        if vcpus not in self._counts:
            allowed = ", ".join(map(str, self._counts))
            raise ValueError(f"vcpus={vcpus}: must be one of {allowed}")
        return vcpus
