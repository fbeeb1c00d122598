"""Whole searches of tables of whom it is known how the groups differ."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.discovery.search import discover
from nnunetv2_fair.evaluation.discovery.settings import DiscoverySettings
from nnunetv2_fair.evaluation.results.discovery import Discovery
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.subgroups.table import read_table
from tests.evaluation.discovery.laws import attributes

DICE = MetricInfo("dice", "Dice", "", "higher", "", True)
NAMES = ("sex", "site", "scanner", "race", "smoker", "age")


def search(folder: Path, codes: np.ndarray, dice: np.ndarray, **settings) -> Discovery:
    frame = pd.DataFrame(codes, columns=list(NAMES)).map("abcde".__getitem__)
    frame.insert(0, "case", [f"c{i:04d}" for i in range(len(frame))])
    path = folder / "demographics.csv"
    frame.to_csv(path, index=False)
    per_case = frame[["case"]].assign(patient=frame["case"], label="organ", flags="", dice=dice)
    return discover(
        per_case, read_table(path), DICE, ("organ",), "diagonal", StatisticsSettings(),
        DiscoverySettings(**{"permutations": 199, **settings}),
    )  # fmt: skip


def named(found: Discovery) -> list[dict[str, str]]:
    return [dict(group.items) for group in found.subgroups if group.deciding_p < 0.05]


def null_tables(rng: np.random.Generator, n: int, failures: float):
    """Yield tables of n patients whose Dice depends on nothing."""
    while True:
        failed = rng.random(n) < failures
        yield attributes(rng, n), np.where(failed, 0.0, rng.beta(12, 1.5, n))


@pytest.mark.parametrize("failures", [0.0, 0.03])
def test_few_tables_without_any_difference_name_a_subgroup(tmp_path, failures):
    """A test that relied on normal means would name one in half of these tables or more."""
    tables = null_tables(np.random.default_rng(7), 200, failures)
    hits = sum(bool(named(search(tmp_path, *next(tables)))) for _ in range(12))
    # of a rate of 5%, four or more of twelve have a probability of 0.2%
    assert hits <= 3


def planted_table(rng: np.random.Generator):
    """Return a table of 1,000 patients, 26 of whom, of one site and scanner, lose 0.1."""
    codes, dice = next(null_tables(rng, 1000, 0.03))
    inside = np.flatnonzero((codes[:, 1] == 1) & (codes[:, 2] == 2))
    codes[inside[26:], 2] = 0
    others = np.flatnonzero((codes[:, 1] == 1) & (codes[:, 2] != 2))
    codes[others[: max(0, 26 - len(inside))], 2] = 2
    planted = (codes[:, 1] == 1) & (codes[:, 2] == 2)
    assert planted.sum() == 26
    return codes, np.where(planted, np.maximum(0, dice - 0.1), dice)


def test_a_planted_subgroup_is_the_first_row(tmp_path):
    rng = np.random.default_rng(3)
    for _ in range(3):
        found = search(tmp_path, *planted_table(rng))
        assert named(found)[0] == {"site": "b", "scanner": "c"}
        first = found.subgroups[0]
        assert first.n_patients == 26
        assert first.divergence < first.shrunken_divergence < -0.04


@pytest.mark.slow
@pytest.mark.parametrize("confirm", [False, True])
def test_rates_of_whole_searches(tmp_path, confirm):
    rng = np.random.default_rng(11)
    tables = null_tables(rng, 200, 0.03)
    hits = sum(bool(named(search(tmp_path, *next(tables), confirm=confirm))) for _ in range(100))
    assert hits / 100 <= 0.05 + 3 * 0.0218
    firsts = [named(search(tmp_path, *planted_table(rng)))[:1] for _ in range(20)]
    assert firsts.count([{"site": "b", "scanner": "c"}]) >= 18
