"""Papers' tables: the printed columns, in the printed order, with the printed numbers."""

import dataclasses
import math

import pandas as pd
import pytest

from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation.papers.presets import PRESETS, check_preset, with_preset
from nnunetv2_fair.evaluation.papers.tables import apple, fairdiff, lee
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison, Gap, GroupStatistics, GroupTest
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo
from nnunetv2_fair.subgroups.table import read_table

NONE = Interval(math.nan, math.nan)


def group(mean: float, median: float = math.nan, iqr: float = 0.0) -> GroupStatistics:
    return GroupStatistics(9, 9, 0, 0, mean, median, 0.0, iqr, 0.1, NONE, NONE)


def comparison(metric: str, overall: float, groups: dict, gaps: dict, p: float = 0.5) -> Comparison:
    return Comparison(
        "race", metric, "cup", group(overall), groups, {},
        tuple(Gap(name, value, NONE, between) for (name, between), value in gaps.items()),
        GroupTest("Mann-Whitney U", 1.0, p),
    )  # fmt: skip


def result(*comparisons: Comparison) -> EvaluationResult:
    units = {"hd": "mm"}
    return EvaluationResult(
        "Baseline", pd.DataFrame(),
        tuple(
            MetricInfo(c.metric, c.metric, units.get(c.metric, ""), "higher", "")
            for c in comparisons
        ),
        ("cup",), ("race",), comparisons,
    )  # fmt: skip


def test_lee_table_4_baseline():
    dice = comparison(
        "dice", math.nan,
        {"Black": group(0, 0.846, 0.064), "White": group(0, 0.896, 0.046)},
        {("fairness_gap", ("White", "Black")): 0.05, ("ser", ("Black", "White")): 1.486},
        p=0.001,
    )  # fmt: skip
    distance = comparison(
        "hd", math.nan, {"Black": group(0, 9.364, 4.725), "White": group(0, 6.725, 3.707)}, {}
    )
    (table,) = lee(result(dice, distance))
    assert table.title == "Baseline *: cup by race"
    assert table.columns == ("", "White", "Black")
    assert table.rows == (
        ("Median DSC", "0.896", "0.846"),
        ("IQR DSC", "0.046", "0.064"),
        ("Median HD (mm)", "6.725", "9.364"),
        ("IQR HD (mm)", "3.707", "4.725"),
        ("SER", "1.486", ""),
        ("Fairness gap", "0.050", ""),
    )


def test_lee_with_more_groups_names_each_gap():
    groups = {name: group(0, 0.8) for name in ("White", "Asian", "Black")}
    dice = comparison(
        "dice", math.nan, groups,
        {("fairness_gap", ("White", "Asian")): 0.01, ("fairness_gap", ("White", "Black")): -0.02},
    )  # fmt: skip
    (table,) = lee(result(dice, comparison("hd", math.nan, groups, {})))
    assert table.rows[-1] == ("Fairness gap", "", "0.010", "-0.020")
    assert table.title == "Baseline: cup by race"
    assert table.notes == ()


def test_apple_table_1():
    dice = comparison(
        "dice", 0.79, {"f": group(0.8), "m": group(0.7)},
        {("delta", ()): 0.063, ("std", ()): 0.045, ("skew", ()): 1.345},
    )  # fmt: skip
    (table,) = apple(result(dice))
    assert table.columns == ("Model", "DSC ↑", "DSC_Δ ↓", "DSC_STD ↓", "DSC_SKEW ↓")
    assert table.rows == (("Baseline", "0.790", "0.063", "0.045", "1.345"),)


def test_fairdiff_table_2():
    names = ("Asian", "Black", "White")
    dice = comparison(
        "dice", 0.8481, dict(zip(names, map(group, (0.827, 0.8489, 0.8503)), strict=True)),
        {("es_std", names): 0.8372},
    )  # fmt: skip
    iou = comparison(
        "iou", 0.7532, dict(zip(names, map(group, (0.7277, 0.7576, 0.7551)), strict=True)),
        {("es_std", names): 0.7409},
    )  # fmt: skip
    (table,) = fairdiff(result(dice, iou))
    assert table.columns[2:] == (
        "Overall ES-Dice ↑", "Overall Dice ↑", "Overall ES-IoU ↑", "Overall IoU ↑",
        "Asian Dice ↑", "Black Dice ↑", "White Dice ↑", "Asian IoU ↑", "Black IoU ↑", "White IoU ↑",
    )  # fmt: skip
    assert table.rows[0] == (
        "cup", "Baseline", "0.8372", "0.8481", "0.7409", "0.7532",
        "0.8270", "0.8489", "0.8503", "0.7277", "0.7576", "0.7551",
    )  # fmt: skip


def test_undefined_cells_are_empty():
    groups = {"f": group(math.nan, math.nan)}
    dice = comparison("dice", math.nan, groups, {})
    dice = dataclasses.replace(dice, test=None)
    (table,) = apple(result(dice))
    assert table.rows == (("Baseline", "", "", "", ""),)


def test_presets_are_checked_before_anything_is_measured(tmp_path):
    path = tmp_path / "demographics.csv"
    path.write_text("case,sex\na,F\n")
    table = read_table(path)
    with pytest.raises(UsageError, match="expected one of mama-mia, lee, apple, fairdiff"):
        check_preset("leee", ("dice",), table)
    with pytest.raises(UsageError, match=r"--preset lee needs dice, hd; hd is not among"):
        check_preset("lee", ("dice",), table)
    with pytest.raises(EvaluationError, match="challenge's variables"):
        check_preset("mama-mia", ("dice", "hd95"), table)
    check_preset("apple", ("dice", "hd"), table)
    with pytest.raises(UsageError, match="pass masks instead of scores"):
        with_preset(result(), "mama-mia", None)


def test_command_offers_every_preset_and_format():
    from nnunetv2_fair.cli.shared.evaluation_arguments import PRESET_NAMES, TABLE_FORMATS
    from nnunetv2_fair.evaluation.results.tables.text_table import FORMATS

    assert tuple(PRESETS) == PRESET_NAMES
    assert tuple(FORMATS) == TABLE_FORMATS
