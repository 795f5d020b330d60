"""Figures: made without pyplot, alike in style, with words for those who can't see them."""

import functools
import itertools
import subprocess
import sys

import pytest
from slow import further, slow

from dirtylab import STRUCTURES, mailing_list
from dirtylab._data import data_file
from dirtylab._format import count_text, nbytes_text
from dirtylab.advice.calibration import shipped_model
from dirtylab.figures.anatomy import toy_picture
from dirtylab.figures.patterns import matrix_picture, patterns_picture
from dirtylab.figures.style import LOOKS, save_picture, time_label
from dirtylab.figures.visits import rows_of, visits_picture
from dirtylab.structures import posted
from dirtylab.studies.crossovers import record as crossovers_record
from dirtylab.studies.crossovers import report as crossovers_report
from dirtylab.studies.crossovers.figures import crossovers_picture, curves_picture
from dirtylab.studies.crossovers.maps import radix_map_picture, winner_map_picture
from dirtylab.studies.mailing_list.figures import PICTURES, RATIO_LOOKS
from dirtylab.studies.memory.figures import dirty_picture, pages_picture


@pytest.fixture(scope="module")
def recorded():
    return mailing_list.load(data_file("measured/mailing_list"))


@functools.cache
def drawn(name):
    """Return a picture that needs no recorded data."""
    return {
        "toy": toy_picture,
        "visits": visits_picture,
        "patterns": patterns_picture,
        "matrix": matrix_picture,
        "memory-pages": pages_picture,
        "memory-dirty": dirty_picture,
        "curves": lambda: curves_picture(crossovers_record.load(), model=shipped_model()),
        "clusters": lambda: curves_picture(
            crossovers_record.load(), pattern="clustered:length=64", operation="harvest"
        ),
        "posted": lambda: curves_picture(
            crossovers_record.load(),
            operation="collect",
            structures=posted(),
            against="posted-bitmap",
        ),
        "crossovers": lambda: crossovers_picture(
            crossovers_report.all_crossovers(crossovers_record.load()),
            crossovers_record.load().machine,
            "epoch",
        ),
        "winners": lambda: winner_map_picture(shipped_model(), study=crossovers_record.load()),
        "radices": lambda: radix_map_picture(shipped_model()),
    }[name]()


STATIC = (
    "toy", "visits", "patterns", "matrix", "memory-pages", "memory-dirty", "curves", "clusters",
    "posted", "crossovers", "winners", "radices",
)  # fmt: skip


@pytest.fixture(params=[*PICTURES, *STATIC])
def picture(request, recorded):
    if request.param in PICTURES:
        return PICTURES[request.param](recorded)
    return drawn(request.param)


def luminance(color):
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_structure_has_a_color_or_dashes_and_a_marker_of_its_own():
    assert set(STRUCTURES) <= set(LOOKS)
    for one, other in itertools.combinations(LOOKS.values(), 2):
        assert (one.color, one.dashes) != (other.color, other.dashes)
        assert one.marker != other.marker


@pytest.mark.parametrize("color", [*(look.color for look in LOOKS.values()),
                                   *(color for color, _ in RATIO_LOOKS.values())])  # fmt: skip
def test_colors_stand_out_from_white(color):
    assert 1.05 / (luminance(color) + 0.05) >= 3


def boxes(figure):
    """Return name and place of every text that is drawn."""
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    for ax in figure.axes:
        texts = [ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
        for axis in (ax.xaxis, ax.yaxis) if ax.axison else ():
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            texts += [tick.label1 for tick in ticks if tick.label1.get_visible()]
        if ax.get_legend():
            texts += ax.get_legend().get_texts()
        yield from ((t, t.get_window_extent(renderer)) for t in texts if t.get_text())
    yield from ((t, t.get_window_extent(renderer)) for t in figure.texts if t.get_text())


def test_no_text_overlaps_another_or_leaves_the_figure(picture):
    found = list(boxes(picture.figure))
    assert found
    width, height = picture.figure.bbox.size
    for text, box in found:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        assert inside, text.get_text()
    for (one, a), (other, b) in itertools.combinations(found, 2):
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
        assert not overlap, (one.get_text(), other.get_text())


def test_axes_have_labels_and_text_is_large_enough(picture):
    shared = picture.figure._supxlabel
    for ax in picture.figure.axes:
        if ax.get_label() == "<colorbar>":
            assert ax.get_ylabel()
        elif ax.axison:
            below = ax.get_shared_x_axes().get_siblings(ax)
            assert any(one.get_xlabel() for one in below) or (shared and shared.get_text())
    small_print = {id(text) for text in picture.figure.texts}
    for text, _ in boxes(picture.figure):
        assert text.get_fontsize() >= (7 if id(text) in small_print else 9), text.get_text()


def test_measured_figures_name_the_machine(recorded):
    for make in PICTURES.values():
        printed = " ".join(text.get_text() for text in make(recorded).figure.texts)
        assert recorded.machine["cpu"] in " ".join(printed.split())
        assert "NumPy" in printed


def test_alt_text_says_what_is_seen(picture):
    assert len(picture.alt) > 60
    assert picture.alt.endswith(".")
    bundle = picture._repr_mimebundle_()
    assert "<figure><img alt=" in bundle["text/html"]
    assert bundle["image/png"]


SAVED = [*list(PICTURES)[:2], *further(*list(PICTURES)[2:]), *further(*STATIC)]


@pytest.mark.parametrize("picture", SAVED, indirect=True)
def test_saved_twice_is_the_same_to_the_byte(picture, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    names = save_picture(picture, tmp_path / "a", "figure")
    assert names == save_picture(picture, tmp_path / "b", "figure")
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_drawing_never_loads_pyplot():
    script = (
        "import sys\n"
        "from dirtylab import mailing_list\n"
        "from dirtylab._data import data_file\n"
        "from dirtylab.studies.mailing_list.figures import PICTURES\n"
        "study = mailing_list.load(data_file('measured/mailing_list'))\n"
        "del PICTURES['cold-runs']\n"
        "[make(study).figure.canvas.draw() for make in PICTURES.values()]\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_cold_runs_leave_pyplot_without_figures(recorded):
    PICTURES["cold-runs"](recorded)
    import matplotlib.pyplot as plt  # seaborn loads it; nothing may be registered with it

    assert plt.get_fignums() == []


@pytest.mark.parametrize("pages", [8, 20, 48, 2.0])
def test_a_toy_too_large_to_read_is_refused(pages):
    with pytest.raises((ValueError, TypeError), match="pages="):
        toy_picture(pages)


def test_a_toy_shows_the_frames_it_was_given():
    assert "frames 0, 17 set" in toy_picture(32, [17, 0, 17]).alt


@pytest.mark.parametrize(
    ("label", "value", "text"),
    [(count_text, 1e4, "10 k"), (count_text, 100, "100"), (count_text, 1e7, "10 M"),
     (time_label, 1e4, "10 µs"), (time_label, 1e9, "1 s"), (time_label, 5, "5 ns"),
     (nbytes_text, 2**36, "64 GiB"), (nbytes_text, 2**45, "32 TiB"), (nbytes_text, 1, "1 B")],
)  # fmt: skip
def test_ticks_read_like_words(label, value, text):
    assert label(value) == text


@pytest.mark.parametrize("name", ["bitmap", "hybrid", "tree8", "tree64"])
@pytest.mark.parametrize("frames", [[10, 1, 700, 11, 10], range(640, 700), range(1536)])
def test_what_is_drawn_as_read_is_what_is_counted(name, frames):
    structure = STRUCTURES[name](1536)
    structure.insert(frames)
    rows = rows_of(structure)
    read = sum(int(row.read.sum()) for row in rows if row.label != "summary bits")
    summary_words = name == "hybrid" and rows[0].read.any()
    assert structure.operations().words == read + summary_words
    assert (rows[-1].read | ~rows[-1].filled).all()


@slow
def test_a_model_of_another_machine_or_state_of_the_caches_is_not_drawn_over_a_study():
    study, model = crossovers_record.load(), shipped_model()
    ours = study._replace(machine=model.machine)
    for change, drawn in (({}, True), ({"cache": "odd"}, False), ({"cores": 99}, False)):
        told = ours._replace(machine={**ours.machine, **change})
        for picture in (curves_picture(told, model=model), winner_map_picture(model, study=told)):
            words = " ".join(" ".join(one.get_text() for one in picture.figure.texts).split())
            assert ("is of another machine" not in words) == drawn
        text = crossovers_report.predictions(told, crossovers_report.all_crossovers(told), model)
        assert ("The cost model of " not in text) == drawn
