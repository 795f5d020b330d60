"""Files that may hold anything, and files that are written: bounded, whole, one line on trouble."""

import importlib
import json
import os
import pathlib
import shutil
import stat
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab import _reading, _tables
from dirtylab._data import data_file
from dirtylab._reading import (
    MOST_DEPTH,
    Each,
    Lacking,
    Maybe,
    Number,
    Whole,
    parse_object,
    printable,
    read_bytes,
    read_object,
    require_shape,
    shown,
)
from dirtylab._tables import read_rows, read_table
from dirtylab.advice.machines import reference
from dirtylab.advice.model import Model, ModelError
from dirtylab.measure import samples
from dirtylab.measure.files import (
    OutputError,
    new_name,
    prepare_file,
    prepare_folder,
    write_text,
    write_whole,
)
from dirtylab.measure.machine import caption, describe_machine
from dirtylab.measure.sample_store import SampleStore, SampleStoreError
from dirtylab.studies.crossovers import record as crossovers_record
from dirtylab.studies.live import store as live_store
from dirtylab.studies.lockless.summary import recorded
from dirtylab.studies.mailing_list import store
from dirtylab.studies.peers import report as peers_report

ESCAPE = "\x1b[31mred"


# --- what is shown -------------------------------------------------------------------------------


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_shown(text):
    for made in (printable(text), shown(text), shown([text]), shown({text: 1})):
        assert all(one.isprintable() or one.isspace() for one in made)
        assert not {*made} & {*map(chr, range(32)), *map(chr, range(127, 160))}
    assert len(shown(text)) <= 63
    assert printable(printable(text)) == printable(text)


def test_plain_text_is_shown_as_it_is():
    for text in ("épées µ × …", "a b", "c\u00a0d"):
        assert printable(text) == text
    assert printable("\x1b[2J\udce9\u202e\n") == r"\x1b[2J\udce9\u202e\n"


# --- bytes ---------------------------------------------------------------------------------------


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/zero", "/dev/stdin", tmp_path):
        if pathlib.Path(path).is_file():
            continue
        with pytest.raises(OSError, match=r".*: must be a regular file, not a"):
            read_bytes(path, 100)


def test_a_file_is_read_whole_or_refused_by_its_size(tmp_path):
    path = tmp_path / "ten"
    path.write_bytes(b"0123456789")
    assert read_bytes(path, 10) == b"0123456789"
    with pytest.raises(ValueError, match=r"ten: has more than the 9 bytes that are read; or so"):
        read_bytes(path, 9, hint="; or so")
    path.write_bytes(b"")
    assert read_bytes(path, 0) == b""
    assert read_bytes("/proc/self/cmdline", 10**6)  # tells no size
    with pytest.raises(ValueError, match="more than the 1 bytes"):
        read_bytes("/proc/self/cmdline", 1)


def test_a_large_allowance_takes_no_memory(tmp_path):
    (tmp_path / "a").write_bytes(b"a")
    assert read_bytes(tmp_path / "a", 2**60) == b"a"


def test_what_cant_be_opened_is_named(tmp_path):
    for name in ("none", "nul\0", "a/b"):
        with pytest.raises(FileNotFoundError, match=r": no such file$"):
            read_bytes(tmp_path / name, 10)
    with pytest.raises(OSError, match="can't be read: File name too long"):
        read_bytes(tmp_path / ("x" * 300), 10)
    with pytest.raises(FileNotFoundError) as caught:
        read_bytes(tmp_path / ESCAPE, 10)
    assert "\x1b" not in str(caught.value)


# --- JSON ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be JSON: Expecting value at line 1"),
        ("[]", "must be a JSON object, not an array"),
        ("3", "must be a JSON object, not a number"),
        ("null", "must be a JSON object, not null"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ('{"a": 1e400}', "1e400 is too large"),
        ('{"a": ' + "9" * 5000 + "}", "9{40}… is too large"),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', "key 'b' stands twice"),
        ('{"a": ' + "[" * 100_000, "at most 64 levels"),
        ('{"a": ' * 200_000, "at most 64 levels"),
        ("[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1), "at most 64 levels"),
        ('{"\\"": "[[[[", "b": ' + "[" * 70 + "]" * 70 + "}", "at most 64 levels"),
        (b"\xff{}", "byte 0 is no UTF-8"),
        ("{" + " " * _reading.MOST_JSON, "at most 8,388,608 bytes"),
    ],
)
def test_json_of_no_use_is_refused(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_object(text)
    assert len(str(caught.value)) < 200


def test_brackets_in_texts_are_no_levels():
    assert parse_object(json.dumps({"a": "[{" * 100, "b\\": '"[' * 90})) == {
        "a": "[{" * 100,
        "b\\": '"[' * 90,
    }
    deepest = "[" * (MOST_DEPTH - 1) + "]" * (MOST_DEPTH - 1)
    assert parse_object(f'{{"a": {deepest}}}')
    assert parse_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(st.dictionaries(st.text(), jsons), st.booleans())
def test_any_object_is_read_as_the_json_module_does(value, ascii_only):
    assert parse_object(json.dumps(value, ensure_ascii=ascii_only)) == value


SHAPE = {
    "n": Whole(0, 9),
    "x": Number(0),
    "name": str,
    "on": bool,
    "pair": (Whole(), Number()),
    "laws": Each(list, {"a": str}),
    "prices": Each(dict, Number(0)),
    "maybe": Maybe(Whole(0)),
    "seldom": Lacking(Number()),
}
GOOD = {
    "n": 3, "x": 0.5, "name": "é", "on": True, "pair": [1, 2.5], "laws": [{"a": "b", "c": 3}],
    "prices": {"call": 1}, "maybe": None, "more": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n": 10}, r"n: must be a whole number, 0 … 9, not 10"),
        ({"n": 3.0}, r"n: must be a whole number, 0 … 9, not 3.0"),
        ({"n": True}, r"n: must be a whole number, 0 … 9, not True"),
        ({"n": "3"}, r"n: must be a whole number, 0 … 9, not '3'"),
        ({"n": None}, r"n: must be a whole number, 0 … 9, not None"),
        ({"x": -1}, r"x: must be a number, 0 … inf, not -1"),
        ({"x": [1]}, r"x: must be a number, .* not an array"),
        ({"name": 3}, r"name: must be a text, not 3"),
        ({"on": 1}, r"on: must be true or false, not 1"),
        ({"pair": [1]}, r"pair: must be an array of 2, not an array"),
        ({"pair": {"0": 1}}, r"pair: must be an array, not an object"),
        ({"pair": [1, "x"]}, r"pair.1: must be a number, not 'x'"),
        ({"laws": [{"a": "b"}, {}]}, r"key laws.1.a is missing"),
        ({"laws": {}}, r"laws: must be an array, not an object"),
        ({"prices": {"call": "free"}}, r"prices.call: must be a number"),
        ({"maybe": -1}, r"maybe: must be a whole number"),
        ({"seldom": "x"}, r"seldom: must be a number, not 'x'"),
    ],
)
def test_the_first_key_that_is_wrong_is_named(changed, message, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(GOOD))
    assert read_object(path, SHAPE) == GOOD
    path.write_text(json.dumps({**GOOD, **changed}))
    with pytest.raises(ValueError, match=rf"^{path}: {message}"):
        read_object(path, SHAPE)


@pytest.mark.parametrize("key", [key for key in SHAPE if key != "seldom"])
def test_a_key_that_is_missing_is_named(key):
    with pytest.raises(ValueError, match=f"^key {key} is missing$"):
        require_shape({name: value for name, value in GOOD.items() if name != key}, SHAPE)


@pytest.mark.parametrize("more", [{"a": {"b": [ESCAPE]}}, {ESCAPE: 1}, {"a": "x\n"}])
def test_control_characters_are_refused_and_not_repeated(more, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(more))
    with pytest.raises(ValueError, match="a text without control characters") as caught:
        read_object(path, {})
    assert str(caught.value).isprintable()


# --- tables --------------------------------------------------------------------------------------

TABLE = "name,n,x,on\na,1,0.5,True\nb,-2,1e+3,\n"


def test_rows_come_as_what_they_are(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(TABLE)
    rows = read_rows(path, ["name", "n"], ["name"])
    assert rows == [
        {"name": "a", "n": 1, "x": 0.5, "on": True},
        {"name": "b", "n": -2, "x": 1000.0, "on": ""},
    ]
    assert [type(row["n"]) for row in rows] == [int, int]
    path.write_text("name,n\na,1\nb,\n")
    assert read_table(path, ["name", "n"], ["name"]).to_numpy().tolist()[0] == ["a", 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 does not name the columns n, name"),
        ("name,m\na,1\n", "line 1 does not name the columns n"),
        ("name,n,n\na,1,2\n", "line 1 names a column twice"),
        ("name,n\na,1\nb\n", "line 3: 1 fields; must be 2"),
        ("name,n\na,1,2\n", "line 2: 3 fields; must be 2"),
        ("name,n\na,1_0\n", "line 2, 'n': '1_0' must be a number"),
        ("name,n\na,١\n", "line 2, 'n': '١' must be a number"),
        ("name,n\na,nan\n", "line 2, 'n': 'nan' must be a number"),
        ("name,n\na,1e400\n", "must be a number"),
        ("name,n\na," + "9" * 30 + "\n", "must be a number"),
        (f"name,n\n{ESCAPE},1\n", "has control characters"),
        (f"name,n,{ESCAPE}\na,1,2\n", "has control characters"),
        ("name,n\na\0,1\n", "is a NUL"),
        ('name,n\n"a,1\n', "unexpected end of data"),
        (b"name,n\n\xff,1\n", "byte 7 is no UTF-8"),
    ],
)
def test_a_table_of_no_use_is_named_with_its_line(text, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=rf"^{path}: .*{message}") as caught:
        read_rows(path, ["name", "n"], ["name"])
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name\na\n",
        "name,n\na,1\nb,2,3,4\n",
        "name,n\na,x\n",
        f"name,n\n{ESCAPE},1\n",
        "name,n\na,inf\n",
        "name,n,n\na,1,2\n",
        "name,n\na,1,2\n",
        "name,n\na,True\nb,\n",
        "name,n\na,\0\n",
        "name,n\na," + "9" * 40 + "\n",
    ],
)
def test_a_data_frame_of_no_use_is_named(text, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"^{path}: ") as caught:
        read_table(path, ["name", "n"], ["name"])
    assert str(caught.value).isprintable()


def test_tables_are_bounded(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text(TABLE)
    monkeypatch.setattr(_tables, "MOST_ROWS", 1)
    with pytest.raises(ValueError, match="more than the 1 rows"):
        read_rows(path, ["name", "n"], ["name"])
    monkeypatch.setattr(_tables, "MOST_TABLE", 10)
    for read in (read_rows, read_table):
        with pytest.raises(ValueError, match="more than the 10 bytes"):
            read(path, ["name", "n"], ["name"])


# --- every reader --------------------------------------------------------------------------------


def read_sweep(path):
    grid = importlib.import_module("dirtylab.measure.grid")
    asked = grid.build(["list"], ["harvest"], ["random"], [64], [5], 2016, "warm")
    with SampleStore(asked, path.parent):
        pass


def written_sweep(folder):
    read_sweep(folder / "sweep.json")


def shipped(name):
    def copy(folder):
        own = name == "crossovers"
        where = reference().folder / name if own else data_file(f"measured/{name}")
        for path in where.iterdir():
            if path.suffix in (".json", ".csv"):
                shutil.copy(path, folder)

    return copy


def recorded_anew(path):
    recorded.cache_clear()
    try:
        recorded(path.parent)
    finally:
        recorded.cache_clear()


READERS = {
    "model.json": (
        lambda folder: shutil.copy((reference().folder / "model-warm.json"), folder / "model.json"),
        Model.load,
    ),
    "study.json": (shipped("mailing_list"), lambda path: store.load(path.parent)),
    "sweep.json": (written_sweep, read_sweep),
    "summary.json": (shipped("lockless"), recorded_anew),
    "machine.json": (shipped("crossovers"), lambda path: crossovers_record.load(path.parent)),
    "mailing_list/samples.csv": (shipped("mailing_list"), lambda path: store.load(path.parent)),
    "compare/samples.csv": (shipped("compare"), lambda path: peers_report.load(path.parent)),
    "replays.csv": (shipped("live"), lambda path: live_store.load(path.parent)),
    "rounds.csv": (shipped("crossovers"), lambda path: crossovers_record.load(path.parent)),
    "sweep/samples.csv": (written_sweep, read_sweep),
}  # fmt: skip
BAD = {
    "deep": b'{"format": ' + b"[" * 10**5,
    "closed deep": b'{"format": ' + b"[" * 10**5 + b"]" * 10**5 + b"}",
    "nothing": b"",
    "nul": b"\0" * 100,
    "a list": b"[1, 2]",
    "nan": b'{"format": NaN}',
    "huge": b'{"format": ' + b"9" * 10**4 + b"}",
    "twice": b'{"format": 1, "format": 1}',
    "an object": b"{}",
    "binary": bytes(range(256)),
    "long": b"x" * 10**6,
    "escape": b'{"\\u001b[31m": 1, "format": 1}',
}


@pytest.fixture(params=READERS)
def a_file(request, tmp_path):
    """Return a valid file of each kind, and its reader."""
    make, read = READERS[request.param]
    make(tmp_path)
    path = tmp_path / request.param.rpartition("/")[2]
    read(path)
    return path, read


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_every_reader_refuses_in_one_line_that_names_the_file(a_file, content):
    path, read = a_file
    if (path.name, content) == ("machine.json", b"{}"):
        pytest.skip("a machine may tell nothing")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=path.name) as caught:
        read(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_every_reader_refuses_what_is_no_regular_file(a_file):
    path, read = a_file
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(OSError, match=rf"{path.name}: must be a regular file"):
        read(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(OSError, match=rf"{path.name}: must be a regular file"):
        read(path)


def test_every_reader_refuses_what_is_too_large(a_file):
    path, read = a_file
    with path.open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match=rf"{path.name}: has more than the [0-9,]+ bytes"):
        read(path)


def keys_of(value, path=()):
    """Return the paths of the keys in JSON that a machine or an experiment does not choose."""
    found = []
    if isinstance(value, dict):
        for key, one in value.items():
            found += [(*path, key), *keys_of(one, (*path, key))]
    elif isinstance(value, list) and value:
        found += keys_of(value[0], (*path, 0))
    return found


def without(value, path, rename):
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    taken = parent.pop(path[-1])
    if rename:
        parent[f"{path[-1]}s"] = taken
    return value


NEEDED = [
    path
    for path in keys_of(json.loads((reference().folder / "model-warm.json").read_text()))
    if path[0] != "machine" and "prices" not in path[:-1]
    and path != ("trial", "lead")  # which older models do not have
]  # fmt: skip


@pytest.mark.parametrize("rename", [False, True])
@pytest.mark.parametrize("missing", NEEDED, ids=lambda path: ".".join(map(str, path)))
def test_a_model_that_lacks_a_key_names_it(missing, rename, tmp_path):
    facts = json.loads((reference().folder / "model-warm.json").read_text())
    path = tmp_path / "model.json"
    path.write_text(json.dumps(without(facts, missing, rename)))
    with pytest.raises(
        ModelError, match=rf"key .*{missing[-1]} is missing.*run dirtylab calibrate"
    ):
        Model.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda law: law["prices"].update(gold=3.0), r"laws.0.prices: 'gold' is no feature"),
        (lambda law: law["prices"].update(call=-1), r"laws.0.prices.call: must be a number, 0"),
        (lambda law: law.update(structure="heap"), r"laws.0.structure: 'heap' is unknown"),
        (lambda law: law.update(structure="tree٨"), r"laws.0.structure: 'tree٨' is unknown"),
        (lambda law: law.update(operation="sort"), r"laws.0.operation: must be one of insert"),
        (lambda law: law.update(training=[1]), r"laws.0.training: must be an array of 2"),
    ],
)
def test_a_model_with_a_law_of_no_use_names_it(change, message, tmp_path):
    facts = json.loads((reference().folder / "model-warm.json").read_text())
    change(facts["laws"][0])
    path = tmp_path / "model.json"
    path.write_text(json.dumps(facts))
    with pytest.raises(ModelError, match=message):
        Model.load(path)


def test_a_model_with_a_law_twice_is_refused(tmp_path):
    facts = json.loads((reference().folder / "model-warm.json").read_text())
    facts["laws"].append(facts["laws"][0])
    path = tmp_path / "model.json"
    path.write_text(json.dumps(facts))
    with pytest.raises(ModelError, match=r"laws.21.operation: .*each once"):
        Model.load(path)


def test_a_model_without_a_law_says_so_when_asked(tmp_path):
    facts = json.loads((reference().folder / "model-warm.json").read_text())
    facts["laws"] = [one for one in facts["laws"] if one["operation"] == "insert"]
    facts["machine"] = {"caches": {"L1d": "x", "L2": 3, "L3": "12Q"}}
    path = tmp_path / "model.json"
    path.write_text(json.dumps(facts))
    model = Model.load(path)
    assert model.predict("list", "insert", "random", 10**6, 100) > 0
    with pytest.raises(ValueError, match="operation='epoch': the model has no harvest of list"):
        model.predict("list", "epoch", "random", 10**6, 100)


@pytest.mark.parametrize("operation", ["collect", "insert"])
def test_a_study_that_lacks_samples_is_named(operation, tmp_path):
    shipped("mailing_list")(tmp_path)
    path = tmp_path / "samples.csv"
    lines = path.read_text().splitlines(keepends=True)
    gone = f"careful,{operation},random,10000000,1000000,posted-tree,"
    path.write_text("".join(line for line in lines if not line.startswith(gone)))
    with pytest.raises(ValueError, match=rf"samples.csv: no sample of careful, {operation}"):
        store.load(tmp_path)


@pytest.mark.parametrize(("name", "key"), [("sawtooth", "highest"), ("single-cold-runs", "dirty")])
def test_a_study_that_lacks_what_figures_take_is_named(name, key, tmp_path):
    shipped("mailing_list")(tmp_path)
    path = tmp_path / "study.json"
    facts = json.loads(path.read_text())
    del facts["experiments"][name]["numbers"][key]
    path.write_text(json.dumps(facts))
    with pytest.raises(ValueError, match=rf"key experiments.{name}.numbers.{key} is missing"):
        store.load(tmp_path)


def test_machines_of_a_sweep_are_objects(tmp_path):
    written_sweep(tmp_path)
    path = tmp_path / "sweep.json"
    facts = json.loads(path.read_text())
    for machines in ({"a": 3}, {"a": {"clock_step_ns": "x"}}, []):
        path.write_text(json.dumps({**facts, "machines": machines}))
        with pytest.raises(SampleStoreError, match=r"is no header of a sweep; .*machines"):
            read_sweep(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1_0", "is no whole number"), ("+1", "is no whole number"), ("١", "is no whole number"),
        ("9" * 19, "is above 9223372036854775807"), ("9" * 5000, "is no whole number"),
        (ESCAPE, "has control characters"), ("x" * 9000, "is no whole number"),
    ],
)  # fmt: skip
def test_samples_with_a_field_of_no_use_are_bad(text, message, tmp_path):
    path = tmp_path / "samples.csv"
    columns = [*samples.LEADING, *samples.TRAILING]
    good = dict.fromkeys(columns, "1") | {"control": "False"}
    path.write_text(samples.lines(columns, [good, {**good, "pages": text}], header=True))
    loaded = samples.load(path)
    assert (len(loaded.rows), len(loaded.bad)) == (1, 1)
    assert message in loaded.bad[0]
    assert loaded.bad[0].isprintable()
    assert len(loaded.bad[0]) < 250


@pytest.mark.parametrize("text", ["1_0", "١", "nan", "inf", "-1", "0", "1e400", " 1"])
def test_times_of_no_use_are_bad(text, tmp_path):
    path = tmp_path / "samples.csv"
    columns = [*samples.LEADING, *samples.TRAILING]
    good = dict.fromkeys(columns, "1") | {"control": "False", "ns": text}
    path.write_text(samples.lines(columns, [good], header=True))
    assert len(samples.load(path).bad) == 1


def test_a_file_of_bad_lines_is_no_samples(tmp_path, monkeypatch):
    path = tmp_path / "samples.csv"
    columns = [*samples.LEADING, *samples.TRAILING]
    path.write_text(samples.lines(columns, [], header=True) + "x\n" * 20)
    assert len(samples.load(path).bad) == 20
    monkeypatch.setattr(samples, "_MOST_BAD", 10)
    with pytest.raises(samples.SamplesError, match="11 lines can't be used; choose another"):
        samples.load(path)


# --- captions ------------------------------------------------------------------------------------


@given(jsons, st.sampled_from(["cpu", "cores", "memory_gib", "packages", "date", "git_revision"]))
def test_a_machine_of_a_file_is_captioned_whatever_it_tells(value, key):
    for machine in ({key: value}, {**describe_machine(), key: value}):
        made = caption(machine)
        assert made
        assert printable(made) == made


# --- writing -------------------------------------------------------------------------------------


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith((".partial", ".dirty"))]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"
    both = threading.Barrier(2)
    failed = []

    def writer(letter):
        def write(partial):
            partial.write_text(letter * 10)
            both.wait(10)
            assert partial.read_text() == letter * 10

        try:
            for _ in range(20):
                write_whole(path, write)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=writer, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert path.read_text() in ("a" * 10, "b" * 10)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_kept_and_its_target_written(there, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target.txt", tmp_path / "link.txt"
    if there:
        target.write_text("before")
    link.symlink_to("elsewhere/target.txt")
    again = tmp_path / "again.txt"
    again.symlink_to(link)
    prepare_file(again)
    assert target.exists() == there
    write_text(again, "new")
    assert (link.is_symlink(), again.is_symlink()) == (True, True)
    assert target.read_text() == "new"
    assert leftovers(tmp_path) + leftovers(tmp_path / "elsewhere") == []


def test_a_folder_behind_a_link_is_made_and_written(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("real")
    folder = prepare_folder(link)
    write_text(folder / "a.txt", "new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "new"


def test_a_link_to_itself_is_refused(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("link")
    with pytest.raises(OutputError, match="link: can't write there: Too many levels"):
        prepare_file(link)
    with pytest.raises(OutputError, match="link: not written: Too many levels"):
        write_text(link, "new")
    assert link.is_symlink()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666, 0o444, 0o755])
def test_permissions_of_a_file_are_kept(mode, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    path.chmod(mode)
    write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_text() == "new"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_a_new_file_follows_the_umask(umask, tmp_path):
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~umask


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser gives files away")
def test_the_owner_is_kept_where_possible(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    os.chown(path, 12345, 23456)
    path.chmod(0o640)
    write_text(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_what_is_private_stays_so_while_it_is_written(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    path.chmod(0o600)
    seen = []
    write_whole(path, lambda partial: seen.append(stat.S_IMODE(partial.stat().st_mode)))
    assert seen == [0o600]


def test_another_hard_link_keeps_what_it_had(tmp_path):
    path, other = tmp_path / "a.txt", tmp_path / "b.txt"
    path.write_text("before")
    os.link(path, other)
    write_text(path, "new")
    assert (path.read_text(), other.read_text()) == ("new", "before")


def test_a_name_of_255_bytes_works_and_a_longer_one_is_refused_before(tmp_path):
    long = tmp_path / ("x" * 251 + ".txt")
    prepare_file(long)
    write_text(long, "new")
    assert long.read_text() == "new"
    longer = tmp_path / ("x" * 252 + ".txt")
    with pytest.raises(OutputError, match="can't write there: File name too long"):
        prepare_file(longer)
    called = []
    with pytest.raises(OutputError, match="not written: File name too long"):
        write_whole(longer, called.append)
    assert called == []
    assert leftovers(tmp_path) == []


def test_what_is_no_file_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to("/dev/null")
    called = []
    for name in ("fifo", "folder", "null"):
        with pytest.raises(OutputError, match=f"{name}: can't write there: .*(device|directory)"):
            prepare_file(tmp_path / name)
        with pytest.raises(OutputError, match=f"{name}: not written: .*(device|directory)"):
            write_whole(tmp_path / name, called.append)
    assert called == []
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_stood_there_stands_when_writing_fails(error, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")

    def fail(partial):
        partial.write_text("half")
        raise error

    wanted = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(wanted):
        write_whole(path, fail)
    assert path.read_text() == "before"
    assert leftovers(tmp_path) == []


def test_a_file_is_prepared_and_left_as_it_is(tmp_path):
    path = tmp_path / "new" / "a.txt"
    assert prepare_file(path) == path
    assert list((tmp_path / "new").iterdir()) == []
    path.write_text("before")
    prepare_file(path)
    assert path.read_text() == "before"
    for name in ("", ".", "/"):
        with pytest.raises(OutputError, match="must name a file"):
            prepare_file(name)
    with pytest.raises(OutputError, match="can't write there"):
        prepare_file("/proc/dirtylab/a.txt")


def test_text_that_is_no_utf_8_is_written_and_read_again(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, json.dumps({"words": ["caf\udce9", "é"]}, ensure_ascii=False))
    assert parse_object(path.read_bytes()) == {"words": ["caf\udce9", "é"]}


def test_messages_about_odd_names_stay_plain(tmp_path):
    with pytest.raises(OutputError) as caught:
        write_text(tmp_path / ESCAPE / "a.txt", "new")
    assert "\x1b" not in str(caught.value)


def test_names_are_taken_by_one_alone(tmp_path):
    names = []

    def take():
        names.extend(new_name(tmp_path, "view", ".csv") for _ in range(20))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names) == len({*names}) == 80
    (tmp_path / "view-081.png").write_text("")
    assert new_name(tmp_path, "view", ".csv") == "view-082"


# --- the fuzz script -----------------------------------------------------------------------------


@pytest.fixture
def mutations():
    """Return the script as a module."""
    spec = importlib.util.spec_from_file_location(
        "mutations", pathlib.Path(__file__).parent / "fuzz" / "mutations.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.platform != "linux", reason="bounds the memory by /proc")
def test_damaged_files_read_or_are_refused(mutations, capsys):
    assert mutations.main(["--rounds", "300", "--seed", "7"]) == 0
    assert "tried 300, failures 0" in capsys.readouterr().out


def told(text):
    def read(path):
        raise ValueError(text.replace("NAME", str(path)))

    return read


@pytest.mark.skipif(sys.platform != "linux", reason="bounds the memory by /proc")
@pytest.mark.parametrize(
    ("read", "found"),
    [
        (lambda path: None, "read"),
        (told("NAME: is bad"), "refused"),
        (told("is bad"), "does not name the file"),
        (told("NAME: is\nbad"), "not one plain line"),
        (told(f"NAME: {ESCAPE}"), "not one plain line"),
        (told("NAME" + "x" * 3000), "a line of"),
        (lambda path: [][0], "IndexError"),
        (lambda path: {}["key"], "KeyError"),
        (lambda path: np.ones(2**28), "MemoryError"),
    ],
)
def test_the_script_tells_good_from_bad(mutations, read, found, tmp_path):
    assert mutations.outcome(read, tmp_path / "a.txt").startswith(found)


def test_the_script_fails_where_a_reader_does(mutations, monkeypatch, capsys):
    monkeypatch.setattr(mutations, "SECONDS", 0.0)
    assert mutations.main(["--rounds", "21"]) == 1
    assert "failures 21" in capsys.readouterr().out
