"""Export of a view: CSV, PNG, SVG, PDF, and JSON with parameters, method and machine."""

import base64
import html
import pathlib
import tempfile
from typing import Any

from dirtylab.explore.kit.view import View
from dirtylab.figures.style import save_picture
from dirtylab.measure.files import new_name, prepare_folder, write_json, write_text
from dirtylab.measure.machine import describe_machine

FOLDER = "dirtylab-exports"


def export(view: View[Any], folder: pathlib.Path | None = None) -> list[pathlib.Path]:
    """Write the present state of a view; no earlier file is overwritten.

    Parameters
    ----------
    view : View
        The view.
    folder : pathlib.Path, optional
        ``dirtylab-exports`` in the current folder when omitted; made when missing.

    Returns
    -------
    list of pathlib.Path
        CSV, JSON, PNG, SVG and PDF, under one name.

    Raises
    ------
    OSError
        The folder can't be written to.
    """
    place = prepare_folder(FOLDER if folder is None else folder)
    table = view.table().to_csv(index=False, float_format="%.10g")
    name = new_name(place, view.function, ".csv")
    csv, facts = place / f"{name}.csv", place / f"{name}.json"
    write_text(csv, table)
    told = {"call": view.line, **view.provenance(), "drawn on": describe_machine()}
    write_json(facts, told, default=str)
    pictures = save_picture(view.picture(), place, name)
    return [csv, facts, *(place / one for one in pictures)]


_KINDS = {
    ".csv": "text/csv", ".json": "application/json", ".png": "image/png", ".svg": "image/svg+xml",
    ".pdf": "application/pdf",
}  # fmt: skip


def download_links(view: View[Any]) -> str:
    """Return links that hold the files of :func:`export`, and leave none on this machine.

    For a visitor of a page, who has no folder here.
    """
    with tempfile.TemporaryDirectory() as folder:
        return " ".join(_link(file) for file in export(view, pathlib.Path(folder)))


def _link(file: pathlib.Path) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    name = html.escape(file.name, quote=True)
    return f'<a download="{name}" href="data:{_KINDS[file.suffix]};base64,{data}">{name}</a>'
