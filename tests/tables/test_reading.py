"""Every kind of cell that people have stumbled over, read or refused with options that work."""

import shlex
from pathlib import Path

import pytest

from nnunetv2_fair.cli.shared.common import command_parser
from nnunetv2_fair.cli.shared.table_arguments import add_table_arguments, table_settings
from nnunetv2_fair.errors import FairError, TableError
from nnunetv2_fair.files.tabular import Table
from nnunetv2_fair.tables.attribute_column import Described
from nnunetv2_fair.tables.columns import column_of_names
from nnunetv2_fair.tables.reading import PeopleTable, read_people, row_problems
from nnunetv2_fair.tables.remedy import options_of
from nnunetv2_fair.tables.settings import TableSettings
from nnunetv2_fair.tables.spellings import folded, one_spelling

PEOPLE = Path("people.csv")


def read(cells_of: dict[str, list[str]], described=None, **settings) -> PeopleTable:
    """Read a table with cases c0, c1, ... and some columns."""
    rows = len(next(iter(cells_of.values())))
    header = ["case", *cells_of]
    cells = [[f"c{i}", *(column[i] for column in cells_of.values())] for i in range(rows)]
    table = Table(header, [i + 2 for i in range(rows)], cells)
    return read_people(table, PEOPLE, TableSettings(**settings), described)


def values(people: PeopleTable, name: str) -> list[str]:
    return people.cells[name]


def levels(people: PeopleTable, name: str) -> tuple[str, ...]:
    return next(a.levels for a in people.attributes if a.name == name)


def pasted(people: PeopleTable) -> TableSettings:
    """What a shell and the command make of the options that a message offers."""
    parser = command_parser("command", "", "command")
    add_table_arguments(parser, ("case",), "quartiles")
    return table_settings(parser.parse_args(shlex.split(people.remedy.options)))


def read_again(columns: dict[str, list[str]], people: PeopleTable, **settings) -> PeopleTable:
    told = pasted(people)
    return read(columns, unknown=told.unknown, values=told.values, dicom_age=told.dicom_age,
                **settings)  # fmt: skip


MESSY = {
    "sex": ["F", "f", "Female", "M", "m", "Male", "unknown", ""],
    "age": ["78", "78 y", "078Y", "n/a", "65 years", "18 months", "", "40"],
    "site": ["München", "Mu\u0308nchen", "Bonn", "bonn", "Bonn", "na", "Köln", "Köln"],
    "scanner": ["1", "1.0", "2", "2", "2.0", "1", "-", "1"],
}


def test_one_line_of_options_mends_a_messy_table():
    people = read(MESSY, attributes=tuple(MESSY))
    assert len(people.problems) == 6  # spellings of three columns, two doubtful words, ages
    again = read_again(MESSY, people, attributes=tuple(MESSY))
    assert again.problems == []
    assert values(again, "sex") == ["female"] * 3 + ["male"] * 3 + ["", ""]
    assert values(again, "age") == ["78", "78", "78", "", "65", "1.5", "", "40"]
    assert set(levels(again, "site")) == {"München", "Bonn", "Köln"}
    assert values(again, "site")[5] == ""
    assert values(again, "scanner") == ["1", "1", "2", "2", "2", "1", "", "1"]
    assert again.remedy.options == ""


@pytest.mark.parametrize(
    "word",
    ["unknown", "Unknown", "UNK", "N/A", "n/a", "NaN", "?", "null", "#N/A", "Not  available",
     "not reported", "not specified", "unspecified", "NaT", "No data", "(blank)", "unk.",
     "not_reported", "n\u2060/a", "\uff4e\uff0f\uff41", "n\u2215a", "Unknown/Not Reported",
     "unknown or not reported"],
)  # fmt: skip
def test_what_can_only_mean_unknown_is_unknown_with_a_note(word: str):
    people = read({"sex": ["f", "m", word], "age": ["40", "50", word]})
    assert people.problems == []
    assert values(people, "sex") == ["f", "m", ""]
    assert values(people, "age") == ["40", "50", ""]
    shown = word if folded(word) == word.casefold() or word.isascii() else ascii(word)[1:-1]
    assert any(f"'sex' is '{shown}' in 1 row: read as unknown" in note for note in people.notes)
    group = read({"sex": ["f", "m", word]}, values={"sex": {"f": "f", "m": "m", word: "other"}})
    assert values(group, "sex") == ["f", "m", "other"]


def test_invisible_signs_alone_are_an_empty_cell_with_a_note():
    people = read({"sex": ["f", "m", "\u200b"], "age": ["40", "50", "\ufeff"]})
    assert (people.problems, values(people, "sex")) == ([], ["f", "m", ""])
    assert values(people, "age") == ["40", "50", ""]
    assert "'sex' is '\\u200b' in 1 row: read as unknown" in people.notes[0]


@pytest.mark.parametrize(
    "word",
    ["NA", "na", "none", "None", "-", "--", ".", "missing", "\u2013", "\u2014", "\u2026", "...",
     "/", "*", "_", "??", "''", "----", "undetermined", "refused", "n. a.", "\uff0d", "Nil"],
)  # fmt: skip
def test_what_may_mean_something_else_is_refused(word: str):
    columns = {"sex": ["f", "m", word], "age": ["40", "50", word]}
    people = read(columns)
    assert len(people.problems) == 2
    assert f"line 4, case 'c2': 'sex' is '{word}', which may mean unknown" in people.problems[0]
    again = read_again(columns, people)
    assert again.problems == []
    assert values(again, "sex") == ["f", "m", ""]
    as_level = read({"sex": ["f", "m", word]}, values={"sex": {v: v for v in ("f", "m", word)}})
    assert as_level.problems == []
    assert levels(as_level, "sex") == ("f", "m", word)


def test_a_negative_finding_is_a_level_and_so_is_none_where_it_is_one():
    assert read({"her2": ["+", "-", "-"]}).problems == []
    assert read({"grade": ["+", "++", "\u2212", "(-)"]}).problems == []
    assert read({"foci": ["none", "two"]}, none_is_level=("foci",)).problems == []


@pytest.mark.parametrize(
    ("name", "codes", "code"),
    [
        ("sex", ["female", "male"], "99"),
        ("sex", ["female", "male"], "U"),
        ("sex", ["1", "2"], "9"),
        ("Gender", ["1", "2"], "-9"),
        ("PatientSex", ["M", "F"], "u"),
        ("smoker", ["never", "former"], "-1"),
        ("site", ["Bonn", "Trier"], "999"),
    ],
)
def test_codes_for_unknown_among_levels_are_refused(name: str, codes: list[str], code: str):
    columns = {name: [*codes, code] * 3}
    people = read(columns, attributes=(name,))
    (problem,) = people.problems
    assert f"'{name}' is '{code}', which may mean unknown. If it does: --unknown {code}" in problem
    assert values(read_again(columns, people, attributes=(name,)), name) == [*codes, ""] * 3


@pytest.mark.parametrize(
    "columns",
    [{"site": ["1", "2", "9"]}, {"site": ["1", "2", "99"]}, {"stage": ["T1", "T2", "99"]},
     {"group": ["U", "V"]}, {"sex": ["M", "F", "O"]}],
)  # fmt: skip
def test_codes_that_may_be_levels_stay_so(columns: dict[str, list[str]]):
    people = read(columns)
    assert people.problems == []
    assert people.cells == columns


@pytest.mark.parametrize(
    ("spellings", "right"),
    [
        (["1", "1,0", "2", "1"], {"1", "2"}),
        (["A-B", "A\u2013B", "A-B"], {"A-B"}),
        (["O'Neill", "O\u2019Neill", "O'Neill"], {"O'Neill"}),
        (["A/B", "A / B", "A/B"], {"A/B"}),
        (["St. Mary", "St.\u00a0Mary", "St. Mary"], {"St. Mary"}),
        (["\uff21", "A", "A"], {"A"}),
        (["two\nlines", "two lines", "two lines"], {"two lines"}),
        (["Male", "male", "male"], {"male"}),
        (["M\u00fcnchen", "Mu\u0308nchen"], {"M\u00fcnchen"}),
        (["1", "1.0", "2"], {"1", "2"}),
        (["01", "1", "1"], {"1"}),
        (["male", "m\u0430le", "male"], {"male"}),  # a Cyrillic letter
        (["male", "ma\u200ble"], {"male"}),  # an invisible sign
        (["non-smoker", "non smoker", "non-smoker", "smoker"], {"non-smoker", "smoker"}),
        (["F", "Female", "M"], {"female", "male"}),
        (["Yes", "y", "No"], {"yes", "no"}),
        (["w", "weiblich", "m"], {"female", "male"}),
        (["=1", "a=b", "a=b", "A=b"], {"=1", "a=b"}),
        (["-x", "-X", "-X", "-4"], {"-X", "-4"}),
        (["it's", "It's", "a b", "$HOME"], {"It's", "a b", "$HOME"}),
        (["back\\slash", "Back\\slash"], {"Back\\slash"}),
    ],
)
def test_spellings_of_one_level_are_refused_and_the_advice_joins_them(spellings, right):
    columns = {"what": spellings}
    people = read(columns)
    (problem,) = people.problems
    assert "the same level in several spellings" in problem
    again = read_again(columns, people)
    assert again.problems == []
    assert set(values(again, "what")) == right


@pytest.mark.parametrize("levels", [["F", "M"], ["0", "1"], ["<50", ">=50"], ["a", "b", "ab"]])
def test_levels_that_are_different_stay_so(levels: list[str]):
    people = read({"what": levels})
    assert people.problems == []
    assert set(values(people, "what")) == set(levels)


def test_ages_of_dicom_everywhere_are_one_problem():
    columns = {"age": [f"0{40 + i}Y" for i in range(24)]}
    people = read(columns, attributes=("age",))
    (problem,) = people.problems
    assert "'040Y' is not a number, but 'age' is numeric" in problem
    assert "and 23 more cells like it, line 3, 4, 5, 6 and 19 more" in problem
    assert "--dicom-age age" in problem
    again = read_again(columns, people, attributes=("age",))
    assert values(again, "age")[:2] == ["40", "41"]


@pytest.mark.parametrize(
    ("cell", "years"),
    [("45Y", "45"), ("045Y", "45"), ("018M", "1.5"), ("45", "45"), ("000Y", "0"),
     ("0365D", "0.9993"), ("052W", "0.9966"), ("78 y", "78"), ("78.5 years", "78.5")],
)  # fmt: skip
def test_ages_with_units(cell: str, years: str):
    people = read({"age": ["40", cell]}, dicom_age=("age",))
    assert (people.problems, values(people, "age")) == ([], ["40", years])


@pytest.mark.parametrize("cell", ["5_4", "٤٥", "inf", "1e999", "0x10", "abc", "4 5"])
def test_what_only_looks_like_a_number_is_none(cell: str):
    (problem,) = read({"age": ["40", "50", cell]}).problems
    assert f"'{cell}' is not a number, but 'age' is numeric" in problem


@pytest.mark.parametrize(
    ("cell", "number"),
    [("\u0664\u0665", "45"), ("\uff14\uff15", "45"), ("\uff14\uff15\uff0e5", "45.5"),
     ("1\u00a0045", "1045"), ("1\u202f045.5", "1045.5"), ("\u22121.5", "-1.5")],
)  # fmt: skip
def test_numbers_in_other_digits_are_refused_with_the_number(cell: str, number: str):
    columns = {"age": ["40", "50", cell]}
    people = read(columns, ranges={"age": (-10, 2000)})
    (problem,) = people.problems
    assert f"'{cell}' is not a number, but 'age' is numeric; write it in the digits" in problem
    assert problem.endswith(f": {number}")
    again = read_again(columns, people, ranges={"age": (-10, 2000)})
    assert (again.problems, values(again, "age")) == ([], ["40", "50", number])


def test_a_whole_column_of_other_digits_is_numbers():
    (problem,) = read({"age": ["\uff14\uff15", "\uff15\uff10"] * 3}).problems
    assert "write it in the digits 0 to 9" in problem
    many = read({"dose": [f"\uff11{i}" for i in range(12)]}, attributes=("dose",))
    assert "write it in the digits 0 to 9" in many.problems[0]
    assert many.remedy.options == ""  # --values makes levels of what is not known to be numeric


def test_ages_of_a_person_each_are_no_groups():
    people = read({"age": [f"P{20 + i}Y" for i in range(13)]}, attributes=("age",))
    assert "'P20Y' is not a number, but 'age' is numeric" in people.problems[0]
    assert read({"age": ["40-49", "50-59", ">59"] * 5}).problems == []


@pytest.mark.parametrize("first", [0, 1])
def test_a_column_that_numbers_the_rows_is_left_out_unless_asked_for(first: int):
    columns = {"Unnamed: 0": [str(i + first) for i in range(12)], "sex": ["f", "m"] * 6}
    people = read(columns)
    assert list(people.cells) == ["sex"]
    note = "column 'Unnamed: 0' is not used: it numbers the rows; if it is more than that: -a 'U"
    assert any(note in told for told in people.notes)
    asked = read(columns, attributes=("Unnamed: 0",))
    assert list(asked.cells) == ["Unnamed: 0"]
    shuffled = [str(i) for i in (1, 3, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12)]
    assert "score" in read({**columns, "score": shuffled}).cells


@pytest.mark.parametrize("cell", ["-4", "999"])
def test_implausible_ages_are_refused_with_both_ways_out(cell: str):
    (problem,) = read({"age": ["40", "50", cell]}).problems
    assert f"'{cell}' is outside the plausible range of 'age' (0 to 120 years)" in problem
    assert "--range age=<lowest>,<highest>" in problem
    assert f"--unknown {cell}" in problem
    assert read({"age": ["40", cell]}, unknown=(cell,)).problems == []
    assert read({"age": ["40", cell]}, ranges={"age": (-10, 1000)}).problems == []


def test_ages_above_a_limit_can_be_given_a_number():
    columns = {"age": ["40", "50", "90+"]}
    (problem,) = read(columns).problems
    assert "--values age '90+=<number>'" in problem
    people = read(columns, values={"age": {"90+": "90"}})
    assert people.problems == []
    assert values(people, "age") == ["40", "50", "90"]
    assert people.attributes[0].numeric


@pytest.mark.parametrize(
    "levels",
    [["1.5T", "3T"], ["2D", "3D"], [f"{i}{x}" for i in (1, 2, 3) for x in "abcd"], ["1,5", "3,0"]],
)
def test_levels_that_begin_with_a_number_are_levels(levels: list[str]):
    people = read({"what": levels * 2})
    assert people.problems == []
    assert set(values(people, "what")) == set(levels)


def test_numbers_with_a_unit_are_numbers_written_wrongly():
    people = read({"bmi": [f"2{i}.5 kg/m2" for i in range(10)]}, attributes=("bmi",))
    (problem,) = people.problems
    assert "'20.5 kg/m2' is not a number, but 'bmi' is numeric; write the number alone" in problem
    assert "and 9 more cells like it" in problem


def test_decimal_commas_are_read_where_they_can_mean_nothing_else():
    people = read({"bmi": [f"2{i % 10},{i % 7}" for i in range(20)]})
    assert people.problems == []
    assert values(people, "bmi")[:2] == ["20.0", "21.1"]
    assert people.notes == ["'bmi': decimal commas are read as points"]


@pytest.mark.parametrize("others", [["1,234", "2,500"], ["1,5", "2.5"]])
def test_ambiguous_commas_are_refused(others: list[str]):
    people = read({"bmi": [*others, *(str(20 + i) for i in range(12))]})
    assert "a decimal one or one of thousands" in people.problems[0]


@pytest.mark.parametrize(
    "dates",
    [["1960-05-03", "1955-01-31"], ["03.05.1960", "31.01.1955"], ["5/3/60", "1/31/55"],
     ["19600503", "19550131"], ["1960-05-03 00:00:00", "3-May-1960"]],
)  # fmt: skip
def test_dates_form_no_groups(dates: list[str]):
    asked = read({"born": dates}, attributes=("born",))
    (problem,) = asked.problems
    assert "'born' is a date, which forms no groups" in problem
    assert dates[0] not in problem
    free = read({"born": dates * 7, "sex": ["f", "m"] * 7})
    assert [a.name for a in free.attributes] == ["sex"]
    assert "column 'born' is not used: it holds dates, which form no groups" in free.notes


def test_control_characters_are_named_not_shown():
    (problem,) = read({"sex": ["f", "m\0", "\x1b[31mm"]}).problems
    assert "control characters (U+0000, U+001B)" in problem
    assert "\0" not in problem
    assert "\x1b" not in problem


@pytest.mark.parametrize("other", ["p\u200b1", "\uff501", "\u04401", "p1\u00ad", "P\u200d1"])
def test_patients_of_which_nobody_sees_that_they_differ(other: str):
    # as two patients they would be in training and test part at once
    roles = {"case": ["a", "b", "c"], "patient": ["p1", "q\u00e91", other]}
    (problem,) = row_problems(roles, "case", "t.csv", [2, 3, 5])
    assert "t.csv, lines 2 and 5: patient" in problem
    assert "look the same and differ in signs" in problem
    assert problem.isascii()


def test_names_that_people_can_tell_apart():
    for names in (
        ["p1", "P1", "p-1", "p_1"],
        ["\u00e91", "e1", "\u00e9-1", "\u00e9_1"],
        ["\u00e91"] * 3,
    ):
        roles = {"case": ["a", "b", "c", "d"][: len(names)], "patient": names}
        assert row_problems(roles, "case", "t.csv", range(2, 2 + len(names))) == []


@pytest.mark.parametrize("sign", ["\u202e", "\u2066", "\u202a"])
def test_signs_that_turn_the_direction_of_a_text_are_control_characters(sign: str):
    (problem,) = read({"site": [f"A{sign}B", "C", "D"]}).problems
    assert f"control characters (U+{ord(sign):04X})" in problem
    roles = {"case": ["a", "b"], "patient": [f"p{sign}1", "q"]}
    (problem,) = row_problems(roles, "case", "t.csv", [2, 3])
    assert f"the patient holds U+{ord(sign):04X}" in problem


@pytest.mark.parametrize("name", ["1.23E+11", "4E+15", "1,23457E+11"])
def test_numbers_that_a_spreadsheet_has_shortened_name_nobody(name: str):
    roles = {"case": ["a", "b"], "patient": ["p", name]}
    (problem,) = row_problems(roles, "case", "t.csv", [2, 3])
    assert f"'{name}' is what a spreadsheet makes of a long number" in problem
    assert row_problems({"patient": ["E+11", "1E5", "12E+11"]}, "patient", "t", [2, 3, 4]) == []


def test_control_characters_in_names():
    roles = {"case": ["a", "b\0"], "patient": ["p\x1b[1m", "q"]}
    problems = row_problems(roles, "case", "t.csv", [2, 3])
    assert [p.split(": ", 1)[1] for p in problems] == [
        "the case holds U+0000, which is no letter; remove it",
        "the patient holds U+001B, which is no letter; remove it",
    ]


@pytest.mark.parametrize(
    "error", ["#REF!", "#DIV/0!", "#NAME?", "#WERT!", "#NV", "#\u00a1VALOR!", "Err:502", "#SPILL!"]
)
def test_errors_of_formulas_are_no_groups(error: str):
    (problem,) = read({"sex": ["f", "m", error]}).problems
    assert f"'sex' holds errors of formulas ({error}); correct the formulas" in problem
    people = read({"age": ["40", "50", error]}, attributes=("age",))
    assert any("errors of formulas" in problem for problem in people.problems)
    assert read({"sex": ["f", "m", error]}, unknown=(error,)).problems == []
    roles = {"case": ["a", "b"], "patient": ["p", error]}
    (problem,) = row_problems(roles, "case", "t.csv", [2, 3])
    assert problem.startswith("t.csv, line 3: the case or the patient is an error of a formula")
    assert read({"sex": ["#1", "#2", "#2"]}).problems == []


def test_groups_of_one_are_noted():
    people = read({"remark": [f"word {i}" for i in range(20)]}, attributes=("remark",))
    assert people.notes == [
        "'remark' has 20 different values in 20 rows: most groups are of one row"
    ]


def test_a_dictionary_is_believed_and_its_spellings_are_offered():
    told = {"sex": Described(False, ("female", "male", "unknown"), lambda _: None)}
    columns = {"sex": ["female", "F", "unknown", "Male", "x"]}
    people = read(columns, told)
    assert len(people.problems) == 3
    assert "'F' is not a level of 'sex' (levels: female, male, unknown)" in people.problems[0]
    assert pasted(people).values == {"sex": {"F": "female", "Male": "male"}}
    assert "'x=<level>'" in people.problems[2]
    again = read({"sex": columns["sex"][:4]}, told, values=pasted(people).values)
    assert again.problems == []
    assert values(again, "sex") == ["female", "female", "unknown", "male"]


def test_columns_are_found_whatever_their_capitals_and_gaps():
    table = Table(["Pat ID", "Case", "Age [years]", "Gender"], [2], [["p", "c", "40", "f"]])
    people = read_people(
        table, PEOPLE, TableSettings(columns={"sex": "gender", "age": "age years"})
    )
    assert people.roles == {"case": ["c"], "patient": ["p"]}
    assert people.cells == {"sex": ["f"], "age": ["40"]}
    assert "column 'Pat ID' is taken for the patient" in people.notes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attributes": ("weight",)}, r"no column 'weight' for the attribute 'weight'\. "
         r"Columns found: case, sex, age\. Name it: --columns weight=<column>\."),
        ({"columns": {"patient": "PatID"}}, r"no column 'PatID' \(--columns patient\)"),
        ({"attributes": ("sex",), "bins": {"Age": (50,)}}, r"--bins names the attribute 'Age'"),
        ({"values": {"gender": {}}}, r"--values names the attribute 'gender', which is not used"),
        ({"key": "image"}, None),
    ],
)  # fmt: skip
def test_wrong_names_are_answered_with_the_right_ones(settings, message):
    columns = {"sex": ["f", "m"], "age": ["40", "50"]}
    if message is None:
        assert read(columns, **settings).roles == {"image": ["c0", "c1"]}
        return
    with pytest.raises(FairError, match=message):
        read(columns, **settings)


def test_no_column_of_cases():
    with pytest.raises(TableError, match=r"no column 'case' that names .* --columns case=<column>"):
        read_people(Table(["id", "sex"], [2], [["a", "f"]]), PEOPLE, TableSettings())


def test_columns_without_a_name_are_passed_over():
    table = Table(["", "case", "sex", ""], [2, 3], [["0", "a", "f", ""], ["1", "b", "m", ""]])
    people = read_people(table, PEOPLE, TableSettings())
    assert list(people.cells) == ["sex"]
    assert "1 column has no name and cannot be used: 1 (pandas" in people.notes[0]


def test_equal_problems_are_one_and_different_ones_visible():
    people = read({"age": [*["x"] * 40, "999", *["40"] * 40]})
    assert len(people.problems) == 2
    assert "and 39 more cells like it" in people.problems[0]


def test_all_absent_columns_are_named_at_once_with_what_they_probably_are():
    header = ["Filename", "PatID", "Gender", "Age [years]", "Site"]
    table = Table(header, [2, 3], [["a", "1", "F", "40", "x"], ["b", "1", "M", "50", "x"]])
    with pytest.raises(TableError) as error:
        read_people(table, PEOPLE, TableSettings(attributes=("sex", "age", "site", "bmi")))
    end = "Name them: --columns case=Filename sex=Gender bmi=<column>."
    assert str(error.value).endswith(end)
    # where all seem to be there, the cells are read too, so that one message says everything
    people = read_people(table, PEOPLE, TableSettings(attributes=("sex", "age", "site")))
    assert "--columns case=Filename sex=Gender" in people.problems[0]
    assert people.remedy.options == "--columns case=Filename sex=Gender"
    settings = TableSettings(
        columns={"case": "Filename", "sex": "Gender"}, attributes=("sex", "age", "site")
    )
    people = read_people(table, PEOPLE, settings)
    assert list(people.cells) == ["sex", "age", "site"]
    assert people.problems == []


def test_a_misspelt_attribute_may_be_meant_by_the_name_of_its_column():
    table = Table(["case", "Klinik"], [2, 3], [["a", "Bonn"], ["b", "Trier"]])
    people = read_people(table, PEOPLE, TableSettings(attributes=("Klink",)))
    assert people.problems[0].endswith(
        "Name it: --columns Klink=Klinik. Or if you mean the column by its name: -a Klinik"
    )


def test_a_wrong_column_of_the_user_is_not_offered_a_second_time():
    table = Table(["case", "Gender"], [2], [["a", "F"]])
    with pytest.raises(TableError, match=r"no column 'Sex' .* --columns sex=Gender\."):
        read_people(table, PEOPLE, TableSettings(columns={"sex": "Sex"}))


@pytest.mark.parametrize(
    ("counts", "mapping"),
    [
        ({"F": 9, "Female": 5, "M": 9, "X": 1}, {"F": "female", "Female": "female", "M": "male"}),
        ({"F": 9, "f": 5, "X": 3}, {"f": "F"}),  # letters need not be about sex
        ({"w": 9, "Frau": 5, "m": 9, "x": 1}, {"w": "female", "Frau": "female", "m": "male"}),
        (
            {"w": 9, "weiblich": 5, "m": 9, "d": 1, "divers": 1},
            {"w": "female", "weiblich": "female", "m": "male", "d": "diverse", "divers": "diverse"},
        ),
        (
            {"H": 9, "h": 2, "Homme": 3, "F": 9, "Femme": 1},
            {"H": "male", "h": "male", "Homme": "male", "F": "female", "Femme": "female"},
        ),
        # M is a woman beside H and mujer, a man beside F, and nobody knows without either
        (
            {"H": 9, "Hombre": 3, "M": 9, "Mujer": 1},
            {"H": "male", "Hombre": "male", "M": "female", "Mujer": "female"},
        ),
        (
            {"Hombre": 3, "M": 9, "F": 4, "Mujer": 1},
            {"Hombre": "male", "M": "male", "F": "female", "Mujer": "female"},
        ),
        (
            {"Hombre": 3, "hombre": 1, "M": 9, "Mujer": 1},
            {"Hombre": "male", "hombre": "male", "Mujer": "female"},
        ),
        (
            {"donna": 3, "D": 9, "uomo": 1, "U": 2},
            {"donna": "female", "D": "female", "uomo": "male", "U": "male"},
        ),
        ({"Sí": 3, "si": 9, "NO": 2, "no": 1},
         {"Sí": "yes", "si": "yes", "NO": "no"}),
        # letters of a language beside words of that language alone: U is unknown, D diverse
        ({"female": 3, "male": 9, "U": 2}, {}),
        ({"Female": 3, "F": 1, "M": 9, "D": 2}, {"Female": "female", "F": "female", "M": "male"}),
        ({"H": 3, "h": 9, "M": 2}, {"H": "h"}),  # letters alone may be high and medium
        ({"Ja": 2, "ja": 3, "nein": 1}, {"Ja": "yes", "ja": "yes", "nein": "no"}),
    ],
)  # fmt: skip
def test_words_of_a_vocabulary_lead_to_its_levels_beside_others(counts, mapping):
    assert one_spelling(counts) == mapping


@pytest.mark.parametrize("age", ["54 ans", "54 años", "54 anni", "54 J.", "54 Jahre", "54歳"])
def test_ages_with_a_unit_in_other_languages(age):
    people = read({"Età": [age, "61", "40"]})
    assert pasted(people).dicom_age == ("Età",)
    assert values(read({"Età": [age, "61", "40"]}, dicom_age=("Età",)), "Età")[0] == "54"


def test_digits_of_other_scripts_are_no_age():
    people = read({"age": ["٥٤ years", "61", "40"]})
    assert pasted(people).dicom_age == ()


def test_a_code_for_unknown_outside_the_range_is_offered_and_a_typing_error_is_not():
    people = read({"age": ["999", "210", "40"]})
    assert len(people.problems) == 2
    assert pasted(people).unknown == ("999",)


def test_a_row_that_repeats_another_in_every_cell_is_left_out_with_a_note():
    header = ["case", "sex"]
    rows = [["a", "f"], ["b", "m"], ["a", "f"], ["b", "f"], ["a", "f"]]
    people = read_people(Table(header, [2, 3, 4, 5, 6], rows), PEOPLE, TableSettings())
    assert people.lines == [2, 3, 5]
    assert people.cells == {"sex": ["f", "m", "f"]}
    assert people.problems == [
        "people.csv, line 5: case 'b' already appears on line 3; keep one of the two rows"
    ]
    assert "2 rows left out that an earlier one repeats in every cell" in people.notes


def test_the_column_of_cases_is_found_by_what_it_holds(caplog):
    caplog.set_level("INFO", "nnunetv2_fair")
    header = ["Pat.-Nr.", "Datei", "sex"]
    rows = [["1", "C_1.PNG", "f"], ["2", "c_2.png", "m"], ["3", "c_9.png", "m"]]
    table = Table(header, [2, 3, 4], rows)
    settings = column_of_names(table, TableSettings(), ["c_1", "c_2"])
    assert settings.columns == {"case": "Datei"}
    assert "column 'Datei' is taken for the case: it holds the names of 2 of 2" in caplog.text
    for told in (TableSettings(columns={"case": "sex"}), TableSettings(key="patient")):
        assert column_of_names(table, told, ["c_1"]) is told
    assert column_of_names(table, TableSettings(), ["x", "y"]).columns == {}
    usual = Table(["case", "Datei"], [2, 3], [["a", "c_1"], ["c_2", "c_2"]])
    assert column_of_names(usual, TableSettings(), ["c_1", "c_2"]).columns == {}


def test_options_say_what_settings_say():
    settings = TableSettings(
        columns={"case": "File name", "age": "Age [years]"},
        values={"sex": {"F": "female", "=x": "a=b", "-": "none"}},
        unknown=("-", "--", "-9", "a\\b"),
        bins={"age": (50.0, 62.5)},
        ranges={"bmi": (10.0, 80.0)},
        dicom_age=("age",),
        sheet="Sheet 1",
    )
    parser = command_parser("command", "", "command")
    add_table_arguments(parser, ("case",), "quartiles")
    assert table_settings(parser.parse_args(shlex.split(options_of(settings)))) == settings


def test_rows_without_key_or_patient_and_repeated_ones_are_problems():
    table = Table(
        ["case", "patient", "synthetic", "sampling_weight", "sex"],
        [2, 4, 5, 9],
        [["a", "p", "yes", "-1", "f"], ["a", "p", "", "", "m"], ["", "p", "", "", "m"],
         ["b", "", "1", "2", "f"]],
    )  # fmt: skip
    assert read_people(table, PEOPLE, TableSettings()).problems == [
        "people.csv, line 2, case 'a': synthetic is 'yes', expected 0 or 1",
        "people.csv, line 2, case 'a': sampling_weight is '-1', expected a whole number from 0 on",
        "people.csv, line 4: case 'a' already appears on line 2; keep one of the two rows",
        "people.csv, line 5: the case is empty",
        "people.csv, line 9, case 'b': the patient is empty; give it one (a name of its own will "
        "do if it is the patient's only case)",
    ]
