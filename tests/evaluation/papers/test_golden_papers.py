"""The printed tables of four papers hold under our formulas, within the rounding of the inputs.

``golden_paper_tables.json`` holds the printed numbers (Lee et al. 2025; FairMedSeg 2025; FairDiff
2024; APPLE 2025) as text, so that their precision is known. Where a printed value does not follow
from the printed inputs the row says so (``false``) and the mismatch is asserted.
"""

import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.estimation.gaps import (
    equity_scaled,
    fairness_gap,
    group_std,
    max_min_gap,
    skewed_error_ratio,
    skewed_error_ratio_along,
)
from nnunetv2_fair.evaluation.papers.mama_mia_scores import (
    mama_mia_performance,
    mama_mia_scores,
    mama_mia_total,
)

HERE = Path(__file__).parent
ROWS = {row["id"]: row for row in json.loads((HERE / "golden_paper_tables.json").read_text())}


def rounding(printed: str) -> tuple[float, float]:
    """The interval of numbers that are printed like this."""
    decimals = len(printed.split(".")[1])
    half = 0.5 * 10**-decimals
    return float(printed) - half, float(printed) + half


def bounds(function: Callable[[dict[str, float]], float], printed: dict[str, str]):
    """The values a measure takes over all roundings of its inputs, by the corners."""
    names = list(printed)
    corners = itertools.product(*(rounding(printed[name]) for name in names))
    values = [function(dict(zip(names, corner, strict=True))) for corner in corners]
    values.append(function({name: float(text) for name, text in printed.items()}))
    return min(values), max(values)


def meets(low: float, high: float, printed: str) -> bool:
    smallest, largest = rounding(printed)
    return low <= largest + 1e-9 and high >= smallest - 1e-9


def of(prefix: str) -> list[dict[str, Any]]:
    return [row for name, row in ROWS.items() if name.startswith(prefix)]


def identity(row: dict[str, Any]) -> str:
    return row["id"]


def test_all_rows_are_there():
    counts = {p: len(of(p)) for p in ("lee/", "fairmedseg/", "fairdiff/", "apple/")}
    assert counts == {"lee/": 29, "fairmedseg/": 4, "fairdiff/": 24, "apple/": 20}
    misprints = sum(json.dumps(row).count("false") for row in ROWS.values())
    assert misprints == 12


@pytest.mark.parametrize("row", of("lee/"), ids=identity)
def test_lee(row: dict[str, Any]):
    medians, between = row["median_dice"], row["gap_between"]
    functions: dict[str, Callable[[dict[str, float]], float]] = {
        "ser": skewed_error_ratio,
        "fairness_gap": lambda scores: fairness_gap(*(scores[name] for name in between)),
    }
    for name, function in functions.items():
        printed, consistent = row[name]
        assert meets(*bounds(function, medians), printed) is consistent, name

    # one pair of unrounded medians must give both printed values
    first, second = (np.linspace(*rounding(medians[name]), 401) for name in between)
    pairs = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1)
    ratio, gap = skewed_error_ratio_along(pairs), pairs[..., 0] - pairs[..., 1]
    fits = np.ones(ratio.shape, dtype=bool)
    for values, (printed, _) in ((ratio, row["ser"]), (gap, row["fairness_gap"])):
        low, high = rounding(printed)
        fits &= (values >= low - 1e-9) & (values <= high + 1e-9)
    assert bool(fits.any()) is row["ser_and_gap_jointly"]


@pytest.mark.parametrize("row", of("fairmedseg/"), ids=identity)
def test_fairmedseg(row: dict[str, Any]):
    inputs = {"dice": row["dice"], "normalised": row["norm_hd95"]}
    low, high = bounds(lambda values: mama_mia_performance(**values), inputs)
    printed, consistent = row["ps"]
    assert meets(low, high, printed) is consistent
    one_case = pd.DataFrame(
        {
            "dice": [float(row["dice"])],
            "hd95_voxels": [float(row["norm_hd95"]) * 150],
            "age": ["0-40"],
        }
    )
    performance = mama_mia_scores(one_case).performance
    assert low - 1e-12 <= performance <= high + 1e-12

    inputs = {"performance": row["ps"][0], "fairness_score": row["fs"][0]}
    printed, consistent = row["ts"]
    assert meets(*bounds(lambda values: mama_mia_total(**values), inputs), printed) is consistent


@pytest.mark.parametrize("row", of("fairdiff/"), ids=identity)
def test_fairdiff(row: dict[str, Any]):
    for metric in ("dice", "iou"):
        scores = row[metric]
        printed, consistent = scores["es"]
        inputs = {"overall": scores["overall"], **scores["groups"]}

        def scaled(values: dict[str, float]) -> float:
            groups = {name: value for name, value in values.items() if name != "overall"}
            return equity_scaled(values["overall"], groups, "std")

        assert meets(*bounds(scaled, inputs), printed) is consistent
        lows, highs = zip(*(rounding(text) for text in scores["groups"].values()), strict=True)
        low, high = rounding(scores["overall"])
        between = high >= min(lows) - 1e-9 and low <= max(highs) + 1e-9
        assert between is scores["overall_between_groups"]


@pytest.mark.parametrize("row", of("apple/"), ids=identity)
def test_apple(row: dict[str, Any]):
    for spread, deviation in (("delta", "std"), ("delta_sd", "std_sd")):
        # two groups that are delta apart, wherever they lie
        low, high = (
            group_std({"female": 0.3, "male": 0.3 + delta}) for delta in rounding(row[spread])
        )
        printed, consistent = row[deviation]
        assert meets(low, high, printed) is consistent
    delta, dice = float(row["delta"]), float(row["dice"])
    groups = {"female": dice - delta / 2, "male": dice + delta / 2}
    assert max_min_gap(groups) == pytest.approx(delta)
    printed, consistent, computed, low, high = row["skew"]
    assert skewed_error_ratio(groups) == pytest.approx(computed, abs=6e-5)
    assert meets(low, math.inf if high is None else high, printed) is consistent
