"""Notebooks: committed executed and clean, on one road, and they run from top to bottom."""

import re
from pathlib import Path

import pytest
from labs import chromium_path

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def nbformat():
    import nbformat  # takes seconds, which no other worker need wait

    return nbformat


@pytest.fixture(scope="module")
def road():
    from dirtylab import _road  # likewise

    return _road


def outputs(notebook):
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def require_clean(notebook):
    for output in outputs(notebook):
        assert output.output_type != "error", output
        assert output.get("name") != "stderr", output.get("text")


def pictures(notebook):
    return [output for output in outputs(notebook) if "image/png" in output.get("data", {})]


def test_the_start_page_leads_to_every_notebook_and_nowhere_else(nbformat):
    cells = nbformat.read(NOTEBOOKS[0], as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)]+\.ipynb)\)", text)
    assert NOTEBOOKS[0].name == "00_start_here.ipynb"
    assert sorted(links) == [path.name for path in NOTEBOOKS[1:]]


@every_notebook
def test_committed_notebook_is_executed_clean_and_short(path, nbformat):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(notebook.cells) <= 30
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    require_clean(notebook)
    assert not re.search(r'"/(home|root|tmp|work|usr)/', path.read_text())
    for cell in code:
        assert not re.search(r"^\s*(def|class|for|while|if) ", cell.source, re.MULTILINE)


@every_notebook
def test_every_picture_has_alt_text(path, nbformat):
    found = pictures(nbformat.read(path, as_version=4))
    assert found
    for output in found:
        alt = re.search(r'<img alt="([^"]+)"', output.data["text/html"])
        assert len(alt.group(1)) > 60


def test_each_notebook_says_where_it_stands(nbformat, road):
    books = road.read_all(ROOT / "notebooks")
    titles = {name: road.title_of(book) for name, book in books.items()}
    assert len(titles) >= 9
    for name, book in list(books.items())[1:]:
        assert road.top_line(titles, name) in book.cells[0].source, name
        assert book.cells[-1].source.endswith(road.end_line(titles, name)), name
        before = nbformat.writes(book)
        road.with_road(book, titles, name)
        assert nbformat.writes(book) == before, name


def test_a_new_notebook_joins_the_road(tmp_path, nbformat, road):
    for name in ("00_a.ipynb", "01_b.ipynb"):
        cells = [nbformat.v4.new_markdown_cell(f"# {name[3]}\n\nText.", id="a"),
                 nbformat.v4.new_code_cell("1 + 1", id="b")]  # fmt: skip
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / name)
    road.main(tmp_path)
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# c", id="a")]),
        tmp_path / "02_c.ipynb",
    )
    road.main(tmp_path)
    middle = nbformat.read(tmp_path / "01_b.ipynb", as_version=4)
    assert middle.cells[0].source == (
        "# b\n\n<!-- road -->*Notebook 1 of 2. Before: [a](00_a.ipynb). After: [c](02_c.ipynb).*"
        "\n\nText."
    )
    assert [cell.source for cell in middle.cells[1:]] == [
        "1 + 1",
        "<!-- on -->*Next: [c](02_c.ipynb).*",
    ]
    last = nbformat.read(tmp_path / "02_c.ipynb", as_version=4)
    assert len(last.cells) == 1
    assert "Notebook 2 of 2. Before: [b](01_b.ipynb).*" in last.cells[0].source
    assert last.cells[0].source.endswith("This is the last; [a](00_a.ipynb) lists all.*")


if chromium_path() is None:  # where there is one, JupyterLab runs them all: tests/browser

    @pytest.mark.notebook
    @every_notebook
    def test_notebook_runs_from_top_to_bottom(path, nbformat):
        import nbclient

        notebook = nbformat.read(path, as_version=4)
        before = len(pictures(notebook))
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        client = nbclient.NotebookClient(
            notebook,
            timeout=120,
            kernel_name="python3",
            resources={"metadata": {"path": path.parent}},
        )
        client.execute()
        require_clean(notebook)
        assert len(pictures(notebook)) == before
