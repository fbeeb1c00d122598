"""A method of several trainings: means, widened intervals, and what it keeps of each."""

import dataclasses
import math
import shutil

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation import evaluate
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.of_trainings import trainings_table
from nnunetv2_fair.evaluation.results.trainings import number_of_trainings, subject
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.evaluation.trainings.method import method_of
from tests.evaluation.downstream.hearts import make_hearts
from tests.evaluation.factories import make_dataset
from tests.evaluation.trainings.factories import evaluated, scores_of_trainings


@pytest.fixture(scope="module")
def table():
    return scores_of_trainings()


@pytest.fixture(scope="module")
def method(table, tmp_path_factory) -> EvaluationResult:
    return evaluated(table, tmp_path_factory.mktemp("method"))


def test_values_of_cases_are_means_over_trainings(table, method):
    expected = table.groupby("case")["dice"].mean()
    found = method.per_case.set_index("case")["dice"]
    assert found.to_numpy() == pytest.approx(expected[found.index].to_numpy())
    assert [training.name for training in method.trainings] == ["run_0", "run_1", "run_2"]
    one = method.trainings[1].per_case.set_index("case")["dice"]
    assert one.to_dict() == pytest.approx(
        table[table["training"] == "run_1"].set_index("case")["dice"].to_dict()
    )


def test_intervals_hold_the_variation_between_trainings(table, method, tmp_path):
    means = table.groupby(["training", "sex"])["dice"].mean().unstack()
    alone = evaluated(  # the same means, as of one trained model
        table.groupby(["case", "sex"], as_index=False)["dice"].mean(), tmp_path, None
    )
    t = scipy.stats.t.ppf(0.975, 2)
    for name in ("f", "m"):
        group = method.comparison("sex", "dice", "segmentation").groups[name]
        before = alone.comparison("sex", "dice", "segmentation").groups[name].mean_interval
        reach = t * scipy.stats.sem(means[name])
        assert group.mean_interval.low == pytest.approx(
            group.mean - math.hypot(group.mean - before.low, reach)
        )
        assert group.mean_interval.high == pytest.approx(
            group.mean + math.hypot(before.high - group.mean, reach)
        )
    ours, theirs = (r.comparison("sex", "dice", "segmentation") for r in (method, alone))
    for gap, other in zip(ours.gaps, theirs.gaps, strict=True):
        assert gap.value == pytest.approx(other.value)
        assert gap.interval.low < other.interval.low or other.interval.low in (0, 1)
        assert gap.interval.high > other.interval.high
    medians = table.groupby(["training", "sex"])["dice"].median().unstack()
    gap, other = ours.gap("fairness_gap"), theirs.gap("fairness_gap")
    signed = medians[gap.between[0]] - medians[gap.between[1]]
    assert gap.interval.high - gap.value == pytest.approx(
        math.hypot(other.interval.high - other.value, t * scipy.stats.sem(signed))
    )
    assert ours.test.p_value > theirs.test.p_value
    assert ours.test.name == "Mann-Whitney U over 3 trainings"
    assert ours.effects[0].detectable_gap > theirs.effects[0].detectable_gap


def test_test_allows_for_trainings(table, method, tmp_path):
    found = method.comparison("sex", "dice", "segmentation")
    delta = found.effects[0].cliffs_delta
    deltas = [
        t.comparison("sex", "dice", "segmentation").effects[0].cliffs_delta
        for t in method.trainings
    ]
    mean = table.groupby(["case", "sex"])["dice"].mean().unstack()
    alone = scipy.stats.mannwhitneyu(mean["f"].dropna(), mean["m"].dropna()).pvalue
    p = found.test.p_value
    z, far = scipy.stats.norm.isf([p / 2, alone / 2])
    t = scipy.stats.t.isf(p / 2, 2)
    assert (t * scipy.stats.sem(deltas) / delta) ** 2 + (z / far) ** 2 == pytest.approx(1)


def test_folds_are_wider_than_repeats(table, method, tmp_path):
    folds = evaluated(table, tmp_path, "folds")
    for ours, theirs in zip(folds.comparisons, method.comparisons, strict=True):
        low, high = ours.overall.mean_interval.low, ours.overall.mean_interval.high
        assert low < theirs.overall.mean_interval.low
        assert high > theirs.overall.mean_interval.high
        assert ours.test.p_value > theirs.test.p_value


def test_settings_notes_and_words(method):
    assert method.settings["trainings"] == {
        "kind": "repeats", "number": 3, "names": ["run_0", "run_1", "run_2"],
    }  # fmt: skip
    assert subject(method.settings) == "the method (3 trainings)"
    assert subject(method.trainings[0].settings) == "this trained model"
    assert number_of_trainings(method.trainings[0].settings) == 1
    assert "3 trainings were evaluated (run_0, run_1, run_2)" in method.notes[0]
    assert not any("this trained model" in note for note in method.notes)
    assert any("this trained model" in note for note in method.trainings[0].notes)


def test_boundary_maps_are_those_of_each_training(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=16)
    second = tmp_path / "second"
    shutil.copytree(dataset.predictions, second)
    for path in sorted(second.glob("*.png"))[::2]:
        shutil.copy(dataset.references / path.name, path)
    method = evaluate(
        dataset.references, [dataset.predictions, second], dataset.table, ["sex"],
        settings=EvaluationSettings(
            metrics=("dice",), statistics=StatisticsSettings(n_bootstrap=0)
        ),
        trainings="repeats", boundary_maps=True,
    )  # fmt: skip
    assert all(training.boundary_maps for training in method.trainings)
    assert not method.boundary_maps
    assert not [f for f in method.findings if f.kind == "boundary"]
    assert any("are those of each training" in note for note in method.notes)


def test_downstream_measures_are_those_of_each_training(tmp_path):
    dataset = make_hearts(tmp_path, 12)
    second = tmp_path / "second"
    shutil.copytree(dataset.predictions, second)
    shutil.copy(dataset.references / "P000_ES.nii.gz", second / "P000_ES.nii.gz")
    method = evaluate(
        dataset.references, [dataset.predictions, second], dataset.table, ["sex"],
        settings=EvaluationSettings(
            metrics=("dice",), statistics=StatisticsSettings(n_bootstrap=0)
        ),
        trainings="repeats", downstream=DownstreamSettings(("cardiac",)),
    )  # fmt: skip
    assert all(training.downstream for training in method.trainings)
    assert not method.downstream
    assert method.downstream_cases.empty
    assert not [f for f in method.findings if f.kind == "downstream"]
    assert any("are those of each training" in note for note in method.notes)
    method.write(tmp_path / "out")
    again = EvaluationResult.read(tmp_path / "out")
    assert len(again.trainings[0].downstream_cases) == 12 * 8


def test_files_hold_every_training(method, tmp_path):
    method.write(tmp_path)
    again = EvaluationResult.read(tmp_path)
    assert repr(again.comparisons) == repr(method.comparisons)
    assert [t.name for t in again.trainings] == ["run_0", "run_1", "run_2"]
    alone = EvaluationResult.read(tmp_path / "trainings" / "run_2")
    assert repr(alone.comparisons) == repr(method.trainings[2].comparisons)
    assert not len(EvaluationResult.read(tmp_path, with_cases=False).trainings[0].per_case)
    (tmp_path / "trainings" / "run_1" / "summary.json").unlink()
    with pytest.raises(EvaluationError, match=r"run_1 has no summary\.json"):
        EvaluationResult.read(tmp_path)


def test_shareable_result_says_how_many_and_no_more(method, tmp_path):
    told = shareable(method)
    assert told.trainings == ()
    assert told.settings["trainings"] == {"kind": "repeats", "number": 3}
    assert any("the method (3 trainings)" in note for note in told.notes)
    told.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "summary.json"]
    assert "run_1" not in (tmp_path / "summary.json").read_text()
    assert EvaluationResult.read(tmp_path).trainings == ()


def test_table_of_trainings(table, method):
    found = trainings_table(method, ["segmentation"])
    means = table.groupby(["training", "sex"])["dice"].mean().unstack()["f"]
    row = next(row for row in found.rows if row[3] == "mean of f")
    assert found.columns[4:] == ("run_0", "run_1", "run_2", "Mean", "SD")
    expected = [*means, means.mean(), means.std()]
    assert row[4:] == tuple(f"{value:.4f}" for value in expected)


def test_three_groups_and_undefined_values(tmp_path):
    table = scores_of_trainings(n=60)
    table["sex"] = np.tile(np.array(["a", "b", "c"])[np.arange(60) % 3], 3)
    table.loc[(table["training"] == "run_0") & (table["case"] == "c000"), "dice"] = np.nan
    table.loc[table["case"] == "c001", "dice"] = np.nan
    found = evaluated(table, tmp_path)
    values = table.groupby("case")["dice"].mean()  # pandas leaves out what is undefined
    assert found.per_case.set_index("case")["dice"].to_dict() == pytest.approx(
        values.to_dict(), nan_ok=True
    )
    compared = found.comparison("sex", "dice", "segmentation")
    assert compared.groups["b"].n_undefined == 1
    assert compared.test.name == "Kruskal-Wallis over 3 trainings"
    assert 0 < compared.test.p_value <= 1
    for gap in compared.gaps:
        if gap.name == "fairness_gap":
            assert gap.simultaneous.low < gap.interval.low


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[~((t["training"] == "run_1") & (t["case"] == "c003"))],
         r"'run_0' and 'run_1' have different cases: 1 only in the first \(c003\), 0 only in the"),
        (lambda t: t.assign(dice=t.groupby("case")["dice"].transform("first")),
         "'run_0' and 'run_1' have the same values in all cases: one training is given twice"),
        (lambda t: t.assign(label=np.where(t["training"] == "run_2", "b", "a")),
         "'run_0' and 'run_2' have different labels: a against b"),
        (lambda t: t.assign(
            sex=t["sex"].where(~((t["training"] == "run_2") & (t["case"] == "c002")), "m")),
         "have different values of 'sex' in 1 case: c002"),
    ],
)  # fmt: skip
def test_what_are_no_trainings_of_one_method(table, tmp_path, change, message):
    with pytest.raises(EvaluationError, match=message) as error:
        evaluated(change(table), tmp_path)
    assert "These are not trainings of one method on the same cases" in str(error.value)


def test_tables_that_cannot_be_split(table, tmp_path):
    with pytest.raises(UsageError, match=r"Several trainings are needed.*found 1: run_0\. Pass"):
        evaluated(table[table["training"] == "run_0"], tmp_path)
    with pytest.raises(EvaluationError, match="has no column 'training'"):
        evaluated(table.drop(columns="training"), tmp_path)
    with pytest.raises(EvaluationError, match="names no training on 40 lines"):
        evaluated(table.replace("run_1", ""), tmp_path)
    with pytest.raises(EvaluationError, match="several rows of a case: pass --trainings repeats"):
        evaluated(table, tmp_path, None)
    with pytest.raises(UsageError, match=r"become folders; these cannot: '\.\./run_1'"):
        evaluated(table.replace("run_1", "../run_1"), tmp_path)
    # the training hospital of each patient is an attribute like any other
    one = table[table["training"] == "run_0"].replace("run_0", "hospital")
    assert evaluated(one, tmp_path, None).trainings == ()


def test_evaluations_that_cannot_be_put_together(method):
    one, two, _ = method.trainings
    with pytest.raises(EvaluationError, match=r"made with --shareable.*: one"):
        method_of({"one": shareable(one), "two": two}, "repeats")
    with pytest.raises(EvaluationError, match="already of several trainings: both"):
        method_of({"both": method, "two": two}, "repeats")
    other = dataclasses.replace(two, settings={**two.settings, "min_patients": 7})
    with pytest.raises(EvaluationError, match="different settings: min_patients is 5 against 7"):
        method_of({"one": one, "two": other}, "repeats")


def test_names_without_anything_in_common(method):
    one, two, _ = method.trainings
    assert method_of({"a": one, "b": two}, "repeats").name == "a and 1 more"
    assert method_of({"base_1": one, "base_2": two}, "repeats").name == "base"


def test_average_that_one_training_has_not(tmp_path):
    parts = [scores_of_trainings(seed).assign(label=label) for seed, label in enumerate("ab")]
    table = pd.concat(parts)
    missing = (table["label"] == "b") & (table["sex"] == "f") & (table["training"] == "run_1")
    table.loc[missing & (table["case"] > "c007"), "dice"] = np.nan
    found = evaluated(table, tmp_path)
    assert found.trainings[1].labels == ("a", "b")
    assert found.labels == ("a", "b", "average")
    average = found.comparison("sex", "dice", "average")
    assert average.groups["f"].mean_interval.low < average.groups["f"].mean
    assert {row[1] for row in trainings_table(found, found.labels).rows} == {"a", "b"}


def test_failures_are_those_of_all_trainings(tmp_path):
    table = scores_of_trainings(n=60)
    rng = np.random.default_rng(1)
    failed = rng.random(len(table)) < np.where(table["sex"] == "f", 0.2, 0.05)
    table["dice"] = np.where(failed, 0.0, table["dice"])
    found = evaluated(table, tmp_path)
    (compared,) = found.failures
    rates = table.assign(failed=failed).groupby(["training", "sex"])["failed"].mean().unstack()
    for name in ("f", "m"):
        assert compared.groups[name].rate == pytest.approx(rates[name].mean())
        assert compared.groups[name].n_patients == 30
    (difference,) = compared.differences
    signed = rates[difference.between[1]] - rates[difference.between[0]]
    assert difference.value == pytest.approx(signed.mean())
    reach = scipy.stats.t.ppf(0.975, 2) * scipy.stats.sem(signed)
    assert difference.interval.high >= min(1, difference.value + reach) - 1e-9
    assert compared.test.name.endswith("over 3 trainings")
    assert 0 < compared.test.p_value <= compared.test.corrected_p <= 1
    # each training fails in cases of its own, which the means over trainings do not show
    assert compared.groups["f"].rate > 2 * (found.per_case["dice"] <= 0.1).mean()


def test_adjusted_gaps_are_means_over_trainings(tmp_path):
    table = scores_of_trainings(n=80, by_group=0.03)
    size = np.random.default_rng(4).integers(500, 2000, 80)
    table["reference_voxels"] = np.tile(size, 3)
    table["prediction_voxels"] = np.tile(size, 3)
    table["site"] = np.tile(np.array(["x", "y", "y"])[np.arange(80) % 3], 3)
    found = evaluated(table, tmp_path, adjust=("site",))
    assert len(found.adjusted_gaps) == 2  # for the size, and for the site
    for position, gap in enumerate(found.adjusted_gaps):
        each = [training.adjusted_gaps[position] for training in found.trainings]
        values = [one.value for one in each]
        assert gap.value == pytest.approx(np.mean(values))
        reach = scipy.stats.t.ppf(0.975, 2) * scipy.stats.sem(values)
        above = np.mean([one.interval.high - one.value for one in each])
        assert gap.interval.high == pytest.approx(gap.value + math.hypot(above, reach))
        assert gap.crude == pytest.approx(np.mean([one.crude for one in each]))
        assert gap.test.name.endswith("over 3 trainings")
        assert gap.test.p_value >= min(one.test.p_value for one in each)
    mean = table.groupby(["case", "sex", "site"], as_index=False)["dice"].mean()
    alone = evaluated(mean, tmp_path, None, adjust=("site",))
    by_site = [gap for gap in found.adjusted_gaps if gap.confounders == ("site",)]
    assert by_site[0].value == pytest.approx(alone.adjusted_gaps[0].value)


def test_equivalence_and_what_could_be_seen_allow_for_trainings(table, tmp_path):
    margins = {"dice": 0.05}
    method = evaluated(table, tmp_path, margins=margins)
    mean = table.groupby(["case", "sex"], as_index=False)["dice"].mean()
    alone = evaluated(mean, tmp_path, None, margins=margins)
    ours, theirs = (r.comparison("sex", "dice", "segmentation").effects[0] for r in (method, alone))
    first, second = ours.between
    by_group = table.groupby(["training", "sex"])["dice"].mean().unstack()
    medians = table.groupby(["training", "sex"])["dice"].median().unstack()
    # two one-sided tests at 0.05 each
    reach = scipy.stats.t.ppf(0.95, 2) * scipy.stats.sem(by_group[first] - by_group[second])
    before, after = theirs.mean_difference_interval, ours.mean_difference_interval
    value = ours.mean_difference
    assert value == pytest.approx(theirs.mean_difference)
    assert after.low == pytest.approx(value - math.hypot(value - before.low, reach))
    assert after.high == pytest.approx(value + math.hypot(before.high - value, reach))
    spread = scipy.stats.sem(medians[first] - medians[second])
    half = scipy.stats.t.ppf(0.975, 2) * spread
    assert ours.detectable_gap_half == pytest.approx(math.hypot(theirs.detectable_gap_half, half))
    more = half + scipy.stats.t.ppf(0.8, 2) * spread
    assert ours.detectable_gap == pytest.approx(math.hypot(theirs.detectable_gap, more))
    (found,) = [f for f in method.findings if f.kind == "equivalence"]
    assert found.interval == after


def test_where_the_reference_has_no_values_another_one_keeps_its_test(tmp_path):
    """Of the distances the women have no values: gaps start from the next largest group there."""
    table = scores_of_trainings(n=90, common=0.001, by_group=0.0)
    number = table["case"].str[1:].astype(int)
    table["sex"] = np.select([number < 35, number < 65], ["f", "m"], "x")
    table["dice"] -= 0.1 * (table["sex"] == "m")
    table["hd95_mm"] = 10 * (1 - table["dice"])
    table.loc[(table["sex"] == "f") & (number > 2), "hd95_mm"] = np.nan
    found = evaluated(table, tmp_path, empty_distance="nan")
    references = {}
    for metric in ("dice", "hd95"):
        made = found.comparison("sex", metric, "segmentation")
        references[metric] = made.effects[0].between[0]
        assert made.test.p_value < 0.01
        (finding,) = [f for f in found.findings if (f.metric, f.quantity) == (metric, "median")]
        assert finding.verdict == "shown"
    assert references == {"dice": "f", "hd95": "m"}


def test_where_a_training_lacks_a_group_it_is_said_why_there_is_no_test(tmp_path):
    table = scores_of_trainings(n=60, common=0.001, by_group=0.0)
    number = table["case"].str[1:].astype(int)
    table["sex"] = np.select([number < 20, number < 40], ["f", "m"], "x")
    table.loc[(table["sex"] == "f") & (table["training"] == "run_1"), "dice"] = np.nan
    table.loc[(table["sex"] == "m") & (number > 36), "dice"] = 0.0
    found = evaluated(table, tmp_path)
    made = found.comparison("sex", "dice", "segmentation")
    assert math.isnan(made.test.p_value)
    assert made.test.reason == "in 1 of the 3 trainings a group has no value"
    (finding,) = [f for f in found.findings if f.quantity == "median"]
    why = "test cannot be computed: in 1 of the 3 trainings a group has no value."
    assert finding.reason.endswith(why)
    assert why in finding.sentence
    (failures,) = [f for f in found.findings if f.kind == "failure_rate"]
    assert failures.verdict == "not_shown"
    assert failures.sentence.endswith(f" The {why}")
