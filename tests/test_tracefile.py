"""Files of traces: nothing lost on the way, damage always noticed; the shipped recordings."""

import io
import json
import os
import re
import struct
import time
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab import DATASETS, _reading
from dirtylab._data import data_file
from dirtylab.cli import main
from dirtylab.datasets import _trace, trace_archive, trace_text
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


# --- remarks of text -----------------------------------------------------------------------------


def read_as_text(tmp_path, content, **more):
    path = tmp_path / "a.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_trace(path, **more)


@pytest.mark.parametrize(
    ("size", "pages"),
    [
        ("10", 10), ("10M", 10**7), ("2^24", 2**24), ("1e6", 10**6), ("1.5k", 1500), ("4 k", 4000),
        ("1Ki", 1024), ("2^52", 2**52), ("0010", 10), ("1Ti", 2**40),
        ("64GiB", 2**24), ("1,000", 1000), ("1_000", 1000),
    ],
)  # fmt: skip
def test_the_size_of_a_slot_may_be_written_short(size, pages, tmp_path):
    assert read_as_text(tmp_path, f"# pages {size}\n1\n").pages == pages
    assert read_as_text(tmp_path, f"#  pages \t {size} \r\n1\n").pages == pages


@pytest.mark.parametrize(
    "remark",
    [
        "# pages", "# pages 1,00", "# pages -1", "# pages 0.5", "# pages: 10", "# pages=10",
        "# Pages 10", "# PAGES 10", "# pages ten", "# pages 1_", "# pages 0x10", "# pages ١٠",
        "# pages 2^53", "# pages 5P", "# pages 123456789012345678901", "# pages 10 20", "# page 10",
        "# pages 2^9999", "# pages 1e9999", "# pages +5", "# pages 10\0",
        "# epoch 0.5", "# epoch: 1", "# epoch:", "# Epoch", "# EPOCH 5", "# epoch 1 s",
        "# epoch -5", "# epoch +5", "# epoch 1_0", "# epoch 0x5", "# epoch ١", "# epoch 1 2",
        "# epochs", "# epochs 3", "# epoch=5", "# epoch 9223372036854775808",
        "# epoch 18446744073709551616",
        "# epoch 123456789012345678901", "# epoch-5", "#epoch5", "# epoch 1e3", "# epoch\xa0",
        "# facts", "# facts 3", "# facts []", "# facts {", "# facts: {}", "# Facts {}", "# fact",
        '# facts {"a": NaN}', '# facts {"a": 1, "a": 2}', "# facts {} {}",
        "# dirtylab trace 2", "# dirtylab trace", "# dirtylab trace 1.0", "# dirtylab trace 1 2",
    ],
)  # fmt: skip
def test_a_known_remark_with_a_bad_value_is_refused_with_its_line(remark, tmp_path):
    if remark == "# epoch\xa0":  # a space beyond ASCII is a space
        assert as_lists(read_as_text(tmp_path, f"1\n{remark}\n2\n")) == [[1], [2]]
        return
    with pytest.raises(ValueError, match=r"a.txt', line 2: ") as caught:
        read_as_text(tmp_path, f"1\n{remark}\n2\n")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize(
    "comment",
    [
        "# epoch-based recording", "# epochs were cut", "# page faults are left out", "#", "##",
        "# 5 epochs", "#!epoch", "# \x1b[31m", "# " + "x" * 10**5, "# dirtylab recorded this",
        "# factual", "# pagesize 5", "# é epoch", "# frames", "# dirty 5", "#\0", "# ï",
    ],
)  # fmt: skip
def test_other_comments_change_nothing(comment, tmp_path):
    assert as_lists(read_as_text(tmp_path, f"1\n{comment}\n2\n")) == [[1, 2]]


def test_a_slot_of_no_pages_has_no_frames(tmp_path):
    assert read_as_text(tmp_path, "# pages 0\n").pages == 0
    with pytest.raises(IndexError, match="line 2: frame 1: a slot of 0 pages has no frames"):
        read_as_text(tmp_path, "# pages 0\n1\n")


@pytest.mark.parametrize("key", ["pages 10", "facts {}", "dirtylab trace 1"])
def test_a_remark_that_stands_twice_is_refused(key, tmp_path):
    with pytest.raises(ValueError, match=r"line 3: .* stands in an earlier line too"):
        read_as_text(tmp_path, f"# {key}\n1\n# {key}\n")


def test_remarks_may_come_in_any_order(tmp_path):
    found = read_as_text(tmp_path, '# epoch 5\n1\n# facts {"a": 1}\n# epoch 5\n# pages 9\n8\n')
    assert (as_lists(found), found.pages, found.times) == ([[1], [8]], 9, (5, 5))
    assert found.facts == {"a": 1}
    with pytest.raises(ValueError, match="line 3: '# pages 9': frame 9 came before it"):
        read_as_text(tmp_path, "9\n1\n# pages 9\n")


@pytest.mark.parametrize(
    ("text", "epochs"),
    [
        ("", [[]]), ("# nothing\n", [[]]), ("1\n", [[1]]), ("# epoch\n", [[]]),
        ("1\n2\n# epoch\n3\n", [[1, 2], [3]]), ("# epoch\n1\n# epoch\n", [[1], []]),
        ("# pages 9\n# epoch\n# epoch\n1\n", [[], [1]]), ("1\n# epoch\n# epoch\n", [[1], [], []]),
    ],
)  # fmt: skip
def test_frames_before_the_first_epoch_make_one_of_their_own(text, epochs, tmp_path):
    assert as_lists(read_as_text(tmp_path, text)) == epochs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n# epoch 5\n2\n", "line 2: .* frames before it belong to no epoch with a time"),
        ("# epoch 5\n1\n# epoch\n2\n", "line 3: .* all epochs have a time, or none"),
        ("# epoch\n1\n# epoch 5\n2\n", "line 3: .* all epochs have a time, or none"),
        ("1\n# epoch\n# epoch 5\n2\n", "line 3: .* all epochs have a time, or none"),
        ("# epoch 5\n# epoch 4\n", "line 2: .* must be 5 or more"),
    ],
)
def test_times_of_text_that_make_no_sense_are_refused(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_as_text(tmp_path, text)


@pytest.mark.parametrize(
    "line",
    ["+5", "-5", "5_0", "0x5", "٥", "5 6", "5.0", "1e3", "5\0", "\0", "5#6", "５", "1\r2", "'5'",
     "\ufeff5", "0" * 20 + "5"],
)  # fmt: skip
def test_a_frame_is_written_in_plain_digits(line, tmp_path):
    with pytest.raises(ValueError, match=r"line 2: ") as caught:
        read_as_text(tmp_path, f"1\n{line}\n")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("number", [2**52, 2**53, 2**63, 2**64 - 1, 2**64, 10**19, 10**20, 10**40])
def test_a_number_beyond_all_slots_is_never_cut(number, tmp_path):
    with pytest.raises(IndexError, match=rf"line 2: frame {str(number)[:40]} must be 0 … {TOP}"):
        read_as_text(tmp_path, f"1\n{number}\n")
    assert as_lists(read_as_text(tmp_path, f"{TOP}\n")) == [[TOP]]


def test_lines_may_end_as_they_do_elsewhere(tmp_path):
    plain = "# dirtylab trace 1\n# pages 9\n# epoch 5\n1\n\n 8\t\n# epoch 6\n"
    wanted = to_bytes(read_as_text(tmp_path, plain), ".txt")
    for text in (plain.replace("\n", "\r\n"), "\ufeff" + plain, plain.replace("\n", " \n")):
        assert to_bytes(read_as_text(tmp_path, text), ".txt") == wanted


def plainly(text):
    """Read frames and comments a line at a time, as simply as can be."""
    if text and not text.endswith(b"\n"):
        return None
    found = []
    for line in text.split(b"\n")[:-1]:
        line = line.strip(b" \t\r\v\f")
        if line and not line.startswith(b"#"):
            if re.fullmatch(rb"[0-9]{1,20}", line) is None or int(line) >= 2**52:
                return None
            found.append(int(line))
    return found


PARTS = ("0", "7", "99999", "\n", "\n", "1\n", "#", " ", "\r", "x", "-", "\0")


@given(st.lists(st.sampled_from(PARTS)).map("".join))
def test_text_is_read_as_by_a_plain_reader(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    wanted = plainly(text.encode())
    if wanted is None:
        with pytest.raises(ValueError, match=r"a.txt', line \d+: "):
            read_as_text(folder, text)
    else:
        assert as_lists(read_as_text(folder, text)) == [wanted]


# --- times and facts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "error", "message"),
    [
        ((0.5, 1.0), TypeError, r"times\[0\]=0.5: must be an integer, not float"),
        ((1, 2.0), TypeError, r"times\[1\]=2.0: must be an integer"),
        ((True, 2), TypeError, r"times\[0\]=True: must be an integer"),
        (("1", "2"), TypeError, r"times\[0\]='1': must be an integer"),
        ((-5, 5), ValueError, r"times\[0\]=-5: must be 0 … 9223372036854775807"),
        ((2**63, 2**63), ValueError, r"times\[0\]=9223372036854775808: must be"),
        ((2**64, 2**64 + 1), ValueError, r"times\[0\]=18446744073709551616: must be"),
        ((5, 4), ValueError, r"times\[1\]=4: must be 5 or more"),
        ((5,), ValueError, "times: 1 for 2 epochs"),
        ("12", TypeError, "times='12': must be a sequence"),
        ({1, 2}, TypeError, "must be a sequence"),
        (None, TypeError, "times=None: must be a sequence"),
        (np.array([0.5, 1]), TypeError, r"times\[0\]=.*0.5"),
    ],
)
def test_times_of_no_use_are_refused_by_the_trace_itself(times, error, message):
    with pytest.raises(error, match=message):
        made([1], [2], pages=8, times=times)


def test_times_are_plain_numbers_afterwards(tmp_path):
    for times in ([0, 2**63 - 1], np.array([3, 3], np.uint32), range(2)):
        kept = made([1], [2], pages=np.int32(8), times=times)
        assert kept.times == tuple(map(int, times))
        for suffix in (".npz", ".txt"):
            write_trace(tmp_path / f"a{suffix}", kept)
            assert read_trace(tmp_path / f"a{suffix}").times == kept.times


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        ({"a": float("nan")}, ValueError), ({"a": {1, 2}}, ValueError), ({(1, 2): 3}, ValueError),
        ({"a": np.int64(1)}, ValueError), ({1: 2, "1": 3}, ValueError), ([], TypeError),
        (None, TypeError), ({"a": 10**50}, ValueError), ({"a": "x" * 2**23}, ValueError),
    ],
)  # fmt: skip
def test_facts_that_could_not_be_read_again_are_refused(facts, error):
    with pytest.raises(error, match=r"^facts"):
        made([1], pages=8, facts=facts)
    deep = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ValueError, match=r"facts: must be ready for JSON: .*64 levels"):
        made([1], pages=8, facts={"a": deep})


@given(
    st.lists(st.lists(st.integers(0, 99), max_size=5), min_size=1, max_size=5),
    st.lists(st.integers(0, 2**63 - 1), min_size=5, max_size=5),
    st.dictionaries(st.text(), st.text() | st.integers(-(2**70), 2**70) | st.booleans()),
)
def test_times_and_facts_come_back(tmp_path_factory, epochs, times, facts):
    whole = made(*epochs, pages=100, times=tuple(sorted(times)[: len(epochs)]), facts=facts)
    for suffix in (".npz", ".txt"):
        path = tmp_path_factory.getbasetemp() / f"back{suffix}"
        path.write_bytes(to_bytes(whole, suffix))
        back = read_trace(path)
        assert (back.times, back.facts) == (whole.times, whole.facts)
        assert as_lists(back) == as_lists(whole)


def test_an_argument_that_is_no_utf_8_comes_back(tmp_path):
    facts = {"command": ["caf\udce9", "é"]}
    for suffix in (".npz", ".txt"):
        write_trace(tmp_path / f"a{suffix}", made([1], pages=8, facts=facts))
        assert read_trace(tmp_path / f"a{suffix}").facts == facts


# --- sizes ---------------------------------------------------------------------------------------


def bomb(path, frames, epochs=1, **changed):
    """Write an archive of few bytes that says it has so many frames, all of page 0."""
    counts = np.zeros(epochs, np.uint64)
    counts[:1] = frames
    archive(path, counts=counts, deltas=np.zeros(frames, np.uint8), **changed)
    with np.load(path) as whole, zipfile.ZipFile(path.with_name("b.npz"), "w", 8) as small:
        for name in whole.files:
            member = io.BytesIO()
            np.lib.format.write_array(member, whole[name])
            small.writestr(f"{name}.npy", member.getvalue())
    path.with_name("b.npz").replace(path)


def test_an_archive_of_more_than_is_read_is_refused_before_it_is_expanded(tmp_path):
    path = tmp_path / "a.npz"
    bomb(path, 10_000)
    assert path.stat().st_size < 2000
    assert read_trace(path, most_frames=10_000).frames.size == 10_000
    with pytest.raises(ValueError, match="10,000 frames; at most 9,999 are read; read_trace takes"):
        read_trace(path, most_frames=9_999)
    bomb(path, 100_000)
    with pytest.raises(ValueError, match=r"deltas.npy has \d+,\d+ bytes; at most 100 frames"):
        read_trace(path, most_frames=100)
    np.savez_compressed(path, frames=np.zeros(100_000, np.uint64))
    with pytest.raises(ValueError, match=r"frames.npy has \d+,\d+ bytes; at most 100 frames"):
        read_trace(path, most_frames=100)


def test_more_epochs_than_are_read_are_refused_at_once(tmp_path):
    path = tmp_path / "a.npz"
    bomb(path, 1, epochs=20_000_000)
    begin = time.perf_counter()
    with pytest.raises(ValueError, match=r"counts.npy has .* bytes; at most 1,048,576 epochs"):
        read_trace(path)
    assert time.perf_counter() - begin < 5
    (tmp_path / "a.txt").write_text("# epoch\n" * (2**20 + 1))
    with pytest.raises(ValueError, match="line 1048577: at most 1,048,576 epochs are read"):
        read_trace(tmp_path / "a.txt")
    (tmp_path / "a.bitmap").write_bytes(bytes(8 * (2**20 + 1)))
    with pytest.raises(ValueError, match=r"a.bitmap': 1,048,577 epochs; at most 1,048,576"):
        read_trace(tmp_path / "a.bitmap", 64)


def test_a_million_epochs_are_read_quickly(tmp_path):
    path = tmp_path / "a.npz"
    bomb(path, 1, epochs=2**20)
    begin = time.perf_counter()
    assert len(read_trace(path).epochs) == 2**20
    assert time.perf_counter() - begin < 20


def test_text_and_bitmaps_of_more_frames_than_are_read_are_refused(tmp_path):
    text, bitmap = tmp_path / "a.txt", tmp_path / "a.bitmap"
    text.write_text("1\n" * 100)
    bitmap.write_bytes(b"\xff" * 16)
    assert read_trace(text, most_frames=100).frames.size == 100
    assert read_trace(bitmap, 64, most_frames=128).frames.size == 128
    with pytest.raises(ValueError, match="line 100: at most 99 frames are read"):
        read_trace(text, most_frames=99)
    with pytest.raises(ValueError, match=r"a.bitmap': 128 frames; at most 127 are read"):
        read_trace(bitmap, 64, most_frames=127)
    for path in (text, bitmap, tmp_path / "a.npz"):
        with path.open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(ValueError, match=r"more than the 1,073,741,824 bytes that are read"):
            read_trace(path, 64)


def test_remarks_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(trace_text, "MOST_REMARKS", 3)
    assert as_lists(read_as_text(tmp_path, "# p\n# d\n# f\n# x\n1\n")) == [[1]]
    with pytest.raises(ValueError, match="line 4: at most 3 remarks are read"):
        read_as_text(tmp_path, "# p\n# d\n# f\n# e\n1\n")
    long = b"# facts {" + b" " * _reading.MOST_JSON + b"}\n"
    with pytest.raises(ValueError, match="line 1: 8,388,618 bytes; at most 8,388,608 are read"):
        read_as_text(tmp_path, long)


@pytest.mark.parametrize("suffix", [".npz", ".txt", ".bitmap"])
def test_only_regular_files_are_read(suffix, tmp_path):
    os.mkfifo(tmp_path / f"fifo{suffix}")
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    for name in ("fifo", "zero"):
        with pytest.raises(OSError, match=rf"{name}{suffix}': must be a regular file"):
            read_trace(tmp_path / f"{name}{suffix}", 64)
        with pytest.raises(OSError, match=rf"{name}{suffix}': must be a regular file"):
            trace(64, 5, path=tmp_path / f"{name}{suffix}")


@pytest.mark.parametrize("most", [0, -1, 1.5, True, 2**41])
def test_how_many_frames_are_read_is_checked(most, tmp_path):
    with pytest.raises((ValueError, TypeError), match="most_frames="):
        read_trace(tmp_path / "a.txt", most_frames=most)


# --- archives ------------------------------------------------------------------------------------


def members_of(path):
    with zipfile.ZipFile(path) as whole:
        return {one.filename: whole.read(one) for one in whole.infolist()}


def rewrite(path, members, kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as made_anew:
        for name, content in members:
            made_anew.writestr(name, content)


def npy(header, content=b"", version=b"\1\0"):
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy("{'descr': '<u8', 'fortran_order': False, 'shape': (9999999999,), }"), "another size"),
        (npy("{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }"), "another size"),
        (npy("{'descr': '<u8', 'fortran_order': False, 'shape': (0,), }", b"x"), "another size"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), "of another type"),
        (npy("{'descr': '|O8', 'fortran_order': False, 'shape': (1,), }", b"\x80"), "another type"),
        (npy("{'descr': [('a', '<u8')], 'fortran_order': False, 'shape': (0,), }"), "another type"),
        (npy("{'descr': '<u8', 'shape': (0,), }"), "of another type"),
        (npy("(" * 5000), "of another type"),
        (npy("__import__('os')"), "of another type"),
        (npy("{'descr': '<u8', 'shape': (0,), }", version=b"\4\0"), "no array"),
        (b"\x93NUMPY\1\0", "buffer"),
        (b"", "no array"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["frames", "counts", "header"])
def test_an_array_that_lies_is_refused(name, content, message, tmp_path):
    path = tmp_path / "a.npz"
    archive(path)
    members = {} if name == "frames" else members_of(path)
    rewrite(path, {**members, f"{name}.npy": content}.items())
    with pytest.raises(ValueError, match=f"must be an intact .npz file.*{message}"):
        read_trace(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["header", "counts", "times", "deltas"])
def test_an_array_that_is_missing_doubled_or_too_many_is_named(name, tmp_path):
    path = tmp_path / "a.npz"
    archive(path)
    members = members_of(path)
    rewrite(path, [*members.items(), (f"{name}.npy", members[f"{name}.npy"])])
    with pytest.raises(ValueError, match=f"'{name}.npy' stands twice"):
        read_trace(path)
    rewrite(path, [one for one in members.items() if one[0] != f"{name}.npy"])
    with pytest.raises(ValueError, match=f"{name}.npy is missing"):
        read_trace(path)
    rewrite(path, [*members.items(), ("more.npy", members["counts.npy"])])
    with pytest.raises(ValueError, match="'more' is no part of a trace"):
        read_trace(path)
    rewrite(path, [*members.items(), ("frames.npy", members["counts.npy"])])
    with pytest.raises(ValueError, match=r"both frames.npy and deltas.npy"):
        read_trace(path)


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(kind, tmp_path):
    path = tmp_path / "a.npz"
    archive(path)
    rewrite(path, members_of(path).items(), kind)
    with pytest.raises(ValueError, match="compressed in another way"):
        read_trace(path)


def test_an_encrypted_archive_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    archive(path)
    content = bytearray(path.read_bytes())
    for sign, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        at = content.find(sign)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(sign, at + 4)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"must be an intact .npz file.*(encrypted|password)"):
        read_trace(path)


def test_an_archive_of_many_members_is_refused_at_once(tmp_path):
    path = tmp_path / "a.npz"
    rewrite(path, [(f"{number}.npy", b"") for number in range(trace_archive.MOST_MEMBERS + 1)])
    with pytest.raises(ValueError, match="more than 64 members"):
        read_trace(path)


@pytest.mark.parametrize("kind", ["<i8", ">i8", ">u2", "|u1", "<u4"])
def test_integers_of_any_kind_are_read(kind, tmp_path):
    np.savez(tmp_path / "a.npz", frames=np.array([5, 0, 63], kind), seed=3)
    assert as_lists(read_trace(tmp_path / "a.npz")) == [[5, 0, 63]]


@pytest.mark.parametrize(
    "header",
    [b'{"format": "dirtylab trace", "version": 1, "pages": 65, "pages": 66}', b"[" * 10**5,
     b'{"format": "dirtylab trace", "version": true, "pages": 65}', b'{"a": NaN}', b"\xff", b"[]",
     b'{"format": "dirtylab trace", "version": 1}', b'{"format": "dirtylab trace", "pages": 65}',
     b'{"format": "dirtylab trace", "version": "\\u001b[31m", "pages": 65}',
     b'{"format": "dirtylab trace", "version": 1, "pages": 1' + b"0" * 4999 + b"}"],
)  # fmt: skip
def test_a_header_of_no_use_is_refused_in_one_plain_line(header, tmp_path):
    path = tmp_path / "a.npz"
    archive(path)
    members = members_of(path)
    out = io.BytesIO()
    np.lib.format.write_array(out, np.frombuffer(header, np.uint8))
    rewrite(path, {**members, "header.npy": out.getvalue()}.items())
    with pytest.raises(ValueError, match=r"must be an intact .npz file") as caught:
        read_trace(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_times_of_an_archive_are_checked(tmp_path):
    path = tmp_path / "a.npz"
    for times in ([5, 4], [1, 2**63]):
        archive(path, times=np.array(times, np.uint64))
        with pytest.raises(ValueError, match=r"must be an intact .npz file.*times\[1\]="):
            read_trace(path)


def test_epochs_read_at_once_are_those_of_a_trace_made_one_by_one():
    whole = made([1, 2], [], [3], pages=9, times=(1, 2, 3), facts={"a": 1})
    counts = np.array([2, 0, 1], np.uint64)
    cut = _trace.cut_into_epochs(9, whole.frames, counts, (1, 2, 3), {"a": 1})
    assert (cut.pages, as_lists(cut), cut.times, cut.facts) == (
        9, as_lists(whole), whole.times, whole.facts,
    )  # fmt: skip
    with pytest.raises(IndexError, match=r"epochs\[2\]\[0\]=3: must be 0 … 2"):
        _trace.cut_into_epochs(3, whole.frames, counts, (), {})
    with pytest.raises(ValueError, match="times: 2 for 3 epochs"):
        _trace.cut_into_epochs(9, whole.frames, counts, (1, 2), {})


# --- the rest ------------------------------------------------------------------------------------


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


def test_control_characters_of_a_file_are_not_shown(tmp_path, capsys):
    escape = "\x1b[31m\x9b\u202e\r"
    facts = {"name": escape, escape: [escape], "machine": {"cpu": escape, "packages": escape}}
    for end in ("npz", "txt"):
        path = tmp_path / f"a.{end}"
        write_trace(path, made([1], pages=8, facts=facts))
        assert repr(read_trace(path)).isprintable()
        assert main(["trace", "info", str(path)]) == 0
        assert main(["trace", "convert", str(path), str(tmp_path / "b.txt")]) == 0
        assert all(line.isprintable() for line in capsys.readouterr().out.split("\n"))


@pytest.mark.parametrize("machine", [{}, 3, None, {"packages": 3, "memory_gib": "x"}, []])
def test_a_recording_may_tell_less_of_its_machine(machine, tmp_path, capsys):
    path = tmp_path / "a.txt"
    write_trace(path, made([1], pages=8, facts={"machine": machine}))
    assert main(["trace", "info", str(path)]) == 0
    assert "1 frames in 1 epochs" in capsys.readouterr().out


def test_a_conversion_that_cant_be_written_is_refused_before_it_is_read(tmp_path, capsys):
    assert main(["trace", "convert", "none.npz", str(tmp_path / ("x" * 300 + ".npz"))]) == 1
    assert "File name too long" in capsys.readouterr().err
