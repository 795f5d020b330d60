"""JupyterLab in a real Chromium, driven: a server of its own, keys pressed, times taken.

Times are taken in the page itself, by its own clock, from the key to the first frame on which the
new picture is complete: what a reader sees, without this process.
"""

import ast
import base64
import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

WAIT = 60
VIEWPORT = {"width": 1360, "height": 1100}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
IDLE = (
    "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status"
    " === 'idle'"
)
PICTURE = ".jp-OutputArea-output .widget-html img[alt]"
"""A view's picture; there may be more than one view on a page."""

_WATCH = """() => {
  window.pressed = 0;
  document.addEventListener('keydown', () => { window.pressed = performance.now(); }, true);
}"""
_AT_REST = """([selector, wait]) => {
  const image = document.querySelector(selector), now = performance.now();
  const seen = [image?.src, image?.getBoundingClientRect().top].join();
  if (window.seenLast !== seen) { window.seenLast = seen; window.seenSince = now; }
  return image?.complete && now - window.seenSince > wait;
}"""
_CHANGED = """([selector, before]) => {
  const image = document.querySelector(selector);
  if (!image || image.src === before || !image.complete || !image.naturalWidth) return false;
  return performance.now() - window.pressed;
}"""
_SAMPLE = """selector => {
  window.frames_seen = [];
  const look = () => {
    const image = document.querySelector(selector);
    const box = image?.closest('.widget-html');
    window.frames_seen.push([Boolean(image?.complete && image?.naturalWidth),
                             box ? box.getBoundingClientRect().height : 0]);
    window.sampling = requestAnimationFrame(look);
  };
  look();
}"""


def chromium_path():
    """Return the path of a Chromium, None where there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def lab_server(home, root, *options):
    """Yield the address of a JupyterLab that serves `root`, with no user settings."""
    own = [
        "--allow-root", "--expose-app-in-browser", "--ServerApp.port_retries=0",
        "--IdentityProvider.token=", f"--ServerApp.root_dir={root}",
    ]  # fmt: skip
    return server("jupyterlab", [*own, *options], home, "/api/status")


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
    """Wait until a server answers; fail with its log where it has ended."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        assert process.poll() is None, log.read_text()
        time.sleep(0.2)
    raise AssertionError(f"the server did not come up:\n{log.read_text()}")


@contextlib.contextmanager
def chromium(path):
    """Yield a Chromium, closed afterwards, that keeps what its pages load, as a reader's does."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=path,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
            viewport=VIEWPORT,
        )
        browser.set_default_timeout(WAIT * 1000)
        yield browser
        browser.close()


@contextlib.contextmanager
def chromium_page(path):
    """Yield a page of a Chromium of its own."""
    with chromium(path) as browser:
        yield browser.pages[0]


def cells_of(path):
    """Return the cells of a notebook, as its file has them."""
    return json.loads(path.read_text())["cells"]


def write_notebook(path, cells):
    """Write a notebook of code cells."""
    import nbformat  # takes seconds

    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(book, path)


def wait_for_rest(page, milliseconds=400):
    """Return when the first view's picture has stayed the same, in the same place."""
    page.evaluate("() => { window.seenLast = null; }")
    page.wait_for_function(_AT_REST, arg=[PICTURE, milliseconds], polling=50)


def open_notebook(page, lab, name):
    page.goto(f"{lab}/doc/workspaces/auto-test/tree/{name}?reset")
    page.wait_for_function(IDLE)


def run_all(page):
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")


def run_instead(page, code):
    """Make `code` all that the notebook's first cell has, and run it; it shows nothing else."""
    page.evaluate(
        """code => {
          const {commands, shell} = window.jupyterapp;
          const cells = shell.currentWidget.content.model.cells;
          commands.execute('notebook:clear-all-cell-outputs');
          cells.get(0).sharedModel.setSource(code);
          commands.execute('notebook:run-all-cells');
        }""",
        code,
    )


def shut_down(page):
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")


def kernel_value(page, expression):
    """Return what an expression gives in the kernel, through JSON."""
    told = page.evaluate(
        """async expression => {
          const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
          const asked = kernel.requestExecute(
            {code: '', silent: true, user_expressions: {value: expression}});
          const reply = await asked.done;
          return reply.content.user_expressions.value;
        }""",
        f"__import__('json').dumps({expression})",
    )
    assert told["status"] == "ok", told
    return json.loads(ast.literal_eval(told["data"]["text/plain"]))


def run_code(page, code):
    """Run code in the kernel; return whether it went well, and the error if not."""
    return page.evaluate(
        """async code => {
          const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
          const reply = await kernel.requestExecute({code}).done;
          return [reply.content.status, (reply.content.evalue || '')];
        }""",
        code,
    )


def start_code(page, code):
    """Begin to run code in the kernel; ``window.finished`` becomes its status."""
    page.evaluate(
        """code => {
          const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
          window.finished = '';
          kernel.requestExecute({code}).done.then(
            ({content}) => { window.finished = content.status + ' ' + (content.evalue || ''); },
            error => { window.finished = 'lost ' + error; });
        }""",
        code,
    )


def slider(page, label):
    """Return the handle of the slider with that label."""
    row = page.locator(".widget-hslider").filter(has=page.locator(".widget-label", has_text=label))
    return row.first.locator(".noUi-handle")


def watch_keys(page):
    page.evaluate(_WATCH)


def press_and_time(page, handle, key):
    """Press a key on a slider; return the milliseconds until the new picture is complete."""
    before = page.evaluate("s => document.querySelector(s).src", PICTURE)
    handle.press(key)
    took = page.wait_for_function(_CHANGED, arg=[PICTURE, before], polling="raf")
    return took.json_value()


def keys_back_and_forth(count, span):
    """Return arrow keys: `span` to the left, `span` to the right, and again."""
    return ["ArrowLeft" if number // span % 2 == 0 else "ArrowRight" for number in range(count)]


def latencies(page, label, count=30, span=10, pause=120):
    """Return the milliseconds of each of `count` presses, one at a time."""
    watch_keys(page)
    handle = slider(page, label)
    handle.scroll_into_view_if_needed()
    handle.focus()
    found = []
    for key in keys_back_and_forth(count, span):
        found.append(press_and_time(page, handle, key))
        page.wait_for_timeout(pause)
    return found


def burst(page, label, presses=15, gap=60):
    """Press a slider fast; return what each animation frame saw, and screencast frames.

    The first is a list of pairs: whether a picture was complete, and the height of its box.
    """
    from PIL import Image

    shots = []
    session = page.context.new_cdp_session(page)

    def keep(event):
        shots.append(event["data"])
        session.send("Page.screencastFrameAck", {"sessionId": event["sessionId"]})

    handle = slider(page, label)
    handle.scroll_into_view_if_needed()
    handle.focus()
    page.wait_for_timeout(500)
    box = page.locator(PICTURE).first.bounding_box()
    page.evaluate(_SAMPLE, PICTURE)
    session.on("Page.screencastFrame", keep)
    session.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})
    for key in keys_back_and_forth(presses, 8):
        page.keyboard.press(key)
        page.wait_for_timeout(gap)
    page.wait_for_timeout(500)
    session.send("Page.stopScreencast")
    seen = page.evaluate(
        "() => { cancelAnimationFrame(window.sampling); return window.frames_seen; }"
    )
    pictures = [Image.open(io.BytesIO(base64.b64decode(shot))).convert("L") for shot in shots]
    return seen, [spread_of(picture, box) for picture in pictures]


def spread_of(picture, box):
    """Return the standard deviation of a screenshot's grey levels inside a box."""
    import numpy as np

    left, top = int(box["x"]), int(box["y"])
    inside = picture.crop((left, top, left + int(box["width"]), top + int(box["height"])))
    return float(np.asarray(inside, float).std())
