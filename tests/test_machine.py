"""What a machine is called: core designs, vector code, captions and kinds."""

import os
import subprocess
import sys

import pytest

from dirtylab.measure import processor
from dirtylab.measure.machine import caption, describe_machine, kind_of

AMD, INTEL = "AuthenticAMD", "GenuineIntel"


@pytest.mark.parametrize(
    ("vendor", "family", "model", "stepping", "core"),
    [
        (AMD, 23, 1, 2, "Zen"), (AMD, 23, 8, 2, "Zen+"), (AMD, 23, 0x31, 0, "Zen 2"),
        (AMD, 25, 1, 1, "Zen 3"), (AMD, 25, 0x11, 1, "Zen 4"), (AMD, 25, 0x21, 0, "Zen 3"),
        (AMD, 25, 0x44, 1, "Zen 3+"), (AMD, 25, 0x50, 0, "Zen 3"), (AMD, 25, 0x61, 2, "Zen 4"),
        (AMD, 25, 0xA0, 2, "Zen 4c"), (AMD, 26, 2, 1, "Zen 5"), (AMD, 26, 0x44, 0, "Zen 5"),
        (INTEL, 6, 0x55, 4, "Skylake"), (INTEL, 6, 0x55, 7, "Cascade Lake"),
        (INTEL, 6, 0x55, 11, "Cooper Lake"), (INTEL, 6, 0x6A, 6, "Ice Lake"),
        (INTEL, 6, 0x8F, 8, "Sapphire Rapids"), (INTEL, 6, 0xCF, 2, "Emerald Rapids"),
        (INTEL, 6, 0xAD, 1, "Granite Rapids"), (INTEL, 19, 1, 0, "Diamond Rapids"),
        (AMD, 31, 1, 0, None), (AMD, 25, 0xF0, 0, None), (INTEL, 6, 0xFF, 0, None),
        (INTEL, 15, 4, 1, None), ("CentaurHauls", 6, 15, 0, None),
    ],
)  # fmt: skip
def test_the_core_design_is_named(vendor, family, model, stepping, core):
    lines = {"vendor_id": vendor, "cpu family": str(family), "model": str(model)}
    told = processor.describe_processor({**lines, "stepping": str(stepping)})
    assert told.get("core") == core
    assert (told["family"], told["model"], told["stepping"]) == (family, model, stepping)


@pytest.mark.parametrize(
    ("model", "flags", "core"),
    [
        (0xA7, "sse2 avx512f", "Rocket Lake"),
        (0xA7, "avx512f amx_bf16 amx_tile amx_int8", "Sapphire Rapids or later by its features"),
        (0xA7, "avx512_fp16 amx_fp16 amx_tile", "Granite Rapids or later by its features"),
        (0xFF, "amx_tile", "Sapphire Rapids or later by its features"),
        (0x8F, "amx_tile", "Sapphire Rapids"),
        (0xCF, "amx_tile amx_fp16", "Granite Rapids or later by its features"),
        (0xAD, "amx_tile amx_fp16", "Granite Rapids"),
    ],
)
def test_a_model_that_its_features_belie_is_not_believed(model, flags, core):
    lines = {"vendor_id": INTEL, "cpu family": "6", "model": str(model), "flags": flags}
    assert processor.describe_processor(lines)["core"] == core


@pytest.mark.parametrize(
    ("implementer", "part", "vendor", "core"),
    [
        ("0x41", "0xd0c", "Arm", "Neoverse N1"), ("0x41", "0xd4f", "Arm", "Neoverse V2"),
        ("0xc0", "0xac3", "Ampere", "Ampere-1"), ("0x99", "0x001", None, None),
    ],
)  # fmt: skip
def test_arm_cores_are_named(implementer, part, vendor, core):
    lines = {"CPU implementer": implementer, "CPU part": part, "CPU revision": "1"}
    told = processor.describe_processor(lines)
    assert (told.get("vendor"), told.get("core")) == (vendor, core)
    assert told["family"] == int(implementer, 0)


@pytest.mark.parametrize(
    "lines", [{}, {"cpu family": "odd", "model": ""}, {"CPU implementer": "?"}, {"model": "-"}]
)
def test_what_the_system_does_not_tell_is_left_out(lines):
    assert set(processor.describe_processor(lines)) <= {"vendor"}


def change(facts, place, value):
    group, _, name = place.partition(".")
    return {**facts, group: {**facts[group], name: value} if name else value}


WHOLE = {
    **describe_machine(),
    "cpu": "AMD EPYC",
    "processor": {"vendor": "AMD", "core": "Zen 4", "family": 25, "model": 17, "stepping": 1},
    "vector_code": {"dirtylab": "AVX-512 with VBMI2", "numpy": "AVX-512"},
    "caches": {"L1d": "32K", "L1i": "32K", "L2": "1024K", "L3": "32768K"},
    "cores": 2,
    "threads_per_core": 1,
    "hypervisor": "KVM",
}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("processor.core", "Zen 3"), ("processor.family", 26), ("processor.model", 1),
        ("processor.stepping", 2), ("vector_code.dirtylab", "AVX2"), ("vector_code.numpy", "AVX2"),
        ("vector_code.dirtylab", "baseline"), ("caches.L1d", "48K"), ("caches.L2", "512K"),
        ("caches.L3", "491520K"), ("cores", 16), ("threads_per_core", 2), ("hypervisor", "Xen"),
        ("hypervisor", None),
    ],
)  # fmt: skip
def test_machines_that_differ_share_neither_caption_nor_kind(place, value):
    facts = {**WHOLE, "virtual_machine": place != "hypervisor" or value is not None}
    other = change(facts, place, value)
    assert caption(other) != caption(facts)
    assert kind_of(other) != kind_of(facts)


def test_machines_that_differ_at_the_end_of_a_long_name_differ_in_kind():
    long = change(WHOLE, "processor.core", "Zen " + "long " * 60)
    assert kind_of(long) != kind_of(change(long, "hypervisor", "Xen"))
    assert len(kind_of(long)) < 255  # a file name


def test_the_same_kind_on_another_day_is_the_same_kind():
    later = {**WHOLE, "date": "2030-01-01", "system": "Linux 9", "packages": {}, "memory_gib": 99}
    assert kind_of(later) == kind_of(WHOLE) is not None


def test_a_caption_says_what_an_engineer_wants_to_know():
    line = caption(WHOLE)
    for part in (
        "AMD EPYC (Zen 4, family 25 model 17 stepping 1, AVX-512 with VBMI2), 2 cores",
        "L2 1 MiB, L3 32 MiB",
        "guest of KVM",
    ):
        assert part in line
    assert "NumPy: AVX2" in caption(change(WHOLE, "vector_code.numpy", "AVX2"))
    assert "no wide vectors" in caption(change(WHOLE, "vector_code.dirtylab", "baseline"))
    assert "8 cores with 2 threads each" in caption({**WHOLE, "cores": 16, "threads_per_core": 2})


def test_recordings_that_tell_no_family_have_no_kind():
    older = {name: value for name, value in WHOLE.items() if name != "processor"}
    assert kind_of(older) is None
    assert caption(older).startswith(str(older["cpu"]))


def test_this_machine_tells_its_kind_where_the_system_tells_the_family():
    facts = describe_machine()
    assert set(facts["vector_code"]) == {"dirtylab", "numpy"}
    assert (kind_of(facts) is not None) == ("family" in facts["processor"])
    if os.path.exists("/proc/cpuinfo"):
        assert facts["processor"]["family"] > 0


def told_with(**environment):
    script = "from dirtylab.measure.processor import vector_code; print(vector_code())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_vector_code_is_what_runs_not_what_the_processor_has():
    code = processor.vector_code()
    assert "'dirtylab': 'baseline'" in told_with(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="")
    if code["numpy"] == "AVX-512":
        without = told_with(NPY_DISABLE_CPU_FEATURES="X86_V4 AVX512_ICL")
        assert "'numpy': 'AVX2'" in without
