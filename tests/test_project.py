"""Promises of the project itself: light imports, one set of bounds, documents made from data."""

import ast
import doctest
import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import lowest
import pytest
import yaml
from slow import slow

import dirtylab
from dirtylab import _readme, mailing_list
from dirtylab._data import data_file
from dirtylab.advice.machines import recorded, reference
from dirtylab.measure.machine import caption

ROOT = Path(__file__).parent.parent
MODULES = [
    module.name
    for module in pkgutil.walk_packages(dirtylab.__path__, "dirtylab.")
    if module.name != "dirtylab.__main__"  # importing it runs the command
]


def test_importing_dirtylab_loads_and_compiles_nothing():
    script = (
        "import sys, time\n"
        "begin = time.perf_counter(); import dirtylab; took = time.perf_counter() - begin\n"
        "heavy = {'matplotlib', 'seaborn', 'pandas', 'ipywidgets', 'numba', 'IPython'}\n"
        "print(sorted(heavy & set(sys.modules)), took < 1)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["[]", "True"], done.stderr


def test_the_help_of_the_package_names_every_door():
    named = set(re.findall(r"``dirtylab\.(\w+)``", dirtylab.__doc__))
    assert named == {*dirtylab.__all__} - {"__version__"}


def test_importing_every_structure_compiles_nothing():
    script = (
        "import sys, dirtylab\n"
        "dirtylab.STRUCTURES, dirtylab.DATASETS\n"
        "from numba.core.registry import CPUDispatcher\n"
        "kernels = [value for name, module in list(sys.modules.items())\n"
        "           if name.startswith('dirtylab') for value in vars(module).values()\n"
        "           if isinstance(value, CPUDispatcher)]\n"
        "heavy = {'matplotlib', 'seaborn', 'pandas', 'ipywidgets'}\n"
        "compiled = sum(len(kernel.signatures) for kernel in kernels)\n"
        "print(len(kernels) > 5, compiled, heavy & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["True", "0", "set()"], done.stderr


def wanted_from_conda():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["dashboard"]]


def test_conda_users_get_the_same_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = [entry for entry in listed if isinstance(entry, str) and entry != "pip"]
    assert conda == [f"python{project['requires-python']}", *wanted_from_conda()]
    assert listed[-1] == {"pip": ["-e ."]}


def test_the_lowest_versions_are_those_of_the_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found = lowest.constraints(project)
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["test"]
    assert {re.match(r"[\w-]+", one)[0] for one in wanted} <= set(found)
    assert {"numpy==2.0", "pandas==2.2.2"} <= {f"{name}=={found[name]}" for name in found}
    without = {"project": {**project["project"], "dependencies": ["numpy<3"]}}
    with pytest.raises(ValueError, match="numpy<3: has no lowest version"):
        lowest.constraints(project | without)
    twice = {"project": {**project["project"], "dependencies": ["pyroaring>=0.9"]}}
    with pytest.raises(ValueError, match=r"pyroaring: has two lowest versions, 0.9 and 1.0"):
        lowest.constraints(project | twice)


def test_binder_gets_the_same_bounds_and_installs_the_project_afterwards():
    listed = yaml.safe_load((ROOT / ".binder/environment.yml").read_text())["dependencies"]
    assert re.fullmatch(r"python=3\.1[1-9]", listed[0])
    assert listed[1:] == [*wanted_from_conda(), "pip"], "no -e .: it is copied before the rest"
    script = ROOT / ".binder/postBuild"
    assert os.access(script, os.X_OK)
    assert "pip install --quiet --no-cache-dir --no-deps -e ." in script.read_text()
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_make_lab_opens_on_the_start_page():
    recipe = re.search(r"^lab:.*\n\t(.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    page = re.search(r"default_url=/lab/tree/(\S+)", recipe)[1]
    assert "--notebook-dir=notebooks" in recipe
    assert (ROOT / "notebooks" / page).name == "00_start_here.ipynb"
    assert (ROOT / "notebooks" / page).exists()


def test_the_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == dirtylab.__version__
    assert f"## {dirtylab.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@slow
def test_readme_and_docs_are_made_from_the_data():
    made = _readme.blocks(mailing_list.load(data_file("measured/mailing_list")))
    used = set()
    for page in _readme.PAGES:
        text = page.read_text(encoding="utf-8")
        folder = "" if page.parent == Path() else "../"
        assert _readme.rendered(text, made, folder) == text, page
        used |= set(re.findall(r"<!-- begin: ([\w-]+) -->", text))
    assert used == set(made)


def test_the_readme_is_one_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert max(table.count("\n") for table in tables) <= 12 + 2


def test_the_readme_answers_on_one_screen():
    """The picture, the rule of thumb and both commands stand in the first 40 lines."""
    first = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:40])
    for part in ("winners.png", "| dirty between harvests |", "make reproduce", "make test"):
        assert part in first


RECORDED = {
    "compare": ["collect", "insert", "epoch"],
    "crossovers": ["findings"],
    "live": ["recordings", "harvests", "guest"],
    "lockless": ["lockless"],
    "mailing_list": ["runs", "verdicts", "experiments"],
    "migrations": ["migrations-tracking"],
}
"""Recording to the parts of the README that are made from it."""


def test_every_table_of_the_readme_names_the_machine_that_it_was_measured_on():
    text = "\n".join(page.read_text(encoding="utf-8") for page in _readme.PAGES)
    parts = dict(re.findall(r"<!-- begin: ([\w-]+) -->(.*?)<!-- end: \1 -->", text, re.DOTALL))
    for recording, names in RECORDED.items():
        own = recording == "crossovers"
        folder = (reference().folder if own else data_file("measured")) / recording
        file = folder / ("study.json" if recording == "mailing_list" else "machine.json")
        facts = json.loads(file.read_text(encoding="utf-8"))
        told = facts.get("machine", facts)
        if recording in ("compare", "crossovers", "lockless"):  # those that don't say were warm
            told = {"cache": "warm", **told}
        for name in names:
            assert f"Measured on {caption(told)}" in parts[name], name
    for name in ("known", "answer", "conclusions"):
        assert f"Measured on {caption(reference().machine)}" in parts[name]
    for one in recorded():
        assert caption(one.machine) in parts["machines"]
    # pictures, declarations, and what is of several machines
    unmeasured = {"figure", "structures", "patterns", "crossovers", "known", "answer", "machines"}
    unmeasured |= {"conclusions", "conclusions-map", "migrations-right", "migrations-costs"}
    assert {name for names in RECORDED.values() for name in names} | unmeasured == set(parts)


@pytest.mark.parametrize("page", _readme.PAGES, ids=str)
def test_every_file_that_readme_and_docs_point_to_is_there(page):
    text = page.read_text(encoding="utf-8")
    for path in re.findall(r"!?\[[^\]\"]+\]\(([\w./-]+)\)", text):
        assert (ROOT / page.parent / path).exists(), path
    for path in re.findall(r"`((?:notebooks|dirtylab|data)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert {"reproduce", "test", "lab", "notebooks", "lint"} <= named <= targets


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


FLOORS = [
    "cli", "explore", "studies", "figures", "migration", "advice", "verify", "lockless", "live",
    "measure", "native", "structures", "datasets", "theory",
]  # fmt: skip
"""From the top; a room imports from lower floors only."""


@pytest.mark.parametrize("room", FLOORS)
def test_rooms_import_from_lower_floors_only(room):
    sources = [*(ROOT / "dirtylab" / room).rglob("*.py"), ROOT / "dirtylab" / f"{room}.py"]
    above = FLOORS[: FLOORS.index(room)]
    for source in filter(Path.exists, sources):
        for imported in re.findall(r"from dirtylab\.(\w+)", source.read_text()):
            assert imported not in above, (source, imported)


@pytest.mark.parametrize("room", ["kit", "process"])
def test_rooms_of_the_explorers_import_from_lower_floors_only(room):
    above = {"kit": ("process", "views"), "process": ("views",)}[room]
    sources = list((ROOT / "dirtylab" / "explore" / room).glob("*.py"))
    assert len(sources) > 5
    for source in sources:
        imported = set(re.findall(r"dirtylab\.explore\.(\w+)", source.read_text()))
        assert not imported & set(above), source


def test_importing_the_explorers_loads_none_of_their_rooms():
    script = (
        "import sys, dirtylab.explore\n"
        "own = [name for name in sys.modules if name.startswith('dirtylab.explore.')]\n"
        "print(own, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[] False\n", done.stderr


def test_theory_knows_neither_structures_nor_timing():
    for source in (ROOT / "dirtylab" / "theory").glob("*.py"):
        imported = re.findall(
            r"^\s*(?:from|import) (dirtylab\S*)( import \w+)?", source.read_text(), re.M
        )
        for module, name in imported:
            own = module.startswith("dirtylab.theory") or name == " import theory"
            checks = module == "dirtylab._check" or (module, name) == ("dirtylab", " import _check")
            assert own or checks, source


SOURCES = sorted((ROOT / "dirtylab").rglob("*.py"))


def sources_with(pattern):
    found = re.compile(pattern, re.MULTILINE)
    return {str(path.relative_to(ROOT / "dirtylab")) for path in SOURCES
            if found.search(path.read_text(encoding="utf-8"))}  # fmt: skip


def test_only_the_commands_know_argparse():
    assert {path.split("/")[0] for path in sources_with(r"^\s*(import|from) argparse")} == {"cli"}


def test_numba_flags_stand_in_one_file():
    assert sources_with(r"\bn?jit\(|numba import .*\bn?jit\b") == {"_jit.py"}
    assert sources_with(r"\bnogil=|\bforceinline=|\berror_model=|\b_nrt=|\bcache=True") == {
        "_jit.py"
    }


def imports_of(path, modules):
    """Modules that importing the file imports: a package only where a name of its own is taken."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{one.name}" for one in node.names}
            yield from names & modules or {node.module} & modules
        elif isinstance(node, ast.Import):
            yield from {one.name for one in node.names} & modules


def test_no_module_imports_itself_in_a_circle():
    named = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in SOURCES
    }
    links = {name: set(imports_of(path, named.keys())) for name, path in named.items()}
    while leaves := [name for name in links if not links[name] & links.keys()]:
        for name in leaves:
            del links[name]
    assert links == {}


def test_contributors_see_the_floors_as_they_are():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)/`", text, re.MULTILINE) == FLOORS


def code_lines(function):
    """Return the lines of a function without its docstring."""
    first, *rest = function.body
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    begin = rest[0] if documented and rest else first
    return function.end_lineno - begin.lineno + 1


def test_modules_and_functions_are_short():
    assert [path.name for path in SOURCES if path.read_text().count("\n") > 400] == []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    lengths = [
        code_lines(node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, kinds)
    ]
    assert max(lengths) <= 50
    assert sorted(lengths)[len(lengths) // 2] <= 6
