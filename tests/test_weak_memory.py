"""The lockless protocols as C programs: they compile, run, and mean what is written down.

What a weak memory order allows is found by GenMC: ``make weak-memory``; here a few rows of it,
where it is installed.
"""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dirtylab.lockless import bitmap, pagelist, ring, tree

FOLDER = Path(__file__).parent / "weak_memory"


def loaded(path):
    found = importlib.util.spec_from_file_location("weak_memory_check", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


check = loaded(FOLDER / "check.py")
ROWS = list(check.rows())
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler is installed")
needs_genmc = pytest.mark.skipif(
    check.genmc() is None, reason="GenMC is not installed; docs/lockless.md says how to build it"
)


def shipped(row):
    """Return whether a row has the orders of the kernels."""
    weaker = [one for one in row.options if re.match(r"[A-Z_]+=[a-z]", one)]
    released = ["LEAF=release", "ABOVE=release", "EXCHANGE=acquire"]
    return "TEST" not in row.options and weaker == (released if "BLIND" in row.options else [])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_verdicts_are_written_down(row):
    assert row.program in ("tree", "bitmap", "list", "ring")
    assert set(row.verdicts) <= set(check.VERDICTS)
    if shipped(row):
        assert set(row.verdicts) == {"late" if "PROTECT" in row.options else "right"}


@needs_compiler
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_programs_are_c11_without_warnings(row):
    words = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-pthread"]
    subprocess.run([COMPILER, *words, *check.command(row, check.SHAPES[-1], "LATE")], check=True)


@needs_compiler
@pytest.mark.parametrize("row", [*filter(shipped, ROWS)], ids=lambda row: row.name)
def test_shipped_orders_run_without_loss(row, tmp_path):
    program = tmp_path / "program"
    stubs = tmp_path / "stubs.c"
    stubs.write_text("#include <stdlib.h>\nvoid __VERIFIER_assume(int c) { if (!c) exit(0); }\n")
    words = ["-std=c11", "-O1", "-pthread", "-o", str(program), str(stubs)]
    for shape in check.SHAPES[::3]:
        subprocess.run([COMPILER, *words, *check.command(row, shape)], check=True)
        for _ in range(5):
            subprocess.run([program], check=True)


@needs_genmc
@pytest.mark.parametrize("name", ["bitmap", "bitmap OR=relaxed", "tree LEVELS=2 LEAF=release"])
def test_a_checker_of_weak_memory_agrees(name):
    (row,) = (one for one in ROWS if one.name == name)
    assert check.verdict(check.genmc(), "rc11", row) == row.verdicts[0]


SUFFIXES = {
    "or_fully": "seq_cst", "load": "seq_cst", "exchange": "seq_cst", "fetch_or": "seq_cst",
    "fetch_and": "seq_cst", "or_release": "release", "load_relaxed": "relaxed",
    "load_acquire": "acquire", "exchange_acquire": "acquire", "add_relaxed": "relaxed",
    "store_release": "release", "store_relaxed": "relaxed",
}  # fmt: skip
KERNELS = [
    ("tree", "LEAF", tree.insert_up, "or_fully(state.words, frame"),
    ("tree", "LOOK", tree.insert_up, "load(state.words, place)"),
    ("tree", "ABOVE", tree.insert_up, "or_fully(state.words, place"),
    ("tree", "EXCHANGE", tree.take_down, "exchange(state.words"),
    ("bitmap", "OR", bitmap.insert_bit, "or_release(state.words"),
    ("bitmap", "LOOK", bitmap.take_words, "load_relaxed(state.words"),
    ("bitmap", "EXCHANGE", bitmap.take_words, "exchange_acquire(state.words"),
    ("list", "TICKET", pagelist.insert_entry, "add_relaxed(state.shared, TICKET"),
    ("list", "ENTRY", pagelist.insert_entry, "store_release(state.entries"),
    ("list", "HEAD_LOOK", pagelist.insert_entry, "load_acquire(state.shared, HEAD"),
    ("list", "TICKET_LOOK", pagelist.take_entries, "load_acquire(state.shared, TICKET"),
    ("list", "HEAD", pagelist.take_entries, "store_release(state.shared, HEAD"),
    ("list", "ENTRY_LOOK", pagelist.take_entry, "load_acquire(state.entries"),
    ("ring", "FRAME", ring.push_entry, "store_relaxed(state.entries, place + 1"),
    ("ring", "FLAGS", ring.push_entry, "store_release(state.entries, place, DIRTY"),
    ("ring", "FLAGS_LOOK", ring.fetch_entries, "load_acquire(state.entries, place)"),
    ("ring", "HARVESTED", ring.fetch_entries, "store_release(state.entries, place, HARVESTED"),
    ("ring", "RESET", ring.reset_entries, "store_relaxed(state.entries"),
    ("ring", "ROOM", ring.reset_entries, "store_release(state.positions"),
    ("ring", "ROOM_LOOK", ring.has_room, "load_acquire(state.positions"),
    ("ring", "WRITTEN", ring.push_first, "fetch_or(state.written"),
    ("ring", "WRITTEN", ring.take_protected, "fetch_and(state.written"),
]


@pytest.mark.parametrize(("program", "order", "kernel", "call"), KERNELS)
def test_the_programs_have_the_orders_of_the_kernels(program, order, kernel, call):
    source = Path(kernel.py_func.__code__.co_filename).read_text(encoding="utf-8")
    assert call in source
    text = (FOLDER / f"{program}.c").read_text(encoding="utf-8")
    assert re.search(rf"^#define {order} (\w+)$", text, re.MULTILINE)[1] == SUFFIXES[
        call.partition("(")[0]
    ]  # fmt: skip
