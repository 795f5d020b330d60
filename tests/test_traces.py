"""Recordings: replayed, repeated, cut, and refused where they are damaged."""

import re

import numpy as np
import pytest

from dirtylab.datasets import trace

RECORDED = [5, 0, 63, 5, 7]


@pytest.fixture(params=["npz", "NPZ", "txt"])
def recording(request, tmp_path):
    """Return the path of RECORDED, in each format."""
    path = tmp_path / f"recorded.{request.param}"
    if request.param == "txt":
        path.write_text("# frames\n" + "\n\n".join(map(str, RECORDED)) + "\n")
    else:
        with path.open("wb") as file:
            np.savez(file, frames=np.array(RECORDED, np.int32))
    return path


@pytest.mark.parametrize("fit", ["cut", "exact", "repeat"])
def test_a_recording_is_replayed(recording, fit):
    frames = trace(64, 5, path=recording, fit=fit)
    assert (frames.dtype, frames.tolist()) == (np.uint64, RECORDED)
    assert trace(64, 5, path=str(recording), seed=9, fit=fit).tolist() == RECORDED


def test_a_recording_is_cut_or_repeated(recording):
    assert trace(64, 2, path=recording).tolist() == RECORDED[:2]
    assert trace(64, 2, path=recording, fit="repeat").tolist() == RECORDED[:2]
    assert trace(64, 12, path=recording, fit="repeat").tolist() == (RECORDED * 3)[:12]
    assert trace(64, 0, path=recording).tolist() == []


@pytest.mark.parametrize(
    ("dirty", "fit", "message"),
    [
        (6, "cut", r"dirty=6: must be 0 … 5, .*pass fit='repeat'"),
        (4, "exact", r"dirty=4: must be 5"),
        (6, "exact", r"dirty=6: must be 5"),
        (5, "loop", r"fit='loop': must be one of cut, exact, repeat"),
    ],
)
def test_a_length_that_does_not_fit_is_refused(recording, dirty, fit, message):
    with pytest.raises(ValueError, match=message):
        trace(64, dirty, path=recording, fit=fit)


def test_frames_beyond_the_slot_are_named(recording):
    with pytest.raises(IndexError, match=re.escape(str(recording)) + r".*63.*must be 0 … 62"):
        trace(63, 1, path=recording)


@pytest.mark.parametrize("path", [None, 7, b"frames.npz"])
def test_what_is_no_path_is_named(path):
    with pytest.raises(TypeError, match=r"path=.*: must be a path"):
        trace(64, 5, path=path)


@pytest.mark.parametrize("name", ["none.npz", "none.txt"])
def test_a_missing_file_is_named(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"path=.*{name}.*no such file"):
        trace(64, 5, path=tmp_path / name)


@pytest.mark.parametrize("name", ["folder.npz", "folder.txt"])
def test_a_folder_is_named(name, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(OSError, match=name):
        trace(64, 5, path=tmp_path / name)


@pytest.mark.parametrize("fit", ["cut", "repeat"])
@pytest.mark.parametrize("text", ["", "# nothing\n\n"])
def test_an_empty_recording_has_no_frames_to_give(fit, text, tmp_path):
    path = tmp_path / "empty.txt"
    path.write_text(text)
    assert trace(64, 0, path=path).tolist() == []
    with pytest.raises(ValueError, match=r"dirty=1: must be 0"):
        trace(64, 1, path=path, fit=fit)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (b"1\n2\n12", ValueError, "line 3: '12' ends without a newline"),
        (b"1\n2.5\n", ValueError, r"line 2: '2.5' must be a frame number"),
        (b"1\n\n-1\n", ValueError, r"line 3: '-1' must be a frame number"),
        (b"1 2\n", ValueError, r"line 1: '1 2' must be a frame number"),
        (b"0x10\n", ValueError, r"line 1: '0x10' must be"),
        (b"1_0\n", ValueError, r"line 1: '1_0' must be"),
        ("٣\n".encode(), ValueError, r"line 1: .* must be a frame number"),
        (b"PK\x03\x04\x00\xff\n", ValueError, r"line 1: .* must be a frame number"),
        (b"64\n", IndexError, r"line 1: frame 64 must be 0 … 63"),
        (b"9" * 5000 + b"\n", IndexError, r"line 1: frame 9{40} must be 0 … 63"),
    ],
)
def test_damaged_text_is_named_with_its_line(text, error, message, tmp_path):
    path = tmp_path / "damaged.txt"
    path.write_bytes(text)
    with pytest.raises(error, match=message):
        trace(64, 1, path=path)


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        (
            {"pages": np.arange(3)},
            ValueError,
            r"an intact .npz file with an array 'frames' or of a trace: .*header",
        ),
        ({"frames": np.arange(3.0)}, TypeError, r"frames: must be integers, not float64"),
        ({"frames": np.ones(3, bool)}, TypeError, r"frames: must be integers, not bool"),
        ({"frames": np.array([{}])}, ValueError, r"an intact .npz file"),
        ({"frames": np.zeros((2, 3), int)}, ValueError, r"frames: must be one-dimensional"),
        ({"frames": np.array([3, -1])}, IndexError, r"frames\[1\]=-1: must be 0 … 63"),
        ({"frames": np.array([2**63], np.uint64)}, IndexError, r"frames\[0\]=9223372036854775808"),
    ],
)
def test_an_archive_of_something_else_is_refused(arrays, error, message, tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, **arrays)
    with pytest.raises(error, match=message):
        trace(64, 1, path=path)


either_archive = pytest.mark.parametrize("save", [np.savez, np.savez_compressed])


@either_archive
def test_an_archive_that_is_cut_off_anywhere_is_refused(save, tmp_path):
    path = tmp_path / "cut.npz"
    save(path, frames=np.array(RECORDED, np.uint8))
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"cut.npz.*must be an intact .npz file"):
            trace(64, 5, path=path)


@either_archive
def test_an_archive_with_a_damaged_byte_never_gives_other_frames(save, tmp_path):
    path = tmp_path / "damaged.npz"
    save(path, frames=np.array(RECORDED, np.uint8))
    whole, refused = path.read_bytes(), 0
    for i in range(len(whole)):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :])
        try:
            assert trace(64, 5, path=path).tolist() == RECORDED  # its date or a flag was hit
        except ValueError as error:
            assert "must be an intact .npz file" in str(error)  # noqa: PT017
            refused += 1
    assert refused > len(whole) / 2
