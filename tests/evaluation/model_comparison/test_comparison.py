import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation.measuring.plan import plan_evaluation
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.run import EvaluationSettings, run_evaluation
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.subgroups.table import read_table
from nnunetv2_fair.tables.settings import TableSettings
from tests.evaluation.factories import Dataset, make_dataset, write_mask


def evaluate(dataset: Dataset, name: str, folder: str = "predictions", **options):
    plan = plan_evaluation(
        dataset.references,
        dataset.root / folder,
        read_table(dataset.table, settings=TableSettings(bins={"age": (50, 60)})),
        options.pop("attributes", ("sex", "age")),
        allow_missing=True,
    )
    settings = StatisticsSettings(n_bootstrap=10, min_patients=options.pop("min_patients", 3))
    return run_evaluation(plan, EvaluationSettings(statistics=settings, name=name, **options))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Predictions of a baseline, and of a model that is as good for women as for men."""
    import SimpleITK as sitk  # noqa: N813

    made = make_dataset(tmp_path_factory.mktemp("models"), n_patients=10, cases_per_patient=2)
    generator = np.random.default_rng(2)
    for case in made.cases:
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(made.references / f"{case}.png")))
        moved = np.roll(labels, 1 + int(generator.random() < 0.2), axis=1)
        write_mask(made.root / "fair" / f"{case}.png", moved)
    return made


@pytest.fixture(scope="module")
def results(dataset: Dataset) -> list[EvaluationResult]:
    return [evaluate(dataset, "baseline"), evaluate(dataset, "fair", "fair")]


@pytest.fixture(scope="module")
def compared(results: list[EvaluationResult]) -> ModelComparison:
    return compare_models(results, n_bootstrap=200)


def patient_values(result: EvaluationResult, label: str, sex: str | None) -> dict[str, float]:
    frame = result.per_case[result.per_case["label"] == label]
    chosen = frame if sex is None else frame[frame["sex"] == sex]
    return chosen.groupby("patient")["dice"].mean().to_dict()


def test_scores_are_those_of_the_evaluations(results, compared: ModelComparison):
    for attribute in ("sex", "age"):
        for label in ("organ", "lesion", AVERAGE):
            for metric in ("dice", "iou", "hd", "hd95"):
                entry = compared.entry(attribute, metric, label)
                for result in results:
                    own = result.comparison(attribute, metric, label)
                    scores = entry.per_model[result.name]
                    assert scores.overall_mean == pytest.approx(own.overall.mean)
                    for group, statistics in own.groups.items():
                        assert scores.group_means[group] == pytest.approx(statistics.mean)
                        assert entry.group_cases[group] == statistics.n_cases
                        assert entry.group_patients[group] == statistics.n_patients
                    for gap in own.gaps:
                        name = gap.name
                        if name == "fairness_gap" and len(own.groups) > 2:
                            name = f"fairness_gap: {gap.between[0]} - {gap.between[1]}"
                        assert scores.gaps[name][0] == pytest.approx(gap.value)


def test_differences_by_hand(results, compared: ModelComparison):
    entry = compared.entry("sex", "dice", "organ")
    found = entry.differences["fair"]
    for group, difference in ((None, found.overall), *found.groups.items()):
        before, after = (patient_values(result, "organ", group) for result in results)
        changes = np.array([after[patient] - before[patient] for patient in before])
        assert difference.value == pytest.approx(changes.mean())
        if not changes.any():
            assert difference.p_value == difference.corrected_p == 1
            continue
        expected = scipy.stats.ttest_1samp(changes, 0)
        assert difference.p_value == pytest.approx(expected.pvalue)
        limits = expected.confidence_interval(0.95)
        assert difference.interval.low == pytest.approx(limits.low)
        assert difference.interval.high == pytest.approx(limits.high)
        assert difference.corrected_p >= difference.p_value
        assert difference.simultaneous.low <= difference.interval.low
        assert difference.simultaneous.high >= difference.interval.high
    scores = entry.per_model
    assert scores["baseline"].worst_group == "female"
    assert found.worst_group.value == pytest.approx(
        scores["fair"].worst_group_mean - scores["baseline"].worst_group_mean
    )
    assert found.worst_group.corrected_p >= found.worst_group.p_value > 0
    assert found.gaps["ser"].p_value is None
    assert entry.gap_measure == "absolute_gap"
    gaps = [abs(m.group_means["female"] - m.group_means["male"]) for m in scores.values()]
    assert found.between_groups.value == pytest.approx(gaps[1] - gaps[0])
    assert entry.family_size == sum(
        2 + len(e.group_cases) + (len(e.group_cases) > 0)
        for e in compared.entries
        if e.metric == "dice"
    )
    assert found.gaps["ser"].value == pytest.approx(
        scores["fair"].gaps["ser"][0] - scores["baseline"].gaps["ser"][0]
    )
    # women gain: the gap closes, and the paired interval excludes 0
    assert found.groups["female"].value > 0.02
    assert found.gaps["delta"].interval.high < 0
    assert entry.differences.keys() == {"fair"}


def test_fairness_gaps_are_compared_by_magnitude(results, compared: ModelComparison):
    entry = compared.entry("sex", "dice", "organ")
    gaps = [entry.per_model[name].gaps["fairness_gap"][0] for name in ("baseline", "fair")]
    assert entry.differences["fair"].gaps["fairness_gap"].value == pytest.approx(
        abs(gaps[1]) - abs(gaps[0])
    )
    backwards = compare_models(results[::-1], n_bootstrap=20).entry("sex", "dice", "organ")
    change = backwards.differences["baseline"]
    assert change.gaps["fairness_gap"].value == pytest.approx(abs(gaps[0]) - abs(gaps[1]))
    assert change.overall.value == pytest.approx(-entry.differences["fair"].overall.value)


def test_worst_group_of_distances_is_the_largest(compared: ModelComparison):
    scores = compared.entry("sex", "hd", "organ").per_model["baseline"]
    assert scores.worst_group_mean == max(scores.group_means.values())


def test_paired_interval_is_narrower_than_two_separate_ones(dataset: Dataset, results):
    # a model that is 0.01 better in every case: the difference is certain, the means are not
    better = dataclasses.replace(
        results[0], name="better", per_case=results[0].per_case.assign(
            dice=results[0].per_case["dice"] + 0.01
        ),
    )  # fmt: skip
    entry = compare_models([results[0], better], n_bootstrap=200).entry("age", "dice", "organ")
    difference = entry.differences["better"].overall
    assert difference.value == pytest.approx(0.01)
    assert difference.interval.high - difference.interval.low < 1e-9
    separate = entry.per_model["baseline"].overall_interval
    assert separate.high - separate.low > 0.005


def test_same_model_twice_differs_by_nothing(results):
    entry = compare_models([results[0], results[0]], ["a", "b"], n_bootstrap=50).entry(
        "sex", "hd", AVERAGE
    )
    found = entry.differences["b"]
    for difference in (found.overall, found.worst_group, *found.gaps.values()):
        assert (difference.value, difference.interval.low, difference.interval.high) == (0, 0, 0)
    assert found.overall.p_value == 1


def test_written_and_read(compared: ModelComparison, tmp_path: Path):
    compared.write(tmp_path)
    again = ModelComparison.read(tmp_path)
    assert repr(again.entries) == repr(compared.entries)
    assert again == compared or repr(again) == repr(compared)
    assert compared.headline_label == AVERAGE
    assert compared.metric("hd").unit == "px"
    with pytest.raises(KeyError):
        compared.entry("sex", "dice", "liver")


def test_reading_something_else(tmp_path: Path):
    with pytest.raises(EvaluationError, match=r"has no comparison\.json.*nnUNetv2_fair_compare"):
        ModelComparison.read(tmp_path)
    others = (("{", "not JSON"), ("[]", "holds a list"), ('{"format": 9}', "format 9"))
    for content, message in others:
        (tmp_path / "comparison.json").write_text(content)
        with pytest.raises(EvaluationError, match=message):
            ModelComparison.read(tmp_path)


def test_different_cases_need_common_cases(dataset: Dataset, results):
    missing = dataset.cases[0]
    path = dataset.root / "fair" / f"{missing}.png"
    content = path.read_bytes()
    path.unlink()
    try:
        fewer = evaluate(dataset, "fewer", "fair")
    finally:
        path.write_bytes(content)
    with pytest.raises(
        EvaluationError,
        match=rf"'baseline' and 'fewer' have different cases: 1 only in the first \({missing}\), "
        r"0 only in the second \(none\); pass --common-cases to compare the 19",
    ):
        compare_models([results[0], fewer])
    found = compare_models([results[0], fewer], common_cases=True, n_bootstrap=20)
    assert found.entry("sex", "dice", "organ").n_cases == 19
    assert "Compared on the 19 cases that all models have" in found.notes[0]


def test_undefined_cases_are_left_out_of_both(dataset: Dataset, results):
    frame = results[0].per_case.copy()
    gone = (frame["case"] == dataset.cases[1]) & (frame["label"] == "organ")
    frame.loc[gone, "dice"] = math.nan
    holey = dataclasses.replace(results[0], name="holey", per_case=frame)
    entry = compare_models([holey, results[1]], n_bootstrap=20).entry("sex", "dice", "organ")
    expected = results[1].per_case
    expected = expected[(expected["label"] == "organ") & (expected["case"] != dataset.cases[1])]
    by_patient = expected.groupby("patient")["dice"].mean()
    assert entry.n_cases == 19
    assert entry.per_model["fair"].overall_mean == pytest.approx(by_patient.mean())


def test_small_groups_enter_no_gap(dataset: Dataset):
    both = [
        evaluate(dataset, name, folder, min_patients=5, attributes=("age",))
        for name, folder in (("baseline", "predictions"), ("fair", "fair"))
    ]
    entry = compare_models(both, n_bootstrap=20).entry("age", "dice", "organ")
    assert set(entry.left_out) == {"<50", "50-<60", ">=60"} - {
        group for group, n in entry.group_patients.items() if n >= 5
    }
    assert math.isnan(entry.per_model["fair"].gaps["delta"][0])
    small = next(iter(entry.left_out))
    assert math.isnan(entry.differences["fair"].groups[small].p_value)
    assert math.isfinite(entry.differences["fair"].groups[small].value)


def test_everything_that_differs_is_named_at_once(dataset: Dataset, results):
    other = evaluate(dataset, "other", "fair", attributes=("sex",), metrics=("dice",),
                     min_patients=4)  # fmt: skip
    with pytest.raises(EvaluationError) as error:
        compare_models([results[0], other])
    message = str(error.value)
    for part in (
        "different metrics: dice, iou, hd_px, hd95_px against dice",
        "different attributes: sex, age against sex",
        "min_patients is 3 against 4",
        "Evaluate all models with the same references, table and options.",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("patient", "someone", "the column 'patient' differs in 1 case: case_00_0; .*same table"),
        ("sex", "female", "the column 'sex' differs in 1 case: case_00_0"),
        ("reference_voxels", 3, "the references differ in 1 case: case_00_0"),
    ],
)
def test_other_tables_and_references_are_refused(results, column, value, message):
    frame = results[1].per_case.copy()
    frame.loc[frame["case"] == "case_00_0", column] = value
    changed = dataclasses.replace(results[1], per_case=frame)
    with pytest.raises(EvaluationError, match=message):
        compare_models([results[0], changed])


def with_options(result, options: str):
    return dataclasses.replace(result, settings={**result.settings, "table_options": options})


def test_tables_read_with_other_options_are_told(results):
    ours, theirs = with_options(results[0], ""), with_options(results[1], "--values sex F=female")
    (note,) = (
        note for note in compare_models([ours, theirs], n_bootstrap=20).notes if "tables" in note
    )
    assert "were read with different options (none against --values sex F=female)" in note
    assert "They agree on the patients and groups of all cases" in note
    same = compare_models([with_options(ours, "--unknown x"), with_options(theirs, "--unknown x")])
    assert not any("tables" in note for note in same.notes)
    frame = theirs.per_case.copy()
    frame.loc[frame["case"] == "case_00_0", "sex"] = "female"
    with pytest.raises(EvaluationError, match="tables were read with different options: none aga"):
        compare_models([ours, dataclasses.replace(theirs, per_case=frame)])


def test_no_common_case(results):
    frame = results[1].per_case
    renamed = dataclasses.replace(results[1], per_case=frame.assign(case=frame["case"] + "x"))
    with pytest.raises(EvaluationError, match="no case has a prediction in all evaluations"):
        compare_models([results[0], renamed], common_cases=True)


def test_names(results):
    with pytest.raises(UsageError, match="two or more evaluations, got 1"):
        compare_models(results[:1])
    with pytest.raises(UsageError, match="--names has 1 name for 2 evaluations"):
        compare_models(results, ["one"])
    with pytest.raises(UsageError, match=r"same name \(a, a\).*--names baseline oversampling"):
        compare_models(results, ["a", "a"])
    assert compare_models(results, ["x", "y"], n_bootstrap=5).models == ("x", "y")


def test_three_models(dataset: Dataset, results):
    perfect = evaluate(dataset, "perfect", "labelsTs")
    found = compare_models([*results, perfect], n_bootstrap=20)
    entry = found.entry("sex", "dice", "organ")
    assert entry.differences.keys() == {"fair", "perfect"}
    assert entry.per_model["perfect"].overall_mean == 1
    two = compare_models(results, n_bootstrap=20).entry("sex", "dice", "organ")
    # and the pair of the other two: overall, worst group and gap, of two attributes and 3 labels
    assert entry.family_size == 2 * two.family_size + 3 * 2 * 3
    alone, together = two.differences["fair"], entry.differences["fair"]
    assert together.overall.interval == alone.overall.interval
    assert together.overall.corrected_p >= alone.overall.corrected_p


def test_fewer_patients_than_asked_for_get_no_interval_no_test_and_no_rank(results):
    few = [
        dataclasses.replace(result, settings={**result.settings, "min_patients": 11})
        for result in results
    ]
    entry = compare_models(few, n_bootstrap=20).entry("sex", "dice", AVERAGE)
    overall = entry.differences["fair"].overall
    assert entry.n_patients == 10
    assert math.isnan(overall.p_value)
    assert math.isnan(overall.interval.low)
    assert math.isnan(entry.per_model["fair"].overall_interval.low)
    assert entry.ranks == {}


def test_a_case_without_a_value_in_the_other_model_is_left_out_of_both(results):
    baseline, other = results
    case = baseline.per_case["case"].iloc[0]
    per_case = other.per_case.copy()
    per_case.loc[per_case["case"] == case, "dice"] = math.nan
    found = compare_models(
        [baseline, dataclasses.replace(other, per_case=per_case)], n_bootstrap=20
    ).entry("sex", "dice", AVERAGE)
    everybody = compare_models(results, n_bootstrap=20).entry("sex", "dice", AVERAGE)
    assert found.n_cases == everybody.n_cases - 1
    assert not math.isnan(found.per_model["fair"].overall_mean)
