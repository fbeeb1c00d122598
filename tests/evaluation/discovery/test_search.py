"""The search for subgroups against brute force and every order of adding items."""

import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from pydantic import TypeAdapter

from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation.discovery.search import discover
from nnunetv2_fair.evaluation.discovery.settings import N_CONFIRMED, DiscoverySettings
from nnunetv2_fair.evaluation.results.discovery import Discovery
from nnunetv2_fair.evaluation.results.json_file import to_json
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.subgroups.schema import Schema
from nnunetv2_fair.subgroups.table import DemographicsTable, read_table

DICE = MetricInfo("dice", "Dice", "", "higher", "", True)
LEVELS = {"sex": ("female", "male"), "age": ("old", "young"), "site": ("a", "b", "c")}


def make_cases(tmp_path: Path, n_patients: int = 90, visits: int = 2, seed: int = 0):
    """Old women of site b are segmented badly; every patient's cases resemble each other."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(n_patients):
        about = {name: str(rng.choice(levels)) for name, levels in LEVELS.items()}
        if patient % 9 == 0:
            about["age"] = ""
        bad = about["sex"] == "female" and about["age"] == "old" and about["site"] == "b"
        level = 0.85 - 0.3 * bad + 0.05 * rng.standard_normal()
        for visit in range(visits):
            rows.append(
                {"case": f"c{patient:03d}_{visit}", "patient": f"p{patient:03d}", **about,
                 "dice": level + 0.01 * rng.standard_normal()}
            )  # fmt: skip
    frame = pd.DataFrame(rows)
    path = tmp_path / "demographics.csv"
    frame.drop(columns="dice").to_csv(path, index=False)
    per_case = frame[["case", "patient", "dice"]].assign(label="organ", flags="")
    return per_case, read_table(path), frame


def search(per_case: pd.DataFrame, table: DemographicsTable, **options) -> Discovery:
    statistics = StatisticsSettings(
        unit=options.pop("unit", "patient"), min_patients=options.pop("min_patients", 5),
        seed=options.pop("seed", 0),
    )  # fmt: skip
    return discover(
        per_case, table, options.pop("metric", DICE), options.pop("labels", ("organ",)),
        options.pop("empty_distance", "diagonal"), statistics, DiscoverySettings(**options),
    )  # fmt: skip


def test_planted_subgroup_is_found_and_its_parts_share_the_blame(tmp_path):
    per_case, table, frame = make_cases(tmp_path)
    found = search(per_case, table)
    worst = found.subgroups[0]
    assert dict(worst.items) == {"sex": "female", "age": "old", "site": "b"}
    assert worst.name == "sex=female, age=old, site=b"
    inside = frame[(frame["sex"] == "female") & (frame["age"] == "old") & (frame["site"] == "b")]
    by_patient = frame.groupby("patient")["dice"].mean()
    members = inside.groupby("patient")["dice"].mean()
    assert (worst.n_cases, worst.n_patients) == (len(inside), len(members))
    assert worst.mean == pytest.approx(members.mean())
    assert worst.divergence == pytest.approx(members.mean() - by_patient.mean())
    assert worst.support == pytest.approx(len(members) / 90)
    assert found.overall == pytest.approx(by_patient.mean())
    # the standard deviation of the mean rank over all permutations is known
    ranks = scipy.stats.rankdata(by_patient) / len(by_patient)
    chosen = by_patient.index.isin(members.index)
    error = ranks.std(ddof=1) * math.sqrt(1 / len(members) - 1 / len(by_patient))
    assert worst.z == pytest.approx((ranks[chosen].mean() - ranks.mean()) / error, rel=0.1)
    assert worst.p_value == worst.corrected_p == 0.001
    assert worst.divergence < worst.shrunken_divergence < 0.7 * worst.divergence
    assert sum(worst.contributions.values()) == pytest.approx(worst.divergence)
    assert all(value < 0 for value in worst.contributions.values())


def test_shapley_contributions_average_over_all_orders(tmp_path):
    per_case, table, frame = make_cases(tmp_path)
    worst = search(per_case, table).subgroups[0]
    means = frame.groupby("patient").agg({"dice": "mean", **dict.fromkeys(LEVELS, "first")})

    def divergence(items) -> float:
        chosen = means
        for name in items:
            chosen = chosen[chosen[name] == worst.items[name]]
        return chosen["dice"].mean() - means["dice"].mean()

    orders = list(itertools.permutations(worst.items))
    for name in worst.items:
        added = [
            divergence(order[: order.index(name) + 1]) - divergence(order[: order.index(name)])
            for order in orders
        ]
        assert worst.contributions[name] == pytest.approx(np.mean(added))


def all_subgroups(frame: pd.DataFrame, fewest: int) -> dict[tuple, pd.Series]:
    means = frame.groupby("patient").agg({"dice": "mean", **dict.fromkeys(LEVELS, "first")})
    found = {}
    for values in itertools.product(*(("", *levels) for levels in LEVELS.values())):
        items = tuple((n, v) for n, v in zip(LEVELS, values, strict=True) if v)
        chosen = means
        for name, value in items:
            chosen = chosen[chosen[name] == value]
        if items and len(chosen) >= fewest:
            found[items] = chosen["dice"]
    return found


def test_counts_means_and_ranks_by_brute_force(tmp_path):
    per_case, table, frame = make_cases(tmp_path, visits=1)
    found = search(per_case, table)
    everything = all_subgroups(frame, 5)
    assert found.n_searched == found.n_tests == len(everything)
    by_patient = frame.groupby("patient")["dice"].mean()
    ranks = by_patient.rank()
    assert len(found.subgroups) > 3
    for group in found.subgroups:
        scores = everything[tuple(group.items.items())]
        assert group.n_patients == len(scores)
        assert group.divergence == pytest.approx(scores.mean() - by_patient.mean())
        error = ranks.std(ddof=1) * math.sqrt(1 / len(scores) - 1 / len(ranks))
        z = (ranks[scores.index].mean() - ranks.mean()) / error
        assert group.z == pytest.approx(z, abs=1e-4)
        assert 0 <= group.shrunken_divergence / group.divergence <= 1


def test_rows_are_sorted_by_evidence_and_worse_ones_come_first(tmp_path):
    rng = np.random.default_rng(1)
    n = 400
    frame = pd.DataFrame({name: rng.choice(levels, n) for name, levels in LEVELS.items()})
    # site c is much better than the others, women of site a a little worse
    frame["dice"] = 0.7 + 0.02 * rng.standard_normal(n)
    frame.loc[frame["site"] == "c", "dice"] += 0.2
    frame.loc[(frame["site"] == "a") & (frame["sex"] == "female"), "dice"] -= 0.05
    frame.insert(0, "case", [f"c{i}" for i in range(n)])
    path = tmp_path / "demographics.csv"
    frame.drop(columns="dice").to_csv(path, index=False)
    rows = frame[["case", "dice"]].assign(patient=frame["case"], label="organ", flags="")
    found = search(rows, read_table(path))
    shown = [group for group in found.subgroups if group.corrected_p < 0.05]
    assert dict(shown[0].items) == {"sex": "female", "site": "a"}
    worse, (better,) = shown[:-1], shown[-1:]
    assert dict(better.items) == {"site": "c"}
    assert all(group.z < 0 for group in worse)
    assert abs(better.z) > abs(worse[0].z)
    others = [abs(group.z) for group in found.subgroups[len(shown) :]]
    assert others == sorted(others, reverse=True)
    # of distances, more is worse
    far = dataclasses.replace(DICE, better="lower")
    first = search(rows, read_table(path), metric=far).subgroups[0]
    assert dict(first.items) == {"site": "c"}


def test_columns_that_organise_the_data_are_not_searched(tmp_path):
    per_case, _, frame = make_cases(tmp_path)
    path = tmp_path / "demographics.csv"
    organised = frame.drop(columns="dice").assign(
        split=["train", "test"] * 90, Fold=[str(i % 5) for i in range(180)]
    )
    organised.to_csv(path, index=False)
    found = search(per_case, read_table(path))
    assert found.attributes == ("sex", "age", "site")
    assert found.left_out == ("split", "Fold")
    organised[["case", "patient", "split"]].to_csv(path, index=False)
    message = "has no attribute with groups besides split"
    with pytest.raises(EvaluationError, match=message):
        search(per_case, read_table(path))


def test_confirmation_is_of_other_patients(tmp_path):
    per_case, table, frame = make_cases(tmp_path, n_patients=400)
    found = search(per_case, table, confirm=True)
    assert (found.n_units, found.n_held_out) == (200, 200)
    assert len(found.subgroups) <= N_CONFIRMED
    worst = found.subgroups[0]
    assert dict(worst.items) == {"sex": "female", "age": "old", "site": "b"}
    assert worst.confirmation is not None
    inside = frame[(frame["sex"] == "female") & (frame["age"] == "old") & (frame["site"] == "b")]
    assert worst.n_patients + worst.confirmation.n_patients == inside["patient"].nunique()
    assert worst.n_cases + worst.confirmation.n_cases == len(inside)
    both = (
        worst.mean * worst.n_patients + worst.confirmation.mean * worst.confirmation.n_patients
    ) / inside["patient"].nunique()
    assert both == pytest.approx(inside["dice"].mean())
    assert worst.confirmation.divergence == pytest.approx(
        worst.confirmation.mean - found.held_out_overall
    )
    assert worst.confirmation.corrected_p < 0.05
    # the same seed, the same halves
    assert repr(search(per_case, table, confirm=True)) == repr(found)
    other = search(per_case, table, confirm=True, seed=1)
    assert other.held_out_overall != found.held_out_overall


def test_one_patient_cannot_be_halved(tmp_path):
    per_case, table, _ = make_cases(tmp_path)
    one = per_case["patient"] == "p000"
    with pytest.raises(EvaluationError, match=r"--confirm needs two halves.*Leave it out"):
        search(per_case[one], table, confirm=True)


def test_nobody_outside_no_test(tmp_path):
    frame = pd.DataFrame({"case": list("abcdefgh"), "site": "x", "dice": np.linspace(0.1, 0.8, 8)})
    path = tmp_path / "demographics.csv"
    frame[["case", "site"]].to_csv(path, index=False)
    rows = frame[["case", "dice"]].assign(patient=frame["case"], label="organ", flags="")
    for values in (frame["dice"], 0.5):
        found = search(rows.assign(dice=values), read_table(path))
        assert (found.n_searched, found.n_tests, found.subgroups) == (1, 0, ())
    few = search(rows, read_table(path), min_patients=9)
    assert (few.n_searched, few.subgroups) == (0, ())


@pytest.mark.parametrize(
    ("settings", "confidence", "message"),
    [
        (DiscoverySettings(permutations=18), 0.95, r"--permutations 18: at --confidence 0.95 no "
         r"subgroup could be shown with fewer than 20; expected 999 or so"),
        (DiscoverySettings(permutations=50, confirm=True), 0.95, "with --confirm no subgroup .* "
         "fewer than 100"),
        (DiscoverySettings(permutations=-1), 0.95, "--permutations -1"),
        (DiscoverySettings(min_support=0), 0.95, "expected a share above 0 and at most 1"),
    ],
)  # fmt: skip
def test_settings_that_can_show_nothing_are_refused(settings, confidence, message):
    with pytest.raises(UsageError, match=message):
        settings.check(confidence)
    DiscoverySettings().check(confidence)


def test_patients_count_once_however_many_images(tmp_path):
    per_case, table, frame = make_cases(tmp_path)
    first = frame["case"].str.endswith("_0")
    copies = [frame[first].assign(case=frame["case"][first] + f"_{copy}") for copy in range(6)]
    many = pd.concat([frame, *copies])
    path = tmp_path / "many.csv"
    many.drop(columns="dice").to_csv(path, index=False)
    rows = many[["case", "patient", "dice"]].assign(label="organ", flags="")
    by_patient = search(rows, read_table(path))
    by_case = search(rows, read_table(path), unit="case")
    alone = search(per_case, table)
    assert by_patient.n_units == alone.n_units == 90
    assert by_case.n_units == len(many)
    # seven copies of a case are one patient, whose copies stay together
    assert by_case.subgroups[0].z == pytest.approx(by_patient.subgroups[0].z, rel=0.1)


def test_small_groups_and_rare_ones_are_not_searched(tmp_path):
    per_case, table, frame = make_cases(tmp_path)
    assert all(
        group.n_patients >= 12 for group in search(per_case, table, min_patients=12).subgroups
    )
    strict = search(per_case, table, min_support=0.3)
    assert strict.n_searched == len(all_subgroups(frame, 27))
    assert strict.min_support == 0.3
    assert search(per_case, table).min_support == pytest.approx(5 / 90)


def test_a_patient_whose_groups_change_counts_in_both(tmp_path):
    rows = [
        {"case": f"c{p}_{v}", "patient": f"p{p}", "age": "old" if v or p % 3 == 0 else "young",
         "dice": 0.6 + 0.2 * v + 0.001 * p}
        for p in range(20) for v in range(2)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    path = tmp_path / "demographics.csv"
    frame.drop(columns="dice").to_csv(path, index=False)
    found = search(
        frame[["case", "patient", "dice"]].assign(label="organ", flags=""), read_table(path)
    )
    groups = {group.items["age"]: group for group in found.subgroups}
    old = frame[frame["age"] == "old"]
    assert groups["old"].n_patients == 20
    assert groups["old"].n_cases == len(old)
    assert groups["old"].mean == pytest.approx(old.groupby("patient")["dice"].mean().mean())
    assert groups["young"].n_patients == 13


def test_heatmaps_by_brute_force(tmp_path):
    per_case, table, frame = make_cases(tmp_path, n_patients=40)
    found = search(per_case, table)
    pairs = list(itertools.combinations(("sex", "age", "site"), 2))
    assert [(h.rows, h.columns) for h in found.heatmaps] == pairs
    means = frame.groupby("patient").agg({"dice": "mean", **dict.fromkeys(LEVELS, "first")})
    empty = 0
    for heatmap in found.heatmaps:
        for i, first in enumerate(heatmap.row_groups):
            for j, second in enumerate(heatmap.column_groups):
                chosen = means[(means[heatmap.rows] == first) & (means[heatmap.columns] == second)]
                assert heatmap.n_patients[i][j] == len(chosen)
                assert heatmap.n_cases[i][j] == 2 * len(chosen)
                if len(chosen) < 5:
                    empty += 1
                    assert math.isnan(heatmap.mean[i][j])
                else:
                    assert heatmap.mean[i][j] == pytest.approx(chosen["dice"].mean())
    assert empty


def test_undefined_and_missing_cases_are_left_out(tmp_path):
    per_case, table, _ = make_cases(tmp_path)
    changed = per_case.copy()
    changed.loc[:9, "dice"] = math.nan
    changed.loc[10:19, "flags"] = "missing_prediction"
    assert search(changed, table).n_units == 90 - 10


def test_refusals_say_what_to_do(tmp_path):
    per_case, table, frame = make_cases(tmp_path)
    infinite = per_case.assign(dice=math.inf)
    with pytest.raises(EvaluationError, match=r"180 cases have an infinite Dice.*--empty-distance"):
        search(infinite, table, empty_distance="inf")
    with pytest.raises(EvaluationError, match="No case has a value of Dice for 'organ'"):
        search(per_case.assign(dice=math.nan), table)
    path = tmp_path / "plain.csv"
    frame[["case", "patient"]].to_csv(path, index=False)
    with pytest.raises(EvaluationError, match=r"plain\.csv has no attribute with groups.*--bins"):
        search(per_case, read_table(path, Schema()))


def test_result_survives_json(tmp_path):
    per_case, table, _ = make_cases(tmp_path, n_patients=40)
    found = search(per_case, table)
    assert repr(TypeAdapter(Discovery).validate_python(to_json(found))) == repr(found)


def test_many_cases_of_few_patients_are_no_subgroup(tmp_path):
    """By case, two patients with ten cases each are enough cases, but not enough patients."""
    per_case, table, frame = make_cases(tmp_path, n_patients=40, visits=10)
    patients = frame.groupby(list(LEVELS))["patient"].nunique()
    found = search(per_case, table, unit="case", min_patients=9)
    assert (patients < 9).any()
    assert found.subgroups
    assert all(subgroup.n_patients >= 9 for subgroup in found.subgroups)
