"""Views on their page: size and sharpness, keys and clicks, stills, replaced views, palettes."""

import itertools
import json
import pathlib
import re
import tomllib
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pytest
from test_figures import luminance

import dirtylab
from dirtylab import explore
from dirtylab.explore.kit import places, widget
from dirtylab.explore.kit.control_widgets import within
from dirtylab.explore.kit.end_labels import APART, spread_out
from dirtylab.explore.kit.export import download_links
from dirtylab.explore.kit.page import Bridge, script, style
from dirtylab.explore.kit.sheet import stretched
from dirtylab.explore.kit.view import Page, headline
from dirtylab.explore.process import session as sessions
from dirtylab.explore.process.messages import Event
from dirtylab.explore.process.session import Session
from dirtylab.figures.style import LOOKS, SLIDER_COLOR
from dirtylab.studies.live.looks import KERNEL
from dirtylab.studies.peers.figures import PEER_LOOKS

NAMES = ("anatomy", "crossovers", "mailing_list", "memory", "patterns", "vcpus")
CSS, JS = style(), script().outputs[0]["data"]["text/html"]


@pytest.fixture(scope="module")
def made():
    """Return the view of each name, made once."""
    return {name: getattr(explore, name)() for name in NAMES}


def size_of(png):
    return tuple(int.from_bytes(png[at : at + 4], "big") for at in (16, 20))


# --- size, sharpness ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("page", [Page(572, 340), Page(1132, 800), Page(640, 500, 2.0)])
def test_a_figure_has_the_width_of_its_page_and_the_pixels_of_its_screen(made, name, page):
    view = made[name].view
    view.fit(page)
    shown = view.draw()
    assert shown.size[0] == page.width
    assert shown.size[1] <= max(page.height, 65 * view.size[1])
    width, height = size_of(shown.png)
    assert (width, height) == tuple(round(page.scale * one) for one in shown.size)
    assert not view.fit(page), "the same page again draws nothing anew"


@pytest.mark.parametrize("name", NAMES)
def test_a_huge_sharp_page_is_drawn_with_fewer_pixels(made, name):
    view = made[name].view
    view.fit(Page(4000, 3000, 3.0))
    width, height = size_of(view.draw().png)
    assert width * height < 4_700_000


@pytest.mark.parametrize("name", NAMES)
def test_texts_stay_on_a_small_figure(made, name):
    view = made[name].view
    view.fit(Page(572, 340))
    view.draw()
    figure = view._canvas.figure
    renderer = figure.canvas.get_renderer()
    width = figure.bbox.width
    texts = [text for ax in figure.axes for text in (*ax.texts, ax.xaxis.label, ax._left_title)]
    for text in texts:
        if text.get_visible() and text.get_text():
            box = text.get_window_extent(renderer)
            assert box.x0 >= -2, text.get_text()
            assert box.x1 <= width + 2, text.get_text()


def test_what_lies_between_axes_keeps_its_inches():
    places_of = [(0.1, 0.2, 0.3, 0.7), (0.5, 0.2, 0.4, 0.7)]
    left, right = stretched(places_of, (10.0, 5.0), (20.0, 4.0))
    assert left[0] * 20 == pytest.approx(1.0)
    assert (right[0] - left[0] - left[2]) * 20 == pytest.approx(1.0)
    assert (1 - right[0] - right[2]) * 20 == pytest.approx(1.0)
    assert left[1] * 4 == pytest.approx(1.0)
    assert (1 - left[1] - left[3]) * 4 == pytest.approx(0.5)


def test_axes_beside_two_others_stretch_with_them():
    whole, upper, lower = stretched(
        [(0.0, 0.2, 0.4, 0.6), (0.5, 0.6, 0.5, 0.3), (0.5, 0.1, 0.5, 0.3)], (8, 4), (8, 8)
    )
    assert (upper[1] - lower[1] - lower[3]) * 8 == pytest.approx(0.2 * 4)
    assert whole[3] > 0.6


def test_labels_at_the_ends_of_lines_are_apart():
    spread = spread_out(np.array([0.2, 0.21, 0.9, 0.99, 1.0]), 0.1)
    assert np.diff(spread).min() >= 0.1 - 1e-9
    assert spread[-1] == 1.0
    view = explore.crossovers(structures=("list", "bitmap", "tree", "tree8", "hybrid")).view
    view.draw()
    texts = [one for one in view._artists._ends.texts if one.get_visible()]
    assert [one.get_color() for one in texts] != []
    height = view._canvas.figure.axes[0].get_position().height * view._inches[1]
    heights = sorted(one.get_position()[1] * height for one in texts)
    assert len(heights) == 5
    assert min(np.diff(heights)) >= APART - 1e-6


# --- what the page tells --------------------------------------------------------------------------


def test_events_of_a_page_are_taken_once_and_nonsense_is_left():
    heard = []
    bridge = Bridge(heard.append, lambda x, y: heard.append((x, y)), heard.append,
                    heard.append)  # fmt: skip
    first = [[1, "page", [600, 400, 2]], [2, "press", "Enter"]]
    bridge.take(json.dumps(first))
    bridge.take(json.dumps([*first, [3, "pick", [0.25, 0.5]]]))
    bridge.take('[[4, "gesture", ["drag", 0.5]]]')
    assert heard == [Page(600, 400, 2.0), "Enter", (0.25, 0.5), ["drag", "0.5"]]
    for wrong in (
        "",
        "{",
        "[1]",
        '[[5, "page", [1, 2]]]',
        '[[6, "pick", ["a", 0]]]',
        "[[7, 8]]",
    ):
        bridge.take(wrong)
    assert len(heard) == 4


def test_the_bitmap_drawn_takes_clicks_and_keys():
    shown = explore.anatomy()
    view = shown.view
    view.draw()
    ax = view._canvas.figure.axes[0]
    at = ax.transData.transform(((30 + 0.5) * 64 / view.state.pages, -1.95 - 0.4))
    share = view._canvas.figure.transFigure.inverted().transform(at)
    shown._pick(*share)
    assert view.state.frames == (10, 1, 11, 10, 45, 30)
    assert view.state.frame == 30
    shown._press("ArrowRight")
    shown._press("Enter")
    assert view.state.frames[-1] == 31
    shown._press("ArrowDown")
    shown._press("End")
    assert view.state.frame == 63
    shown._pick(*share)
    assert 30 not in view.state.frames
    before = view.state
    shown._pick(0.99, 0.02)
    shown._press("a")
    assert view.state == before
    assert "data-dirtylab-pick" in shown._shown.value


def test_every_step_of_a_slider_has_its_words_for_a_screen_reader(made):
    for one in made.values():
        told = re.search(r'data-dirtylab-words="([^"]*)"', one.panel._words.value)[1]
        words = json.loads(told.replace("&quot;", '"').replace("&#x27;", "'"))
        sliders = [row for row in one.panel.widgets.values()
                   if isinstance(row, ipywidgets.SelectionSlider)]  # fmt: skip
        assert sliders
        for slider in sliders:
            assert words[slider.description] == [text for text, _ in slider.options]
    for name in ("aria-label", "aria-valuetext", "aria-pressed", "aria-expanded"):
        assert name in JS


def test_pages_have_no_handlers_in_their_html(made):
    for one in made.values():
        html = one._shown.value + one.panel._words.value
        assert not re.search(r"\son\w+=", html)
        assert "dirtylab-copy" in html
    assert "execCommand" in JS
    assert "user-select: all" in CSS


# --- pages without a kernel -----------------------------------------------------------------------


@pytest.fixture
def displayed(monkeypatch):
    """Return what views publish, and a function that runs a cell as a notebook does."""
    published, hooks = [], []
    shell = SimpleNamespace(
        user_ns={}, events=SimpleNamespace(register=lambda _, hook: hooks.append(hook))
    )
    now = {}
    monkeypatch.setattr(places, "publish_display_data", published.append)
    monkeypatch.setattr(places, "_running", lambda: (shell, now["cell"], now["message"]))
    monkeypatch.setattr(places, "_shown", {})
    monkeypatch.setattr(places, "_watched", [])
    numbers = itertools.count()

    def run(cell, *views):
        now.update(cell=cell, message=str(next(numbers)))
        for view in views:
            view._ipython_display_()
        for hook in hooks:
            hook(None)

    return SimpleNamespace(published=published, run=run, names=shell.user_ns)


@pytest.mark.parametrize("name", NAMES)
def test_a_view_is_followed_by_its_picture(made, displayed, name):
    displayed.run("a", made[name])
    live, still = displayed.published
    assert live.keys() == {places.WIDGET, "text/plain"}
    assert live["text/plain"].startswith(f"dirtylab.explore.{name}(")
    assert still["image/png"]
    assert re.search(r'<img alt="[^"]{60,}"', still["text/html"])
    assert ":not(:has(.dirtylab-view)):has(+" in still["text/html"]


def test_a_cell_run_again_leaves_no_widgets_behind(displayed):
    instances = ipywidgets.widget._instances if hasattr(ipywidgets, "widget") else None
    instances = instances if instances is not None else ipywidgets.widgets.widget._instances
    displayed.run("a", explore.memory())
    once = len(instances)
    for _ in range(3):
        displayed.run("a", explore.memory())
    assert len(instances) == once
    displayed.run("a")
    assert len(instances) < once - 40


def test_a_view_that_someone_still_has_stays_open(displayed):
    kept, shared = explore.vcpus(), explore.vcpus()
    displayed.names["view"] = kept
    displayed.run("a", kept, shared)
    displayed.run("b", shared)
    displayed.run("a", explore.vcpus())
    assert kept.comm is not None
    assert shared.comm is not None
    displayed.run("b")
    assert shared.comm is None
    assert kept.comm is not None


def test_a_closed_view_holds_no_pixels_and_draws_no_more():
    shown = explore.memory()
    inside = list(within(shown))
    shown.close()
    shown.close()
    assert all(one.comm is None for one in inside)
    assert not shown.view._canvas._backgrounds
    shown._draw()
    assert not shown.view._canvas._backgrounds


def test_a_pattern_of_other_sliders_leaves_none_of_the_earlier_ones_behind():
    shown = explore.patterns(dataset="clustered")
    before = list(within(shown))
    shown.panel.widgets["dataset"].value = "random"
    after = set(map(id, within(shown)))
    gone = [one for one in before if id(one) not in after]
    assert gone
    assert all(one.comm is None for one in gone)


def test_a_visitor_of_a_page_downloads_and_nothing_stays_here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    shown = explore.memory()
    shown._export()
    links = re.findall(r'<a download="([^"]+)" href="data:', shown._message.value)
    assert [name.rpartition(".")[2] for name in links] == ["csv", "json", "png", "svg", "pdf"]
    assert list(tmp_path.iterdir()) == []
    assert widget.in_voila()
    assert "base64," in download_links(shown.view)


def test_a_restarted_kernel_is_told_by_the_style_of_the_page():
    assert 'jupyter-widgets-disconnected::after { content: "The kernel was restarted: run' in CSS


# --- measuring from any view ----------------------------------------------------------------------


class Silent:
    """A worker that begins and says no more."""

    def __init__(self):
        self.cancels = 0

    def measure(self, job, on_event):
        self.on_event = on_event

    def cancel(self):
        self.cancels += 1
        self.on_event(Event("cancelled", 0, 1))


JOB = SimpleNamespace(total=1, checked=lambda: JOB)


def test_a_measurement_is_cancelled_from_any_view_and_refused_in_red():
    worker, told = Silent(), []
    first, second = Session(lambda: worker, lambda: None), Session(lambda: worker, told.append)
    second._changed = lambda: told.append(bool(second.others()))
    assert not second.others()
    first.start("a", [0.0], JOB)
    assert told == [True]
    with pytest.raises(ValueError, match="in another view is running; cancel it"):
        second.start("b", [0.0], JOB)
    second.cancel()
    assert worker.cancels == 1
    assert not first.progress.running
    assert told == [True, False]
    second.start("b", [0.0], JOB)
    assert second.progress.running


def test_a_closed_view_stops_what_it_began_and_leaves_the_worker_to_others():
    worker = Silent()
    first, second = (Session(lambda: worker, lambda: None) for _ in range(2))
    first.start("a", [0.0], JOB)
    first.close()
    assert worker.cancels == 1
    assert not first.progress.running
    second.start("b", [0.0], JOB)
    assert second.progress.running
    assert first not in sessions._sessions


def test_other_views_of_other_workers_are_none_of_its_business():
    first, second = (Session(Silent, lambda: None) for _ in range(2))
    first.start("a", [0.0], JOB)
    second.start("b", [0.0], JOB)
    assert first.progress.running
    assert second.progress.running


# --- colours --------------------------------------------------------------------------------------

# How red, green and blue light look to the colour-blind (Machado, Oliveira and Fernandes 2009).
BLIND = {
    "none": np.eye(3),
    "protan": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                        [-0.003882, -0.048116, 1.051998]]),
    "deutan": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                        [-0.011820, 0.042940, 0.968881]]),
    "tritan": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                        [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
DISTINCT = {name: look.color for name, look in LOOKS.items() if look.dashes == "-"}


def contrast(one, other):
    bright, dim = sorted((luminance(one) + 0.05, luminance(other) + 0.05), reverse=True)
    return bright / dim


def linear(color):
    channels = np.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(light):
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    share = to_xyz @ np.clip(light, 0, 1) / np.array([0.9505, 1, 1.089])
    bent = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * bent[1] - 16, 500 * (bent[0] - bent[1]), 200 * (bent[1] - bent[2])])


def on_dark(color):
    """Return what the filter of a dark page makes of a colour: inverted, its hue turned back."""
    inverted = np.array([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]) * -0.86 + 0.93
    turn = np.array([[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]])
    return "#" + "".join(f"{round(255 * one):02x}" for one in np.clip(turn @ inverted, 0, 1))


def test_structures_differ_in_luminance_by_half():
    # The ring has a luminance between two others: 3:1 on white leaves room for five such steps.
    names = [name for name in DISTINCT if name != "ring"]
    steps = sorted(names, key=lambda name: -luminance(DISTINCT[name]))
    for lighter, darker in itertools.pairwise(steps):
        assert contrast(DISTINCT[lighter], DISTINCT[darker]) >= 1.5, (lighter, darker)
    assert len(steps) == 5


@pytest.mark.parametrize("kind", BLIND)
def test_structures_and_mechanisms_differ_for_the_colour_blind(kind):
    colors = {**DISTINCT, **{name: look.color for name, look in KERNEL.items()}}
    for one, other in itertools.combinations(colors, 2):
        apart = np.linalg.norm(
            lab(BLIND[kind] @ linear(colors[one])) - lab(BLIND[kind] @ linear(colors[other]))
        )
        assert apart > 10, (one, other)


@pytest.mark.parametrize("name", DISTINCT)
def test_colors_stand_out_from_a_dark_page_too(name):
    assert contrast(on_dark(DISTINCT[name]), "#121212") >= 3


def test_posted_structures_have_the_hue_of_the_others_dashed_and_hollow():
    for name, kind in (("list", "list"), ("bitmap", "bitmap"), ("tree", "tree8")):
        posted, own = LOOKS[f"posted-{name}"], LOOKS[kind]
        assert posted.color == own.color
        assert posted.dashes != "-" == own.dashes
        assert (posted.face, own.face) == ("white", own.color)


def test_mechanisms_and_contestants_have_colors_of_their_own():
    ours = {*DISTINCT.values(), SLIDER_COLOR}
    others = [look.color for look in (*KERNEL.values(), *PEER_LOOKS.values())]
    assert not ours & set(others)
    assert contrast(DISTINCT["hybrid"], PEER_LOOKS["plain-c-avx512"].color) >= 1.5


LIGHT, DARK = "#ffffff", "#111111"


@pytest.mark.parametrize(
    ("ink", "paper"),
    [("#595959", LIGHT), ("#b5b5b5", DARK), ("#1b5e20", LIGHT), ("#a00000", LIGHT),
     ("#8fd694", DARK), ("#ff9d94", DARK)],
)  # fmt: skip
def test_small_print_and_messages_can_be_read_in_both_themes(ink, paper):
    assert ink in CSS
    assert contrast(ink, paper) >= 4.5


# --- words ----------------------------------------------------------------------------------------


def test_the_finding_is_the_title(made):
    assert headline("No full stop") == ("No full stop", "")
    assert headline("At 4.4 % it turns. Then not.") == ("At 4.4 % it turns.", "Then not.")
    for one in made.values():
        title = re.search(r'class="dirtylab-finding">([^<]+)<', one._shown.value)[1]
        assert 20 < len(title) < 260


def test_rare_options_are_folded_until_asked_for(made):
    panel = made["crossovers"].panel
    assert panel._folded.layout.display == "none"
    folded = {id(one) for one in within(panel._folded)}
    assert id(panel.widgets["rounds"]) in folded
    assert id(panel.widgets["pages"]) not in folded
    panel._more.value = True
    assert panel._folded.layout.display == ""


def test_the_extension_of_jupyterlab_is_the_script_of_the_page():
    root = pathlib.Path(__file__).parent.parent
    told = json.loads((root / "share/jupyter/labextensions/dirtylab/package.json").read_text())
    shared = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    placed = shared["targets"]["wheel"]["shared-data"]
    where = f"share/jupyter/labextensions/dirtylab/{told['jupyterlab']['_build']['load']}"
    assert told["version"] == dirtylab.__version__
    assert {source for source, target in placed.items() if target == where} == {
        "dirtylab/explore/kit/page.js"
    }
    assert "_JUPYTERLAB" in JS
