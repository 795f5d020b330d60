"""Real migrations: the guest's firmware, the protocol, one migration, and that nothing is left."""

import contextlib
import importlib
import json
import os
import pathlib
import signal
import socket
import struct
import tempfile
import threading

import pandas as pd
import pytest

from dirtylab.cli import main
from dirtylab.migration import real
from dirtylab.migration.real import firmware, process, rounds
from dirtylab.migration.real.assembler import Assembler
from dirtylab.migration.real.expected import beside, expected
from dirtylab.migration.real.memory import page_sums
from dirtylab.migration.real.qmp import Client, QemuError
from dirtylab.migration.real.rounds import Told, table_of
from dirtylab.migration.real.setup import parse_extras, setup, written_extras
from dirtylab.migration.real.ticks import ticks_per_second
from dirtylab.studies.migrations import plan as planning
from dirtylab.studies.migrations import record as recording
from dirtylab.studies.migrations import store
from dirtylab.studies.migrations.judge import judged
from dirtylab.studies.migrations.report import text_report
from dirtylab.studies.migrations.runs import plain_runs

running = importlib.import_module("dirtylab.migration.real.run")
"""The module: the package's own ``run`` is its function."""
TRACKER = "kvm-log" if real.missing("kvm-log") is None else "tcg"
needs_qemu = pytest.mark.skipif(
    real.missing(TRACKER) is not None, reason=f"no real migration here: {real.missing(TRACKER)}"
)
SMALL = {"pages": "64MiB", "working_set": 4096, "rate": 5000, "bandwidth": "200MB/s"}


# --- the guest ------------------------------------------------------------------------------------


def test_labels_become_distances_and_addresses():
    code = Assembler(0x1000)
    code.near("eb", "end")
    code.address("b8", "end")
    code.label("end")
    assert code.assembled() == bytes.fromhex("eb 05 b8 07 10 00 00")
    assert code.place("end") == 0x1007
    code.near("eb", "nowhere")
    with pytest.raises(ValueError, match="nowhere: no such label"):
        code.assembled()


def test_a_near_jump_may_not_be_far():
    code = Assembler(0)
    code.label("start")
    code.emit("90" * 127)
    code.near("eb", "start")
    with pytest.raises(ValueError, match="start: -129 bytes are too far"):
        code.assembled()


def load_of(pattern="random", **more):
    return firmware.Load(pattern, 1000, 2000, 2100.5, 2.1e9, **more)


@pytest.mark.parametrize("pattern", firmware.patterns())
def test_the_firmware_has_64_kib_and_is_always_the_same(pattern):
    found = firmware.image(2**28, load_of(pattern))
    assert len(found) == 65536
    assert found == firmware.image(2**28, load_of(pattern))
    assert found[0xFFF0] == 0xE9, "a jump"
    assert (0xFFF3 + struct.unpack_from("<H", found, 0xFFF1)[0]) % 65536 == 0, "to the first byte"


def test_parameters_are_patched_into_the_firmware():
    one = firmware.image(2**28, load_of("hotset", vcpus=2, hot=100, share=0.9, length=7))
    values = struct.unpack_from("<13Q", one, 0x1000)
    assert values[:9] == (
        2000, 1000, 100, round(0.9 * 2**32), 7, 2, round(2100.5 * 256), round(0.02 * 2.1e9 * 256),
        2_100_000,
    )  # fmt: skip
    assert values[12] == 0
    routine = {name: struct.unpack_from("<Q", firmware.image(2**28, load_of(name)), 0x1058)[0]
               for name in firmware.patterns() if name != "idle"}  # fmt: skip
    assert len(set(routine.values())) == 4, "each pattern has code of its own"
    idle = firmware.image(2**28, load_of("idle"))
    assert struct.unpack_from("<Q", idle, 0x1060)[0] == 1
    same = firmware.image(2**28, load_of("hotset", vcpus=1, hot=100, share=0.9, length=7))
    differing = [at for at in range(65536) if one[at] != same[at]]
    assert differing == [0x1028], "nothing else depends on them"


def test_the_memory_window_leaves_out_the_hole_below_4_gib():
    tables = struct.unpack("<5632Q", firmware.page_tables(8 * 2**30))
    window = [entry & ~0xFFF for entry in tables[3 * 512 :]]
    assert window[: 3 * 512] == [n << 21 for n in range(3 * 512)]
    assert window[3 * 512 :] == [(n + 512) << 21 for n in range(3 * 512, 8 * 512)]
    small = struct.unpack("<2048Q", firmware.page_tables(2**28))
    assert [bool(entry) for entry in small[3 * 512 :]] == [True] * 128 + [False] * 384


def test_a_guest_is_refused_that_does_not_fit():
    with pytest.raises(ValueError, match="can't write to 1000 pages"):
        firmware.image(2**22, load_of())


# --- what is asked for ----------------------------------------------------------------------------


def asked(pages="256MiB", dataset="random", **more):
    usual = {
        "working_set": 1000, "rate": 1000, "bandwidth": "100MB/s", "downtime": "300ms",
        "tracker": "kvm-log", "nonzero": 0, "prealloc": True, "limit": "30s", "vcpus": 1,
        "extras": (), "compare": False, "options": {},
    }  # fmt: skip
    return setup(pages, dataset, **{**usual, **more})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"pages": "9GiB"}, "pages='9GiB': must be 4096 … 2097152"),
        ({"pages": 65537}, "pages=65537: must be whole MiB"),
        ({"dataset": "zipf"}, "dataset='zipf': must be one of idle"),
        ({"working_set": 65536}, "working_set=65536: must be at most 65024 pages"),
        ({"nonzero": "256MiB"}, "nonzero='256MiB': must be at most 65024 pages"),
        ({"working_set": 1}, "working_set=1: must be"),
        ({"bandwidth": 0}, "bandwidth=0: must be above 0"),
        ({"tracker": "tree64"}, "tracker='tree64': must be kvm-log, kvm-ring:4096 or tcg"),
        ({"tracker": "kvm-ring:512"}, "tracker='kvm-ring:512': real migrations need rings of 1024"),
        ({"vcpus": 3}, "vcpus=3: must be 1 … 2"),
        ({"extras": "compress"}, "extras='compress': must be one of auto-converge"),
        ({"extras": ["multifd:cache=1"]}, "cache: unknown option; allowed: channels"),
        ({"extras": "xbzrle:cache=100MB"}, "cache must be a power of two"),
        ({"extras": "auto-converge:initial=0"}, "initial=0: must be 1 … 99"),
        ({"dataset": "hotset", "options": {"place": "spread"}}, "place: unknown option"),
        ({"dataset": "clustered", "options": {"length": 2000}}, "length=2000: must be 1 … 1000"),
    ],
)
def test_what_a_real_migration_can_not_be_is_said_in_one_line(given, words):
    with pytest.raises((ValueError, TypeError)) as error:
        asked(**given)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_extras_are_written_as_they_are_read():
    text = "auto-converge:initial=50,increment=25 multifd xbzrle:cache=1048576 postcopy"
    assert written_extras(parse_extras(text.split())) == text
    assert asked(extras="xbzrle:cache=1MiB").needed_bytes == 2**28 + 1000 * 4096 + 2**20


def test_the_counter_of_ticks_is_read():
    assert 1e8 < ticks_per_second() < 1e10


# --- the protocol ---------------------------------------------------------------------------------

GREETING = b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}}}}\n'
EVENT = b'{"event": "STOP", "timestamp": {"seconds": 5, "microseconds": 250000}, "data": {"a": 1}}'


@contextlib.contextmanager
def serving(folder, *answers, greeting=GREETING, stays=False):
    """Serve one client: an answer a line that it sends; then hang up, or let the client do so."""
    path = pathlib.Path(folder, "q")
    got = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve():
            with listening.accept()[0] as one, one.makefile("rb") as lines:
                one.sendall(greeting)
                for answer in (b'{"return": {}}\n', *answers):
                    if not (line := lines.readline()):
                        return
                    got.append(json.loads(line))
                    one.sendall(answer)
                if stays:
                    lines.read()

        worker = threading.Thread(target=serve, daemon=True)
        worker.start()
        yield path, got
        worker.join(5)
        assert not worker.is_alive()


def test_commands_are_answered_and_events_between_are_kept(tmp_path):
    half = b'{"return": {"status"'
    with serving(tmp_path, EVENT + b"\n" + half + b': "active"}}\n') as (path, got):
        client = Client(path, 5)
        assert client.version == "7.2.22"
        assert client.execute("query-migrate", a_b=1) == {"status": "active"}
        client.close()
    assert got[0] == {"execute": "qmp_capabilities"}
    assert got[1] == {"execute": "query-migrate", "arguments": {"a-b": 1}}
    assert [tuple(event) for event in client.events] == [("STOP", 5.25, {"a": 1})]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'{"error": {"class": "GenericError", "desc": "no such thing"}}\n', "x: no such thing"),
        (b"", "the connection ended"),
        (b"no JSON\n", "is no JSON"),
        (b"[1]\n", "is no message"),
    ],
)
def test_what_goes_wrong_with_qemu_is_said_in_one_line(tmp_path, answer, words):
    with serving(tmp_path, answer) as (path, _):
        client = Client(path, 5)
        with contextlib.closing(client), pytest.raises(QemuError, match=words):
            client.execute("x")


def test_waiting_for_qemu_has_an_end(tmp_path):
    with pytest.raises(QemuError, match=r"nothing answers at none in 0\.05 s"):
        Client(tmp_path / "none", 0.05)
    with pytest.raises(QemuError, match="it ended"):
        Client(tmp_path / "none", 5, lambda: "it ended")
    with serving(tmp_path, EVENT + b"\n", stays=True) as (path, _):
        client = Client(path, 5)
        with contextlib.closing(client), pytest.raises(QemuError, match=r"no answer to x in 0\.05"):
            client.execute("x", seconds=0.05)


def test_another_server_is_not_taken_for_qemu(tmp_path):
    with serving(tmp_path, greeting=b'{"hello": 1}\n') as (path, got):
        with pytest.raises(QemuError, match="not by QMP"):
            Client(path, 5)
        assert got == []


# --- rounds ---------------------------------------------------------------------------------------


def test_rounds_are_read_off_a_trace(tmp_path):
    file = tmp_path / "trace"
    file.write_text(
        "12@100.000100:migration_bitmap_sync_start \n"
        "12@100.000300:migration_bitmap_sync_end dirty_pages 0\n"
        "12@100.001000:migrate_pending pending size 40960 max 0 (pre = 0 compat=40960 post=0)\n"
        "12@100.101000:migrate_transferred transferred 1000 time_spent 100 bandwidth 10\n"
        "noise\n"
        "12@100.150000:kvm_dirty_ring_reap reaped 70 pages (took 1500 us)\n"
        "12@100.201000:migration_bitmap_sync_start \n"
        "12@100.202000:migration_bitmap_sync_end dirty_pages 30\n"
        "12@100.203000:migrate_pending pending size 8192 max 0 (pre = 0 compat=8192 post=0)\n"
        "12@100.301000:migration_bitmap_sync_start \n"
        "12@100.302000:migration_bitmap_sync_end dirty_pages 50\n"
    )
    table = table_of(rounds.read_trace(file), 100.0)
    assert list(table.columns) == list(rounds.COLUMNS)
    assert table["dirty"].tolist() == [0, 30, 20], "counts are cumulative"
    assert table["pending"].tolist()[:2] == [10, 2]
    assert pd.isna(table["pending"][2])
    assert table["sync_ms"].round(3).tolist() == [0.2, 1.0, 1.0]
    assert table[["reaped", "reap_ms"]].values.tolist() == [[0, 0], [70, 1.5], [0, 0]]
    assert table["sent_bytes"].tolist() == [3, 1000, 1000]


def test_a_period_of_counting_ends_at_the_first_sync_after_a_second():
    lines = []
    for seconds, count in ((0.0, 0), (0.9, 40), (1.5, 70), (1.9, 5)):
        lines += [Told(seconds, "migration_bitmap_sync_start", []),
                  Told(seconds, "migration_bitmap_sync_end", [count])]  # fmt: skip
    assert table_of(lines, 0.0)["dirty"].tolist() == [0, 40, 30, 5]
    assert len(table_of([], 0.0)) == 0


# --- a migration ----------------------------------------------------------------------------------


def children():
    """Processes of QEMU that this one has started."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text().partition(") ")
            if int(rest.split()[1]) == os.getpid() and "qemu" in name:
                found.append(name)
    return found


@pytest.fixture
def _nothing_left(monkeypatch):
    """Count processes, descriptors (sockets among them) and files before and after."""
    folder = pathlib.Path(tempfile.mkdtemp())  # a short name: a socket's path has 107 bytes
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    ticks_per_second()
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    yield
    assert children() == []
    assert [one.name for one in folder.iterdir()] == []
    folder.rmdir()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


@pytest.fixture(scope="module")
def migrated():
    return real.run(**SMALL, tracker=TRACKER, compare=True)


@needs_qemu
@pytest.mark.usefixtures("_nothing_left")
def test_a_guest_is_migrated(migrated):
    assert migrated.converges
    assert 0 < migrated.downtime < migrated.seconds
    assert len(migrated.rounds) == migrated.syncs >= 2
    assert migrated.rounds["pending"][0] > 16384 - 512
    assert migrated.sent_bytes > 4096 * 4096
    assert migrated.speed > 500
    if TRACKER != "tcg":  # whose writes QEMU loses before 9.0
        assert migrated.differing == 0
        assert "memory is the same at both ends" in str(migrated)


@needs_qemu
def test_the_model_stands_beside_what_qemu_reported(migrated):
    model = expected(migrated.question, migrated.speed)
    assert model.converges
    head, first, second = beside(migrated, model).split("\n")
    assert head.split() == ["converges", "seconds", "downtime", "syncs", "MB", "sent"]
    assert first.startswith("QEMU")
    assert f"  {migrated.syncs} " in first
    assert second.startswith("model")


@needs_qemu
def test_the_command_tells_both(migrated, monkeypatch, capsys):
    monkeypatch.setattr("dirtylab.migration.real.run", lambda *_, **__: migrated)
    words = ["migrate", "--real", "--pages", "64MiB", "--bandwidth", "200MB/s"]
    assert main(words) == 0
    assert str(migrated) in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["real"]["syncs"] == migrated.syncs
    assert told["model"]["converges"]
    assert main([*words, "--speed", "5"]) == 2


def test_options_of_real_migrations_go_with_real_ones_only(capsys):
    words = ["migrate", "--pages", "64MiB", "--bandwidth", "200MB/s"]
    for more in (["--vcpus", "2"], ["--extras", "multifd"], ["--compare"]):
        assert main([*words, *more]) == 2
        assert f"{more[0]}: goes with --real only" in capsys.readouterr().err


@needs_qemu
@pytest.mark.usefixtures("_nothing_left")
def test_the_guest_writes_only_where_it_is_told_to(monkeypatch):
    sums = []

    def looked(asked, source, *_):
        source.client.execute("stop")
        sums.append(page_sums(source, asked.memory_bytes, source.trace.parent))
        raise QemuError("enough")

    monkeypatch.setattr(running, "_watched", looked)
    with pytest.raises(QemuError, match="enough"):
        real.run(**{**SMALL, "working_set": 1000}, nonzero=1500, vcpus=2, tracker=TRACKER)
    first = firmware.RESERVED_PAGES
    assert sums[0].size == 16384
    assert sums[0][first : first + 1500].all()
    assert not sums[0][first + 1500 :].any()


def interrupted(*_):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def killed(which):
    def kill(source, destination):
        os.kill({"source": source, "destination": destination}[which]._process.pid, signal.SIGKILL)
        return before(source, destination)

    before = running._asked
    return kill


ENDS = {
    "Ctrl-C": (interrupted, KeyboardInterrupt, None),
    "source": (killed("source"), QemuError, r"the source's QEMU ended \(killed by SIGKILL\)"),
    "destination": (killed("destination"), QemuError, r"QEMU|Unable|failed"),
}


@needs_qemu
@pytest.mark.usefixtures("_nothing_left")
@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_left_when_a_migration_is_ended(end, monkeypatch):
    action, error, words = ENDS[end]
    monkeypatch.setattr(running, "_asked", action)
    with pytest.raises(error, match=words) as told:
        real.run(**{**SMALL, "bandwidth": "5MB/s"}, tracker=TRACKER)
    assert "\n" not in str(told.value)


@needs_qemu
@pytest.mark.usefixtures("_nothing_left")
def test_a_migration_ends_with_its_time():
    found = real.run(**{**SMALL, "bandwidth": "1MB/s"}, limit="200ms", tracker=TRACKER)
    assert not found.converges
    assert found.seconds == 0.2
    assert pd.isna(found.downtime)
    assert "did not converge within 200 ms" in str(found)
    assert found.as_dict()["downtime"] is None


@needs_qemu
@pytest.mark.usefixtures("_nothing_left")
def test_qemu_that_does_not_start_says_why(monkeypatch):
    usual = running._arguments
    monkeypatch.setattr(running, "_arguments", lambda *_: [*usual(*_), "-nonsense"])
    with pytest.raises(QemuError, match=r"the source's QEMU ended \(status 1\).*nonsense"):
        real.run(**SMALL, tracker=TRACKER)


@pytest.mark.usefixtures("_nothing_left")
def test_a_place_where_no_socket_can_be_made_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "program", lambda: "qemu")
    monkeypatch.setattr(process, "require_kvm", lambda: None)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(OSError, match=r"missing: no folder for sockets can be made there"):
        real.run(**SMALL)
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with pytest.raises(OSError, match="its path would be longer than 107 characters"):
        real.run(**SMALL)
    long.rmdir()


def test_what_is_missing_is_said(monkeypatch):
    def no_kvm():
        raise OSError("KVM guests: /dev/kvm is missing (no module kvm); other things work")

    monkeypatch.setattr(process, "program", lambda: "qemu")
    monkeypatch.setattr(process, "open_device", no_kvm)
    assert real.missing("tcg") is None
    assert real.missing("kvm-log").endswith("(no module kvm); tracker tcg works without KVM")
    monkeypatch.setattr(process, "available", lambda: 2**28)
    with pytest.raises(MemoryError, match=r"need 0\.5 GiB of memory; 0\.2 GiB are free"):
        real.run(**SMALL, tracker="tcg")
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "/nowhere")
    assert "apt install qemu-system-x86 seabios" in real.missing("tcg")


# --- the study ------------------------------------------------------------------------------------


def test_the_plan_covers_what_is_asked():
    runs = planning.plan()
    assert len(runs) >= 120
    assert len({one.id for one in runs}) == len(runs)
    assert {one.tracker for one in runs} == set(planning.TRACKERS)
    assert {one.pattern for one in runs} == set(firmware.patterns())
    assert {256, 1024, 4096, 8192} <= {one.memory_mib for one in runs}
    assert {one.vcpus for one in runs} == {1, 2}
    extras = {one.extra.partition(":")[0] for one in runs}
    assert extras == {"", "auto-converge", "multifd", "xbzrle", "postcopy"}
    assert sum(one.compare for one in runs) >= 10
    assert sum(one.rate is None and one.pattern != "idle" for one in runs) >= 12
    for one in runs:
        given = one.arguments()
        options = {name: given.pop(name) for name in one.options}
        made = asked(given.pop("pages"), given.pop("dataset"), **given, options=options)
        assert made.needed_bytes < 10 * 2**30


def test_runs_are_chosen_by_name():
    assert [one.id for one in planning.chosen(["B1", "R"])] == ["B1", "R0", "R1", "R2", "R3"]
    with pytest.raises(ValueError, match="--only Q9: no run is called so"):
        planning.chosen(["Q9"])


def pretended(calls, seconds=2.0):
    """Return what stands for a migration: as the model says, in QEMU's words."""

    def run(**given):
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        if len(calls) == 5:
            raise QemuError("the source's QEMU ended (status 1)")
        names = [name for name in ("hot", "writes", "length") if name in given]
        options = {name: given.pop(name) for name in names}
        made = asked(given.pop("pages"), given.pop("dataset"), **given, options=options)
        table = pd.DataFrame([[0.1 * n, 5, 100, 0.1, 3, 0, 0] for n in range(40)],
                             columns=list(rounds.COLUMNS))  # fmt: skip
        compared = 0 if made.compare else None
        return real.RealMigration(made, True, seconds, 0.02, 3, 10**8, 5e3, 5e3, 0, compared,
                                  False, "7.2.0", table)  # fmt: skip

    return run


def test_runs_are_kept_at_once_and_a_later_call_goes_on(tmp_path):
    runs, calls, told = planning.chosen(["I3", "B0", "B1", "X4"]), [], []
    migrate = pretended(calls)
    with pytest.raises(KeyboardInterrupt):
        recording.record(tmp_path, told.append, runs, migrate)
    assert store.load(tmp_path).runs["id"].tolist() == ["I3", "B0"]
    assert recording.record(tmp_path, told.append, runs, migrate) == 1
    assert told == ["X4: not made: the source's QEMU ended (status 1)"]
    assert recording.record(tmp_path, told.append, runs, migrate) == 0
    found = store.load(tmp_path)
    assert found.runs["id"].tolist() == ["I3", "B0", "B1", "X4"]
    assert len(calls) == 6
    assert found.machine["qemu"] == "7.2.0"
    assert found.rounds.groupby("id").size().tolist() == [30] * 4
    assert not list(tmp_path.glob(".partial*"))
    report = text_report(found)
    assert "4 migrations by QEMU 7.2.0, 4 converged" in report
    assert "kvm-log: memory compared in 3 runs, the same at both ends in all" in report


def test_a_folder_of_another_plan_is_refused(tmp_path):
    one = planning.chosen(["B0"])[0]
    recording.record(tmp_path, print, [one], pretended([]))
    other = one._replace(rate=7)
    with pytest.raises(ValueError, match="run B0 is not the one planned; name another folder"):
        recording.record(tmp_path, print, [other], pretended([]))


def test_the_model_is_judged_on_runs_without_extras(tmp_path):
    runs = planning.chosen(["B0", "X4"])
    recording.record(tmp_path, print, runs, pretended([]))
    told = judged(plain_runs(store.load(tmp_path).runs.to_dict("records")))
    assert (told.runs, told.right, told.timed) == (1, 1, 1)
    model = expected(asked("1GiB", working_set=32768, rate=5000, bandwidth="200MB/s"))
    assert told.median == pytest.approx(1 - model.seconds / 2.0)
    assert told.bytes_median == pytest.approx(abs(model.sent_bytes / 1e8 - 1))


def test_the_command_records_and_reports(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(process, "program", lambda: "qemu")
    calls = []
    monkeypatch.setattr(recording.record, "__defaults__", (None, pretended(calls)))
    words = ["migrations", "--out", str(tmp_path), "--only", "I0", "I4", "I8"]
    assert main(words) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert main(words) == 0
    assert "3 migrations by QEMU 7.2.0" in capsys.readouterr().out
    assert main(["migrations", "--out", str(tmp_path), "--report"]) == 0
    assert len(calls) == 4
    assert main(["migrations", "--out", str(tmp_path), "--only", "Q"]) == 2
