"""Scores of other tools: CSV in several forms, nnU-Net's summary, and what is wrong with them."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.errors import DemographicsError, EvaluationError, UsageError
from nnunetv2_fair.evaluation.measuring.plan import plan_evaluation
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.run import (
    EvaluationSettings,
    ScoredSettings,
    evaluate_scores,
    run_evaluation,
)
from nnunetv2_fair.evaluation.scored_cases import table_of_scores
from nnunetv2_fair.evaluation.scores_from_files import (
    ONLY_LABEL,
    read_nnunet_summary,
    read_scores_csv,
)
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.subgroups.table import read_table
from nnunetv2_fair.tables.settings import TableSettings
from tests.evaluation.factories import SPACING_3D, make_dataset, write_mask

QUICK = StatisticsSettings(n_bootstrap=30, min_patients=2)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def evaluated(path: Path, *attributes: str, further=None, cuts=None, **options) -> EvaluationResult:
    scores = read_scores_csv(path, further)
    settings = ScoredSettings(statistics=QUICK, **options)
    return evaluate_scores(
        scores, table_of_scores(scores, TableSettings(bins=cuts or {})), attributes, settings
    )


WIDE = """case;patient;DSC;hd95_mm;sex;age
a;p1;0.9;3;F;30
b;p1;0.8;5;F;30
c;p2;0.7;;F;44
d;p3;0.6;7.5;M;50
e;p4;0.5;9;M;61
"""


def test_one_row_per_case(tmp_path):
    found = evaluated(write(tmp_path / "s.csv", WIDE), "sex", "age", cuts={"age": (45,)})
    assert [(m.name, m.column, m.better) for m in found.metrics] == [
        ("dice", "dice", "higher"), ("hd95", "hd95_mm", "lower"),
    ]  # fmt: skip
    assert found.labels == (ONLY_LABEL,)
    female = found.comparison("sex", "dice", ONLY_LABEL).groups["F"]
    assert (female.n_patients, female.n_cases) == (2, 3)
    assert female.mean == pytest.approx((0.85 + 0.7) / 2)
    assert found.comparison("sex", "hd95", ONLY_LABEL).groups["F"].n_undefined == 1
    assert list(found.comparison("age", "dice", ONLY_LABEL).groups) == ["<45", ">=45"]
    assert found.comparison("sex", "dice", ONLY_LABEL).gap("skew") is not None
    assert found.comparison("sex", "hd95", ONLY_LABEL).gap("skew") is None
    assert "no mask was measured" in found.notes[0]
    again = tmp_path / "again"
    again.mkdir()
    found.write(again)
    assert repr(EvaluationResult.read(again).comparisons) == repr(found.comparisons)


def test_labels_average_and_other_metrics(tmp_path):
    path = write(
        tmp_path / "s.csv",
        "case,label,f1,dice,sex\na,lung,0.5,0.9,F\na,heart,0.7,0.5,F\nb,lung,0.1,0.8,M\n"
        "c,lung,0.2,0.6,M\nc,heart,0.4,nan,M\nd,lung,0.3,0.7,M\nd,heart,0.5,0.5,M\n",
    )
    found = evaluated(path, "sex", further={"f1": "lower"})
    assert found.labels == ("lung", "heart", "average")
    assert [m.better for m in found.metrics] == ["lower", "higher"]
    rows = found.per_case.set_index(["case", "label"])
    assert rows.loc[("a", "average"), "dice"] == pytest.approx(0.7)
    assert math.isnan(rows.loc[("b", "average"), "dice"])  # no row for the heart
    assert math.isnan(rows.loc[("c", "average"), "dice"])
    assert rows.loc[("c", "average"), "f1"] == pytest.approx(0.3)
    assert math.isnan(rows.loc[("b", "heart"), "dice"])
    assert "1 combinations of case and label are not in the file" in found.notes[1]
    assert list(found.per_case["case"][:3]) == ["a", "a", "a"]


def test_own_per_case_table_gives_the_same_statistics(tmp_path):
    wide = write(
        tmp_path / "first.csv",
        "case,label,hd_px,dice,sex,diagonal_px,reference_voxels,prediction_voxels\n"
        + "".join(
            f"c{i},{label},{'inf' if i == 3 else i},{0.5 + i / 40},{'=F' if i % 2 else '@M'},"
            f"100,{5 + i},{0 if i == 3 else 7}\n"
            for i in range(12)
            for label in ("x", "y")
        ),
    )
    first = evaluated(wide, "sex")
    first.write(tmp_path)
    again = evaluated(tmp_path / "per_case.csv", "sex")
    assert repr(again.comparisons) == repr(first.comparisons)
    assert again.comparison("sex", "hd", "x").groups["=F"].n_replaced == 1
    pd.testing.assert_frame_equal(again.per_case, first.per_case, check_dtype=False)


def test_models_from_tables_can_be_compared(tmp_path):
    first = evaluated(write(tmp_path / "a.csv", WIDE), "sex")
    better = WIDE.replace(";0.", ";0.0").replace(";0.0", ";0.9", 2)
    second = evaluated(write(tmp_path / "b.csv", better), "sex")
    found = compare_models([first, second], ["a", "b"], n_bootstrap=20)
    assert found.entry("sex", "dice", ONLY_LABEL).n_cases == 5


def summary(tmp_path: Path) -> Path:
    cases = [
        {
            "prediction_file": f"/pred/case_{i}.nii.gz",
            "reference_file": f"/gt/case_{i}.nii.gz",
            "metrics": {
                "1": {"Dice": 0.5 + i / 20, "IoU": 0.4, "n_ref": 9, "n_pred": 8},
                "(1, 2)": {
                    "Dice": math.nan if i == 2 else 0.9, "IoU": 0.8,
                    "n_ref": 0 if i == 2 else 9, "n_pred": 0 if i == 2 else 3,
                },
            },
        }
        for i in range(6)
    ]  # fmt: skip
    return write(tmp_path / "summary.json", json.dumps({"metric_per_case": cases, "mean": {}}))


def test_nnunets_summary(tmp_path):
    scores = read_nnunet_summary(summary(tmp_path))
    assert scores.labels == ("1", "(1, 2)")
    assert [m.name for m in scores.metrics] == ["dice", "iou"]
    rows = scores.rows.set_index(["case", "label"])
    assert rows.loc[("case_4", "1"), "dice"] == pytest.approx(0.7)
    assert rows.loc[("case_2", "(1, 2)"), "flags"] == "both_empty"
    assert math.isnan(rows.loc[("case_2", "(1, 2)"), "dice"])
    with pytest.raises(UsageError, match=r"says nothing about the cases.*--demographics"):
        table_of_scores(scores, TableSettings())


def test_a_summary_that_windows_wrote(tmp_path):
    path = summary(tmp_path)
    path.write_text(path.read_text().replace("/pred/", "D:\\\\pred\\\\"))
    assert "case_4" in set(read_nnunet_summary(path).rows["case"])


@pytest.mark.parametrize("text", ["[]", "{}", "{", '{"metric_per_case": [{"metrics": {"1": {}}}]}'])
def test_other_json_is_refused(tmp_path, text):
    path = write(tmp_path / "summary.json", text)
    with pytest.raises(EvaluationError, match=r"Expected a summary\.json of nnU-Net"):
        read_nnunet_summary(path)


def test_a_summary_in_per_cent_is_refused(tmp_path):
    path = summary(tmp_path)
    path.write_text(path.read_text().replace('"Dice": 0.7', '"Dice": 70.0'))
    with pytest.raises(EvaluationError, match=r"dice is outside 0\.\.1 .*case_4.*per cent"):
        read_nnunet_summary(path)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ('"Dice": "0_7"', "is not of nnU-Net"),
        ('"Dice": true', "is not of nnU-Net"),
        ('"Dice": -0.1', "dice is outside 0..1 in 1 row: case_4"),
        ('"Dice": Infinity', "dice is outside 0..1 in 1 row: case_4"),
        ('"Dice": 0.7, "Dice": 0.9', "two entries 'Dice'"),
        ('"Dice": 0.7, "n_ref": -9', "two entries 'n_ref'"),
    ],
)
def test_impossible_numbers_of_a_summary_are_refused(tmp_path, new, message):
    path = summary(tmp_path)
    path.write_text(path.read_text().replace('"Dice": 0.7,', f"{new},"))
    with pytest.raises(EvaluationError, match=message):
        read_nnunet_summary(path)
    path.write_text(path.read_text().replace(f"{new},", '"Dice": 0.7,').replace(": 9", ": -9"))
    with pytest.raises(EvaluationError, match="reference_voxels is no count of voxels in"):
        read_nnunet_summary(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,dice\na,1\n", "has no column 'case'.*Columns: id, dice.*--columns case=id"),
        ("dice,scan id\n1,a\n", "--columns 'case=scan id'"),
        ("dice,iou\n1,1\n", "--columns case=<column>"),
        ("case,score\na,1\n", r"no column that is known as a metric \(dice.*--score NAME=higher"),
        ("case,dice,dsc\na,1,1\n", "more than one column for dice"),
        ("case,dice\na,1\n\na,0.5\n", "case 'a' with label 'segmentation' already appears on line"),
        ("case,dice\na,high\n", "line 2, case 'a': dice is 'high', expected a number"),
        ("case,dice\na,89\nb,90\n", r"dice is outside 0\.\.1 in 2 rows: a, b; divide per cent"),
        ("case,label,dice,sex\na,x,1,F\na,y,1,M\n", r"rows of 1 case differ.*sex.*: a\. Correct"),
        ("case,dice\n,1\n", "line 2: the case is empty"),
        ("case,dice\na,0_5\n", "line 2, case 'a': dice is '0_5', expected a number"),
        ("case,dice,reference_voxels\na,1,-3\n", "reference_voxels is no count .*1 row: a"),
        ("case,dice,prediction_voxels\na,1,2.5\n", "prediction_voxels is no count .*1 row: a"),
        ("case,hd95_mm,diagonal_mm\na,1,-9\n", "diagonal_mm is no length in 1 row: a"),
        ("case,dice\n", "there are no rows below the header"),
    ],
)
def test_bad_tables_are_refused_by_line(tmp_path, text, message):
    with pytest.raises(EvaluationError, match=message):
        read_scores_csv(write(tmp_path / "s.csv", text))


def test_refusals_of_the_evaluation(tmp_path):
    path = write(tmp_path / "s.csv", WIDE)
    scores = read_scores_csv(path)
    with pytest.raises(UsageError, match=r"--score names columns that .* does not have: f2"):
        read_scores_csv(path, {"f2": "higher"})
    other = read_scores_csv(write(tmp_path / "t.csv", WIDE.replace("\nb;", "\nz;")))
    with pytest.raises(EvaluationError, match=r"1 of 5 cases of .*s\.csv have no row in .*: b"):
        evaluate_scores(scores, table_of_scores(other, TableSettings()), ["sex"])
    with pytest.raises(DemographicsError, match="'weight'"):
        evaluate_scores(scores, table_of_scores(scores, TableSettings()), ["weight"])


@pytest.mark.parametrize(
    ("column", "policy", "message"),
    [
        ("hd95_mm", "diagonal", r"infinite in 1 case \(a\), and the image diagonals"),
        ("hd95", "diagonal", "its unit is unknown. Name the column hd95_mm or hd95_px"),
        ("hd95", "nan", "its unit is unknown"),
    ],
)
def test_infinite_distances_need_a_policy(tmp_path, column, policy, message):
    text = WIDE.replace("hd95_mm", column).replace("0.9;3;", "0.9;inf;")
    path = write(tmp_path / "s.csv", text)
    with pytest.raises(EvaluationError, match=message):
        evaluated(path, "sex", empty_distance=policy)
    found = evaluated(path, "sex", empty_distance="inf")
    assert found.comparison("sex", "hd95", ONLY_LABEL).groups["F"].mean == math.inf
    assert np.isinf(found.per_case[column]).sum() == 1


def test_our_own_table_with_infinite_voxel_distances_is_read_back(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=10, cases_per_patient=1, volumes=True)
    path = dataset.predictions / f"{dataset.cases[0]}.nii.gz"
    empty = np.zeros((7, 24, 31), dtype=np.uint8)
    write_mask(path, empty, SPACING_3D)
    metrics = ("dice", "hd95", "hd95_voxels", "norm_hd")
    settings = EvaluationSettings(metrics, statistics=StatisticsSettings(n_bootstrap=20))
    measured = run_evaluation(
        plan_evaluation(
            dataset.references, dataset.predictions, read_table(dataset.table), ["sex"]
        ),
        settings,
    )
    (tmp_path / "out").mkdir()
    measured.write(tmp_path / "out")
    assert np.isinf(measured.per_case["hd95_voxels"]).any()
    scores = read_scores_csv(tmp_path / "out" / "per_case.csv")
    again = evaluate_scores(
        scores, read_table(dataset.table), ["sex"], ScoredSettings(statistics=settings.statistics)
    )
    assert repr(again.comparisons) == repr(measured.comparisons)


def test_an_infinite_distance_in_no_unit_is_refused(tmp_path):
    path = write(tmp_path / "s.csv", WIDE.replace("hd95_mm", "hd95").replace("0.9;3;", "0.9;inf;"))
    with pytest.raises(EvaluationError, match="its unit is unknown"):
        evaluated(path, "sex")


def test_the_table_of_scores_has_all_columns(tmp_path):
    text = "case,dice,sex,synthetic\na,0.9,F,0\nb,0.8,M,1\n"
    table = table_of_scores(read_scores_csv(write(tmp_path / "s.csv", text)), TableSettings())
    assert list(table.frame.columns) == ["patient", "synthetic", "sampling_weight", "sex"]
    assert table.sampling_weights == {"a": 1, "b": 1}
    assert table.synthetic_cases == {"b"}
    only = write(tmp_path / "t.csv", "case,dice,synthetic\na,0.9,0\n")
    with pytest.raises(UsageError, match="says nothing about the cases"):
        table_of_scores(read_scores_csv(only), TableSettings())


def test_units_in_brackets_are_those_of_metrics(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("case,Dice,HD95 (mm),Volume Error\na,0.9,3,0.1\nb,0.8,4,0.2\n")
    found = read_scores_csv(path)
    assert [(m.name, m.unit) for m in found.metrics] == [
        ("dice", ""), ("hd95", "mm"), ("volume_error", ""),
    ]  # fmt: skip
