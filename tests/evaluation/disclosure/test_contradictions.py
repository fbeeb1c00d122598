"""Rounded and hidden numbers contradict neither each other nor what is claimed."""

import dataclasses

import numpy as np
import pytest

from nnunetv2_fair.evaluation.disclosure.of_comparison import shareable_comparison
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.all_findings import main_findings
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.report.of_evaluation.differences import worst_and_best
from nnunetv2_fair.report.of_evaluation.page import render_report
from tests.evaluation.disclosure import attack, contradictions
from tests.evaluation.disclosure.test_attack import KINDS, evaluated, slow

SEEDS = [*range(12), *(slow(seed) for seed in range(12, 40))]


def drawn(seed: int):
    random = np.random.default_rng([11, seed])
    metric, levels = KINDS[list(KINDS)[seed % len(KINDS)]]
    sizes = random.integers(5, 90, size=random.integers(2, 5))
    table = attack.drawn(levels, [int(n) for n in sizes], random)
    # some groups are worse, so that differences are shown, too
    places = np.searchsorted(levels, table.values)
    moved = random.integers(0, 3) * len(levels) // 20 * (table.groups == "g0")
    values = levels[np.clip(places - moved, 0, len(levels) - 1)]
    return metric, attack.Table(values, table.groups, levels), random


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_of_an_evaluation_agree(seed):
    metric, table, _ = drawn(seed)
    private = evaluated(metric, table, table.values)
    assert contradictions.in_evaluation(private, shareable(private)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_of_a_comparison_agree(seed):
    metric, table, random = drawn(seed)
    places = np.searchsorted(table.levels, table.values)
    step = len(table.levels) // 30 * random.integers(-1, 2)
    moved = places + random.integers(-2, 3, size=len(places)) + step
    better = table.levels[np.clip(moved, 0, len(table.levels) - 1)]
    results = [
        dataclasses.replace(evaluated(metric, table, values), name=name)
        for name, values in (("before", table.values), ("after", better))
    ]
    private = compare_models(results, n_bootstrap=60)
    assert contradictions.in_comparison(private, shareable_comparison(private, results)) == []


@pytest.mark.parametrize("seed", range(12))
def test_private_and_shareable_page_name_the_same_worst_and_best_group(seed):
    """Rounded medians may look alike; hidden ones are left out."""
    metric, table, _ = drawn(seed)
    private = evaluated(metric, table, table.values)
    told = shareable(private)
    ends = []
    for result in (private, told):
        found = main_findings(result, "sex", result.headline_label)[0]
        ends.append(worst_and_best(result.comparisons[0], found))
    shown = [not np.isnan(told.comparisons[0].groups[g].median) for g in ends[0] or ()]
    assert ends[1] == ends[0] if all(shown) else ends[1] != ends[0]


@pytest.mark.parametrize("seed", range(4))
def test_pages_have_no_test_without_p_and_no_empty_brackets(seed):
    metric, table, _ = drawn(seed)
    shown = shareable(evaluated(metric, table, table.values))
    words = attack.text_of(render_report(shown, []))
    for odd in (f"p {numbers.UNDEFINED}", f"({numbers.UNDEFINED})", "hidden against hidden"):
        assert odd not in words
