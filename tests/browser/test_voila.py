"""Each notebook as a page without code, and as a file without a kernel or a network."""

from pathlib import Path

import pytest
from labs import cells_of
from slow import further

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ALL_LOADED = "() => [...document.images].every(image => image.complete)"
WIDTHS_AND_ALTS = "images => images.map(image => [image.naturalWidth, image.alt.length])"
WIDGET = "application/vnd.jupyter.widget-view+json"


def count(path, *kinds):
    """Return how many outputs of some of these kinds a committed notebook has."""
    found = [one.get("data", {}) for cell in cells_of(path) for one in cell.get("outputs", [])]
    return sum(any(kind in data for kind in kinds) for data in found)


def rich():
    """Return the start page and the two notebooks with the most views."""
    others = sorted(NOTEBOOKS[1:], key=lambda path: -count(path, WIDGET))
    return [NOTEBOOKS[0], *further(*others[:2])]


# JupyterLab runs all of them; here the start page and those with the most views.
@pytest.mark.parametrize("path", rich(), ids=lambda path: path.stem)
def test_notebook_is_a_page_of_figures_and_sliders(
    path, dashboard, page, screenshots, require_lively
):
    crashes = []
    page.on("pageerror", lambda error: crashes.append(str(error)))
    page.goto(f"{dashboard}/voila/render/{path.name}", timeout=120_000)
    expected = count(path, "image/png", WIDGET)
    page.wait_for_function(f"() => document.querySelectorAll('figure img').length >= {expected}")
    page.wait_for_function(ALL_LOADED)
    found = page.locator("figure img").evaluate_all(WIDTHS_AND_ALTS)
    assert all(width >= 400 and alt > 60 for width, alt in found)
    assert require_lively(page, screenshots, "voila-") == count(path, WIDGET)
    page.screenshot(path=screenshots / "voila.png")
    assert page.get_by_text("Traceback").count() == 0
    assert crashes == []


def test_the_dashboard_opens_on_the_start_page(dashboard, page):
    page.goto(dashboard, timeout=120_000)
    assert page.url == f"{dashboard}/voila/render/00_start_here.ipynb"
    page.get_by_role("heading", name="Start here").wait_for()


@pytest.mark.parametrize(
    "path", [*NOTEBOOKS[:2], *further(*NOTEBOOKS[2:])], ids=lambda path: path.stem
)
def test_exported_notebook_shows_every_figure_offline(path, page, tmp_path, screenshots):
    from nbconvert import HTMLExporter

    html, _ = HTMLExporter().from_filename(path)
    (tmp_path / "exported.html").write_text(html, encoding="utf-8")
    page.context.set_offline(True)
    page.goto((tmp_path / "exported.html").as_uri(), wait_until="domcontentloaded")
    page.wait_for_function(ALL_LOADED)
    found = page.locator("img").evaluate_all(WIDTHS_AND_ALTS)
    assert len(found) >= count(path, "image/png")  # a view has a still beside it
    assert all(width > 0 and alt > 0 for width, alt in found)
    page.screenshot(path=screenshots / "exported.png", full_page=True)
