"""A recording that is under way or over is never thrown away."""

import contextlib
import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording import require, writer
from slow import further

from dirtylab.cli import main
from dirtylab.datasets.tracefile import Trace, read_trace
from dirtylab.live import _output, missing
from dirtylab.live._taken import Taken
from dirtylab.live.journal import Journal, recovered
from dirtylab.live.kvm import KvmRing
from dirtylab.live.numbering import finish, keys_of
from dirtylab.live.record import record_command, record_guest

RECORD = [sys.executable, "-m", "dirtylab", "record", "--interval", "0.03"]


@contextlib.contextmanager
def recording(out, *words, **options):
    """Run a recording in a process of its own; yield it once it has taken an epoch or two."""
    require()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    with subprocess.Popen(
        [*RECORD[:-2], "--out", str(out), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, **options,
    ) as process:  # fmt: skip
        try:
            wait_for(lambda: journal_bytes(out.parent) > 3000 or process.poll() is not None)
            time.sleep(0.1)
            yield process
        finally:
            process.kill()
            signal.signal(signal.SIGINT, before)


def journal_bytes(folder):
    return sum(file.stat().st_size for file in folder.glob("*.journal"))


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "did not come about within a minute"
        time.sleep(0.02)


WORDS = ["--interval", "0.03", "--", *writer(500, 100)]


@pytest.mark.parametrize("name", ["SIGINT", *further("SIGTERM", "SIGHUP")])
def test_a_signal_ends_a_recording_and_keeps_it(name, tmp_path):
    number = getattr(signal, name)
    out = tmp_path / "trace.npz"
    heed = {"preexec_fn": lambda: signal.signal(number, signal.SIG_DFL)}  # as nohup does not
    with recording(out, *WORDS, **heed) as process:
        process.send_signal(number)
        told, _ = process.communicate()
        assert process.returncode == 128 + number
    assert f"written to {out}" in told
    trace = read_trace(out)
    assert len(trace.epochs) >= 1
    assert np.unique(trace.frames).size >= 500
    assert os.listdir(tmp_path) == ["trace.npz"]


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    out = tmp_path / "trace.npz"
    ignore = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with recording(out, "--epochs", "20", *WORDS, **ignore) as process:
        process.send_signal(signal.SIGHUP)
        process.communicate()
        assert process.returncode == 0
    assert len(read_trace(out).epochs) == 20


def test_what_a_killed_recording_has_taken_is_recovered(tmp_path, capsys):
    with recording(tmp_path / "trace.npz", *WORDS) as process:
        process.kill()
    (journal,) = tmp_path.iterdir()
    assert main(["trace", "recover", str(journal), str(tmp_path / "saved.npz")]) == 0
    assert "frames in" in capsys.readouterr().out
    trace = read_trace(tmp_path / "saved.npz")
    assert np.unique(trace.frames).size >= 500
    assert trace.facts["command"][-3] == "500"


def test_signals_before_an_epoch_is_over_leave_nothing(tmp_path):
    require()
    out = tmp_path / "trace.npz"
    words = [*RECORD[:-1], "100", "--out", str(out), *WORDS[2:]]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: journal_bytes(tmp_path))
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert "interrupted by Terminated, nothing was recorded" in told
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_vanishes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(_output.tempfile, "gettempdir", lambda: str(tmp_path))
    out = tmp_path / "gone" / "trace.npz"
    words = ["sh", "-c", f"sleep 0.1; rm -r {out.parent}; sleep 0.2"]
    require()
    assert main(["record", "--interval", "0.03", "--out", str(out), "--", *words]) == 1
    told = capsys.readouterr().err
    assert "trace.npz: not written: No such file or directory; the recording is in " in told
    (kept,) = tmp_path.iterdir()
    assert str(kept) in told
    assert len(read_trace(kept).epochs) > 2


def test_a_disk_that_is_full_at_the_end(tmp_path, capsys, monkeypatch):
    require()
    write, out = _output.write_trace, tmp_path / "trace.txt"
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setattr(_output.tempfile, "gettempdir", lambda: str(elsewhere))

    def full(path, trace):
        if path == out:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, trace)

    monkeypatch.setattr(_output, "write_trace", full)
    assert main(["record", "--interval", "0.03", "--out", str(out), "--", "sleep", "0.2"]) == 1
    assert "No space left on device; the recording is in" in capsys.readouterr().err
    (kept,) = elsewhere.iterdir()
    assert len(read_trace(kept).epochs) > 2
    assert list(tmp_path.iterdir()) == [elsewhere]


def test_what_can_be_written_nowhere_stays_in_its_journal(tmp_path, capsys, monkeypatch):
    require()

    def full(_path, _trace):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_output, "write_trace", full)
    out = tmp_path / "trace.npz"
    assert main(["record", "--interval", "0.03", "--out", str(out), "--", "sleep", "0.2"]) == 1
    (journal,) = tmp_path.iterdir()
    told = capsys.readouterr().err
    assert f"No space left on device; its epochs are in {journal}; see dirtylab trace rec" in told
    assert len(recovered(journal).epochs) > 2


def test_a_disk_that_fills_up_ends_the_journal_not_the_recording(tmp_path):
    require()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    journal = tmp_path / "one.journal"
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limit[1]))
    try:
        trace, _ = record_command(
            writer(500, 100), interval=0.03, epochs=60, journal=journal, stderr=subprocess.DEVNULL
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert len(trace.epochs) == 60
    kept = recovered(journal)
    assert 0 < len(kept.epochs) < 60
    (note,) = trace.facts["notes"]
    assert f"{journal}: epochs from {len(kept.epochs) + 1} on are not written there" in note


def test_words_that_are_no_utf_8(tmp_path, capsys):
    out = tmp_path / os.fsdecode(b"tr\xe9ce.npz")
    words = ["sh", "-c", "sleep 0.15", os.fsdecode(b"caf\xe9")]
    require()
    name = os.fsdecode(b"n\xe9")
    arguments = ["record", "--interval", "0.03", "--out", str(out), "--name", name, "--", *words]
    assert main(arguments) == 0
    trace = read_trace(out)
    assert trace.facts["command"][-1] == r"caf\xe9"
    assert trace.facts["name"] == r"n\xe9"


@pytest.mark.parametrize("length", [240, 247, 248, 251, 255])
def test_the_longest_names(length, tmp_path, capsys):
    require()
    ran = tmp_path / "ran"
    out = tmp_path / ("x" * (length - 4) + ".npz")
    words = ["sh", "-c", f"touch {ran}; sleep 0.15"]
    status = main(["record", "--interval", "0.03", "--out", str(out), "--", *words])
    told = capsys.readouterr()
    assert (status == 0) == out.exists() == ran.exists()
    if status:
        assert told.err.rstrip().endswith("File name too long")
        assert list(tmp_path.iterdir()) == []


def no_permission(folder):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    folder.chmod(0o500)


REFUSED = {
    "folder": (lambda folder: (folder / "t.npz").mkdir(), "t.npz"),
    "file-for-folder": (lambda folder: (folder / "t").touch(), "t/t.npz"),
    "pipe": (lambda folder: os.mkfifo(folder / "t.npz"), "t.npz"),
    "name": (lambda _: None, f"{'x' * 252}.npz"),
    "suffix": (lambda _: None, "t.doc"),
    "proc": (lambda _: None, "/proc/t.npz"),
    "permission": (no_permission, "t.npz"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_an_output_that_cant_be_written_is_refused_before_recording(kind, tmp_path, capsys):
    prepare, name = REFUSED[kind]
    folder = tmp_path / "folder"
    folder.mkdir()
    prepare(folder)
    before = sorted(folder.iterdir())
    out = folder / name
    ran = tmp_path / "ran"
    for words in (["--", "touch", str(ran)], ["--kvm", "--epochs", "1"]):
        assert main(["record", "--out", str(out), *words]) in (1, 2)
        told = capsys.readouterr().err.strip()
        assert "\n" not in told
        assert "can't" in told or "is no regular file" in told or "suffix" in told
    assert not ran.exists()
    assert sorted(folder.iterdir()) == before


def test_what_stood_there_stands_until_the_end(tmp_path):
    out = tmp_path / "trace.npz"
    out.write_bytes(b"before")
    with recording(out, *WORDS) as process:
        assert out.read_bytes() == b"before"
        process.kill()
    assert out.read_bytes() == b"before"


def test_ctrl_c_in_a_notebook_gives_what_was_taken(monkeypatch):
    require()
    add, seen = Taken.add, []

    def interrupt(taken, *arguments):
        add(taken, *arguments)
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Taken, "add", interrupt)
    trace, status = record_command(["sleep", "100"], interval=0.02)
    assert (len(trace.epochs), status) == (3, -2)


# Guests.


def guest_recorded(*arguments, **options):
    if why := missing("kvm-ring"):
        pytest.skip(why)
    return record_guest(*arguments, **options)


def test_a_guest_is_recorded():
    trace = guest_recorded(1000, 50, dataset="sequential", epochs=4)
    assert trace.frames.tolist() == list(range(200))
    assert (trace.pages, len(trace.times)) == (1000, 4)
    assert trace.facts["mechanism"] == "kvm-ring"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("a fault"), MemoryError("full")])
def test_a_guest_that_ends_early_keeps_what_was_taken(error, monkeypatch, tmp_path):
    guest_recorded(100, 5, epochs=1)
    insert, seen = KvmRing.insert, []

    def fail(guest, frames):
        seen.append(1)
        if len(seen) == 4:
            raise error
        insert(guest, frames)

    monkeypatch.setattr(KvmRing, "insert", fail)
    journal = tmp_path / "one.journal"
    trace = record_guest(1000, 50, dataset="sequential", epochs=9, journal=journal)
    assert trace.frames.tolist() == list(range(150))
    (note,) = trace.facts["notes"]
    assert note == f"ended after 3 epochs: {str(error) or 'KeyboardInterrupt'}"
    again = recovered(journal)
    assert [e.tolist() for e in again.epochs] == [e.tolist() for e in trace.epochs]
    assert (again.pages, again.times) == (trace.pages, trace.times)


def test_a_signal_ends_the_recording_of_a_guest_and_keeps_it(tmp_path):
    guest_recorded(100, 5, epochs=1)
    out = tmp_path / "guest.npz"
    words = ["--kvm", "--epochs", "20000", "--dirty", "300", "--pages", "4096"]
    with recording(out, *words) as process:
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert process.returncode == 128 + signal.SIGTERM
    trace = read_trace(out)
    assert all(np.unique(epoch).size <= 300 for epoch in trace.epochs)
    assert len(trace.epochs) >= 1


# The journal.

EPOCHS = st.lists(
    st.lists(st.integers(0, 2**63), max_size=20).map(lambda e: np.array(e, np.uint64)),
    min_size=1,
    max_size=6,
)


def written(folder, epochs, pages=2**63 + 1, facts=None):
    journal = Journal(folder / f"{time.monotonic_ns()}.journal")
    taken = Taken(journal, facts or {"name": "x"}, pages)
    for number, epoch in enumerate(epochs):
        taken.note([f"note {number}"])
        taken.add(number, epoch)
    journal.close()
    return journal.path


def recovered_or_refused(path):
    """Return the epochs of a journal, none where it is refused in one line."""
    try:
        return [epoch.tolist() for epoch in recovered(path).epochs]
    except ValueError as error:
        refusal = str(error)
    assert "journal" in refusal
    assert "\n" not in refusal
    return []


@given(epochs=EPOCHS, cut=st.floats(0, 1))
def test_a_journal_that_is_cut_gives_its_whole_epochs(epochs, cut, tmp_path_factory):
    path = written(tmp_path_factory.mktemp("cut"), [epoch % 1000 for epoch in epochs], 1000)
    content = path.read_bytes()
    whole = recovered(path)
    assert [e.tolist() for e in whole.epochs] == [(e % 1000).tolist() for e in epochs]
    assert whole.facts["notes"] == [f"note {k}" for k in range(len(epochs))]
    path.write_bytes(content[: int(cut * len(content))])
    found = recovered_or_refused(path)
    assert found == [(e % 1000).tolist() for e in epochs[: len(found)]]


@given(place=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_a_journal_that_is_changed_gives_epochs_or_one_line(place, byte, tmp_path_factory):
    epochs = [np.arange(k, 5 * k, dtype=np.uint64) for k in range(1, 5)]
    path = written(tmp_path_factory.mktemp("changed"), epochs, 1000)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    path.write_bytes(content)
    for found, epoch in zip(recovered_or_refused(path), epochs, strict=False):
        assert found == epoch.tolist()


BAD = {
    "empty": b"",
    "text": b"no journal\n",
    "another": b'{"format": "x"}\n',
    "list": b"[1]\n",
    "deep": b"[" * 100_000 + b"\n",
    "none": b'{"format": "dirtylab journal", "version": 1, "pages": null, "facts": {}}\n',
    "facts": b'{"format": "dirtylab journal", "version": 1}\n'
    b'{"end": 1, "frames": 0, "bytes": 8, "crc32": 1726489}\nx\x9c\x03\x00\x00\x00\x00\x01',
}


@pytest.mark.parametrize("kind", BAD)
def test_files_that_are_no_journal_are_named(kind, tmp_path):
    path = tmp_path / "bad.journal"
    path.write_bytes(BAD[kind])
    with pytest.raises(ValueError, match=r"path='.*bad.journal': .*journal"):
        recovered(path)


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", tmp_path / "pipe"):
        with pytest.raises(ValueError, match="is no regular file"):
            recovered(path)


def test_a_journal_is_never_written_over(tmp_path):
    (tmp_path / "one").write_text("kept")
    with pytest.raises(FileExistsError):
        Journal(tmp_path / "one")
    assert (tmp_path / "one").read_text() == "kept"


def test_a_few_bytes_are_not_expanded_to_many(tmp_path):
    path = written(tmp_path, [np.arange(3, dtype=np.uint64)], 1000)
    lines = path.read_bytes().split(b"\n", 2)
    line = json.loads(lines[1])
    line["frames"] = 2**40
    path.write_bytes(b"\n".join([lines[0], json.dumps(line).encode(), lines[2]]))
    with pytest.raises(ValueError, match="no epoch in this journal is whole"):
        recovered(path)


def test_memories_are_told_apart_in_a_trace_and_its_journal(tmp_path):
    memories = [{"process": 5}, {"process": 6}, {"shared": "x"}]
    pages = np.array([1, 2, 700], np.uint64)
    epoch = np.concatenate([keys_of(number, pages) for number in range(3)])
    trace = finish([epoch], [7], {"name": "x"}, memories)
    assert trace.epochs[0].tolist() == [1, 2, 700, 1025, 1026, 1724, 2049, 2050, 2748]
    places = [(one["first_page"], one["pages"]) for one in trace.facts["memories"]]
    assert places == [(0, 1024), (1024, 1024), (2048, 1024)]
    with contextlib.closing(Journal(tmp_path / "j")) as journal:
        taken = Taken(journal, {"name": "x"})
        taken.add(7, epoch, memories)
    again = recovered(tmp_path / "j")
    assert again.facts == trace.facts
    assert again.epochs[0].tolist() == trace.epochs[0].tolist()


def test_what_is_kept_of_a_trace_is_the_trace(tmp_path):
    output = _output.Output(tmp_path / "t.npz")
    trace = Trace(10, (np.array([3], np.uint64),), (5,), {"name": "x"})
    assert output.keep(trace) == (tmp_path / "t.npz", "")
    assert read_trace(tmp_path / "t.npz").frames.tolist() == [3]
