import codecs
import csv
import datetime
import io
import re
import subprocess
import tracemalloc
import zipfile
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
        ('a,b\n1,"2\n', "line 2: a cell begins with a quotation mark that is never closed"),
        ('a,b\n1,2\n3,"4\n5,6\n7,8\n', "line 3: a cell begins with a quotation mark that is"),
        ('a,b\n1,"2"x\n', "line 2: not readable as CSV"),
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
    command = str(error.value).rpartition("under another name: ")[2]
    subprocess.run(["sh", "-c", command], check=True)
    assert read_table(path).rows
    assert (tmp_path / "t.csv.windows-1252").is_file()


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


def workbook(path: Path, rows: list[list[object]]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return book


def rewritten(path: Path, old: bytes, new: bytes) -> None:
    """Replace bytes of the first sheet of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "xl/worksheets/sheet1.xml"
    changed = re.sub(old, new, parts[name])
    assert changed != parts[name]
    with zipfile.ZipFile(path, "w") as archive:
        for part, content in {**parts, name: changed}.items():
            archive.writestr(part, content)


@pytest.mark.parametrize("stated", [b"A1:B3", b"A1:D2", b"A1", b"A1:XFD%d" % 2**20])
def test_the_stated_extent_of_a_sheet_is_not_believed(tmp_path: Path, stated: bytes):
    path = tmp_path / "t.xlsx"
    workbook(path, [["case", "sex", "age"], *([f"c{i}", "f", 40 + i] for i in range(5))])
    rewritten(path, rb'<dimension ref="[^"]*"', b'<dimension ref="' + stated + b'"')
    table = read_table(path)
    assert table.header == ["case", "sex", "age"]
    assert [row[2] for row in table.rows] == ["40", "41", "42", "43", "44"]


def test_zeros_that_only_the_format_shows_are_kept(tmp_path: Path):
    book = openpyxl.Workbook()
    book.active.append(["case", "born", "weight"])
    book.active.append([7, datetime.datetime(1960, 5, 3), 70])
    book.active["A2"].number_format = "00000"
    book.active["C2"].number_format = "0"
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx").rows == [["00007", "1960-05-03", "70"]]


@pytest.mark.parametrize(
    ("form", "shown"),
    [("00000", "00007"), ('"P"000', "P007"), ("\\P000", "P007"), ('"A-"00', "A-07"), ("0", "7"),
     ("0.00", "7"), ("0%", "7"), ("#,##0", "7"), ("General", "7")],
)  # fmt: skip
def test_formats_of_numbers_show_names(tmp_path: Path, form: str, shown: str):
    book = openpyxl.Workbook()
    book.active.append(["case"])
    book.active.append([7])
    book.active["A2"].number_format = form
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx").rows == [[shown]]


def test_texts_in_the_form_that_keeps_their_zeros(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text('"=""case""",sex\n="001",f\n"=""002""",m\n=1+1,="a"&"b"\n')
    table = read_table(path)
    assert table.header == ["case", "sex"]
    assert table.rows == [["001", "f"], ["002", "m"], ["=1+1", '="a"&"b"']]
    # names of our own files come back as they are
    path.write_text(f"case\n{protected('=')}\n")
    cells = io.StringIO()
    csv.writer(cells).writerows([["case"], [protected('="001"')]])
    path.write_text(cells.getvalue())
    assert unprotected(read_table(path).rows[0][0]) == '="001"'


def test_formulas_that_nobody_computed_are_refused(tmp_path: Path):
    path = tmp_path / "t.xlsx"
    workbook(path, [["case", "age"], ["a", "=20+20"], ["b", "=20+21"]])
    with pytest.raises(TableError, match=r"2 cells hold formulas .*: B2, B3\. Open the file in"):
        read_table(path)
    rewritten(path, rb"<v></v>|<v ?/>", b"<v>40</v>")
    assert read_table(path).rows == [["a", "40"], ["b", "40"]]


def test_empty_cells_with_a_format_are_no_formulas(tmp_path: Path):
    book = openpyxl.Workbook()
    book.active.append(["case", "age"])
    book.active.append(["a", None])
    book.active["B2"].number_format = "0.0"
    book.active["F9"].number_format = "0.0"
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx").rows == [["a", ""]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_unicode_text_of_excel_is_read(tmp_path: Path, encoding: str):
    path = tmp_path / "t.txt"
    path.write_text("case\tsite\na\tKöln\n", encoding=encoding)
    assert read_table(path).rows == [["a", "Köln"]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "t.xls",
            bytes.fromhex("d0cf11e0a1b11ae1") + bytes(99),
            r"old Excel file .*save it as .xl",
        ),
        ("t.xlsx", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(99), "encrypted with a password"),
        ("t.csv", b"PK\x03\x04" + bytes(99), r"zip file.*rename it to t\.xlsx"),
        ("t.ods", b"PK\x03\x04", r"OpenDocument.*Save it as CSV \(UTF-8\) or XLSX"),
        ("t.sav", b"$FL2", "SPSS file"),
        ("t.csv", "case,age\na,1\n".encode("utf-16-le"), "zero bytes.*iconv -f UTF-16LE"),
        ("t.txt", codecs.BOM_UTF16_LE + b"a\0b", "mark of UTF-16"),
    ],
)
def test_other_files_are_called_what_they_are(
    tmp_path: Path, name: str, content: bytes, message: str
):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=message) as error:
        read_table(tmp_path / name)
    assert "1252" not in str(error.value)


def test_a_text_has_no_sheets(tmp_path: Path):
    with pytest.raises(TableError, match=r"no sheets; --sheet 'x' applies to XLSX"):
        read_table(write(tmp_path, "a,b\n1,2\n"), "x")


def workbook_with(path: Path, *cells: tuple[int, int, str]) -> Path:
    book = openpyxl.Workbook()
    for row, column, text in ((1, 1, "case"), (1, 2, "sex"), (2, 1, "a"), (2, 2, "f"), *cells):
        book.active.cell(row, column, text)
    book.save(path)
    return path


def with_sheet(path: Path, old: bytes, new: bytes) -> None:
    """Replace a part of the only sheet of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts["xl/worksheets/sheet1.xml"]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content.replace(old, new) if "sheet1" in name else content)


def test_a_workbook_that_inflates_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = workbook_with(tmp_path / "t.xlsx", (3, 1, "ZZZ"))
    monkeypatch.setattr("nnunetv2_fair.files.tabular._INFLATED", 1 << 20)
    assert read_table(path).header == ["case", "sex"]
    with_sheet(path, b"ZZZ", b"A" * (20 << 20))
    with pytest.raises(TableError, match=r"t\.xlsx holds 20 MiB in \d+ KiB, which no table does"):
        read_table(path)


def test_entities_that_stand_for_each_other_are_refused(tmp_path: Path):
    path = workbook_with(tmp_path / "t.xlsx", (3, 1, "ZZZ"))
    entities = b"".join(
        b'<!ENTITY e%d "%s">' % (i, b"&e%d;" % (i - 1) * 15 if i else b"a" * 20) for i in range(10)
    )
    with_sheet(path, b"<worksheet", b"<!DOCTYPE l [" + entities + b"]><worksheet")
    with_sheet(path, b"ZZZ", b"&e9;")
    with pytest.raises(TableError, match="is not readable as XLSX"):
        read_table(path)


def test_a_cell_far_away_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = workbook_with(tmp_path / "t.xlsx", (1_048_576, 16_384, " "))
    assert read_table(path).rows == [["a", "f"]]
    path = workbook_with(tmp_path / "t.xlsx", (3, 900, "x"), (4, 900, "y"), (5, 900, "z"))
    monkeypatch.setattr("nnunetv2_fair.files.tabular._MOST_CELLS", 1000)
    with pytest.raises(TableError, match=r"more than 1,000 cells up to column 900 of row 4"):
        read_table(path)
