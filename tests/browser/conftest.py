"""JupyterLab and Voila in a real Chromium: servers of their own, one page a test."""

import re
import shutil
from pathlib import Path

import labs
import pytest
from labs import chromium_path, lab_server, server

ROOT = Path(__file__).parent.parent.parent
SCREENSHOTS = ROOT / "screenshots"


@pytest.fixture(scope="session")
def chromium():
    return chromium_path() or pytest.skip("no Chromium here: apt-get install chromium")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Yield the address of a JupyterLab on copies of the notebooks, as make lab opens it."""
    home = copy_notebooks(tmp_path_factory)
    start = "--LabApp.default_url=/lab/tree/00_start_here.ipynb"
    with lab_server(home, home / "notebooks", start) as address:
        yield address


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory):
    """Yield the address of a Voila on copies of the notebooks, as make dashboard opens it."""
    home = copy_notebooks(tmp_path_factory)
    words = re.search(r"^VOILA := (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    options = [*words.split(), str(home / "notebooks")]
    with server("dirtylab.cli.pages", options, home, "/voila/tree") as address:
        yield address


def copy_notebooks(tmp_path_factory):
    home = tmp_path_factory.mktemp("jupyter")
    shutil.copytree(ROOT / "notebooks", home / "notebooks")
    return home


@pytest.fixture(scope="module")
def browser(chromium):
    """Yield a Chromium for the tests of a file."""
    with labs.chromium(chromium) as browser:
        yield browser


@pytest.fixture
def page(browser):
    """Yield a page of its own, closed afterwards."""
    page = browser.new_page()
    yield page
    page.close()
    browser.set_offline(False)


@pytest.fixture
def screenshots(request):
    """Return the folder of a notebook's pictures, which stays after the tests."""
    folder = SCREENSHOTS / request.node.callspec.params["path"].stem
    folder.mkdir(parents=True, exist_ok=True)
    return folder


VIEWS = ".jp-OutputArea-output:has([role=slider])"
CHANGED = """([view, before]) => {
  const image = view.querySelector('figure img');
  return image.src !== before && image.complete && image.naturalWidth > 0;
}"""


@pytest.fixture
def require_lively():
    """Return a function that moves the first slider of each view and waits for a new figure."""
    return move_each_view


def move_each_view(page, folder, prefix=""):
    views = page.locator(VIEWS)
    count = views.count()
    for index in range(count):
        view = views.nth(index)
        view.scroll_into_view_if_needed()
        image = view.locator("figure img").first
        assert len(image.get_attribute("alt")) > 60
        before = image.get_attribute("src")
        handle = view.locator("[role=slider]").first
        handle.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(CHANGED, arg=[view.element_handle(), before], polling="raf")
        view.screenshot(path=folder / f"{prefix}view-{index + 1}.png")
    return count
