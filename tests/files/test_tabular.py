import codecs
import csv
import io
import tracemalloc
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.errors import TableError
from nnunetv2_fair.files.tabular import protected, read_rows, read_table, unprotected

HOSTILE = (
    "=HYPERLINK(\"http://example.org\")", "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)",
    "\t=1", "\r=1", "\n=1", "\uff1d1", "'=1", "''=1", "'plain", "plain", "<script>", "x" * 5000,
    "two\nlines", "\u202eevil", "a,b", 'say "hi"', "", "5-7", "<50", ">=65", "NA", "001",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_and_every_cell_comes_back(text):
    safe = protected(text)
    assert not safe.lstrip("'") or safe[:1] not in tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    assert unprotected(safe) == text


@given(st.text(alphabet="=+-@'\t\r\n ab1", max_size=6))
def test_any_text_comes_back(text):
    assert unprotected(protected(text)) == text
    assert protected(text)[:1] not in tuple("=+-@\t\r\n")


def test_harmless_names_stay_as_they_are():
    for text in ("case_001", "female, <50", "'quoted", "3", "", "5-7"):
        assert protected(text) == text


def write(folder: Path, text: str) -> Path:
    path = folder / "t.csv"
    path.write_bytes(text.encode())
    return path


CELLS = st.text(
    st.one_of(
        st.sampled_from(",;\t\"'\r\n \u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\ufeff"),
        st.characters(exclude_categories=("Cs",), exclude_characters="\0"),
    ),
    max_size=6,
)


@given(data=st.data(), width=st.integers(1, 4), delimiter=st.sampled_from(",;\t"))
@settings(deadline=None)
def test_any_cells_come_back(tmp_path_factory, data, width: int, delimiter: str):
    rows = data.draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=5))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    path = write(tmp_path_factory.mktemp("cells"), text.getvalue())
    found = list(read_rows(path, delimiter=delimiter))
    assert [row.cells for row in found] == [r for r in rows if any(cell.strip() for cell in r)]


def test_cells_of_several_lines_are_kept_and_lines_stay_true(tmp_path: Path):
    text = '\n\ncase,note\n\na,"one\ntwo"\n,\nb,"x\r\ny"\r\n\nc,last'
    path = write(tmp_path, text)
    table = read_table(path)
    assert table.header == ["case", "note"]
    assert table.rows == [["a", "one\ntwo"], ["b", "x\r\ny"], ["c", "last"]]
    assert table.lines == [5, 8, 11]
    with pytest.raises(TableError, match="line 11: found 3 cells, the header has 2"):
        read_table(write(tmp_path, text + ",more"))


@pytest.mark.parametrize(
    "sign", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"]
)
def test_no_other_sign_ends_a_row(tmp_path: Path, sign: str):
    path = write(tmp_path, f"case,note\na,b{sign}c\nd,e\n")
    assert read_table(path).rows == [["a", f"b{sign}c"], ["d", "e"]]


@pytest.mark.parametrize("delimiter", ",;\t")
def test_the_delimiter_is_found_behind_a_byte_order_mark(tmp_path: Path, delimiter: str):
    path = tmp_path / "t.csv"
    path.write_bytes(codecs.BOM_UTF8 + f"\n case {delimiter}age\n a {delimiter}45\n".encode())
    assert read_table(path).rows == [["a", "45"]]
    assert read_table(path, strip=False).header == [" case ", "age"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n \n,\n", "is empty"),
        ("a,b,a\n", "same name: 'a'"),
        ('a,b\n1,"2\n', "not readable as CSV"),
        ('a,b\n1,"2"x\n', "not readable as CSV"),
    ],
)
def test_bad_tables_are_explained(tmp_path: Path, text: str, message: str):
    with pytest.raises(TableError, match=message):
        read_table(write(tmp_path, text))


def test_missing_files_and_folders_are_named(tmp_path: Path):
    for path in (tmp_path / "gone.csv", tmp_path):
        with pytest.raises(TableError, match=r"does not exist or is not a file"):
            read_table(path)


def test_other_encodings_are_refused_with_the_line_however_far_behind(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"case,site\n" + b"a,Paris\n" * 50_000 + "b,K\xf6ln\n".encode("cp1252"))
    with pytest.raises(TableError, match="line 50002: byte 0xf6 is not UTF-8") as error:
        read_table(path)
    assert "iconv -f WINDOWS-1252 -t UTF-8 t.csv" in str(error.value)


def test_sheets_tell_their_own_rows(tmp_path: Path):
    book = openpyxl.Workbook()
    for row in [[None], ["case", "age", None], [None], ["a", 45.0, None], ["b", 1.5, " "]]:
        book.active.append(row)
    book.create_sheet("other").append(["x"])
    path = tmp_path / "t.xlsx"
    book.save(path)
    table = read_table(path)
    assert (table.header, table.rows) == (["case", "age"], [["a", "45"], ["b", "1.5"]])
    assert table.lines == [4, 5]
    assert read_table(path, "other").header == ["x"]
    with pytest.raises(TableError, match=r"has no sheet 'z'\. Sheets: Sheet, other"):
        read_table(path, "z")
    path.write_bytes(b"no zip")
    with pytest.raises(TableError, match="not readable as XLSX"):
        read_table(path)


def test_a_large_table_takes_no_memory(tmp_path: Path):
    path = write(tmp_path, "case,age\n" + "a,45\n" * 200_000)
    tracemalloc.start()
    assert sum(1 for _ in read_rows(path)) == 200_001
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
