from pathlib import Path

import openpyxl
import pytest

from nnunetv2_fair.dataset_conversion.ukbb_cmr.cohort import Cohort, draw_cohort, parse_cohort
from nnunetv2_fair.dataset_conversion.ukbb_cmr.people import (
    PeopleSettings,
    merge_people,
    read_case_labels,
    read_list,
    schema_of,
)
from nnunetv2_fair.dataset_conversion.ukbb_cmr.table import read_people
from nnunetv2_fair.errors import ConversionError, UsageError
from nnunetv2_fair.tables.settings import TableSettings
from tests.dataset_conversion.factories.ukbb_cmr import CODES, SPELLINGS, people, write_table

PEOPLE = people(12, CODES)
IDS = [person.eid for person in PEOPLE]
DEFAULT = PeopleSettings()
GROUPS = ("White", "White", "Mixed", "Asian", "Black", "Black", "Chinese", "Other", "", "")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_all_spellings_give_the_same(tmp_path: Path, spelling: str, delimiter: str) -> None:
    write_table(tmp_path / "t.csv", PEOPLE, spelling, delimiter)
    found = read_people(tmp_path / "t.csv", IDS[:10], DEFAULT)
    assert found.attributes == ("ethnicity", "sex", "age", "bmi", "height", "weight")
    assert not found.problems
    assert [found.values[i]["ethnicity"] for i in IDS[:10]] == list(GROUPS)
    assert found.values[IDS[3]] == {
        "ethnicity": "Asian", "sex": "male", "age": "51", "bmi": "22.5", "height": "163",
        "weight": "64.5",
    }  # fmt: skip
    assert set(found.values) == set(IDS[:10])  # others are not kept
    assert found.lines[IDS[3]] == 5


def test_a_second_header_line_decimals_and_more_columns_than_needed(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        "Identifier,Ethnic background,,Age\neid,21000-0.0,,21003-2.0\n"
        "9000017.0,1001.0,x,64.0\n9000018,-3.0,x,\n",
    )
    found = read_people(path, ["9000017", "9000018"], DEFAULT)
    assert found.values == {
        "9000017": {"ethnicity": "White", "age": "64"},
        "9000018": {"ethnicity": "", "age": ""},
    }
    assert found.lines["9000017"] == 3


def test_excel_with_texts_in_place_of_codes(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["participant.eid", "participant.p21000_i0", "participant.p31"])
    book.active.append([9000017, "African", "Female"])
    book.active.append([9000018, "Prefer not to answer", None])
    book.save(tmp_path / "t.xlsx")
    found = read_people(tmp_path / "t.xlsx", ["9000017", "9000018"], DEFAULT)
    assert found.values == {
        "9000017": {"ethnicity": "Black", "sex": "female"},
        "9000018": {"ethnicity": "", "sex": ""},
    }
    assert found.lines["9000018"] == 3


def test_the_first_known_answer_counts_and_the_imaging_visit(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        "eid,21000-1.0,21000-0.0,21000-2.0,21003-0.0,21003-2.0,50-0.0\n"
        "9000017,3001,-1,4001,50,58,170\n"
        "9000018,,1001,1001,50,,170\n"
        "9000019,4001,1001,,50,59,170\n",
    )
    found = read_people(path, ["9000017", "9000018", "9000019"], DEFAULT)
    ethnicity = [values["ethnicity"] for values in found.values.values()]
    assert ethnicity == ["Asian", "White", "White"]  # by visit, not by column
    assert [values["age"] for values in found.values.values()] == ["58", "", "59"]
    assert "height" not in found.attributes
    notes = " ".join(found.notes)
    assert "2 participants gave different answers" in notes
    assert "'height' is not in the table for visit 2, only in 50-0.0" in notes
    first = read_people(path, ["9000017"], PeopleSettings(instance=0))
    assert (first.values["9000017"]["age"], first.values["9000017"]["height"]) == ("50", "170")


def test_tables_of_other_sites(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv", "ID,Race,Gender,Age\nA-1,black,F,46.5\nA-2,?,M,40\nA-3,White,M,30\n"
    )
    settings = PeopleSettings(
        TableSettings(
            columns={"participant": "ID"},
            values={"sex": {"F": "female", "M": "male"}},
            unknown=("?",),
        )
    )
    found = read_people(path, ["A-1", "A-2"], settings)
    assert not found.problems
    assert found.values["A-1"] == {"ethnicity": "Black", "sex": "female", "age": "46.5"}
    assert found.values["A-2"]["ethnicity"] == ""
    with pytest.raises(ConversionError, match=r"--columns participant=<column>") as caught:
        read_people(path, ["A-1"], DEFAULT)
    assert "Columns found: ID, Race, Gender, Age" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "eid,21000-0.0\n9000017,7001\n",
            r"t\.csv, line 2: '7001' is not a known ethnicity\. .*--values",
        ),
        ("eid,race\n9000017,1\n", r"line 2: '1' is not a known ethnicity"),  # whose code is it?
        ("eid,31-0.0\n9000017,2\n", r"line 2: '2' is not a known sex"),
        ("eid,sex\n9000017,0\n", r"line 2: '0' is not a known sex"),
        ("eid,21003-2.0\n9000017,old\n", r"line 2: 'old' is not a known age\. .*--unknown old"),
        ("eid,21003-2.0\n9000017,inf\n", r"line 2: 'inf' is not a known age"),
        ("eid,31-0.0\n9000017,0\n9000017,1\n", r"lines 2 and 3 are the same .*differ in sex"),
    ],
)
def test_bad_cells_name_line_and_content_but_nobody(
    tmp_path: Path, text: str, message: str
) -> None:
    found = read_people(write(tmp_path / "t.csv", text), ["9000017"], DEFAULT)
    (problem,) = found.problems
    assert "9000017" not in problem
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(problem)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a,b\n1,2\n", "no column of participants"),
        (b"eid,x\n1,2\n", r"no column with one of ethnicity, sex.*Columns found: eid, x"),
        (b"eid,31-0.0,31-0.0\n1,0,0\n", "columns of the same name: '31-0.0'"),
        (b"eid,sex,gender\n1,0,0\n", "several columns for sex: sex, gender"),
        (b"eid\xe9,sex\n1,0\n", "not UTF-8"),
        (b"eid,race\n9000017,caf\xe9\n", "not UTF-8"),
        (b"eid,race\n" + b"9000018,white\n" * 9999 + b"9000017,\xe9\n", "not UTF-8"),
        (
            b"eid,race\n9000018,white\n9000017,white,x\n",
            r"line 3: other numbers of cells than the header's 2",
        ),
        (
            b'eid,race\n9000018,"white\n9000017,white\n',
            "line 2: a cell begins with a quotation mark",
        ),
        (b"", "no column of participants"),
    ],
)
def test_bad_tables_say_what_was_found(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text)
    with pytest.raises(ConversionError, match=message) as caught:
        read_people(path, ["9000017"], DEFAULT)
    assert "9000017" not in str(caught.value)
    assert caught.value.__context__ is None


def test_ages_with_units_are_read_where_that_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "eid,age\n9000017,046Y\n")
    (problem,) = read_people(path, ["9000017"], DEFAULT).problems
    assert "To accept ages like this one: --dicom-age age" in problem
    told = PeopleSettings(TableSettings(dicom_age=("age",)))
    assert read_people(path, ["9000017"], told).values["9000017"]["age"] == "46"


def test_what_is_clear_is_offered_as_options(tmp_path: Path) -> None:
    rows = "9000017,F,046Y\n9000018,Männlich,TBD\n9000019,x,47\n9000020,F,045Y\n"
    path = write(tmp_path / "t.csv", f"eid,sex,age\n{rows}")
    found = read_people(path, [f"90000{i}" for i in range(17, 21)], DEFAULT)
    assert len(found.problems) == 7
    assert found.remedy.options == (
        "--values sex F=female 'Männlich=male' --unknown TBD --dicom-age age"
    )
    told = TableSettings(
        values={"sex": {"F": "female", "Männlich": "male", "x": "male"}},
        unknown=("TBD",),
        dicom_age=("age",),
    )
    read = read_people(path, [f"90000{i}" for i in range(17, 21)], PeopleSettings(told))
    assert not read.problems
    assert [read.values[f"90000{i}"]["sex"] for i in range(17, 20)] == ["female", "male", "male"]


def test_lines_are_counted_in_large_tables_and_over_line_breaks(tmp_path: Path) -> None:
    rows = "".join(f"{8_000_000 + i},{1001 + i % 3},{'x' * 50}\n" for i in range(45_000))
    path = write(tmp_path / "t.csv", f"eid,21000-0.0,other\n{rows}")
    found = read_people(path, ["8000000", "8044999"], DEFAULT)
    assert found.lines == {"8000000": 2, "8044999": 45_001}
    path = write(tmp_path / "b.csv", 'eid,sex,x\n1,male,"a\nb"\n\n9000017,??,\n')
    (problem,) = read_people(path, ["9000017"], DEFAULT).problems
    assert "b.csv, line 5: '??' is not a known sex" in problem


LABELS = "{0}_sa_ED,1\n{0}_sa_ES,1\n{1}_sa_ED.nii.gz,2\n{2},1.0\n".format(*IDS)


@pytest.mark.parametrize("header", ["", "Subject,Race label\n"])
def test_labels_csv_with_and_without_header(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "labels.csv", header + LABELS)
    settings = PeopleSettings(TableSettings(values={"ethnicity": {"1": "White", "2": "Black"}}))
    found = read_case_labels(path, IDS[:3], settings)
    assert [found.values[i]["ethnicity"] for i in IDS[:3]] == ["White", "Black", "White"]
    assert not found.problems
    with pytest.raises(ConversionError, match=r"holds 1 \(3 rows\), 2 \(1 rows\), and does not"):
        read_case_labels(path, IDS, DEFAULT)


def test_labels_csv_that_disagrees_with_itself_or_with_the_table(tmp_path: Path) -> None:
    settings = PeopleSettings(TableSettings(values={"ethnicity": {"1": "White", "2": "Black"}}))
    path = write(tmp_path / "labels.csv", f"{IDS[0]}_sa_ED,1\n{IDS[0]}_sa_ES,2\n")
    (problem,) = read_case_labels(path, IDS, settings).problems
    assert "labels.csv, lines 1 and 2 are the same participant but differ in ethnicity" in problem
    write_table(tmp_path / "t.csv", PEOPLE)
    table = read_people(tmp_path / "t.csv", IDS, DEFAULT)
    path = write(tmp_path / "labels.csv", f"{IDS[0]}_sa_ED,2\n{IDS[8]}_sa_ED,2\n")
    merged = merge_people(table, read_case_labels(path, IDS, settings), "labels.csv")
    assert merged.problems[0].startswith("labels.csv, line 1: the ethnicity differs")
    assert merged.values[IDS[8]]["ethnicity"] == "Black"  # unknown in the table
    assert merged.values[IDS[8]]["age"] == table.values[IDS[8]]["age"]


def test_lists_with_header_or_bare(tmp_path: Path) -> None:
    assert read_list(write(tmp_path / "a.csv", "eid\n9000017\n9000018.0\n"), "--only") == {
        "9000017",
        "9000018",
    }
    assert read_list(write(tmp_path / "w.csv", "9000017\n\n9000018\n"), "--exclude") == {
        "9000017",
        "9000018",
    }
    assert read_list(write(tmp_path / "i.csv", ",eid\n0,9000017\n"), "--only") == {"9000017"}
    with pytest.raises(ConversionError, match=r"--only\) names no participant"):
        read_list(write(tmp_path / "e.csv", "eid\n"), "--only")
    with pytest.raises(ConversionError, match=r"several columns and none is called eid"):
        read_list(write(tmp_path / "b.csv", "a,b\n1,2\n"), "--only")


def test_schema(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", PEOPLE)
    found = read_people(tmp_path / "t.csv", IDS, DEFAULT)
    schema, notes = schema_of(found, {"age": (50,)})
    assert schema.default == "ethnicity"
    assert schema["ethnicity"].groups == ("White", "Mixed", "Asian", "Black", "Chinese", "Other")
    assert schema["ethnicity"].reference == "White"
    assert schema["age"].groups == ("<50", ">=50")
    assert schema["bmi"].groups == ("<18.5", "18.5-<25", "25-<30", ">=30")
    assert len(schema["height"].groups) == 4
    assert not notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("black", "'black' is not understood"),
        ("black=x", "'black=x' is not understood"),
        ("brown=1", "some of white, mixed, asian, black, chinese, other"),
        ("black=1,Black=2", "'Black' is given twice"),
        ("seed=3", "at least one participant"),
        ("seed=0,seed=0,black=1", "'seed' is given twice"),
    ],
)
def test_bad_cohorts(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_cohort(text)


def test_cohorts() -> None:
    assert parse_cohort("black=15, White=4221,seed=7") == Cohort({"Black": 15, "White": 4221}, 7)
    groups = {str(9_000_000 + i): ("White", "Black", "")[i % 3] for i in range(90)}
    drawn = draw_cohort(groups, Cohort({"Black": 5, "White": 12}, 3))
    counts = [sum(groups[p] == name for p in drawn) for name in ("Black", "White", "")]
    assert counts == [5, 12, 0]
    shuffled = dict(sorted(groups.items(), reverse=True))
    assert draw_cohort(shuffled, Cohort({"White": 12, "Black": 5}, 3)) == drawn
    assert draw_cohort(groups, Cohort({"Black": 5, "White": 12}, 4)) != drawn
    # more of one group: the same people and more, and nothing changes for the other
    more = draw_cohort(groups, Cohort({"Black": 9, "White": 12}, 3))
    assert drawn < more
    with pytest.raises(ConversionError, match=r"1 Mixed wanted, 0 available; 31 Black wanted, 30"):
        draw_cohort(groups, Cohort({"Black": 31, "Mixed": 1}))
