"""Tables and machine on disk, and what is written once only: formatters, tables, progress."""

import pathlib
import re

import pandas as pd
import pytest

from dirtylab._tables import markdown_table
from dirtylab.measure import recording

ROOT = pathlib.Path(__file__).parent.parent / "dirtylab"


def test_tables_and_machine_are_read_back_as_written(tmp_path):
    table = pd.DataFrame({"name": ["a", "b"], "ns": [0.1, 1e-9], "pages": [1, 2**40]})
    recording.save(tmp_path, {"one.csv": table}, {"cpu": "Ä"})
    (again,), machine = recording.load(tmp_path, {"one.csv": ("name", "ns")}, ("name",))
    pd.testing.assert_frame_equal(again, table)
    assert machine == {"cpu": "Ä"}


def test_a_table_without_its_columns_is_refused_by_name(tmp_path):
    recording.save(tmp_path, {"one.csv": pd.DataFrame({"ns": [1]})}, {})
    with pytest.raises(ValueError, match=r"one\.csv.*pages"):
        recording.load(tmp_path, {"one.csv": ("ns", "pages")}, ())


def test_a_markdown_table_has_heads_rule_and_rows():
    made = markdown_table(["a", "b"], [["1", "2"]], ":-- --:")
    assert made == "| a | b |\n| :-- | --: |\n| 1 | 2 |"


@pytest.mark.parametrize(
    ("form", "place"),
    [
        (r"\(1e9, |\b_thousands\b", "_format.py"),
        (r'"\| " \+|" \| "\.join', "_tables.py"),
        (r"from tqdm", "_progress.py"),
        (r"json\.dumps\(.*indent.*\+", "files.py"),
        (r"^(Frames|Bytes|Counts|Array) = npt", "_check.py"),
    ],
)
def test_one_place_knows_it(form, place):
    found = [p for p in ROOT.rglob("*.py") if re.search(form, p.read_text("utf-8"), re.MULTILINE)]
    assert {p.name for p in found} <= {place}
