"""What a reader does with a view in JupyterLab: slide, measure, cancel, ask for what can't be."""

import time

import labs
import pytest
from slow import further

pytestmark = pytest.mark.browser

VIEW = ".jp-OutputArea-output:has(.dirtylab-view)"
SAYS = "([view, words]) => new RegExp(words).test(view.innerText)"
DRAW = """
%matplotlib inline
import io
import matplotlib.pyplot as plt
from dirtylab.figures.anatomy import toy_picture
from dirtylab.figures.style import png_bytes
def drawn():
    plt.subplots()
    plt.plot([1, 2, 3], [1, 4, 9])
    plt.title(r"$x^2$")
    data = io.BytesIO()
    plt.savefig(data, format="png")
    plt.close()
    return data.getvalue(), png_bytes(toy_picture().figure)
"""
RACE = "wrong = sum(drawn() != right for _ in range(6))"


@pytest.fixture(scope="module")
def page(lab, browser, tmp_path_factory):
    """Yield a page with a notebook of one cell and a kernel, which all tests here use in turn."""
    root = next(tmp_path_factory.getbasetemp().glob("jupyter*/notebooks"))
    labs.write_notebook(root / "view.ipynb", ["import dirtylab"])
    page = browser.new_page()
    labs.open_notebook(page, lab, "view.ipynb")
    yield page
    labs.shut_down(page)
    page.close()


@pytest.fixture
def show(page):
    """Return a function that runs one line of Python in the notebook's cell and gives its view."""

    def opened(line):
        page.set_viewport_size(labs.VIEWPORT)
        labs.run_instead(page, f"import dirtylab\nview = {line}\nview")
        page.locator(labs.PICTURE).first.wait_for()
        labs.wait_for_rest(page)
        return page.locator(VIEW).first

    return opened


def wait_until(happens):
    """Return when something holds; fail where it does not within ten seconds."""
    end = time.monotonic() + 10
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.05)


def wait_for_words(page, view, words, seconds=60):
    page.wait_for_function(SAYS, arg=[view.element_handle(), words], timeout=1000 * seconds)


def press(view, label):
    view.locator(f"button:has-text('{label}')").first.click()


def test_what_cannot_be_goes_as_far_as_it_can_and_reset_goes_to_how_the_view_began(show, page):
    view = show("dirtylab.explore.patterns(dataset='clustered', length=4096, pages=2**14)")
    began = view.locator(".dirtylab-line code").inner_text()
    labs.slider(page, "clusters").press("End")
    wait_for_words(page, view, "clusters goes to \\d+: more do not fit")
    assert view.locator("div[role=alert]").count() == 0
    press(view, "Reset")
    page.wait_for_function(
        "([view, began]) => view.querySelector('.dirtylab-line code').innerText === began",
        arg=[view.element_handle(), began],
    )
    assert "more do not fit" not in view.inner_text()


def test_frames_are_inserted_by_click_and_a_harvest_is_stepped_through(show, page):
    view = show("dirtylab.explore.anatomy()")
    view.locator("button.jupyter-button:text-is('30')").click()
    wait_for_words(page, view, "of these 6 inserts")
    press(view, "Next step")
    wait_for_words(page, view, "step=7")
    assert labs.kernel_value(page, "list(view.view.state.frames)") == [10, 1, 11, 10, 45, 30]
    view.locator("select").select_option("the last insert")
    press(view, "Insert")
    wait_for_words(page, view, "Inserting frame 20 writes 1 entry")
    wait_for_words(page, view, "2 of the 2 levels of the tree")
    wait_for_words(page, view, "step=2")  # it plays by itself


def test_export_writes_and_says_where(show, page):
    view = show("dirtylab.explore.memory()")
    press(view, "Export")
    wait_for_words(page, view, "Written to dirtylab-exports: memory-001")
    found = labs.kernel_value(page, "sorted(str(p) for p in __import__('pathlib').Path("
                                    "'dirtylab-exports').glob('memory-001*'))")  # fmt: skip
    assert [name.rpartition(".")[2] for name in found] == ["csv", "json", "pdf", "png", "svg"]


def test_a_run_of_2016_is_run_again(show, page):
    view = show("dirtylab.explore.mailing_list(run=1, repeats=3)")
    press(view, "Run it again")
    wait_for_words(page, view, "run again here")
    wait_for_words(page, view, "Run again here \\(run 1\\)")


def test_figures_of_a_cell_come_out_right_while_a_slider_moves(show, page):
    show("dirtylab.explore.memory()")
    labs.latencies(page, "guest memory", count=2, span=1)  # the other thread has begun by then
    before = labs.kernel_value(page, "__import__('os').getpid()")
    assert labs.run_code(page, DRAW) == ["ok", ""]
    assert labs.run_code(page, "right = drawn(); assert right == drawn()") == ["ok", ""]
    labs.start_code(page, RACE)
    for number in range(200):
        if page.evaluate("() => window.finished"):
            break
        page.keyboard.press("ArrowLeft" if number // 4 % 2 == 0 else "ArrowRight")
        page.wait_for_timeout(60)
    assert page.evaluate("() => window.finished").strip() == "ok"
    assert labs.kernel_value(page, "wrong") == 0
    assert labs.kernel_value(page, "__import__('os').getpid()") == before
    assert number > 3


SEEN = """view => {
  const seen = [...view.querySelectorAll('.noUi-base')].filter(one => one.offsetParent);
  const image = view.querySelector('figure img').getBoundingClientRect();
  const scroller = document.querySelector('.jp-WindowedPanel-outer').getBoundingClientRect();
  const box = view.getBoundingClientRect();
  return {
    sliders: seen.map(one => one.getBoundingClientRect().width),
    high: image.bottom - box.top, room: scroller.height, wide: image.width,
    pixels: view.querySelector('figure img').naturalWidth,
    beyond: view.scrollWidth - view.clientWidth,
  };
}"""
NAMED = """view => [...view.querySelectorAll('.noUi-handle')].every(
  one => one.getAttribute('aria-label') && /[^0-9.]/.test(one.getAttribute('aria-valuetext')))"""


@pytest.mark.parametrize("name", ["crossovers", *further("memory", "patterns")])
def test_figure_and_sliders_are_seen_together_at_every_width(show, page, name):
    view = show(f"dirtylab.explore.{name}()")
    page.wait_for_function(NAMED, arg=view.element_handle())
    widths = []
    for width, height in ((700, 768), (1040, 900), (1600, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(500)
        labs.wait_for_rest(page, 1500)
        seen = view.evaluate(SEEN)
        assert min(seen["sliders"]) >= 200
        assert seen["high"] <= seen["room"]
        assert seen["beyond"] <= 0
        assert abs(seen["pixels"] - seen["wide"]) <= 1
        widths.append(seen["wide"])
    assert widths[0] < widths[2]
    assert widths[1] < widths[2]


def test_the_pad_is_one_stop_and_the_bitmap_drawn_takes_keys_and_clicks(show, page):
    view = show("dirtylab.explore.anatomy()")
    stops = "() => [...document.querySelectorAll('.dirtylab-pad button[tabindex=\"0\"]')].length"
    page.wait_for_function(f"{stops.replace('() =>', '() => 1 ===')}")
    page.locator(".dirtylab-pad button").first.focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    wait_for_words(page, view, "of these 6 inserts")
    assert labs.kernel_value(page, "view.view.state.frames[-1]") == 9
    view.locator(".dirtylab-shown").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    wait_for_words(page, view, "of these 7 inserts")
    assert labs.kernel_value(page, "view.view.state.frames[-1]") == 0
    box = view.locator("figure img").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.36 * box["height"])
    wait_for_words(page, view, "of these 8 inserts")


def test_measure_lays_markers_and_cancel_keeps_them(show, page):
    view = show("dirtylab.explore.crossovers(pages=1_000_000, dirty=1_000, rounds=3)")
    assert "By the model" in view.inner_text()
    press(view, "Measure")
    wait_for_words(page, view, "measured 1\\d of 1\\d", 240)  # the process compiles first
    wait_for_words(page, view, "Measured:")  # the picture follows the message
    assert "Markers: measured here" in view.inner_text()
    page.locator(".widget-dropdown select").first.select_option("insert")
    wait_for_words(page, view, "Faint markers")
    view_rounds = labs.kernel_value(page, "view.view.state.rounds")
    assert view_rounds == 3
    press(view, "More options")
    samples = labs.slider(page, "samples")
    samples.wait_for()  # the kernel opens the options
    samples.press("End")
    wait_until(lambda: labs.kernel_value(page, "view.view.state.rounds") == 25)
    press(view, "Measure")
    wait_for_words(page, view, "round|cells|checking|starting|compiling")
    press(view, "Cancel")
    wait_for_words(page, view, "cancelled: \\d+ of")
    view.locator("button:has-text('Measure'):enabled").first.wait_for()


def test_the_line_is_copied_or_selected_and_a_restart_is_told(show, page, lab):
    view = show("dirtylab.explore.vcpus()")
    page.evaluate("() => Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.evaluate("() => { document.execCommand = () => false; }")
    view.locator(".dirtylab-live .dirtylab-copy, .dirtylab-copy").first.click()
    wait_for_words(page, view, "Selected: press Ctrl")
    assert page.evaluate("() => String(getSelection())") == "dirtylab.explore.vcpus()"
    page.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }"
    )
    page.wait_for_function(
        "view => getComputedStyle(view.querySelector('.dirtylab-view'), '::after').content"
        ".includes('run the cell again')",
        arg=view.element_handle(),
    )
    labs.open_notebook(page, lab, "view.ipynb")  # as it was for the next test
