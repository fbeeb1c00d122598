"""What a comparison of models claims, through the commands: nothing that many looks make likely."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tests.cli.score_tables import Commands, Written

N_MODELS, N = 12, 40


def scores(seed: int) -> np.ndarray:
    """Return the Dice of equal models on the same patients: (models, patients)."""
    rng = np.random.default_rng(seed)
    own = rng.standard_normal(N)
    noise = rng.standard_normal((N_MODELS, N))
    return np.clip(0.8 + 0.08 * (0.8 * own + 0.6 * noise), 0, 1).round(4)


def compared(commands: Commands, values: np.ndarray) -> Written:
    evaluated = [
        commands.evaluate(
            pd.DataFrame(
                {"case": [f"c{i}" for i in range(N)], "sex": ["f", "m"] * (N // 2), "dice": dice}
            ),
            "-a", "sex", "--bootstrap", "20", name=f"m{number}",
        )
        for number, dice in enumerate(values)
    ]  # fmt: skip
    return commands.compare(*evaluated)


def excludes_zero(interval: dict[str, float]) -> bool:
    return interval["low"] > 0 or interval["high"] < 0


def singles(found: Written) -> list[dict]:
    """Return every difference of means, with its interval that holds by itself."""
    (entry,) = found.data["entries"]
    of_models = entry["differences"].values()
    return [one for d in of_models for one in (d["overall"], *d["groups"].values())]


def test_twelve_equal_models(commands: Commands):
    """Single intervals would call five of 33 differences better or worse; the page none."""
    values = scores(0)
    found = compared(commands, values)
    assert sum(excludes_zero(one["interval"]) for one in singles(found)) == 5
    changes = found.findings(kind="model_change")
    assert len(changes) == (N_MODELS - 1) * 5  # gap, overall, worst group, two groups
    assert {one["verdict"] for one in changes} == {"not_shown"}
    for one in changes:
        assert not excludes_zero(one["interval"])
        # what is printed is what decides: the interval of all together, and the corrected p
        value, low, high = (
            f"{number:+.3f}".replace("-", "\u2212")
            for number in (one["value"], *one["interval"].values())
        )
        corrected = f"corrected p = {one['corrected_p']:.3f}"
        assert f"simultaneous 95% interval {low} to {high}, {corrected}" in one["sentence"]
        assert f"no change shown{value} ({low} to {high}){corrected}" in found.page
        assert one["corrected_p"] >= max(one["p_value"], 0.1)
    said = "no change of the gap in Dice between the groups of sex is shown; no group is shown to"
    assert found.page.count(said) == found.console.count(said) == N_MODELS - 1
    for text in (found.page, found.console):
        assert not re.search(r"(gains|loses) 0|There are signs|signs of being", text)
    ranks = found.findings(kind="rank")
    assert all("order" in one["sentence"] or "rank" in one["sentence"] for one in ranks)


def test_p_values_and_their_correction(commands: Commands):
    """Paired t tests by scipy; the correction allows for everything said about the metric."""
    values = scores(1)
    found = compared(commands, values)
    women = np.arange(N) % 2 == 0
    for quantity, chosen in (("overall_mean", np.ones(N, bool)), ("group_mean", women)):
        for number in range(1, N_MODELS):
            (one,) = (
                change
                for change in found.findings(
                    kind="model_change", quantity=quantity, model=f"m{number}"
                )
                if change["who"] in ([], ["f"])
            )
            test = scipy.stats.ttest_rel(values[number, chosen], values[0, chosen])
            if quantity == "group_mean":
                assert one["p_value"] == pytest.approx(test.pvalue)
            assert one["value"] == pytest.approx(
                float((values[number, chosen] - values[0, chosen]).mean())
            )
            # at most Bonferroni's, give or take what 4,000 draws can tell
            bonferroni = min(1.0, one["p_value"] * one["family_size"])
            assert one["p_value"] <= one["corrected_p"] <= bonferroni + 0.02
            single = test.confidence_interval(0.95)
            assert one["interval"]["low"] < single.low
            assert one["interval"]["high"] > single.high


def test_a_model_that_is_better(commands: Commands):
    values = scores(2)
    values[7] = (values[7] + 0.06).clip(0, 1).round(4)
    found = compared(commands, values)
    shown = [one for one in found.findings(kind="model_change") if one["verdict"] == "shown"]
    assert {(one["model"], one["direction"]) for one in shown} == {("m7", "better")}
    assert {one["quantity"] for one in shown} >= {"overall_mean", "group_mean"}
    for one in shown:
        assert one["corrected_p"] <= 0.05
        assert excludes_zero(one["interval"])
    (overall,) = (one for one in shown if one["quantity"] == "overall_mean")
    assert re.search(r"corrected p (= 0\.0|< 0\.001)", overall["sentence"])
    low, high = (f"{end:.3f}" for end in overall["interval"].values())
    corrected = overall["sentence"].rsplit("corrected ", 1)[1].rstrip(".)")
    said = f"better by {overall['value']:.3f}{low} to {high}corrected {corrected}"
    assert said in found.page
    for text in (found.page, found.console):
        assert re.search(r"gains 0\.\d+ \(\+?0\.\d+ to \+?0\.\d+\)", text)
