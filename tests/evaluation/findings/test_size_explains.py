"""Equal boundary errors on structures of different size are not called unfair; real ones are."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.request import Request, ScoresFile, answer
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings


def discs(
    radii: tuple[float, float],
    errors: tuple[float, float],
    *,
    seed: int = 0,
    n: int = 80,
    spread: float = 0.15,
    noise: float = 0.3,
) -> pd.DataFrame:
    """Discs whose prediction is larger by an error; first radius and error are of women."""
    rng = np.random.default_rng(seed)
    woman = np.arange(n) % 2
    radius = np.where(woman, *radii) * np.exp(spread * rng.standard_normal(n))
    error = np.where(woman, *errors) * np.exp(noise * rng.standard_normal(n))
    reference, predicted = np.pi * radius**2, np.pi * (radius + error) ** 2
    return pd.DataFrame(
        {
            "case": [f"c{i}" for i in range(n)],
            "sex": np.where(woman, "female", "male"),
            "dice": 2 * reference / (reference + predicted),
            "hd95_mm": error * np.exp(0.1 * rng.standard_normal(n)),
            "reference_voxels": reference.round().astype(int),
        }
    )


def said(folder: Path, frame: pd.DataFrame) -> tuple[EvaluationResult, Finding | None]:
    frame.to_csv(folder / "s.csv", index=False)
    request = Request(
        ScoresFile(folder / "s.csv", "csv"), ["sex"], statistics=StatisticsSettings(n_bootstrap=200)
    )
    result = answer(request).result
    return result, next((f for f in result.findings if f.kind == "size_explains"), None)


def test_the_same_error_on_small_and_large_discs(tmp_path):
    frame = discs((10, 14), (1, 1), spread=0, noise=0)
    frame["hd95_mm"] = 1.0
    frame["dice"] += np.linspace(0, 0.002, len(frame))
    frame["reference_voxels"] += np.arange(len(frame)) // 2
    result, found = said(tmp_path, frame)
    difference = result.findings[0]
    assert (difference.kind, difference.verdict) == ("group_difference", "shown")
    assert difference.sentence.endswith("Most of it is explained by the size of the structures.")
    assert (found.verdict, found.who) == ("shown", ("female", "male"))
    assert found.sentence.startswith(
        "Size explains most of the gap in Dice between female and male (median size 333 against"
    )
    assert "boundary distances (HD95) do not differ" in found.sentence


def test_without_distances_the_adjusted_gap_decides(tmp_path):
    frame = discs((10, 12.5), (1, 1), n=400, spread=0.25).drop(columns="hd95_mm")
    _, found = said(tmp_path, frame)
    assert (found.verdict, found.test) == ("shown", "adjusted gap")
    assert found.interval.high < 0.5
    assert "adjusted for size the gap of the means is" in found.sentence
    apart = discs((10, 16), (1, 1), spread=0.05).drop(columns="hd95_mm")
    _, found = said(tmp_path, apart)
    assert found.verdict == "unclear"
    assert "is unclear: the groups have no values in common." in found.sentence


def test_a_worse_boundary_is_not_explained_away(tmp_path):
    result, found = said(tmp_path, discs((10, 12), (1.6, 1)))
    assert found.verdict == "not_shown"
    assert found.sentence.endswith(
        "that does not explain most of the gap in Dice: HD95 differs too."
    )
    assert result.findings[0].reason == ""


def test_no_claim_where_larger_structures_or_no_difference(tmp_path):
    assert said(tmp_path, discs((14, 10), (2.5, 1)))[1] is None  # the larger are worse
    assert said(tmp_path, discs((10, 10), (1.6, 1)))[1] is None  # no difference of size
    frame = discs((10, 14), (1, 1)).drop(columns="reference_voxels")
    assert said(tmp_path, frame)[1] is None


def test_a_distance_that_is_too_uncertain_explains_nothing(tmp_path):
    frame = discs((10, 14), (1, 1))
    rng = np.random.default_rng(1)
    frame["hd95_mm"] *= np.exp(1.5 * rng.standard_normal(len(frame)))
    _, found = said(tmp_path, frame)
    assert found.verdict == "unclear"
    assert "HD95 cannot exclude that boundary errors differ as much" in found.sentence


def test_only_patients_with_a_distance_make_it_surer(tmp_path):
    frame = discs((10, 14), (1, 1))
    frame.loc[frame.index % 4 < 2, "hd95_mm"] = np.nan
    _, found = said(tmp_path, frame)
    women, men = (frame["hd95_mm"][frame["sex"] == s].dropna() for s in ("female", "male"))
    assert (len(women), len(men)) == (20, 20)
    error = math.sqrt(sum(x.std() ** 2 / x.mean() ** 2 / len(x) for x in (women, men)))
    highest = math.log(women.mean() / men.mean()) + 1.959964 * error
    assert found.numbers["log_ratio_of_distances"] == pytest.approx(highest, abs=1e-5)


@pytest.mark.parametrize("distances", [True, False])
def test_a_worse_model_is_seldom_explained_by_size(tmp_path, distances):
    """Claimed in at most 0.05 plus two errors of results in which boundaries cause the gap."""
    claimed, times = 0, 25
    for seed in range(times):
        frame = discs((10, 11), (1.4, 1), seed=seed, n=120, spread=0.2)
        _, found = said(tmp_path, frame if distances else frame.drop(columns="hd95_mm"))
        claimed += found is not None and found.verdict == "shown"
    assert claimed / times <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / times)


def test_the_remark_is_part_of_the_headline(tmp_path):
    from nnunetv2_fair.evaluation.findings.all_findings import headline
    from nnunetv2_fair.evaluation.findings.sentences import plain

    result, found = said(tmp_path, discs((10, 14), (1, 1), noise=0.1))
    difference = result.findings[0]
    assert found.verdict == "shown"
    assert plain(headline(difference, result.metric("dice"))) == difference.sentence
    bare = dataclasses.replace(difference, reason="")
    assert "explained" not in plain(headline(bare, result.metric("dice")))
