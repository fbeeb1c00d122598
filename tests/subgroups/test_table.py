import codecs
import json

import openpyxl
import pandas as pd
import pytest

from nnunetv2_fair.errors import DemographicsError
from nnunetv2_fair.subgroups.schema import Bins, Schema
from nnunetv2_fair.subgroups.table import (
    check_against_cases,
    read_dataset_table,
    read_delimited,
    read_table,
    table_hash,
    write_table,
)
from nnunetv2_fair.tables.settings import TableSettings
from tests.conftest import SEX_AND_AGE

GOOD = "case,patient,sex,age\na_1,a,female,34\na_2,a,female,\nb_1,b,male,70\n"


def test_reads_what_was_written(tmp_path, write_demographics):
    table = read_table(write_demographics(GOOD))
    assert table.cases == ["a_1", "a_2", "b_1"]
    assert table.patients == {"a_1": "a", "a_2": "a", "b_1": "b"}
    assert table.frame.loc["a_2", "age"] == ""
    folder = tmp_path / "Dataset042_Again"
    folder.mkdir()
    write_table(table.frame.reset_index(), table.schema, folder)
    again = read_dataset_table(folder)
    pd.testing.assert_frame_equal(again.frame, table.frame)
    assert again.schema == table.schema
    assert sorted(p.name for p in folder.iterdir()) == ["demographics.csv", "demographics.json"]


def test_repr_shows_no_person(write_demographics):
    assert "female" not in repr(read_table(write_demographics(GOOD))).replace(
        "levels=('female', 'male')", ""
    )


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("id,sex\na,male\n", ["no column 'case'", "Columns found: id, sex"]),
        ("case,age\na,34\n", ["no column 'sex'", "Columns found: case, age"]),
        ("case,sex,age\na,male,3\na,male,4\n", ["line 3: case 'a' already appears on line 2"]),
        ("case,sex,age\n,male,3\n", ["line 2: the case is empty"]),
        ("case,patient,sex,age\na,,male,3\n", ["case 'a': the patient is empty"]),
        ("case,synthetic,sex,age\na,yes,male,3\n", ["synthetic is 'yes', expected 0 or 1"]),
        (
            "case,sampling_weight,sex,age\na,-1,male,3\nb,1.5,male,3\n",
            [
                "line 2, case 'a': sampling_weight is '-1', expected a whole number",
                "line 3, case 'b': sampling_weight",
            ],
        ),
        ("case,sex,age\n", ["no rows below the header"]),
        ("", ["is empty"]),
        ("case,sex,sex\na,male,male\n", ["same name: 'sex'"]),
        ("case,sex,age\na,male\n", ["line 2: found 2 cells, the header has 3"]),
        (
            "case,sex,age\na,Male,??\nb,male,999\n",
            [
                "line 2, case 'a': 'Male' is not a level",
                "line 2, case 'a': '??' is not a number",
                "line 3, case 'b': '999' is outside",
            ],
        ),
    ],
)
def test_bad_tables_name_file_line_and_case(write_demographics, text, messages):
    path = write_demographics(text)
    with pytest.raises(DemographicsError) as error:
        read_table(path)
    for message in [str(path), *messages]:
        assert message in str(error.value)


def test_byte_order_mark_and_semicolons_are_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(codecs.BOM_UTF8 + "case;sex;age\nä;male;45\n".encode())
    assert read_delimited(path).to_dict("list") == {"case": ["ä"], "sex": ["male"], "age": ["45"]}


def test_windows_1252_is_refused_with_line_and_command(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("case,site\na,Paris\nb,Köln\n".encode("cp1252"))
    with pytest.raises(DemographicsError, match="line 3: byte 0xf6 is not UTF-8") as error:
        read_delimited(path)
    assert "iconv -f WINDOWS-1252 -t UTF-8" in str(error.value)


def test_xlsx_is_read_as_text(tmp_path):
    book = openpyxl.Workbook()
    for row in [["case", "age", None], ["a", 45.0, None], ["b", None, None], [None, None, None]]:
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    frame = read_delimited(tmp_path / "t.xlsx")
    assert frame.to_dict("list") == {"case": ["a", "b"], "age": ["45", ""]}
    with pytest.raises(DemographicsError, match="has no sheet 'x'"):
        read_delimited(tmp_path / "t.xlsx", sheet="x")


def test_broken_xlsx_is_named(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"no zip")
    with pytest.raises(DemographicsError, match=r"t\.xlsx is not readable as XLSX"):
        read_delimited(tmp_path / "t.xlsx")


def test_table_without_dictionary_describes_itself(write_demographics):
    rows = "".join(f"c{i},{'f' if i % 3 else 'm'},{30 + i}\n" for i in range(40))
    table = read_table(write_demographics("case,sex,age\n" + rows, schema=None))
    assert table.schema["sex"].levels == ("f", "m")
    assert table.schema["age"].groups == ("<40", "40-<50", "50-<59", ">=59")
    assert table.schema.default == "sex"


def test_other_bins(write_demographics):
    table = read_table(write_demographics(GOOD))
    assert table.with_bins("age", Bins.from_cuts((40,))).schema["age"].groups == ("<40", ">=40")
    with pytest.raises(DemographicsError, match="categorical"):
        table.with_bins("sex", Bins.from_cuts((40,)))
    with pytest.raises(DemographicsError, match="line 2, case 'a_1': '34' falls in no bin"):
        table.with_bins("age", Bins((50, 80), ("old",)))


def test_table_and_images_must_agree(write_demographics):
    table = read_table(write_demographics(GOOD))
    check_against_cases(table, ["a_1", "a_2", "b_1"], "imagesTr")
    check_against_cases(table, ["a_1"], "fold 0", allow_extra=True)
    with pytest.raises(DemographicsError) as error:
        check_against_cases(table, ["a_1", "c_1"], "imagesTr")
    assert "no row for 1 case of imagesTr: c_1" in str(error.value)
    assert "2 rows name cases that imagesTr does not have: a_2, b_1" in str(error.value)


def test_writing_bad_values_leaves_the_old_table(tmp_path, write_demographics):
    path = write_demographics(GOOD)
    bad = pd.DataFrame({"case": ["a"], "patient": ["a"], "sex": ["x"], "age": ["1"]})
    with pytest.raises(DemographicsError, match="'x' is not a level"):
        write_table(bad, Schema.from_dict(SEX_AND_AGE), tmp_path)
    assert path.read_text() == GOOD


def test_hash_changes_with_table_and_dictionary(tmp_path, write_demographics):
    def hashed(text: str) -> str:
        return table_hash(read_table(write_demographics(text)))

    first = hashed(GOOD)
    assert first == hashed(GOOD)
    assert hashed(GOOD.replace("34", "35")) != first
    # another program saved it
    header, *rows = GOOD.splitlines()
    assert hashed("\r\n".join([header, *reversed(rows)])) == first
    assert hashed(GOOD.replace(",", ";")) == first
    assert hashed(GOOD.replace("34", "34.0").replace("70", "70.00")) == first
    dictionary = tmp_path / "demographics.json"
    for changes, same in ((("meaning", "another"), True), (("maximum", 119), False)):
        write_demographics(GOOD)
        content = json.loads(dictionary.read_text())
        content["attributes"]["age"][changes[0]] = changes[1]
        dictionary.write_text(json.dumps(content))
        assert (table_hash(read_table(tmp_path / "demographics.csv")) == first) is same


def test_missing_table_says_what_to_run(tmp_path):
    folder = tmp_path / "Dataset007_Seven"
    folder.mkdir()
    with pytest.raises(DemographicsError, match="nnUNetv2_fair_prepare -d 7"):
        read_dataset_table(folder)


def test_messages_name_the_true_line_behind_empty_ones_and_long_cells(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('\ncase,note,age\n\na,"two\nlines",30\na,x,40\n')
    with pytest.raises(DemographicsError, match=r"line 6: case 'a' already .* line 4"):
        read_table(path)
    path.write_text('\ncase,note,age\n\na,"two\nlines",30\nb,x,40\n\nc,x,??\n')
    with pytest.raises(DemographicsError, match="line 8, case 'c': '\\?\\?' is not a number"):
        read_table(path, settings=TableSettings(bins={"age": (35,)}))
    path.write_text('\ncase,note,age\n\na,"two\nlines",30\nb,x,40\n\nc,x,50\n')
    with pytest.raises(DemographicsError, match="line 4, case 'a': '30' falls in no bin"):
        read_table(path, settings=TableSettings(bins={"age": (35,)})).with_bins(
            "age", Bins((35, 80), ("old",))
        )


def test_an_empty_cell_makes_nobody_synthetic_and_weighs_one(write_demographics):
    text = "case,synthetic,sampling_weight,sex,age\na,,,male,3\nb,1,4,male,3\nc,0,0,male,3\n"
    table = read_table(write_demographics(text))
    assert table.synthetic_cases == {"b"}
    assert table.sampling_weights == {"a": 1, "b": 4, "c": 0}
