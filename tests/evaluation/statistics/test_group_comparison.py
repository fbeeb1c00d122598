import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.estimation import gaps
from nnunetv2_fair.evaluation.estimation.quantiles import quantile
from nnunetv2_fair.evaluation.estimation.resampling import bootstrap
from nnunetv2_fair.evaluation.estimation.streams import Streams
from nnunetv2_fair.evaluation.estimation.units import Units
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.values import Interval, Scale
from nnunetv2_fair.evaluation.statistics.group_comparison import (
    Observations,
    StatisticsSettings,
    compare_groups,
    definitions,
)

NAMES = ("female", "male", "other", "absent")


def observations(rows: list[tuple[str, int, float]], replaced=()) -> Observations:
    """Rows of (patient, group index, value)."""
    return Observations(
        values=np.array([value for _, _, value in rows], dtype=float),
        replaced=np.array([index in replaced for index in range(len(rows))]),
        patients=np.array([patient for patient, _, _ in rows], dtype=object),
        groups=np.array([group for _, group, _ in rows]),
        names=NAMES,
    )


def compare(observed: Observations, reference: str | None = "male", **options) -> Comparison:
    settings = StatisticsSettings(**{"n_bootstrap": 300, "min_patients": 3, **options})
    return compare_groups(
        observed, attribute="sex", metric="dice", label="organ", reference=reference,
        error_measures=True, settings=settings,
    )  # fmt: skip


def two_groups(n: int = 8) -> list[tuple[str, int, float]]:
    generator = np.random.default_rng(3)
    rows = []
    for patient in range(2 * n):
        group = patient % 2
        for _ in range(1 + patient % 3):  # patients with several cases
            rows.append((f"p{patient}", group, 0.6 + 0.2 * group + 0.1 * generator.random()))
    return rows


def patient_means(rows: list[tuple[str, int, float]], group: int) -> list[float]:
    values: dict[str, list[float]] = {}
    for patient, where, value in rows:
        if where == group:
            values.setdefault(patient, []).append(value)
    return [sum(v) / len(v) for v in values.values()]


def test_statistics_are_by_patient():
    rows = two_groups()
    found = compare(observations(rows))
    for index, name in enumerate(("female", "male")):
        means = patient_means(rows, index)
        group = found.groups[name]
        assert group.n_patients == 8
        assert group.n_cases == sum(1 for _, where, _ in rows if where == index)
        assert group.mean == pytest.approx(np.mean(means))
        assert group.median == pytest.approx(np.median(means))
        assert (group.q1, group.q3) == pytest.approx(tuple(np.percentile(means, [25, 75])))
        assert group.std == pytest.approx(np.std(means, ddof=1))
        assert group.mean_interval.low < group.mean < group.mean_interval.high
    everyone = patient_means(rows, 0) + patient_means(rows, 1)
    assert found.overall.mean == pytest.approx(np.mean(everyone))
    assert found.overall.n_patients == 16


def test_statistics_by_case():
    rows = two_groups()
    found = compare(observations(rows), unit="case")
    values = [value for _, group, value in rows if group == 0]
    assert found.groups["female"].mean == pytest.approx(np.mean(values))
    assert found.groups["female"].n_patients == 8
    everything = [value for _, _, value in rows]
    assert found.overall.median == pytest.approx(np.median(everything))


def test_gaps_are_the_public_functions_of_the_groups():
    rows = [*two_groups(), *((f"o{i}", 2, 0.3 + 0.01 * i) for i in range(4))]
    found = compare(observations(rows))
    medians = {name: found.groups[name].median for name in NAMES[:3]}
    means = {name: found.groups[name].mean for name in NAMES[:3]}
    expected = {
        "ser": gaps.skewed_error_ratio(medians),
        "delta": gaps.max_min_gap(means),
        "std": gaps.group_std(means),
        "skew": gaps.skewed_error_ratio(means),
        "es_std": gaps.equity_scaled(found.overall.mean, means, "std"),
        "es_absolute": gaps.equity_scaled(found.overall.mean, means, "absolute"),
    }
    by_name = {gap.name: gap for gap in found.gaps}
    for name, value in expected.items():
        assert by_name[name].value == pytest.approx(value), name
        assert by_name[name].between == NAMES[:3]
        assert by_name[name].interval.low <= value <= by_name[name].interval.high
    pairs = {gap.between: gap.value for gap in found.gaps if gap.name == "fairness_gap"}
    assert pairs == pytest.approx(
        {
            ("male", "female"): gaps.fairness_gap(medians["male"], medians["female"]),
            ("male", "other"): gaps.fairness_gap(medians["male"], medians["other"]),
        }
    )
    assert set(expected) | {"fairness_gap"} <= set(definitions(StatisticsSettings()))


def test_distances_have_no_error_measures():
    found = compare_groups(
        observations(two_groups()), attribute="sex", metric="hd", label="organ", reference=None,
        error_measures=False, settings=StatisticsSettings(n_bootstrap=20),
    )  # fmt: skip
    assert {gap.name for gap in found.gaps} == {"fairness_gap", "delta", "std"}


def test_small_and_absent_groups_stay_visible_but_enter_no_gap():
    rows = [*two_groups(), ("o1", 2, 0.01), ("o2", 2, 0.02), ("o2", 2, 0.02)]
    with_small, without = compare(observations(rows)), compare(observations(two_groups()))
    assert with_small.left_out == {
        "other": "2 patients with a value, fewer than 3",
        "absent": "no cases",
    }
    assert (with_small.groups["other"].n_cases, with_small.groups["other"].n_patients) == (3, 2)
    assert with_small.groups["other"].mean == pytest.approx(0.015)
    assert math.isnan(with_small.groups["other"].mean_interval.low)
    assert with_small.groups["absent"].n_cases == 0
    assert math.isnan(with_small.groups["absent"].median)
    assert with_small.test == without.test
    for gap in without.gaps:
        if not gap.name.startswith("es_"):  # the overall mean is of all groups
            assert with_small.gap(gap.name).value == gap.value
    # the overall value is of all cases, small groups included
    assert with_small.overall.n_cases == without.overall.n_cases + 3


def test_group_of_exactly_the_smallest_size_is_compared():
    rows = [*two_groups(), *((f"o{i}", 2, 0.1) for i in range(3))]
    found = compare(observations(rows), min_patients=3)
    assert set(found.left_out) == {"absent"}
    assert found.gap("delta").between == NAMES[:3]
    assert math.isfinite(found.groups["other"].mean_interval.low)


def test_one_large_group_has_no_gaps():
    rows = [row for row in two_groups() if row[1] == 0]
    found = compare(observations(rows))
    assert found.test is None
    assert all(math.isnan(gap.value) for gap in found.gaps)
    assert found.gap("fairness_gap").between == ("female",)


def test_no_value_at_all():
    found = compare(observations([("p", 0, math.nan), ("q", 1, math.nan)]))
    assert found.groups["female"].n_undefined == 1
    assert math.isnan(found.overall.mean)
    assert found.left_out["male"] == "no case has a defined value"


def test_undefined_and_replaced_are_counted():
    rows = [*two_groups(), ("p0", 0, math.nan), ("p0", 0, 0.5)]
    found = compare(observations(rows, replaced=[len(rows) - 1]))
    assert found.groups["female"].n_undefined == 1
    assert found.groups["female"].n_replaced == 1
    assert found.groups["male"].n_replaced == 0
    assert found.groups["female"].n_cases == sum(1 for row in rows if row[1] == 0)


def test_reference_is_the_largest_group_unless_named():
    rows = [*two_groups(4), *((f"x{i}", 0, 0.5) for i in range(3))]
    assert compare(observations(rows), None).gap("fairness_gap").between == ("female", "male")
    assert compare(observations(rows), "male").gap("fairness_gap").between == ("male", "female")
    assert compare(observations(rows), "absent").gap("fairness_gap").between[0] == "female"


def test_tests_equal_scipy():
    # as many images per patient as in the other groups
    third = [(f"o{i}", 2, 0.3 + 0.01 * i) for i in range(6) for _ in range(1 + i % 3)]
    rows = [*two_groups(), *third]
    first, second, third = (patient_means(rows, index) for index in range(3))
    two = compare(observations(two_groups())).test
    expected = scipy.stats.mannwhitneyu(first, second, alternative="two-sided")
    assert (two.name, two.statistic, two.p_value) == (
        "Mann-Whitney U", expected.statistic, pytest.approx(expected.pvalue)
    )  # fmt: skip
    more = compare(observations(rows)).test
    expected = scipy.stats.kruskal(first, second, third)
    assert (more.name, more.p_value) == ("Kruskal-Wallis", pytest.approx(expected.pvalue))


def test_seed_decides_the_intervals():
    observed = observations(two_groups())
    # by text, as NaN is unequal to itself
    assert repr(compare(observed, seed=4)) == repr(compare(observed, seed=4))
    one, other = compare(observed, seed=4), compare(observed, seed=5)
    assert one.gap("ser").interval != other.gap("ser").interval
    assert one.gap("ser").value == other.gap("ser").value
    no_interval = compare(observed, n_bootstrap=0).gap("ser").interval
    assert math.isnan(no_interval.low)


def test_interval_covers_as_often_as_it_says():
    generator = np.random.default_rng(11)
    covered = 0
    n_trials = 200
    for trial in range(n_trials):
        rows = [(f"p{i}", i % 2, generator.normal(i % 2, 1)) for i in range(80)]
        found = compare_groups(
            observations(rows), attribute="sex", metric="hd", label=str(trial), reference="male",
            error_measures=False, settings=StatisticsSettings(n_bootstrap=300, confidence=0.9),
        )  # fmt: skip
        interval: Interval = found.groups["female"].mean_interval
        covered += interval.low <= 0 <= interval.high
    # 90% of 200 is 180; six standard errors below would be 154
    assert 165 <= covered <= 195


def test_resampling_patients_is_wider_than_resampling_their_copies():
    generator = np.random.default_rng(5)
    rows = [
        (f"p{i}", i % 2, value) for i in range(20) for value in [generator.normal()] * 9
    ]  # nine images that say the same
    by_patient = compare(observations(rows)).groups["male"].mean_interval
    by_case = compare(observations(rows), unit="case").groups["male"].mean_interval
    assert by_patient.high - by_patient.low > 2 * (by_case.high - by_case.low)


def test_patient_in_two_groups_is_drawn_as_a_whole():
    # the patient's values in both groups are equal, so the means must move together
    names = [f"p{i}" for i in range(10)] * 2
    values = np.array([np.r_[np.arange(10.0), np.arange(10.0)]])
    units = Units.from_cases(values, names, np.repeat([0, 1], 10), 2)
    assert units.values.shape == (1, 10, 2)
    drawn = bootstrap(units, 200, Streams(0, NAMES))
    assert np.array_equal(drawn.means[:, 0, 0], drawn.means[:, 0, 1])
    assert np.array_equal(drawn.means[:, 0, 0], drawn.overall_mean[:, 0])
    assert drawn.means[:, 0, 0].std() > 0.3


def test_resamples_hold_patients_of_one_and_of_both_groups():
    # five patients with cases in both groups, five with cases in the first alone
    names = [f"p{i}" for i in range(5)] * 2 + [f"q{i}" for i in range(5)]
    values = np.array([[10.0] * 5 + [20.0] * 5 + [0.0] * 5])
    units = Units.from_cases(values, names, np.array([0] * 5 + [1] * 5 + [0] * 5), 2)
    drawn = bootstrap(units, 50, Streams(0, NAMES))
    # strata are drawn apart, so that every resample has five of each kind
    assert drawn.means[:, 0, 0] == pytest.approx(np.full(50, 5.0))
    assert drawn.means[:, 0, 1] == pytest.approx(np.full(50, 20.0))
    assert drawn.overall_mean[:, 0] == pytest.approx(np.full(50, 7.5))


def test_bootstrap_does_not_depend_on_its_chunks(monkeypatch: pytest.MonkeyPatch):
    values = np.random.default_rng(1).random((2, 30))
    units = Units.from_cases(values, [f"p{i}" for i in range(30)], np.arange(30) % 3, 4)
    whole = bootstrap(units, 500, Streams(8, NAMES))
    monkeypatch.setattr("nnunetv2_fair.evaluation.estimation.resampling._CHUNK", 900)
    parts = bootstrap(units, 500, Streams(8, NAMES))
    for name in ("means", "medians"):
        one, other = getattr(whole, name), getattr(parts, name)
        assert np.isnan(one[..., 3]).all()
        assert np.isfinite(other[..., :3]).all()
        assert other == pytest.approx(one, abs=1e-12, nan_ok=True)


def test_every_model_gets_the_same_patients():
    first = np.random.default_rng(1).random(24)
    values = np.stack([first, first + 0.25])
    units = Units.from_cases(values, [f"p{i // 2}" for i in range(24)], np.arange(24) // 12, 2)
    drawn = bootstrap(units, 100, Streams(8, NAMES))
    assert drawn.means[:, 1] - drawn.means[:, 0] == pytest.approx(np.full((100, 2), 0.25))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.floats(0, 1))
def test_quantile_equals_numpy(values: list[float], share: float):
    assert quantile(np.array(values), share) == pytest.approx(
        float(np.quantile(values, share)), abs=1e-6
    )


def test_quantile_of_infinite_values():
    assert quantile(np.array([1.0, 2.0, math.inf, math.inf]), 0.9) == math.inf
    assert quantile(np.array([1.0, 2.0, math.inf]), 0.5) == 2
    assert quantile(np.array([1.0, math.inf]), 0.5) == math.inf
    assert quantile(np.array([-math.inf, 1.0]), 0.5) == -math.inf
    assert math.isnan(quantile(np.array([1.0, math.nan]), 0.5))
    assert math.isnan(quantile(np.array([]), 0.5))
    assert (quantile(np.arange(101.0), 0.05), quantile(np.arange(101.0), 0.95)) == (5, 95)


def test_infinite_values_stay_visible():
    rows = [(f"p{i}", i % 2, math.inf if i == 0 else float(i)) for i in range(12)]
    found = compare_groups(
        observations(rows), attribute="sex", metric="hd", label="organ", reference="male",
        error_measures=False, settings=StatisticsSettings(n_bootstrap=100),
    )  # fmt: skip
    assert found.groups["female"].mean == math.inf
    assert found.groups["female"].median == 7
    assert found.groups["male"].mean == 6
    assert found.gap("delta").value == math.inf


@pytest.mark.parametrize(("better", "share"), [("higher", 0.1), ("lower", 0.9)])
def test_worst_decile_is_that_of_the_worse_end(better, share):
    rng = np.random.default_rng(3)
    values = rng.random(40)
    found = compare_groups(
        Observations(
            values, np.zeros(40, dtype=bool), np.arange(40), np.repeat([0, 1], [31, 9]), ("a", "b")
        ),
        attribute="a",
        metric="m",
        label="l",
        reference=None,
        error_measures=False,
        settings=StatisticsSettings(n_bootstrap=0),
        scale=Scale(better),
    )
    assert found.groups["a"].worst_decile == pytest.approx(np.quantile(values[:31], share))
    assert math.isnan(found.groups["b"].worst_decile)  # fewer than ten
    assert found.overall.worst_decile == pytest.approx(np.quantile(values, share))


def test_shrunken_means_stand_beside_raw_ones_and_enter_no_measure():
    rng = np.random.default_rng(3)
    sizes = (60, 40, 6)
    values = rng.normal(0.8, 0.05, sum(sizes))
    values[100:] -= 0.04
    found = compare_groups(
        Observations(
            values,
            np.zeros(106, dtype=bool),
            np.arange(106),
            np.repeat([0, 1, 2], sizes),
            ("a", "b", "c"),
        ),
        attribute="a",
        metric="m",
        label="l",
        reference=None,
        error_measures=False,
        settings=StatisticsSettings(n_bootstrap=0),
    )
    small = found.groups["c"]
    assert small.mean < small.shrunken_mean < found.groups["a"].mean
    assert small.shrunken_interval.low < small.shrunken_mean < small.shrunken_interval.high
    assert math.isnan(found.overall.shrunken_mean)
    means = [group.mean for group in found.groups.values()]
    assert found.gap("delta").value == pytest.approx(max(means) - min(means))
