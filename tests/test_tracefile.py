"""Files of traces: nothing lost on the way, damage always noticed; the shipped recordings."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab import DATASETS
from dirtylab._data import data_file
from dirtylab.cli import main
from dirtylab.datasets.tracefile import Trace, decode, encode, read_trace, to_bytes
from dirtylab.datasets.traces import recording, recordings, trace
from dirtylab.live import write_trace
from dirtylab.measure.files import OutputError

TOP = 2**52 - 1


def made(*epochs, pages=2**52, **more):
    return Trace(pages, tuple(np.array(frames, np.uint64) for frames in epochs), **more)


def as_lists(found):
    return [frames.tolist() for frames in found.epochs]


SAMPLE = made([5, 0, 63, 5], [], [64, 7], pages=65, times=(10, 20, 30), facts={"name": "é"})


@given(st.lists(st.lists(st.integers(0, TOP), max_size=30), max_size=6))
def test_deltas_keep_order_and_repeats(epochs):
    whole = made(*epochs)
    counts = np.array([len(frames) for frames in epochs], np.uint64)
    room = np.empty(10 * whole.frames.size, np.uint8)
    coded = room[: encode(whole.frames, counts, room)]
    back = np.empty(whole.frames.size, np.uint64)
    assert decode(coded, counts, back) == coded.size
    assert back.tolist() == whole.frames.tolist()
    if coded.size:
        assert decode(coded[:-1], counts, back) == -1


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 127, 128, 16383, 16384, TOP])
def test_one_difference_of_any_size(size, tmp_path):
    path = tmp_path / "one.npz"
    write_trace(path, made([size, 0, size]))
    assert as_lists(read_trace(path)) == [[size, 0, size]]


@pytest.mark.parametrize("suffix", [".npz", ".txt"])
@pytest.mark.parametrize(
    "whole", [SAMPLE, made(pages=0), made([], pages=9), made([TOP, 0]), made([1], pages=2)]
)
def test_nothing_is_lost(whole, suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    write_trace(path, whole)
    back = read_trace(path)
    assert (back.pages, back.times, back.facts) == (whole.pages, whole.times, whole.facts)
    wanted = as_lists(whole)
    assert as_lists(back) == (wanted if suffix == ".npz" or wanted else [[]])
    assert to_bytes(back, ".npz") == to_bytes(whole, ".npz") or not wanted


@pytest.mark.parametrize("pages", [1, 8, 63, 64, 65, 4095, 4096, 4097])
def test_bitmaps_keep_the_sets(pages, tmp_path):
    epochs = [[pages - 1, 0, pages - 1], [], list(range(0, pages, 3))]
    path = tmp_path / "a.bitmap"
    write_trace(path, made(*epochs, pages=pages))
    content = path.read_bytes()
    assert len(content) == 3 * 8 * -(-pages // 64)
    number = int.from_bytes(content[: len(content) // 3], "little")  # as KVM lays it out
    assert number == sum(1 << frame for frame in {0, pages - 1})
    assert as_lists(read_trace(path, pages)) == [sorted(set(frames)) for frames in epochs]


@pytest.mark.parametrize(
    ("content", "pages", "message"),
    [
        (b"", None, "pages: must be given"),
        (b"1234567", 64, "7 bytes; must be a multiple of 8, a bitmap of 64 pages: cut off"),
        (b"\0" * 15 + b"\x80", 127, "bitmap 0 has bits beyond page 126"),
        (b"\xff" * 8, 63, "bitmap 0 has bits beyond page 62"),
    ],
)
def test_damaged_bitmaps_are_refused(content, pages, message, tmp_path):
    path = tmp_path / "a.bitmap"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_trace(path, pages)


def test_an_archive_cut_off_anywhere_is_refused(tmp_path):
    path = tmp_path / "cut.npz"
    whole = to_bytes(SAMPLE, ".npz")
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"cut.npz.*must be an intact .npz file"):
            read_trace(path)


def test_a_damaged_byte_never_gives_other_frames(tmp_path):
    path = tmp_path / "damaged.npz"
    whole, refused = to_bytes(SAMPLE, ".npz"), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            assert as_lists(read_trace(path)) == as_lists(SAMPLE)
        except ValueError as error:
            assert "must be an intact .npz file" in str(error)  # noqa: PT017
            refused += 1
    assert refused > len(whole) / 2


def archive(path, **changed):
    """Write an archive whose sums are right and whose content is not."""
    header = {"format": "dirtylab trace", "version": 1, "pages": 65, **changed.pop("header", {})}
    arrays = {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "counts": np.array([1, 1], np.uint64),
        "times": np.empty(0, np.uint64),
        "deltas": np.array([2, 4], np.uint8),
        **changed,
    }
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"header": {"format": "else"}}, "is no dirtylab trace"),
        ({"header": {"version": 2}}, "is of version 2; this dirtylab reads 1"),
        ({"header": {"pages": 2}}, r"epochs\[1\]\[0\]=2: must be 0 … 1"),
        ({"header": {"pages": -1}}, "pages=-1: must be"),
        ({"header": {"pages": "many"}}, "pages='many': must be an integer"),
        ({"header": {"facts": 3}}, "of another type"),
        ({"counts": np.array([1], np.uint64)}, "do not agree with the counts"),
        ({"counts": np.array([1, 2], np.uint64)}, "2 bytes can't hold so many"),
        ({"counts": np.array([2**63, 2**63], np.uint64)}, "can't hold so many"),
        ({"counts": np.array([1, 1])}, "of another type"),
        ({"counts": np.array([[1, 1]], np.uint64)}, "of another type"),
        ({"deltas": np.array([2, 0x80], np.uint8)}, "do not agree"),
        ({"deltas": np.array([2] + [0xFF] * 11, np.uint8)}, "do not agree"),
        ({"deltas": np.array([1, 2], np.uint8)}, "do not agree"),
        ({"deltas": np.array([2] + [0xFF] * 9 + [1], np.uint8)}, "do not agree"),
        ({"deltas": np.array([2] + [0xFE] + [0xFF] * 6 + [0x7F], np.uint8)}, "do not agree"),
        ({"times": np.array([1], np.uint64)}, "times: 1 for 2 epochs"),
        ({"times": None}, "times.npy"),
    ],
)
def test_an_archive_that_makes_no_sense_is_refused(changed, message, tmp_path):
    path = tmp_path / "odd.npz"
    archive(path)
    assert as_lists(read_trace(path)) == [[1], [2]]
    archive(path, **changed)
    with pytest.raises(ValueError, match=f"must be an intact .npz file.*{message}"):
        read_trace(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# pages 8\n# facts {\n", "line 2: facts must be JSON"),
        ("# pages 8\n7\n# epoch\n8\n", "line 4: frame 8 must be 0 … 7"),
        ("# epoch\n7\n# epoch 9", "line 3: '# epoch 9' ends without a newline"),
    ],
)
def test_damaged_text_is_named_with_its_line(text, message, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises((ValueError, IndexError), match=message):
        read_trace(path)


def test_pages_that_do_not_agree_are_refused(tmp_path):
    for suffix in (".npz", ".txt"):
        path = tmp_path / f"a{suffix}"
        write_trace(path, SAMPLE)
        with pytest.raises(ValueError, match="pages=64: must be 65, as"):
            read_trace(path, 64)


def test_what_cant_be_a_trace_is_refused():
    with pytest.raises(IndexError, match=r"epochs\[1\]\[0\]=8: must be 0 … 7"):
        made([7], [8], pages=8)
    with pytest.raises(ValueError, match="times: 1 for 2 epochs"):
        made([7], [7], pages=8, times=(1,))


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(ValueError, match=r"suffix='.csv': must be one of .npz, .txt, .bitmap"):
        write_trace(tmp_path / "a.csv", SAMPLE)
    with pytest.raises(OutputError, match="none"):
        write_trace(tmp_path / "none" / "a.npz", SAMPLE)


def test_epochs_are_replayed_alone_or_in_a_row(tmp_path):
    path = tmp_path / "a.npz"
    write_trace(path, SAMPLE)
    assert trace(65, 6, path=path).tolist() == [5, 0, 63, 5, 64, 7]
    assert trace(65, 2, path=path, epoch=2).tolist() == [64, 7]
    with pytest.raises(ValueError, match="epoch=3: must be 0 … 2"):
        trace(65, 0, path=path, epoch=3)
    with pytest.raises(IndexError, match=r"frames\[2\]=63: must be 0 … 62"):
        trace(63, 1, path=path)


def test_tiles_fit_any_slot(tmp_path):
    path = tmp_path / "a.npz"
    write_trace(path, SAMPLE)
    frames = trace(200, 14, path=path, fit="tile").tolist()
    once = [5, 0, 63, 5, 64, 7]
    assert frames == [*once, *[65 + f for f in once], 135, 130]
    assert trace(200, 2, path=path, fit="tile", seed=2).tolist() == [64, 7]
    assert trace(8, 6, path=path, fit="tile").tolist() == [5, 0, 7, 5, 0, 7]
    assert trace(8, 0, path=path, fit="tile").tolist() == []


def test_a_file_that_changes_is_read_anew(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("1\n")
    assert trace(64, 1, path=path).tolist() == [1]
    path.write_text("22\n")
    assert trace(64, 1, path=path).tolist() == [22]


def test_recordings_are_offered_by_name():
    assert {"sqlite", "numpy", "collector", "sort", "btree", "redis"} <= set(recordings())
    assert len(recordings()) >= 6
    with pytest.raises(ValueError, match=r"name='none': must be one of .*sqlite"):
        recording("none")
    frames = DATASETS["trace"](10**6, 5_000, path="sqlite", fit="tile", seed=3)
    assert frames.shape == (5_000,)


@pytest.mark.parametrize("name", recordings())
def test_a_recording_is_small_whole_and_says_where_it_is_from(name):
    path = data_file(f"traces/{name}.npz")
    assert path.stat().st_size <= 1_000_000
    whole = read_trace(path)
    assert len(whole.epochs) >= 20
    assert whole.frames.size >= 10_000
    assert {"name", "what", "mechanism", "order", "machine"} <= set(whole.facts)
    assert whole.facts["name"] == name
    assert not re.search(r"/(home|root|tmp|work)/", json.dumps(whole.facts))
    assert np.array_equal(trace(whole.pages, whole.frames.size, path=name), whole.frames)
    assert to_bytes(whole, ".npz") == path.read_bytes()


def test_the_command_converts_and_tells(tmp_path, capsys):
    npz, text, bitmap = (tmp_path / f"a.{end}" for end in ("npz", "txt", "bitmap"))
    write_trace(npz, SAMPLE)
    assert main(["trace", "convert", str(npz), str(text)]) == 0
    assert main(["trace", "convert", str(text), str(bitmap)]) == 0
    assert main(["trace", "info", str(bitmap), "--pages", "65"]) == 0
    assert "5 frames in 3 epochs of 65 pages" in capsys.readouterr().out
    assert as_lists(read_trace(bitmap, 65)) == [[0, 5, 63], [], [7, 64]]
    assert main(["trace", "list"]) == 0
    assert "sqlite" in capsys.readouterr().out
    assert main(["trace", "info", "sqlite"]) == 0
    assert "Recorded on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["info", "none.npz"], 1, "no such file"),
        (["info", "a.bitmap"], 2, "pages: must be given"),
        (["convert", "sqlite", "a.csv"], 2, "must be one of .npz"),
    ],
)
def test_the_command_names_what_is_wrong(words, status, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.bitmap").write_bytes(b"")
    assert main(["trace", *words]) == status
    assert message in capsys.readouterr().err
