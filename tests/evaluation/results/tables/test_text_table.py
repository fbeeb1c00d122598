"""Tables as CSV, Markdown and LaTeX, hostile names included."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from nnunetv2_fair.evaluation.results.json_file import to_json
from nnunetv2_fair.evaluation.results.tables.text_table import (
    TextTable,
    aligned,
    files_of,
    to_csv,
    to_latex,
    to_markdown,
)

TABLE = TextTable(
    "groups",
    "Dice of <50 & others_1",
    ("Group", "DSC ↑"),
    (("female, <50", "-0.1"), ("=cmd()|x", "nan"), ("50%_\\", "")),
    ("100% of the cases.",),
)


def test_csv_is_harmless_and_keeps_numbers():
    assert to_csv(TABLE) == (
        "Group,DSC ↑\n\"female, <50\",-0.1\n'=cmd()|x,nan\n50%_\\,\n"
    )  # fmt: skip


def test_markdown():
    lines = to_markdown(TABLE).splitlines()
    assert lines[0] == "**Dice of &lt;50 & others_1**"
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == ["Group", "DSC ↑"]
    assert "=cmd()\\|x" in lines[5]
    assert "female, &lt;50" in lines[4]
    assert lines[-1] == "100% of the cases."


def test_latex():
    text = to_latex(TABLE)
    assert r"\caption{Dice of \ensuremath{<}50 \& others\_1}" in text
    assert r"50\%\_\textbackslash{}" in text
    assert r"DSC $\uparrow$" in text
    assert r"\footnotesize 100\% of the cases." in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1


@pytest.mark.parametrize("convert", [to_csv, to_markdown, to_latex, aligned])
def test_lines_in_a_cell_break_no_table(convert):
    hostile = TextTable(
        "t", "a\nb", ("x", "y"), (("one\ntwo\r\nthree\rfour", "1"), ("<script>", "2"))
    )
    text = convert(hostile)
    if convert is to_csv:
        assert list(csv.reader(io.StringIO(text)))[1][0] == "one\ntwo\nthree\nfour"
    else:
        assert "one two three four" in text
        assert "a b" in text
    if convert is to_markdown:
        assert "<script>" not in text


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=4))
def test_csv_reads_back_as_many_cells_and_none_is_a_formula(rows):
    table = TextTable("t", "t", ("a", "b"), tuple(rows))
    found = list(csv.reader(io.StringIO(to_csv(table), newline="")))
    assert [len(row) for row in found] == [2] * (len(rows) + 1)
    for row in found:
        for cell in row:
            try:
                float(cell)
            except ValueError:
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_files_are_named_after_tables_and_numbered():
    other = TextTable("lee", "one", ("a",), (("1",),))
    files = files_of([TABLE, other, other], ["csv", "tex"])
    assert list(files) == [
        "table_groups.csv", "table_groups.tex", "table_lee_1.csv", "table_lee_1.tex",
        "table_lee_2.csv", "table_lee_2.tex",
    ]  # fmt: skip
    assert files["table_lee_1.csv"] == "a\n1\n"
    assert files_of([TABLE], []) == {}


def test_table_survives_json():
    assert TypeAdapter(TextTable).validate_python(to_json(TABLE)) == TABLE
