"""Gaps adjusted for size and for columns of the table, through an evaluation."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.request import Request, ScoresFile, answer
from nnunetv2_fair.evaluation.results.adjusted import REFERENCE_SIZE
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings

QUICK = StatisticsSettings(n_bootstrap=0)


def evaluated(path: Path, *adjust: str, attributes=("sex",)) -> EvaluationResult:
    request = Request(ScoresFile(path, "csv"), attributes, statistics=QUICK, adjust=adjust)
    return answer(request).result


def people(seed: int = 0, n: int = 160) -> pd.DataFrame:
    """The site makes the gap between the sexes: nothing else does."""
    rng = np.random.default_rng(seed)
    site = rng.integers(0, 4, n)
    female = rng.random(n) < np.array([0.2, 0.4, 0.6, 0.8])[site]
    dice = np.clip(np.array([0.9, 0.88, 0.85, 0.75])[site] + 0.04 * rng.standard_normal(n), 0, 1)
    return pd.DataFrame(
        {
            "case": [f"c{i}" for i in range(n)],
            "sex": np.where(female, "f", "m"),
            "site": [f"s{s}" for s in site],
            "age": (40 + 0.1 * np.arange(n)).round(1),
            "dice": dice.round(4),
        }
    )


def write(path: Path, frame: pd.DataFrame) -> Path:
    frame.to_csv(path, index=False)
    return path


def test_crude_and_adjusted_gap_side_by_side(tmp_path):
    frame = people()
    result = evaluated(write(tmp_path / "s.csv", frame), "site", "age")
    [gap] = result.adjusted_gaps
    assert gap.confounders == ("site", "age")
    means = frame.groupby("sex")["dice"].mean()
    reference, other = gap.between
    assert gap.crude == pytest.approx(means[reference] - means[other])
    assert abs(gap.value) < abs(gap.crude) / 3
    assert gap.interval.low < 0 < gap.interval.high
    assert not gap.crude_interval.low <= 0 <= gap.crude_interval.high
    assert min(gap.effective) < min(gap.n)
    assert gap.test.corrected_p > 0.05
    assert result.settings["adjust"] == ["site", "age"]
    assert "adjusted_gap" in result.definitions
    result.write(tmp_path)
    assert repr(EvaluationResult.read(tmp_path).adjusted_gaps) == repr(result.adjusted_gaps)


def test_sizes_are_adjusted_for_wherever_they_are_known(tmp_path):
    rng = np.random.default_rng(1)
    frame = people()
    size = np.exp(rng.normal(np.where(frame["sex"] == "f", 6, 6.4), 0.5))
    frame["reference_voxels"] = size.round().astype(int)
    frame["dice"] = (1 - 1 / np.sqrt(size) + 0.005 * rng.standard_normal(len(frame))).round(4)
    frame.loc[0, "reference_voxels"] = 0  # no size, no gap
    result = evaluated(write(tmp_path / "s.csv", frame))
    [gap] = result.adjusted_gaps
    assert gap.confounders == (REFERENCE_SIZE,)
    assert sum(gap.n) == len(frame) - 1
    assert gap.p_of_size < 0.01
    used = frame.iloc[1:]
    medians = used.groupby("sex")["reference_voxels"].median()
    assert gap.medians == pytest.approx([medians[g] for g in gap.between], rel=0.01)
    assert abs(gap.value) < 0.25 * abs(gap.crude)


def test_three_groups_are_each_compared_with_the_reference(tmp_path):
    result = evaluated(write(tmp_path / "s.csv", people()), "sex", attributes=("site",))
    assert len(result.adjusted_gaps) == 3
    assert len({gap.between[0] for gap in result.adjusted_gaps}) == 1
    assert {gap.test.family_size for gap in result.adjusted_gaps} == {3}


def test_too_few_like_patients_are_no_gap(tmp_path):
    frame = people(n=60)
    frame["site"] = np.where(frame["sex"] == "f", "a", "b")
    frame.loc[frame.index[frame["sex"] == "m"][:2], "site"] = "a"
    [gap] = evaluated(write(tmp_path / "s.csv", frame), "site").adjusted_gaps
    assert math.isnan(gap.value)
    assert gap.test is None
    assert "fewer than 5 patients of a group are like those of the other" in gap.reason


def test_all_problems_are_listed_at_once(tmp_path):
    frame = people()
    frame["scanner"] = np.where(frame["sex"] == "f", "x", "y")
    frame["weight"] = np.where(frame["sex"] == "f", 50.0, 80.0) + np.arange(len(frame)) / 100
    frame["country"] = ""
    frame.loc[1:, "country"] = "here"
    path = write(tmp_path / "s.csv", frame)
    with pytest.raises(UsageError) as found:
        evaluated(path, "scaner", "sex", "scanner", "weight", "country")
    told = str(found.value)
    assert "Gaps cannot be adjusted:" in told
    assert "has no column 'scaner'. Did you mean 'scanner'? Attributes: sex, scanner" in told
    assert "'sex' is compared, and cannot be adjusted for itself" in told
    assert "have no values of 'scanner' in common" in told
    assert "have no values of 'weight' in common" in told
    assert "--adjust country: 1 of 160 cases have no value (c0)" in told


def test_a_shareable_result_has_no_adjusted_gaps(tmp_path):
    path = write(tmp_path / "s.csv", people())
    request = Request(
        ScoresFile(path, "csv"), ["sex"], statistics=QUICK, adjust=("site",), shareable=True
    )
    assert answer(request).result.adjusted_gaps == ()
