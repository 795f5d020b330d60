"""Recorded machines: which is like another, what carries over, and what is wrong with a study."""

import json
import shutil

import numpy as np
import pytest

from dirtylab import cli
from dirtylab._caches import CACHES
from dirtylab.advice import machines
from dirtylab.advice.machines import (
    difference,
    distance,
    machine_id,
    nearest,
    read_machine,
    recorded,
    reference,
)
from dirtylab.measure.machine import caption, core_of, kind_of
from dirtylab.studies.machines import report
from dirtylab.studies.machines.figures import carried_picture
from dirtylab.studies.machines.judge import (
    _compared,
    crossings_by_machine,
    findings,
    models_compared,
)


def xeon(**changed):
    facts = {
        "cpu": "Intel(R) Xeon(R) Processor",
        "processor": {
            "vendor": "Intel", "core": "Emerald Rapids", "family": 6, "model": 207, "stepping": 2
        },
        "vector_code": {"dirtylab": "AVX-512 with VBMI2", "numpy": "AVX-512"},
        "cores": 2, "threads_per_core": 1, "hypervisor": "KVM",
        "caches": {"L1d": "48K", "L2": "2048K", "L3": "307200K"},
    }  # fmt: skip
    return {**facts, **changed}


def zen(core="Zen 4", model=17):
    processor = {"vendor": "AMD", "core": core, "family": 25, "model": model, "stepping": 1}
    caches = {"L1d": "32K", "L2": "1024K", "L3": "32768K"}
    return xeon(cpu="AMD EPYC", processor=processor, caches=caches)


def test_a_machine_is_named_by_its_design_and_what_tells_it_apart():
    assert machine_id(xeon()).startswith("intel-emerald-rapids-")
    assert machine_id(zen()).startswith("amd-zen-4-")
    assert machine_id(xeon()) == machine_id(xeon(date="2030-01-01"))
    others = [xeon(cores=4), xeon(hypervisor=None), xeon(caches={"L3": "1K"}), zen()]
    assert len({machine_id(one) for one in (xeon(), *others)}) == 5
    unknown = {"vendor": "Intel", "family": 6, "model": 255}
    assert machine_id(xeon(processor=unknown)).startswith("intel-family-6-model-255-")
    assert machine_id({"cpu": "S/390 ../../x"}).startswith("s-390-x-")
    assert set(machine_id({})) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize(
    ("core", "l3", "shown"),
    [
        ("Rocket Lake", "16384K", "Rocket Lake"), ("Rocket Lake", "491520K", None),
        ("Rocket Lake", "480M", None), ("Emerald Rapids", "307200K", "Emerald Rapids"),
        ("Rocket Lake", None, "Rocket Lake"), (None, "16384K", None),
    ],
)  # fmt: skip
def test_a_desktop_design_with_a_server_cache_is_not_believed(core, l3, shown):
    told = xeon(processor={"vendor": "Intel", "core": core, "family": 6}, caches={"L3": l3})
    assert core_of(told) == shown
    assert ("Rocket Lake" in caption(told)) == (shown == "Rocket Lake")
    assert kind_of(told) != kind_of(xeon())


def test_distance_is_nothing_to_itself_and_grows_with_what_differs():
    assert distance(xeon(), xeon(date="other")) == 0
    steps = [
        xeon(caches={**xeon()["caches"], "L3": "153600K"}),
        xeon(vector_code={"dirtylab": "AVX2", "numpy": "AVX2"}),
        xeon(processor={**xeon()["processor"], "core": "Ice Lake", "model": 106}),
        zen(),
    ]
    apart = [distance(xeon(), one) for one in steps]
    assert all(one > 0 for one in apart)
    assert apart[0] == pytest.approx(0.5)
    assert max(apart) == apart[3]
    assert distance(xeon(), {}) > distance(xeon(), steps[0])
    for one in steps:
        assert distance(one, xeon()) == pytest.approx(distance(xeon(), one))


def test_what_differs_is_told():
    assert difference(xeon(), xeon(date="other")) == ""
    assert difference(xeon(), zen()) == "vendor, core, caches"
    assert difference(xeon(), xeon(vector_code={"dirtylab": "AVX2"})) == "vector code"


@pytest.mark.parametrize("cache", CACHES)
def test_the_nearest_of_the_recorded_machines_is_taken(cache):
    known = [one for one in recorded() if one.model(cache) is not None]
    for one in known:
        found, model = nearest(one.machine, cache)
        assert distance(one.machine, model.machine) == 0
        assert found.name == one.name
    found, _ = nearest({}, cache)  # a machine of which nothing is known
    assert found in known


def test_recorded_machines_have_the_names_that_they_would_be_given():
    assert len({one.name for one in recorded()}) == len(recorded()) >= 2
    for one in recorded():
        assert one.name == machine_id(one.machine)
        assert one.parts
    assert reference().complete


def test_the_reference_study_is_sound():
    assert list(findings(reference().folder)) == []


def test_models_are_compared_on_the_same_cells():
    table = models_compared(recorded())
    assert (table["cells"] >= 200).all()
    assert table["same"].between(0, 1).all()
    assert table["order"].between(0.5, 1).all()
    mine = np.array([[1.0, 2.0, 4.0], [3.0, 1.0, 2.0]])
    alike = _compared(mine, 3 * mine)
    assert alike["same"] == alike["order"] == 1
    assert alike["regret"] == 0
    assert alike["scale"] == pytest.approx(3)
    assert alike["spread"] == pytest.approx(1)
    turned = _compared(mine, mine[:, ::-1])
    assert turned["same"] == 0.5
    assert turned["order"] < 1


def test_what_carries_over_is_told_and_drawn():
    lines = list(report.carried_lines(recorded()))
    assert any("the order carries over" in line for line in lines)
    assert "nan" not in " ".join(lines)
    assert reference().name in report.machines_table(recorded())
    assert "nan" not in report.carried_table(recorded())
    picture = carried_picture(recorded())
    assert reference().name in picture.alt
    assert not crossings_by_machine(recorded()).empty
    assert list(report.carried_lines(recorded()[:0])) == []


# --- studies of others ---------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(reference().folder, folder)
    return folder


def change(path, **changed):
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, **changed}))


def test_a_part_that_is_missing_is_named(study):
    shutil.rmtree(study / "peers")
    assert list(findings(study)) == ["peers: is missing"]


def test_parts_of_different_machines_are_told(study):
    change(study / "crossovers" / "machine.json", cores=96)
    (line,) = findings(study)
    assert "different kinds of machines" in line


def test_a_bad_trial_is_told(study):
    path = study / "model-warm.json"
    trial = json.loads(path.read_text())["trial"]
    change(path, trial={**trial, "cells": 20, "worst_regret": 0.9, "error": [0.3, 0.9]})
    told = list(findings(study))
    assert len(told) == 4
    assert all(line.startswith("model warm: ") for line in told)
    change(path, trial=None)
    assert list(findings(study)) == ["model warm: was not tried"]


def test_a_busy_machine_is_told(study):
    path = study / "crossovers" / "rounds.csv"
    lines = path.read_text().splitlines()
    heads = lines[0].split(",")
    place = {name: heads.index(name) for name in ("set", "list", "bitmap")}
    rows = [line.split(",") for line in lines[1:]]
    for row in rows:
        if row[place["set"]] == "try":
            row[place["list"]], row[place["bitmap"]] = row[place["bitmap"]], row[place["list"]]
    path.write_text("\n".join([lines[0], *map(",".join, rows)]) + "\n")
    assert any("was the machine busy?" in line for line in findings(study))


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda f: (f / "model-warm.json").write_text("[]"), "model-warm.json"),
        (lambda f: (f / "crossovers" / "rounds.csv").write_text("a,b\n1,2\n"), "rounds.csv"),
        (lambda f: (f / "crossovers" / "machine.json").write_text("{"), "machine.json"),
        (lambda f: (f / "peers" / "machine.json").write_text("{}"), "machine.json"),
        (lambda f: shutil.rmtree(f), "holds no study"),
    ],
)
def test_files_of_strangers_are_checked(study, spoil, named, capsys):
    spoil(study)
    assert cli.main(["machines", str(study)]) in (1, 2)
    told = capsys.readouterr()
    assert named in told.err
    assert "Traceback" not in told.err


def test_the_command_lists_machines(capsys):
    assert cli.main(["machines"]) == 0
    told = capsys.readouterr().out
    for one in recorded():
        assert one.name in told


def test_a_folder_without_a_study_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no study of a machine"):
        read_machine(tmp_path)
    assert machines.CROSSOVERS == "crossovers"
