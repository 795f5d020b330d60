"""JupyterLab and Voila in a real Chromium: servers of their own, one page a test."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SCREENSHOTS = ROOT / "screenshots"
WAIT = 60


@pytest.fixture(scope="session")
def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return pytest.skip("no Chromium here: apt-get install chromium")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Yield the address of a JupyterLab on copies of the notebooks, as make lab opens it."""
    home = copy_notebooks(tmp_path_factory)
    options = [
        "--allow-root", "--expose-app-in-browser", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=", f"--ServerApp.root_dir={home / 'notebooks'}",
        "--LabApp.default_url=/lab/tree/00_start_here.ipynb",
    ]  # fmt: skip
    with server("jupyterlab", options, home, "/api/status") as address:
        yield address


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory):
    """Yield the address of a Voila on copies of the notebooks, as make dashboard opens it."""
    home = copy_notebooks(tmp_path_factory)
    words = re.search(r"^VOILA := (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    with server("voila", [*words.split(), str(home / "notebooks")], home, "/") as address:
        yield address


def copy_notebooks(tmp_path_factory):
    home = tmp_path_factory.mktemp("jupyter")
    shutil.copytree(ROOT / "notebooks", home / "notebooks")
    return home


@contextlib.contextmanager
def server(module, options, home, ready):
    """Yield the address of a server that has no user settings; end it afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    env = {
        **os.environ,
        **{f"JUPYTER_{place}": str(home / place) for place in places},
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    command = [sys.executable, "-m", module, "--no-browser", f"--port={port}", *options]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_up(address + ready, process, home / "log")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_until_up(url, process, log):
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.2)
    pytest.fail(f"the server did not come up:\n{log.read_text()}")


@pytest.fixture
def page(chromium):
    """Yield a page of a Chromium that is closed afterwards."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(WAIT * 1000)
        yield page
        browser.close()


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
