"""Failure rates of groups, and what the page says about them; how often that is wrong."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.failures.criteria import parse_failures
from nnunetv2_fair.evaluation.failures.exact_tests import equal_proportions_test
from nnunetv2_fair.evaluation.failures.proportions import effective_counts
from nnunetv2_fair.evaluation.request import Request, ScoresFile, answer
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings

QUICK = StatisticsSettings(n_bootstrap=0)


def evaluated(path: Path, *texts: str, unit="patient", attributes=("sex",)) -> EvaluationResult:
    request = Request(
        ScoresFile(path, "csv"),
        list(attributes),
        statistics=dataclasses.replace(QUICK, unit=unit),
        failures=parse_failures(texts) if texts else None,
    )
    return answer(request).result


def write(path: Path, failed: dict[str, tuple[int, int]]) -> Path:
    """Write a score of 0 for those of each group that failed, else about 0.85."""
    rows = [
        f"{group}{i},{group},{0 if i < k else 0.8 + i % 9 / 90}"
        for group, (k, n) in failed.items()
        for i in range(n)
    ]
    path.write_text("case,sex,dice\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_extra_failures_are_seen_where_medians_see_nothing(tmp_path):
    result = evaluated(write(tmp_path / "s.csv", {"f": (8, 50), "m": (0, 50)}))
    [found] = result.failures
    assert (found.metric, found.label, found.threshold) == ("dice", "segmentation", 0.1)
    assert [(g.n_failed, g.n_patients) for g in found.groups.values()] == [(8, 50), (0, 50)]
    [difference] = found.differences
    assert difference.between == ("f", "m")
    assert difference.value == pytest.approx(-0.16)
    claims = {f.kind: f for f in result.findings}
    assert claims["group_difference"].verdict != "shown"
    ours = claims["failure_rate"]
    assert (ours.verdict, ours.direction, ours.who) == ("shown", "worse", ("f", "m"))
    assert ours.values == {"f": 0.16, "m": 0.0}
    assert ours.sentence.startswith(
        "Segmentation fails more often for f than for m: Dice of 0.1 or less in "
        "16.0% against 0.0% of cases (difference 16.0 percentage points, 95% interval"
    )
    assert "failure_rate" in result.definitions
    result.write(tmp_path)
    assert repr(EvaluationResult.read(tmp_path).failures) == repr(result.failures)


def test_no_failures_are_no_finding(tmp_path):
    result = evaluated(write(tmp_path / "s.csv", {"f": (0, 20), "m": (0, 20)}))
    assert [f for f in result.findings if f.kind == "failure_rate"] == []
    assert result.failures[0].test.p_value == 1


def test_signs_and_no_difference(tmp_path):
    for failed, verdict, words in (
        ((9, 3), "signs", "There are signs that segmentation fails more often"),
        ((3, 2), "not_shown", "No difference in how often segmentation fails"),
    ):
        f, m = failed
        result = evaluated(write(tmp_path / "s.csv", {"f": (f, 50), "m": (m, 50)}))
        [found] = [x for x in result.findings if x.kind == "failure_rate"]
        assert found.verdict == verdict, found
        assert found.sentence.startswith(words)
        assert ("below twice the level." in found.sentence) == (verdict == "signs")


def test_of_several_groups_the_difference_names_its_own_pair(tmp_path):
    # a, the reference, is neither the best nor the worst: 40% of b and 0% of c differ by more
    path = write(tmp_path / "s.csv", {"a": (8, 60), "b": (20, 50), "c": (0, 50)})
    [found] = [x for x in evaluated(path).findings if x.kind == "failure_rate"]
    assert (found.verdict, found.between) == ("shown", ("a", "b"))
    assert found.sentence.startswith(
        "How often segmentation fails differs between the groups of sex: Dice of 0.1 or less in "
        "40.0% of cases for b (most often) and 0.0% for c (least often); largest difference from "
        "a: 26.7 percentage points (b \u2212 a), 95% interval "
    )


def test_three_groups_of_which_one_is_small(tmp_path):
    path = write(tmp_path / "s.csv", {"a": (1, 40), "b": (9, 40), "c": (2, 40), "d": (1, 2)})
    [found] = evaluated(path).failures
    assert found.left_out == {"d": "2 patients with a value, fewer than 5"}
    assert found.test.name == "Fisher-Freeman-Halton test"
    assert [d.between[1] for d in found.differences] == ["b", "c"]
    assert found.groups["d"].rate == 0.5


def test_a_patient_counts_once_whatever_the_number_of_images(tmp_path):
    rows = []
    for i in range(20):
        for image in range(1 + 3 * (i % 2)):
            fails = i < 4 and image == 0
            rows.append(f"c{i}_{image},p{i},{'fm'[i // 2 % 2]},{0.05 if fails else 0.9}")
    path = tmp_path / "s.csv"
    path.write_text("case,patient,sex,dice\n" + "\n".join(rows) + "\n", encoding="utf-8")
    [found] = evaluated(path).failures
    # in each group one patient with one image and one with four
    assert found.groups["f"].rate == pytest.approx((1 + 1 / 4) / 10)
    assert found.groups["f"].n_failed == 2
    [by_case] = evaluated(path, unit="case").failures
    assert by_case.groups["f"].rate == pytest.approx(2 / 25)


def test_distances_fail_above_and_labels_have_criteria_of_their_own(tmp_path):
    rows = [
        f"c{i},{label},{'fm'[i % 2]},{0.9 - 0.5 * (i < 4)},{9 if i < 6 else 1}"
        for i in range(20)
        for label in ("organ", "lesion")
    ]
    path = tmp_path / "s.csv"
    path.write_text("case,label,sex,dice,hd95_mm\n" + "\n".join(rows) + "\n", encoding="utf-8")
    found = evaluated(path, "dice=0.1", "lesion:dice=0.4", "hd95=9").failures
    failed = {(f.label, f.metric): f.groups["f"].n_failed for f in found}
    assert failed == {
        ("organ", "dice"): 0, ("organ", "hd95"): 3, ("lesion", "dice"): 2, ("lesion", "hd95"): 3,
    }  # fmt: skip
    assert {f.test.family_size for f in found} == {4}
    p = sorted(f.test.p_value for f in found)
    assert min(f.test.corrected_p for f in found) == pytest.approx(min(1, 4 * p[0]))


def test_a_shareable_result_has_no_failure_rates(tmp_path):
    path = write(tmp_path / "s.csv", {"f": (8, 50), "m": (1, 50)})
    result = answer(Request(ScoresFile(path, "csv"), ["sex"], statistics=QUICK, shareable=True))
    assert result.result.failures == ()
    assert all(f.kind != "failure_rate" for f in result.result.findings)


def test_missing_predictions_are_left_out(tmp_path):
    frame = pd.read_csv(write(tmp_path / "s.csv", {"f": (3, 20), "m": (1, 20)}))
    frame["flags"] = ["missing_prediction" if i == 0 else "" for i in range(len(frame))]
    frame.to_csv(tmp_path / "t.csv", index=False)
    [found] = evaluated(tmp_path / "t.csv").failures
    assert (found.groups["f"].n_failed, found.groups["f"].n_patients) == (2, 19)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize("images", [((1, 1), (5, 5)), ((1, 5), (1, 5))])
def test_equal_rates_are_seldom_told_apart(correlation, images):
    """Rate of p < 0.05 on equal groups at most 0.05 plus two Monte Carlo errors."""
    rng = np.random.default_rng(7)
    rejected, n = 0, 100
    for _ in range(n):
        counts = []
        for size, (low, high) in zip((20, 60), images, strict=True):
            number = rng.integers(low, high + 1, size)
            rate = np.full(size, 0.08)
            if correlation:
                spread = 1 / correlation - 1
                rate = rng.beta(0.08 * spread, 0.92 * spread, size)
            counts.append(effective_counts(rng.binomial(number, rate) / number, number.sum()))
        rejected += equal_proportions_test(counts, rng).p_value < 0.05
    assert rejected / n <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / n)
