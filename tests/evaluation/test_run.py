import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation.measuring.plan import plan_evaluation
from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.run import EvaluationSettings, run_evaluation
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.subgroups.table import read_table
from nnunetv2_fair.tables.settings import TableSettings
from tests.evaluation.factories import (
    SPACING_3D,
    Dataset,
    make_dataset,
    write_dataset_json,
    write_mask,
)

FAST = StatisticsSettings(n_bootstrap=20, min_patients=3)


def evaluate(
    dataset: Dataset,
    attributes: tuple[str, ...] = ("sex",),
    settings: EvaluationSettings | None = None,
    **options,
) -> EvaluationResult:
    asked = dict.fromkeys([*(n for text in attributes for n in text.split("+")), "age"])
    reading = TableSettings(attributes=tuple(asked), bins={"age": (50, 65)})
    table = read_table(dataset.table, settings=reading)
    plan = plan_evaluation(dataset.references, dataset.predictions, table, attributes, **options)
    return run_evaluation(plan, settings or EvaluationSettings(statistics=FAST))


def row(result: EvaluationResult, case: str, label: str) -> pd.Series:
    frame = result.per_case
    return frame[(frame["case"] == case) & (frame["label"] == label)].iloc[0]


def rewrite(dataset: Dataset, folder: str, case: str, change, spacing=None, ending=".png") -> None:
    import SimpleITK as sitk  # noqa: N813

    path = dataset.root / folder / f"{case}{ending}"
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    write_mask(path, change(labels), spacing)


@pytest.fixture
def pictures(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path, n_patients=6, cases_per_patient=2)


def hausdorff_by_distance_transform(
    reference: np.ndarray, prediction: np.ndarray, spacing: tuple[float, ...]
) -> tuple[float, float]:
    """HD and HD95 in another way: distance maps of the whole, uncropped image."""
    cross = ndimage.generate_binary_structure(reference.ndim, 1)
    edges = [m & ~ndimage.binary_erosion(m, cross) for m in (reference, prediction)]
    maps = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    there, back = maps[1][edges[0]], maps[0][edges[1]]
    return max(there.max(), back.max()), max(np.percentile(there, 95), np.percentile(back, 95))


@pytest.mark.parametrize("volumes", [False, True])
def test_values_equal_another_implementation(tmp_path: Path, volumes: bool):
    import SimpleITK as sitk  # noqa: N813

    dataset = make_dataset(tmp_path, n_patients=4, cases_per_patient=1, volumes=volumes)
    result = evaluate(dataset)
    unit = "mm" if volumes else "px"
    spacing = SPACING_3D[::-1] if volumes else (1.0, 1.0)
    for case in dataset.cases:
        ending = ".nii.gz" if volumes else ".png"
        reference, prediction = (
            sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{case}{ending}")))
            for folder in (dataset.references, dataset.predictions)
        )
        for label, value in (("organ", 1), ("lesion", 2)):
            first, second = reference == value, prediction == value
            found = row(result, case, label)
            shared = (first & second).sum()
            assert found["dice"] == pytest.approx(2 * shared / (first.sum() + second.sum()))
            assert found["iou"] == pytest.approx(shared / (first | second).sum())
            expected = hausdorff_by_distance_transform(first, second, spacing)
            assert (found[f"hd_{unit}"], found[f"hd95_{unit}"]) == pytest.approx(expected)
            assert found["reference_voxels"] == first.sum()
            assert found["prediction_voxels"] == second.sum()
        average = row(result, case, AVERAGE)
        both = [row(result, case, label)["dice"] for label in ("organ", "lesion")]
        assert average["dice"] == pytest.approx(np.mean(both))
    diagonal = math.sqrt(sum((n * s) ** 2 for n, s in zip(reference.shape, spacing, strict=True)))
    assert result.per_case[f"diagonal_{unit}"].to_numpy() == pytest.approx(diagonal)
    assert any("pixels (px)" in note for note in result.notes) is not volumes


def test_result_has_every_comparison_and_survives_files(pictures: Dataset, tmp_path: Path):
    result = evaluate(pictures, ("sex", "age", "sex+age"))
    assert result.labels == ("organ", "lesion", AVERAGE)
    assert result.attributes == ("sex", "age", "sex+age")
    assert len(result.comparisons) == 3 * 3 * 4
    assert result.comparison("sex", "dice", "organ").groups["male"].n_patients == 3
    worse, better = (
        result.comparison("sex", "dice", AVERAGE).groups[g] for g in ("female", "male")
    )
    assert worse.mean < better.mean
    out = tmp_path / "out"
    out.mkdir()
    result.write(out)
    again = EvaluationResult.read(out)
    pd.testing.assert_frame_equal(again.per_case, result.per_case, check_dtype=False)
    assert repr(again.comparisons) == repr(result.comparisons)
    assert (again.metrics, again.notes) == (result.metrics, result.notes)
    assert dict(again.settings) == json.loads(json.dumps(result.settings))


def test_same_inputs_give_the_same_result_in_any_number_of_processes(pictures: Dataset):
    alone = evaluate(pictures)
    together = evaluate(pictures, settings=EvaluationSettings(statistics=FAST, processes=2))
    pd.testing.assert_frame_equal(alone.per_case, together.per_case)
    assert alone.inputs_sha256 == together.inputs_sha256
    assert repr(alone.comparisons) == repr(together.comparisons)


def test_hash_changes_with_any_input(pictures: Dataset):
    before = evaluate(pictures).inputs_sha256
    assert len(before) == 64
    rewrite(pictures, "predictions", pictures.cases[3], lambda labels: np.roll(labels, 5, 0))
    moved = evaluate(pictures).inputs_sha256
    table = pictures.table.read_text().replace("p0,male", "p0,female")
    pictures.table.write_text(table)
    assert len({before, moved, evaluate(pictures).inputs_sha256}) == 3


def test_empty_masks_follow_the_rules(pictures: Dataset):
    missed, invented, neither = pictures.cases[:3]
    rewrite(pictures, "predictions", missed, np.zeros_like)
    rewrite(pictures, "labelsTs", invented, lambda labels: np.where(labels == 2, 1, labels))
    for folder in ("labelsTs", "predictions"):
        rewrite(pictures, folder, neither, lambda labels: np.where(labels == 2, 1, labels))
    result = evaluate(pictures)
    lesion = row(result, missed, "lesion")
    assert (lesion["dice"], lesion["iou"], lesion["hd_px"]) == (0, 0, math.inf)
    assert lesion["flags"] == "empty_prediction"
    lesion = row(result, invented, "lesion")
    assert (lesion["dice"], lesion["hd95_px"], lesion["flags"]) == (0, math.inf, "empty_reference")
    lesion = row(result, neither, "lesion")
    assert math.isnan(lesion["dice"])
    assert math.isnan(lesion["hd_px"])
    assert lesion["flags"] == "both_empty"
    # the average is over cases in which every label has a value
    assert math.isnan(row(result, neither, AVERAGE)["dice"])
    assert row(result, missed, AVERAGE)["hd_px"] == math.inf
    assert row(result, missed, AVERAGE)["flags"] == "empty_prediction"

    compared = result.comparison("sex", "hd", "lesion")
    assert compared.overall.n_replaced == 2
    assert compared.overall.n_undefined == 1
    notes = " ".join(result.notes)
    assert "1 prediction without any foreground." in notes
    assert "In 3 label masks the label is empty in the prediction (2) or in the reference (1)" in (
        notes
    )
    assert "In 1 label mask the label is empty in reference and prediction" in notes


@pytest.mark.parametrize(
    ("policy", "n_replaced", "n_undefined"), [("diagonal", 1, 0), ("inf", 0, 0), ("nan", 0, 1)]
)
def test_empty_distance_policies(pictures: Dataset, policy: str, n_replaced: int, n_undefined: int):
    missed = pictures.cases[0]
    rewrite(pictures, "predictions", missed, np.zeros_like)
    settings = EvaluationSettings(
        statistics=StatisticsSettings(unit="case", n_bootstrap=20, min_patients=3),
        empty_distance=policy,
    )
    result = evaluate(pictures, settings=settings)
    frame = result.per_case
    organ = frame[(frame["label"] == "organ") & (frame["sex"] == "male")]
    finite = organ.loc[organ["case"] != missed, "hd_px"].to_numpy()
    expected = {
        "diagonal": np.append(finite, math.hypot(40, 57)).mean(),
        "inf": math.inf,
        "nan": finite.mean(),
    }[policy]
    male = result.comparison("sex", "hd", "organ").groups["male"]
    assert male.mean == pytest.approx(expected)
    assert (male.n_replaced, male.n_undefined) == (n_replaced, n_undefined)
    assert math.isinf(row(result, missed, "organ")["hd_px"])  # per case the truth stays
    word = {"diagonal": "image diagonal", "inf": "stays infinite", "nan": "left out"}[policy]
    assert word in result.metric("hd").definition
    # the mean over labels is taken after replacing
    average = result.comparison("sex", "hd", AVERAGE).groups["male"]
    if policy == "diagonal":
        lesion = frame[(frame["label"] == "lesion") & (frame["sex"] == "male")]
        both = [
            np.nan_to_num(part["hd_px"].to_numpy(), posinf=math.hypot(40, 57))
            for part in (organ, lesion)
        ]
        assert average.mean == pytest.approx(np.mean(both))


def test_regions_and_ignore_label(pictures: Dataset):
    write_dataset_json(pictures.root, {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3})
    case = pictures.cases[0]
    whole = row(evaluate(pictures), case, "whole")

    def ignore_top(labels: np.ndarray) -> np.ndarray:
        labels = labels.copy()
        labels[:20] = 3
        return labels

    rewrite(pictures, "labelsTs", case, ignore_top)
    masked = evaluate(pictures)
    assert row(masked, case, "whole")["reference_voxels"] < whole["reference_voxels"]
    # the same as cutting the picture there
    import SimpleITK as sitk  # noqa: N813

    reference, prediction = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(folder / f"{case}.png")))[20:] > 0
        for folder in (pictures.references, pictures.predictions)
    )
    found = row(masked, case, "whole")
    shared = (reference & prediction).sum()
    assert found["dice"] == pytest.approx(2 * shared / (reference.sum() + prediction.sum()))
    assert (
        found["hd_px"]
        == hausdorff_by_distance_transform(np.pad(reference, 1), np.pad(prediction, 1), (1, 1))[0]
    )
    rewrite(pictures, "predictions", case, ignore_top)
    with pytest.raises(EvaluationError, match="holds 3, the ignore label of"):
        evaluate(pictures)


def test_without_dataset_json_labels_are_those_of_the_references(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=4, cases_per_patient=1, dataset_json=False)
    for folder in ("labelsTs", "predictions"):
        rewrite(dataset, folder, dataset.cases[0], lambda labels: np.where(labels == 2, 1, labels))
    result = evaluate(dataset)
    assert result.labels == ("1", "2", AVERAGE)
    assert row(result, dataset.cases[0], "2")["flags"] == "both_empty"
    assert any("No dataset.json" in note for note in result.notes)
    rewrite(dataset, "predictions", dataset.cases[1], lambda labels: labels * 3)
    with pytest.raises(
        EvaluationError,
        match=r"1 prediction .* with the label values 3, 6, which no reference holds: "
        r"case_01_0.*--dataset-json",
    ):
        evaluate(dataset)
    for case in dataset.cases:
        rewrite(dataset, "labelsTs", case, np.zeros_like)
    with pytest.raises(EvaluationError, match=r"All references in .* are empty"):
        evaluate(dataset)


def test_one_label_has_no_average(pictures: Dataset):
    write_dataset_json(pictures.root, {"background": 0, "everything": [1, 2]})
    result = evaluate(pictures)
    assert result.labels == ("everything",)
    assert set(result.per_case["label"]) == {"everything"}


def test_unknown_groups_and_missing_predictions_are_reported(pictures: Dataset):
    lines = pictures.table.read_text().splitlines()
    lines[1] = lines[1].replace("male", "")
    pictures.table.write_text("\n".join(lines) + "\n")
    unknown, missing = pictures.cases[0], pictures.cases[2]
    (pictures.predictions / f"{missing}.png").unlink()
    with pytest.raises(
        EvaluationError, match=rf"1 of 12 predictions are missing .*{missing}\. .*--allow-missing"
    ):
        evaluate(pictures)
    result = evaluate(pictures, ("sex", "sex+age"), allow_missing=True)
    gone, no_sex, no_both = result.exclusions
    assert gone.cases == (missing,)
    assert gone.by_group["sex"] == {"female": 1}
    assert no_sex.cases == no_both.cases == (unknown,)
    assert no_sex.by_group == {"sex": {"unknown": 1}}
    assert "no value of 'sex+age'" in no_both.reason
    found = row(result, missing, "organ")
    assert found["flags"] == "missing_prediction"
    assert math.isnan(found["dice"])
    assert pd.isna(found["prediction_voxels"])
    assert row(result, unknown, "organ")["sex"] == ""
    assert row(result, unknown, "organ")["dice"] > 0.5
    compared = result.comparison("sex", "dice", "organ")
    assert compared.overall.n_cases == 10
    assert sum(group.n_cases for group in compared.groups.values()) == 10


def test_reference_group(pictures: Dataset):
    result = evaluate(pictures, references={"sex": "female"})
    assert result.comparison("sex", "dice", "organ").gap("fairness_gap").between[0] == "female"
    with pytest.raises(UsageError, match=r"there is no group 'man'. Groups of 'sex': female; male"):
        evaluate(pictures, references={"sex": "man"})
    with pytest.raises(UsageError, match=r"'age' is not evaluated \(evaluated: sex\). Add -a age"):
        evaluate(pictures, references={"age": "<50"})


def test_all_metrics(pictures: Dataset):
    settings = EvaluationSettings(metrics=tuple(METRICS), tolerance=2.0, statistics=FAST)
    result = evaluate(pictures, settings=settings)
    assert [metric.column for metric in result.metrics] == [
        "dice", "iou", "hd_px", "hd95_px", "assd_px", "nsd", "norm_hd", "hd95_voxels",
        "volume_error", "detection",
    ]  # fmt: skip
    assert "The tolerance is 2 px." in result.metric("nsd").definition
    assert row(result, pictures.cases[0], "organ")["nsd"] == 1


def test_extra_predictions_and_single_groups_are_noted(pictures: Dataset):
    write_mask(pictures.predictions / "other.png", np.zeros((40, 57), np.uint8))
    pictures.table.write_text(pictures.table.read_text().replace(",female,", ",male,"))
    notes = " ".join(evaluate(pictures).notes)
    assert "1 prediction without reference: not used." in notes
    assert "'sex': fewer than two groups are large enough" in notes
    assert "12 cases come from 6 patients; statistics are by patient" in notes


def test_cases_with_strange_names(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=2, cases_per_patient=1)
    names = ["fall mit äöü 1", "数据.v2"]
    text = dataset.table.read_text(encoding="utf-8")
    for case, name in zip(dataset.cases, names, strict=True):
        text = text.replace(case, name)
        for folder in (dataset.references, dataset.predictions):
            (folder / f"{case}.png").rename(folder / f"{name}.png")
    dataset.table.write_text(text, encoding="utf-8")
    assert set(evaluate(dataset).per_case["case"]) == set(names)


def test_result_folder_that_is_none(tmp_path: Path):
    with pytest.raises(EvaluationError, match=r"has no summary\.json.*Run nnUNetv2_fair_evaluate"):
        EvaluationResult.read(tmp_path)
    (tmp_path / "per_case.csv").write_text("case\n")
    for content, message in (("{}", "has format None"), ("[]", "holds a list"), ("{", "not JSON")):
        (tmp_path / "summary.json").write_text(content)
        with pytest.raises(EvaluationError, match=message):
            EvaluationResult.read(tmp_path)


def test_groups_that_look_like_numbers_stay_text(pictures: Dataset, tmp_path: Path):
    text = pictures.table.read_text().replace(",female,", ",01,").replace(",male,", ",02,")
    pictures.table.write_text(text)
    result = evaluate(pictures)
    out = tmp_path / "out"
    out.mkdir()
    result.write(out)
    assert set(EvaluationResult.read(out).per_case["sex"]) == {"01", "02"}


def test_attribute_with_the_name_of_a_column_is_refused(pictures: Dataset):
    pictures.table.write_text(pictures.table.read_text().replace("sex", "label", 1))
    with pytest.raises(EvaluationError, match="'label' has the name of a column of per_case"):
        evaluate(pictures, ("label",))


def test_attribute_without_values_is_refused(pictures: Dataset):
    text = pictures.table.read_text().replace(",female,", ",,").replace(",male,", ",,")
    pictures.table.write_text(text)
    with pytest.raises(EvaluationError, match="no case has a value of 'sex'"):
        evaluate(pictures)
