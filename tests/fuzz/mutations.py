"""Valid files, damaged at random: each reads with all invariants kept, or is refused in one line.

    python tests/fuzz/mutations.py --rounds 5000 --seed 1

A refusal is a ValueError or an OSError of one line that names the file and holds nothing that a
terminal obeys.  No trial may take longer than SECONDS or more than MEMORY beyond what the process
had.  Exit status 1 where one did otherwise.
"""

import argparse
import collections
import contextlib
import io
import json
import math
import pathlib
import random
import resource
import shutil
import sys
import tempfile
import time
import zipfile

import numpy as np

from dirtylab._data import data_file
from dirtylab._reading import printable
from dirtylab.advice.machines import reference
from dirtylab.advice.model import Model
from dirtylab.cli.trace import summary
from dirtylab.datasets.tracefile import Trace, read_trace, to_bytes
from dirtylab.measure import grid
from dirtylab.measure.cell import Cell
from dirtylab.measure.machine import caption, describe_machine
from dirtylab.measure.sample_store import SampleStore, describe_bad
from dirtylab.studies.crossovers import record as crossovers_record
from dirtylab.studies.live import store as live_store
from dirtylab.studies.lockless import store as lockless
from dirtylab.studies.lockless.summary import recorded
from dirtylab.studies.mailing_list import store
from dirtylab.studies.peers import report as peers_report
from dirtylab.theory.operations import Pattern

SECONDS = 10.0
MEMORY = 2**30
PAGES = 700
NASTY_NUMBERS = (
    -1, 0, 0.5, 1e400, math.nan, 2**31, 2**53, 2**63, 2**64, 10**20, 10**21, 10**4000, True,
    -(2**63),
)  # fmt: skip
NASTY = ("\x1b[31m", "\0", "\udce9", "\u202e", "a\nb", "x" * 5000, "10M", "１", "1_0", "0x1", "")
LINES = (
    b"# pages 10M", b"# pages 2^24", b"# pages 1,000", b"# pages -1", b"# pages", b"# Pages 5",
    b"# epoch 0.5", b"# epoch: 1", b"# Epoch", b"# epoch", b"# epoch 5", b"# epoch -5", b"#epoch 7",
    b"# epoch 18446744073709551616", b"# epochs 4", b"# facts 3", b'# facts {"name": "\x1b[31m"}',
    b'# facts {"machine": {}}', b"# facts " + b"[" * 3000, b"# facts {" + b'"a":{' * 70 + b"}" * 71,
    b"# dirtylab trace 2", b"# dirtylab trace 1", b"+1", b"-1", b"1_0", b"0x10", b"1 2", b"\x00",
    b"\xef\xbb\xbf1", "１".encode(), b"123456789012345678901", b"9" * 5000, b"", b"\r", b"#",
)  # fmt: skip


# --- damage --------------------------------------------------------------------------------------


def damaged_bytes(rng, content):
    """Return bytes flipped, cut, doubled or thrown in."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(found) + 1)
        kind = rng.randrange(6)
        if kind == 0:
            del found[at:]
        elif kind == 1:
            found[at : at + 1] = rng.randbytes(1)
        elif kind == 2:
            found[at : at + rng.randrange(1, 9)] = rng.randbytes(rng.randrange(9))
        elif kind == 3:
            found[at:at] = found[at : at + rng.randrange(1, 200)]
        elif kind == 4:
            del found[at : at + rng.randrange(1, 200)]
        else:
            found[at:at] = rng.choice([b"\0", b"\x1b[2J", b"9" * 30, b"\xff", b"-", b"[" * 2000])
    return bytes(found)


def places(value, path=()):
    """Return the path of each value in JSON."""
    found = [path]
    items = value.items() if isinstance(value, dict) else ()
    for key, one in enumerate(value) if isinstance(value, list) else items:
        found += places(one, (*path, key))
    return found


def strange(rng, value):
    """Return something else in a value's place."""
    kind = rng.randrange(7)
    if kind == 0:
        return rng.choice(NASTY_NUMBERS)
    if kind == 1:
        return rng.choice(NASTY)
    if kind == 2:
        return rng.choice([None, [], {}, [value], {"a": value}, True])
    if kind == 3 and isinstance(value, int | float):
        return value * rng.choice([-1, 0, 0.5, 10**6, 10**30])
    if kind == 4:
        deep = value
        for _ in range(rng.choice([5, 80, 300])):
            deep = [deep]
        return deep
    return str(value) if not isinstance(value, str) else 7


def damaged_json(rng, content):
    """Return JSON with keys missing, renamed or doubled, and values of other kinds."""
    found = json.loads(content)
    for _ in range(rng.randint(1, 2)):
        path = rng.choice([one for one in places(found) if one] or [()])
        if not path:
            break
        parent = found
        for key in path[:-1]:
            parent = parent[key]
        kind = rng.randrange(4)
        if kind == 0:
            del parent[path[-1]]
        elif kind == 1 and isinstance(parent, dict):
            parent[rng.choice(NASTY) + str(path[-1])] = parent.pop(path[-1])
        else:
            parent[path[-1]] = strange(rng, parent[path[-1]])
    with unlimited_digits():
        text = json.dumps(found, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.1:
        text = text.replace("{", '{"format": 1, ', 1)
    return text.encode("utf-8", "surrogatepass")


@contextlib.contextmanager
def unlimited_digits():
    """Let numbers of any length be written."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


def damaged_lines(rng, content):
    """Return text with lines missing, doubled, moved, thrown in, or ended otherwise."""
    lines = content.split(b"\n")
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(lines)), rng.randrange(6)
        if kind == 0:
            lines.insert(at, rng.choice(LINES))
        elif kind == 1 and len(lines) > 1:
            del lines[at]
        elif kind == 2:
            lines.insert(at, rng.choice(lines))
        elif kind == 3:
            lines[at] = damaged_bytes(rng, lines[at])
        elif kind == 4:
            lines[at] = lines[at] + rng.choice([b"\r", b" ", b"\x0b", b"\xc2\xa0", b"0" * 30])
        else:
            rng.shuffle(lines)
    return rng.choice([b"", b"", b"", b"\xef\xbb\xbf"]) + b"\n".join(lines)


def damaged_cells(rng, content):
    """Return a table with fields of other kinds."""
    lines = content.decode().split("\n")
    for _ in range(rng.randint(1, 3)):
        at = rng.choice([0, rng.randrange(len(lines))])
        fields = lines[at].split(",")
        field = rng.randrange(len(fields))
        told = str(rng.choice([*NASTY, "nan", "inf", "-1", "1e400", "9" * 40, "9" * 19, '"', "é"]))
        if rng.random() < 0.3:
            del fields[field]
        else:
            fields[field] = told
        lines[at] = ",".join(fields)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def damaged_array(rng, name, array):
    """Return an array of another type, shape, length or content."""
    kind = rng.randrange(7)
    if kind == 0:
        types = [np.int64, np.float64, np.uint8, np.uint16, ">u8", "S3", "U2", "O", "M8[s]"]
        return array.astype(rng.choice(types), copy=True)
    if kind == 1:
        return array.reshape(1, -1)
    if kind == 2:
        return array[: rng.randrange(len(array) + 1)]
    if kind == 3:
        return np.resize(array, rng.choice([1, 1000, 3_000_000]))
    if kind == 4 and array.size:
        changed = array.copy()
        changed[rng.randrange(array.size)] = rng.choice([0, 1, 127, 128, 255])
        return changed
    if kind == 5 and array.dtype == np.uint64 and array.size:
        changed = array.copy()
        changed[rng.randrange(array.size)] = rng.choice([2**20, 2**40, 2**63, 2**64 - 1])
        return changed
    if name == "header":
        return np.frombuffer(damaged_json(rng, array.tobytes()), np.uint8)
    return np.array(rng.choice(NASTY_NUMBERS[:3]))


def damaged_archive(rng, content):
    """Return an archive with arrays missing, added, doubled, changed, lying or expanding."""
    with np.load(io.BytesIO(content)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for _ in range(rng.randint(1, 2)):
        name = rng.choice(sorted(arrays))
        kind = rng.randrange(8)
        if kind == 0 and len(arrays) > 1:
            del arrays[name]
        elif kind == 1:
            arrays[rng.choice(["frames", "other", "deltas", "\x1b[31m"])] = arrays[name]
        else:
            with contextlib.suppress(ValueError, TypeError, OverflowError, IndexError):
                arrays[name] = damaged_array(rng, name, arrays[name])
    out = io.BytesIO()
    packed = rng.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2])
    with zipfile.ZipFile(out, "w", packed) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=True)
            content = member.getvalue()
            if rng.random() < 0.05:
                content = content.replace(b"'shape': (", b"'shape': (9")
            archive.writestr(f"{name}.npy", content)
    return out.getvalue()


# --- what is read --------------------------------------------------------------------------------


def require(holds, what):
    """Raise AssertionError, whatever -O says."""
    if not holds:
        raise AssertionError(what)


def require_printable(text, what):
    """Refuse a text with control characters beside its newlines."""
    require(all(printable(line) == line for line in text.split("\n")), f"{what}: {text!r}")


def read_any_trace(path):
    """Read a trace; try its invariants, and that it survives being written."""
    pages = PAGES if path.suffix == ".bitmap" else None
    trace = read_trace(path, pages)
    again = Trace(trace.pages, trace.epochs, trace.times, trace.facts)
    require_printable(repr(again), "repr")
    if sum(epoch.size for epoch in trace.epochs) < 10**5:
        require_printable(summary(trace), "summary")
    for suffix in (".npz", ".txt"):
        kept = path.with_name(f"again{suffix}")
        kept.write_bytes(to_bytes(trace, suffix))
        back = read_trace(kept)
        require(
            (back.pages, back.times, back.facts) == (trace.pages, trace.times, trace.facts), "facts"
        )
        wanted = [epoch.tolist() for epoch in trace.epochs]
        found = [epoch.tolist() for epoch in back.epochs]
        require(found == wanted or (not wanted and found == [[]]), "frames")


def read_model(path):
    """Read a model; ask it for times."""
    model = Model.load(path)
    require_printable(caption(model.machine), "caption")
    pattern = Pattern("random", 10**6, np.array([10.0, 10_000.0]), {})
    for structure, operation in model.laws:
        times = model.times(structure, operation, pattern)
        require((times >= 0).all() and not np.isnan(times).any(), f"times {times}")


def read_study(path):
    """Read a study of the mailing list."""
    study = store.load(path.parent)
    require_printable(caption(study.machine), "caption")
    for verdict in study.verdicts:
        require_printable("".join(map(str, verdict)), "verdict")
    for row in study.samples_index.rows:
        require(study.samples_index.median("careful", row, "posted-tree") > 0, "median")


GRID = grid.build(["list", "bitmap"], ["harvest"], ["random"], [4096], [5, 64], 2016, "warm")


def make_sweep(folder):
    """Write a sweep of some rounds that nobody measured."""
    machine = {"id": "0badcafe", "facts": describe_machine()}
    with SampleStore(GRID, folder) as store:
        for cell in GRID.cells:
            rows = [
                {
                    "structure": one.structure, "operation": "harvest", "control": one.control,
                    "seed": 2016, "cache": "warm", "repeat": repeat, "ns": 1000.5,
                    "reference_ns": 3e4, "bytes": 512, "growth": -4096, "words": 64, "nodes": 0,
                }
                for repeat in range(3)
                for one in GRID.plan.candidates
            ]  # fmt: skip
            store.add(cell, rows, machine)


def read_sweep(path):
    """Open a sweep to go on with it."""
    with SampleStore(GRID, path.parent) as store:
        require_printable(describe_bad(store.bad), "bad rows")
        for machine in store.machines.values():
            require_printable(caption(machine), "caption")
        for cell in GRID.cells:
            require(isinstance(cell, Cell), "cell")
            require(len(store.rows_of(cell)) == 3 * len(store.rounds(cell)), "whole rounds")


def read_lockless(path):
    """Read one of the tables of the lockless study."""
    require_printable("".join(str(one) for one in lockless.read_csv(path)[:5]), "rows")


def read_summary(path):
    """Read a summary of the lockless study."""
    recorded.cache_clear()
    require_printable(caption(recorded(path.parent)["machine"]), "caption")


def read_crossovers(path):
    """Read a study of crossovers."""
    study = crossovers_record.load(path.parent)
    require_printable(caption(study.machine), "caption")
    require(study.rounds["round"].dtype.kind in "iuf", "rounds are numbers")


def read_live(path):
    """Read what real harvests cost."""
    measured = live_store.load(path.parent)
    require_printable(caption(measured.machine), "caption")
    require_printable("".join(map(str, measured.replays["trace"].unique())), "names")


def read_compared(path):
    """Read a comparison with peers."""
    records, machine = peers_report.load(path.parent)
    require_printable(caption(machine), "caption")
    require(all("ns" in record for record in records), "rows have times")


def text_of(kind):
    """Return the damages of a kind of file."""
    own = {
        ".npz": [damaged_archive], ".txt": [damaged_lines], ".json": [damaged_json, damaged_json],
        ".csv": [damaged_cells, damaged_lines],
    }  # fmt: skip
    return [damaged_bytes, *own.get(kind, [])]


def sources(folder):
    """Write valid files; return for each kind the folder, the file that is damaged, the reader."""
    rng = np.random.default_rng(1)
    epochs = [rng.integers(0, PAGES, size) for size in (5, 0, 30, 1)]
    trace = Trace(PAGES, epochs, (5, 9, 9, 70), {"name": "é", "machine": describe_machine()})
    traces = folder / "traces"
    traces.mkdir()
    for suffix in (".npz", ".txt", ".bitmap"):
        (traces / f"a{suffix}").write_bytes(to_bytes(trace, suffix))
    np.savez(traces / "single.npz", frames=trace.frames)
    make_sweep(folder / "sweep")
    for name in ("mailing_list", "lockless", "crossovers", "live", "compare"):
        (folder / name).mkdir()
        own = name == "crossovers"
        where = reference().folder / name if own else data_file(f"measured/{name}")
        for path in where.iterdir():
            if path.suffix in (".csv", ".json"):
                lines = path.read_bytes().splitlines(keepends=True)
                short = path.suffix == ".csv" and name != "mailing_list"
                (folder / name / path.name).write_bytes(b"".join(lines[:60] if short else lines))
    (folder / "model").mkdir()
    shutil.copy(reference().folder / "model-warm.json", folder / "model" / "model.json")
    return [
        *(("traces", f"a{end}", read_any_trace) for end in (".npz", ".txt", ".bitmap")),
        ("traces", "single.npz", read_any_trace),
        ("model", "model.json", read_model),
        *(("mailing_list", name, read_study) for name in ("study.json", "samples.csv")),
        *(("sweep", name, read_sweep) for name in ("sweep.json", "samples.csv")),
        *(("lockless", f"{name}.csv", read_lockless) for name in ("samples", "soak", "checker")),
        ("lockless", "summary.json", read_summary),
        *(("crossovers", f"{name}.csv", read_crossovers) for name in ("rounds", "map")),
        ("crossovers", "machine.json", read_crossovers),
        *(("live", name, read_live) for name in ("harvests.csv", "replays.csv", "machine.json")),
        *(("compare", name, read_compared) for name in ("samples.csv", "machine.json")),
    ]  # fmt: skip


# --- a trial -------------------------------------------------------------------------------------


def outcome(read, path):
    """Return ``read``, ``refused``, or what is wrong with how the file was taken."""
    begin = time.monotonic()
    try:
        with bounded():
            read(path)
        found = "read"
    except (ValueError, OSError) as error:
        text = str(error)
        found = "refused"
        if printable(text) != text or not text:
            found = f"not one plain line: {text!r}"
        elif path.name not in text and path.parent.name not in text:
            found = f"does not name the file: {text}"
        elif len(text) > 2000:
            found = f"a line of {len(text)} characters: {text[:200]}"
    except Exception as error:  # what must never come out
        found = f"{type(error).__name__}: {error}"[:500]
    took = time.monotonic() - begin
    return found if took < SECONDS else f"took {took:.1f} s, then {found}"


@contextlib.contextmanager
def bounded():
    """Let the process have so much more memory, and no more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def trial(rng, folder, scratch, source, number):
    """Damage one file among copies of its fellows, and read; return outcome and content."""
    group, name, read = source
    place = scratch / f"{group}-{number}"
    shutil.copytree(folder / group, place)
    path = place / name
    damage = rng.choice(text_of(path.suffix))
    content = damage(rng, path.read_bytes())
    path.write_bytes(content)
    found = outcome(read, path)
    shutil.rmtree(place)
    return found, content


def main(argv=None):
    """Try, print, return 1 where a trial failed."""
    parser = argparse.ArgumentParser(description="Damage files at random and read them.")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path, help="folder for files that failed")
    arguments = parser.parse_args(argv)
    rng = random.Random(arguments.seed)
    tried = collections.Counter()
    failures = []
    with tempfile.TemporaryDirectory() as where:
        folder, scratch = pathlib.Path(where, "whole"), pathlib.Path(where, "scratch")
        folder.mkdir()
        scratch.mkdir()
        kinds = sources(folder)
        for group, name, read in kinds:  # whole, and compiled before memory is bounded
            read(folder / group / name)
        for number in range(arguments.rounds):
            source = kinds[number % len(kinds)]
            found, content = trial(rng, folder, scratch, source, number)
            tried[
                f"{source[0]}/{source[1]}", found if found in ("read", "refused") else "failed"
            ] += 1
            if found not in ("read", "refused"):
                failures.append(f"{source[0]}/{source[1]}, round {number}: {found}")
                if arguments.keep:
                    arguments.keep.mkdir(parents=True, exist_ok=True)
                    (arguments.keep / f"{number}-{source[1]}").write_bytes(content)
    report(tried, failures, arguments.rounds)
    return int(bool(failures))


def report(tried, failures, rounds):
    """Print a line a kind, the failures, and the sum."""
    out = sys.stdout.write
    for kind in dict.fromkeys(kind for kind, _ in tried):
        counts = {what: tried[kind, what] for what in ("read", "refused", "failed")}
        out(f"{kind:24}" + "".join(f"{what} {count:<7}" for what, count in counts.items()) + "\n")
    for failure in failures[:50]:
        out(f"FAILED {failure}\n")
    out(f"tried {rounds}, failures {len(failures)}\n")


if __name__ == "__main__":
    sys.exit(main())
