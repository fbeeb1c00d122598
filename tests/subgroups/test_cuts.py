import re
from pathlib import Path

import pytest

from nnunetv2_fair.errors import DemographicsError, UsageError
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.table import read_table
from nnunetv2_fair.tables.settings import TableSettings

CUTS = {"age": (50, 65)}


def write(tmp_path: Path, ages: list[str]) -> Path:
    path = tmp_path / "demographics.csv"
    rows = [f"case_{i},{'fm'[i % 2]},{age}" for i, age in enumerate(ages)]
    path.write_text("\n".join(["case,sex,age", *rows]) + "\n")
    return path


@pytest.mark.parametrize("n", [4, 30])
def test_numbers_are_cut_however_few_there_are(tmp_path: Path, n: int):
    path = write(tmp_path, [str(40 + i) for i in range(n)] + ["", "65"])
    groups = group_cases(read_table(path, settings=TableSettings(bins=CUTS)), "age").group_of
    assert groups["case_0"] == "<50"
    assert groups[f"case_{n}"] is None
    assert groups[f"case_{n + 1}"] == ">=65"


@pytest.mark.parametrize("value", ["??", "45Y"])
def test_cells_that_are_no_numbers_are_named(tmp_path: Path, value: str):
    path = write(tmp_path, ["40", "50", value, "70"])
    with pytest.raises(
        DemographicsError, match="line 4, case 'case_2': '" + re.escape(value) + "' is not a number"
    ):
        read_table(path, settings=TableSettings(bins=CUTS))


def test_words_cannot_be_cut(tmp_path: Path):
    path = write(tmp_path, ["40", "50"])
    with pytest.raises(DemographicsError, match="'sex' is categorical"):
        read_table(path, settings=TableSettings(bins={"sex": (1,)}))
    with pytest.raises(UsageError, match="--bins names the attribute 'weight', which is not used"):
        read_table(path, settings=TableSettings(bins={"weight": (1,)}))


def test_a_dictionary_is_believed(write_demographics):
    path = write_demographics("case,sex,age\na,male,40\nb,female,70\n")
    table = read_table(path, settings=TableSettings(bins={"age": (45,)}))
    assert group_cases(table, "age").names == ("<45", ">=45")
    assert group_cases(read_table(path), "age").names == ("<50", ">=65")
    with pytest.raises(DemographicsError, match="'sex' is categorical"):
        read_table(path, settings=TableSettings(bins={"sex": (1,)}))
