"""Methods compared by their trainings: standard errors, p-values, and how often they are wrong."""

import math

import numpy as np
import pytest
import scipy.stats

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.estimation.estimates import Summaries
from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.model_comparison.between_groups import SeveralGroups, TwoGroups
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.model_comparison.contrasts import MeanDifference
from nnunetv2_fair.evaluation.model_comparison.method_trainings import Trained
from nnunetv2_fair.evaluation.model_comparison.standard_errors import Means
from nnunetv2_fair.evaluation.model_comparison.worst_group import WorstGroup
from tests.evaluation.trainings.factories import evaluated, scores_of_trainings


@pytest.fixture(scope="module")
def tables():
    return [
        scores_of_trainings(1, trainings=3),
        scores_of_trainings(2, trainings=4, common=0.02, start="b"),
    ]


@pytest.fixture(scope="module")
def methods(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    return [evaluated(table, folder, name=f"m{i}") for i, table in enumerate(tables)]


def parts_of(tables, group=None):
    """Return the difference, its variance by patients, and those by the trainings of each."""
    chosen = [t if group is None else t[t["sex"] == group] for t in tables]
    values = [t.pivot_table(index="case", columns="training", values="dice") for t in chosen]
    change = values[1].mean(axis=1) - values[0].mean(axis=1)
    by_trainings = [scipy.stats.sem(v.mean()) ** 2 for v in values]
    return change.mean(), scipy.stats.sem(change) ** 2, by_trainings, len(change)


@pytest.mark.parametrize("group", [None, "f", "m"])
def test_differences_of_means(tables, methods, group):
    compared = compare_models(methods, n_bootstrap=50)
    found = compared.entries[0].differences["m1"]
    found = found.overall if group is None else found.groups[group]
    value, by_patients, by_trainings, n = parts_of(tables, group)
    freedom = np.array([n - 1, 2, 3])
    variances = np.array([by_patients, *by_trainings])
    reach = math.sqrt((scipy.stats.t.ppf(0.975, freedom) ** 2 * variances).sum())
    assert found.value == pytest.approx(value)
    assert found.interval.low == pytest.approx(value - reach)
    assert found.interval.high == pytest.approx(value + reach)
    solved = (scipy.stats.t.isf(found.p_value / 2, freedom) ** 2 * variances).sum()
    assert solved == pytest.approx(value**2)
    assert found.corrected_p >= found.p_value


def test_intervals_of_scores_and_measures_allow_for_trainings(tables, methods, tmp_path):
    compared = compare_models(methods, n_bootstrap=100)
    alone = [
        evaluated(
            t.groupby(["case", "sex"], as_index=False)["dice"].mean(), tmp_path, None, f"m{i}"
        )
        for i, t in enumerate(tables)
    ]
    plain = compare_models(alone, n_bootstrap=100)  # the same values, as of two trained models
    for table, model in zip(tables, compared.models, strict=True):
        ours, theirs = (c.entries[0].per_model[model] for c in (compared, plain))
        by_group = table.groupby(["training", "sex"])["dice"].mean().unstack()
        overall = table.groupby("training")["dice"].mean()
        for before, after, values, mean in [
            (theirs.overall_interval, ours.overall_interval, overall, ours.overall_mean),
            *(
                (theirs.group_intervals[g], ours.group_intervals[g], by_group[g], m)
                for g, m in ours.group_means.items()
            ),
        ]:
            reach = scipy.stats.t.ppf(0.975, len(values) - 1) * scipy.stats.sem(values)
            assert after.high - mean == pytest.approx(math.hypot(before.high - mean, reach))
        for name, (value, interval) in ours.gaps.items():
            assert value == pytest.approx(theirs.gaps[name][0])
            assert interval.high > theirs.gaps[name][1].high
    for name, found in compared.entries[0].differences["m1"].gaps.items():
        other = plain.entries[0].differences["m1"].gaps[name]
        assert found.value == pytest.approx(other.value)
        assert found.interval.high > other.interval.high


def test_method_against_one_trained_model(tables, methods, tmp_path):
    one = tables[1][tables[1]["training"] == "b_0"].drop(columns="training")
    single = evaluated(one, tmp_path, None, name="single")
    compared = compare_models([methods[0], single], n_bootstrap=0)
    notes = " ".join(compared.notes)
    assert "Methods of which several trainings were evaluated: m0 (3)." in notes
    assert "One trained model each, so that nothing is said about their methods: single." in notes
    assert compared.settings["trainings"] == {"m0": 3, "single": 1}
    found = compared.entries[0].differences["single"].overall
    values = tables[0].pivot_table(index="case", columns="training", values="dice")
    change = one.set_index("case")["dice"] - values.mean(axis=1)
    n = len(change)
    reach = math.hypot(
        scipy.stats.t.ppf(0.975, n - 1) * scipy.stats.sem(change),
        scipy.stats.t.ppf(0.975, 2) * scipy.stats.sem(values.mean()),
    )
    assert found.interval.high - found.value == pytest.approx(reach)


def test_two_trained_models_are_called_so(tables, tmp_path):
    results = [
        evaluated(tables[0][tables[0]["training"] == name], tmp_path, None, name=name)
        for name in ("run_0", "run_1")
    ]
    compared = compare_models(results, n_bootstrap=0)
    assert any("about these trained models" in note for note in compared.notes)


def test_folds_of_the_same_names_are_paired(tmp_path):
    rng = np.random.default_rng(5)
    fold = 0.05 * rng.standard_normal(5)  # what a fold leaves out moves both methods alike
    tables = []
    for seed in (1, 2):
        table = scores_of_trainings(seed, trainings=5, common=0, by_group=0, start="fold")
        number = table["training"].str[-1].astype(int)
        tables.append(table.assign(dice=table["dice"] + fold[number] - 0.2))
    folds = [evaluated(t, tmp_path, "folds", name=f"f{i}") for i, t in enumerate(tables)]
    found = compare_models(folds, n_bootstrap=0).entries[0].differences["f1"].overall
    values = [t.pivot_table(index="case", columns="training", values="dice") for t in tables]
    by_fold = values[1].mean() - values[0].mean()
    change = values[1].mean(axis=1) - values[0].mean(axis=1)
    reach = math.hypot(
        scipy.stats.t.ppf(0.975, len(change) - 1) * scipy.stats.sem(change),
        scipy.stats.t.ppf(0.975, 4) * by_fold.std(ddof=1) * math.sqrt(1 / 5 + 1 / 4),
    )
    assert found.interval.high - found.value == pytest.approx(reach)
    named = [t.assign(training=t["training"] + end) for t, end in zip(tables, "xy", strict=True)]
    other = [evaluated(t, tmp_path, "folds", name=f"g{i}") for i, t in enumerate(named)]
    apart = compare_models(other, n_bootstrap=0).entries[0].differences["g1"].overall
    assert apart.interval.high - apart.value > 3 * reach


def test_one_training_in_two_models(methods):
    with pytest.raises(EvaluationError) as error:
        compare_models([methods[0], methods[0].trainings[1]], ["a", "b"], n_bootstrap=0)
    assert "'run_1' of 'a' and 'b' have the same values in all cases" in str(error.value)
    assert "Give each training to one model" in str(error.value)


def drawn(rng, trainings, n, n_groups, common, by_group):
    """Return (models) arrays of (trainings, patients) of one method trained again and again."""
    groups, patients = np.arange(n) % n_groups, rng.standard_normal(n)
    found = []
    for number in trainings:
        shift = common * rng.standard_normal((number, 1))
        shift = shift + by_group * rng.standard_normal((number, n_groups))[:, groups]
        own = 0.08 * (0.95 * patients + 0.31 * rng.standard_normal((number, n)))
        found.append(0.8 + own + shift)
    return found, groups


def means_of(values, groups, n_groups, as_methods=True):
    trained = []
    for model, each in enumerate(values):
        by_group = np.array([[v[groups == g].mean() for g in range(n_groups)] for v in each])
        unknown = np.full_like(by_group, np.nan)
        summaries = Summaries(by_group, unknown, each.mean(axis=1), unknown[:, 0])
        rows = tuple(f"{model} {k}" for k in range(len(each)))
        trained.append(Trained("repeats", rows, summaries, summaries) if as_methods else None)
    mean = np.stack([each.mean(axis=0) for each in values])
    units = Units.from_cases(mean, np.arange(len(groups)), groups, n_groups)
    return Means.of(units, trained)


def rejections(trainings, n_groups, draws, as_methods=True, by_group=0.01):
    rng = np.random.default_rng(3)
    every, several = list(range(n_groups)), TwoGroups if n_groups == 2 else SeveralGroups
    rejected = np.zeros(3)
    for _ in range(draws):
        values, groups = drawn(rng, trainings, 60 * n_groups, n_groups, 0.01, by_group)
        means = means_of(values, groups, n_groups, as_methods)
        p_values = [
            MeanDifference(means, 1, 0, means.overall).p_value,
            WorstGroup(means, 1, 0, every, higher_is_better=True).p_value,
            several(means, 1, 0, every).p_value,
        ]
        rejected += np.array(p_values) < 0.05
    return rejected / draws


@pytest.mark.parametrize(("trainings", "n_groups"), [((2, 2), 2), ((3, 3), 3), ((2, 5), 2)])
def test_trainings_of_one_method_are_not_told_apart(trainings, n_groups):
    rates = rejections(trainings, n_groups, 200)
    assert (rates <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)).all(), rates


def test_one_training_taken_for_the_method_is():
    assert rejections((1, 1), 2, 100, as_methods=False)[0] > 0.4
