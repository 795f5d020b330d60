"""Three questions of an engineer, answered from the open start page in four actions at most."""

import re

import labs
import pytest

pytestmark = pytest.mark.browser

MOST_ACTIONS = 4
DONE = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets;
  return cells.every(cell => cell.model.type !== 'code' || cell.model.executionCount);
}"""
SAYS = "([view, words]) => new RegExp(words).test(view.innerText)"


class Reader:
    """Works one view, and counts actions: a click, a key, a typed value, a drag."""

    def __init__(self, page, view):
        self.page, self.view, self.actions = page, view, 0
        view.scroll_into_view_if_needed()

    def type(self, label, text):
        row = self.view.locator(".dirtylab-slider").filter(
            has=self.page.locator(".widget-label", has_text=re.compile(f"^{label}$"))
        )
        field = row.first.locator("input[type=text]")
        field.fill(text)
        field.press("Enter")
        self.actions += 1

    def click(self, target):
        target.click()
        self.actions += 1

    def press(self, key):
        self.page.keyboard.press(key)
        self.actions += 1

    def drag(self, start, end):
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move(*end, steps=6)
        mouse.up()
        self.actions += 1

    def reads(self, words):
        """Wait for words in the view; fail where the answer took too many actions."""
        self.page.wait_for_function(SAYS, arg=[self.view.element_handle(), words])
        assert self.actions <= MOST_ACTIONS
        return self.view.inner_text()


@pytest.fixture(scope="module")
def start(lab, chromium):
    """Yield the start page, opened and run, with its three views alive."""
    with labs.chromium_page(chromium) as page:
        labs.open_notebook(page, lab, "00_start_here.ipynb")
        labs.run_all(page)
        views = page.locator(".dirtylab-view.dirtylab-live")
        views.nth(2).wait_for()
        page.wait_for_function(DONE, timeout=3000 * labs.WAIT)
        yield page, views
        labs.shut_down(page)


def test_what_to_use_for_64_gib_with_1_percent_in_runs_of_16_and_how_sure(start):
    page, views = start
    reader = Reader(page, views.nth(0))
    reader.type("guest", "64 GiB")
    reader.type("dirty", "1 %")
    reader.type("in runs of", "16")
    text = reader.reads(r"64 GiB guest, 1 % dirty each 100 ms in runs of 16:")
    assert re.search(r"\d+ % sure that", text)
    asked = "2**24, 0.01, 'clustered', length=16"
    pick = labs.kernel_value(page, f"dirtylab.advise({asked}).pick")
    assert re.search(rf"runs of 16:\n{pick}\b", text)


def test_where_tree8_and_bitmap_cross_as_the_slot_grows(start):
    page, views = start
    reader = Reader(page, views.nth(1))
    reader.click(reader.view.locator("button:has-text('More options')"))
    reader.click(reader.view.locator("label:has-text('tree, radix 64')"))
    text = reader.reads(r"bitmap beats tree, radix 8 below [\d.]+ [MGT]iB")
    assert "within its error:" in text


def test_the_memory_of_all_structures_at_1_tib(start):
    page, views = start
    reader = Reader(page, views.nth(2))
    reader.type("guest memory", "1 TiB")
    text = reader.reads(r"At 1 TiB = 268 M pages")
    names = "bitmap tree,.radix.8 tree,.radix.64 hybrid posted.tree dirty.ring list posted.list"
    for name in names.split():
        assert re.search(rf"(?m)^{name}\b.*\d bytes", text), name
    assert "52,728,393 bytes" in text


def test_the_guest_is_dragged_on_the_map_and_moved_by_keys_and_by_the_numbers(start):
    page, views = start
    reader = Reader(page, views.nth(0))
    image = reader.view.locator("figure img").bounding_box()
    middle = image["x"] + image["width"] / 2, image["y"] + image["height"] / 2
    reader.drag(middle, (middle[0] + 60, middle[1] - 40))
    dragged = wait_for_line(reader, "length=(?!16)")
    reader.press("ArrowRight")
    moved = wait_for_line(reader, "dirty=", unlike=dragged)
    number = reader.view.locator(".dirtylab-scrub[data-name=length]")
    number.focus()
    reader.press("ArrowDown")
    scrubbed = wait_for_line(reader, "length=", unlike=moved)
    reader.press("ArrowDown")  # the focus is on the number of the new sentence
    wait_for_line(reader, "length=", unlike=scrubbed)


def wait_for_line(reader, words, unlike=""):
    """Return the line of Python of a view, once it has these words and is another one."""
    found = reader.page.wait_for_function(
        """([view, words, before]) => {
          const line = view.querySelector('.dirtylab-line code').innerText;
          return line !== before && new RegExp(words).test(line) && line;
        }""",
        arg=[reader.view.element_handle(), words, unlike],
    )
    return found.json_value()
