"""Which processor this is, in the words an engineer uses, and the vector code that runs on it.

A product name tells little: "AMD EPYC" names processors of four generations, with and without
AVX-512, on which a sort differs tenfold.  The family, model and stepping that the processor gives
do tell; the tables below name the core design behind them.

Sources: AMD's and Intel's public lists of CPUID signatures, Arm's list of main ID registers.
"""

import functools
import json
import pathlib
import platform
import re
import subprocess
from collections.abc import Mapping
from typing import Any

from dirtylab._vectors import HAS_VECTOR, target_has

_VENDORS = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel", "HygonGenuine": "Hygon"}
_IMPLEMENTERS = {
    0x41: "Arm", 0x48: "HiSilicon", 0x4E: "NVIDIA", 0x61: "Apple", 0x6D: "Microsoft", 0xC0: "Ampere"
}  # fmt: skip

_AMD: dict[int, tuple[tuple[int, int, str], ...]] = {
    23: (
        (0x00, 0x07, "Zen"), (0x08, 0x0F, "Zen+"), (0x10, 0x17, "Zen"), (0x18, 0x1F, "Zen+"),
        (0x20, 0x2F, "Zen"), (0x30, 0xAF, "Zen 2"),
    ),
    25: (
        (0x00, 0x0F, "Zen 3"), (0x10, 0x1F, "Zen 4"), (0x20, 0x3F, "Zen 3"), (0x40, 0x4F, "Zen 3+"),
        (0x50, 0x5F, "Zen 3"), (0x60, 0x9F, "Zen 4"), (0xA0, 0xAF, "Zen 4c"),
    ),
    26: (
        (0x00, 0x2F, "Zen 5"), (0x40, 0x4F, "Zen 5"), (0x50, 0x5F, "Zen 6"), (0x60, 0x7F, "Zen 5"),
        (0x80, 0xAF, "Zen 6"), (0xC0, 0xCF, "Zen 6"),
    ),
}  # fmt: skip
"""Family to first model, last model, core."""

_INTEL: dict[int, str] = {
    0x2A: "Sandy Bridge", 0x2D: "Sandy Bridge", 0x3A: "Ivy Bridge", 0x3E: "Ivy Bridge",
    0x3C: "Haswell", 0x3F: "Haswell", 0x45: "Haswell", 0x46: "Haswell",
    0x3D: "Broadwell", 0x47: "Broadwell", 0x4F: "Broadwell", 0x56: "Broadwell",
    0x4E: "Skylake", 0x5E: "Skylake", 0x8E: "Kaby Lake", 0x9E: "Kaby Lake",
    0xA5: "Comet Lake", 0xA6: "Comet Lake", 0x6A: "Ice Lake", 0x6C: "Ice Lake", 0x7D: "Ice Lake",
    0x7E: "Ice Lake", 0x8C: "Tiger Lake", 0x8D: "Tiger Lake", 0xA7: "Rocket Lake",
    0x97: "Alder Lake", 0x9A: "Alder Lake", 0xB7: "Raptor Lake", 0xBA: "Raptor Lake",
    0xBF: "Raptor Lake", 0xAA: "Meteor Lake", 0xAC: "Meteor Lake", 0xBD: "Lunar Lake",
    0xC5: "Arrow Lake", 0xC6: "Arrow Lake", 0xCC: "Panther Lake", 0x8F: "Sapphire Rapids",
    0xCF: "Emerald Rapids", 0xAD: "Granite Rapids", 0xAE: "Granite Rapids",
    0xAF: "Sierra Forest", 0xDD: "Clearwater Forest",
}  # fmt: skip
"""Models of family 6."""
DESKTOP_DESIGNS = frozenset(
    {"Kaby Lake", "Comet Lake", "Tiger Lake", "Rocket Lake", "Alder Lake", "Raptor Lake",
     "Meteor Lake", "Lunar Lake", "Arrow Lake", "Panther Lake"}
)  # fmt: skip
"""Intel's designs that no server has; their last caches have 36 MiB at most."""
_SHOWN_BY: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("amx_fp16", "Granite Rapids", frozenset({"Granite Rapids", "Diamond Rapids"})),
    (
        "amx_tile",
        "Sapphire Rapids",
        frozenset({"Sapphire Rapids", "Emerald Rapids", "Granite Rapids", "Diamond Rapids"}),
    ),
)  # fmt: skip
"""Features that only newer designs have: where a hypervisor tells of an older model, a guest that
has them runs on the design named or a later one.  Source: Intel's instruction set extensions
programming reference."""
_SKYLAKE_SERVER = 0x55
"""One model, three designs, told apart by the stepping."""

_ARM: dict[tuple[int, int], str] = {
    (0x41, 0xD08): "Cortex-A72", (0x41, 0xD0B): "Cortex-A76", (0x41, 0xD0C): "Neoverse N1",
    (0x41, 0xD40): "Neoverse V1", (0x41, 0xD49): "Neoverse N2", (0x41, 0xD4F): "Neoverse V2",
    (0x41, 0xD84): "Neoverse V3", (0x41, 0xD8E): "Neoverse N3", (0x48, 0xD01): "TaiShan v110",
    (0xC0, 0xAC3): "Ampere-1", (0xC0, 0xAC4): "Ampere-1a", (0x6D, 0xD49): "Azure Cobalt 100",
}  # fmt: skip

_NUMPY_WORDS = {
    "X86_V4": "AVX-512", "AVX512": "AVX-512", "X86_V3": "AVX2", "AVX2": "AVX2", "FMA3": "AVX2",
    "SVE": "SVE", "ASIMD": "NEON", "NEON": "NEON", "VSX": "VSX", "VX": "VX", "LSX": "LSX",
}  # fmt: skip
"""How NumPy's names of targets begin, widest first."""
_WORDS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("sve", "SVE"), ("neon", "NEON"))
"""LLVM's names of features, widest first."""


def describe_processor(facts: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return vendor, core design, family, model and stepping; what is not known is left out.

    Parameters
    ----------
    facts : mapping of str to str, optional
        The lines of one processor in ``/proc/cpuinfo``; those of this machine when omitted.

    Returns
    -------
    dict
        Of ``vendor`` and ``core`` (text), ``family``, ``model`` and ``stepping`` (int); on Arm
        the implementer's number, the part and the revision stand for these.
    """
    given = cpuinfo() if facts is None else facts
    if "CPU implementer" in given:
        return _describe_arm(given)
    family, model, stepping = (
        _number(given.get(name)) for name in ("cpu family", "model", "stepping")
    )
    vendor = given.get("vendor_id", "")
    found = {
        "vendor": _VENDORS.get(vendor, vendor),
        "core": _shown_core(given, vendor, family, model, stepping),
        "family": family,
        "model": model,
        "stepping": stepping,
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def _shown_core(
    facts: Mapping[str, str], vendor: str, family: int | None, model: int | None,
    stepping: int | None,
) -> str | None:  # fmt: skip
    """Return the core design by the tables, or that which the features show where these differ."""
    if family is None or model is None:
        return None
    core = _core(vendor, family, model, stepping)
    features = facts.get("flags", "").split()
    for feature, first, having in _SHOWN_BY:
        if vendor == "GenuineIntel" and feature in features and core not in having:
            return f"{first} or later by its features"
    return core


def _describe_arm(facts: Mapping[str, str]) -> dict[str, Any]:
    implementer, part = _number(facts["CPU implementer"]), _number(facts.get("CPU part"))
    found = {
        "vendor": _IMPLEMENTERS.get(implementer or 0),
        "core": _ARM.get((implementer or 0, part or 0)),
        "family": implementer,
        "model": part,
        "stepping": _number(facts.get("CPU revision")),
    }
    return {name: value for name, value in found.items() if value is not None}


def _core(vendor: str, family: int, model: int, stepping: int | None) -> str | None:
    """Return the name of the core design, or None where the tables lack it."""
    if vendor == "AuthenticAMD":
        ranges = _AMD.get(family, ())
        return next((core for first, last, core in ranges if first <= model <= last), None)
    if vendor == "HygonGenuine" and family == 24:
        return "Dhyana (Zen)"
    if vendor != "GenuineIntel":
        return None
    if (family, model) == (19, 1):
        return "Diamond Rapids"
    if family != 6:
        return None
    if model == _SKYLAKE_SERVER:
        step = stepping or 0
        return "Skylake" if step < 5 else "Cascade Lake" if step < 10 else "Cooper Lake"
    return _INTEL.get(model)


def vector_code() -> dict[str, str]:
    """Return the widest vector instructions that run: in this package's kernels, and in NumPy.

    What the processor has is not what runs: Numba compiles for the features it is told of, and
    NumPy can be told to leave some out (``NPY_DISABLE_CPU_FEATURES``).  ``"baseline"`` is what
    every processor of the architecture has, such as SSE2.
    """
    widest = next((word for feature, word in _WORDS if target_has(feature)), "baseline")
    ours = "AVX-512 with VBMI2" if HAS_VECTOR else widest
    return {"dirtylab": ours, "numpy": _numpy_vectors()}


def _numpy_vectors() -> str:
    from numpy.lib.introspect import opt_func_info

    targets = {
        kind.get("current", "") for kinds in opt_func_info().values() for kind in kinds.values()
    }
    names = {name for target in targets for name in re.findall(r"\w+", target)}
    return next(
        (
            word
            for beginning, word in _NUMPY_WORDS.items()
            if any(name.startswith(beginning) for name in names)
        ),
        "baseline",
    )


def threads_per_core() -> int | None:
    """Return how many processors share a core, as the system tells; None where it doesn't."""
    place = pathlib.Path("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list")
    try:
        text = place.read_text().strip()
        ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    except (OSError, ValueError):
        return None
    return sum(part[-1] - part[0] + 1 for part in ends)


@functools.cache
def hypervisor() -> str | None:
    """Return the hypervisor's name, ``"unknown"`` where there is one without, else None."""
    try:
        done = subprocess.run(
            ["lscpu", "--json"], capture_output=True, text=True, timeout=10, check=False,
            env={"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )  # fmt: skip
        fields = json.loads(done.stdout)["lscpu"]
        for one in fields:
            if one["field"] == "Hypervisor vendor:":
                return str(one["data"])
    except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
        pass
    return "unknown" if "hypervisor" in cpuinfo().get("flags", "").split() else None


@functools.cache
def cpuinfo() -> Mapping[str, str]:
    """Return the first processor's lines of ``/proc/cpuinfo``; empty where there is none."""
    if platform.system() != "Linux":
        return {}
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


def _number(text: str | None) -> int | None:
    try:
        return None if text is None else int(text, 0)
    except ValueError:
        return None
