"""How many patients a hidden group has cannot be worked out from what is told of the others.

Of groups whose number is hidden with it medians and quartiles are told. They lie between two
patients, at a place that depends on the number; distances in pixels are roots of whole numbers.
"""

import numpy as np
import pytest

from nnunetv2_fair.evaluation.results.json_file import to_json
from tests.evaluation.disclosure import attack
from tests.evaluation.disclosure.test_attack import KINDS, Publisher, leaves, slow

TRIES = 240


def drawn(seed: int):
    """Draw two groups, and one of one to four patients, because of whom another's number is hidden.

    Returns:
        Metric, table, and a source of randomness.
    """
    random = np.random.default_rng([19, seed])
    # most are distances, of which quartiles once told the numbers exactly
    metric, levels = KINDS[list(KINDS)[[2, 2, 0, 2, 1][seed % 5]]]
    sizes = [*(int(n) for n in random.integers(20, 90, size=2)), int(random.integers(1, 5))]
    return metric, attack.drawn(levels, sizes, random), random


def moved(
    table: attack.Table, count: int, partners: list[str], random: np.random.Generator
) -> attack.Table:
    """Return the patients, of whom so many are in the last group: others come or go.

    Args:
        table: The patients.
        count: How many.
        partners: Groups that they come from or go to.
        random: Source of randomness.
    """
    groups = table.groups.copy()
    last = groups == groups[-1]
    if count < last.sum():
        leaving = random.choice(np.flatnonzero(last), last.sum() - count, replace=False)
        groups[leaving] = random.choice(partners, len(leaving))
    elif count > last.sum():
        others = np.flatnonzero(np.isin(groups, partners))
        groups[random.choice(others, count - last.sum(), replace=False)] = table.groups[-1]
    return attack.Table(table.values, groups, table.levels)


def shifted(table: attack.Table, random: np.random.Generator) -> attack.Table:
    """Return the patients, one to three of whom have a value a few levels away."""
    places = np.searchsorted(table.levels, table.values)
    some = random.choice(len(places), random.integers(1, 4), replace=False)
    way = max(1, len(table.levels) // 150) * random.choice([-2, -1, 1, 2], len(some))
    places[some] = np.clip(places[some] + way, 0, len(table.levels) - 1)
    return attack.Table(table.levels[places], table.groups, table.levels)


def another_number(metric, table, random, told, tries: int = TRIES) -> int | None:
    """Return another number, 1 to 4, that the hidden group can have; None if none was found.

    A twin is approached: what is told otherwise of the next patients must not become more.

    Args:
        metric: The metric.
        table: The patients, the hidden group last.
        random: Source of randomness.
        told: Metric and table -> what a reader sees.
        tries: How many twins are tried.
    """
    published = told(metric, table)

    def apart(of: attack.Table) -> int:
        found = told(metric, of)
        return sum(found.get(at) != published.get(at) for at in {*found, *published})

    partners = [g for g in ("g0", "g1") if published[f"/groups/{g}/n_patients"] is None]
    true = int((table.groups == table.groups[-1]).sum())
    current, most, number = table, 10**6, None
    for attempt in range(tries):
        if attempt < tries // 4:
            count = int(random.choice([n for n in range(1, 5) if n != true]))
            twin = moved(table, count, partners, random)
        else:
            twin = shifted(current, random)
        differ = apart(twin)
        if differ <= most:
            current, most = twin, differ
            number = int((twin.groups == table.groups[-1]).sum())
        if not most:
            return number
    return None


def shared(metric, table) -> dict[str, object]:
    return Publisher(metric, table)(table.values)


def rounded(metric, table) -> dict[str, object]:
    """Return what a reader saw once: three decimals of everything, numbers hidden as now."""
    publish = Publisher(metric, table)
    hidden = publish(table.values)
    exact = dict(leaves(to_json(publish.compared(table.values))))
    return {
        at: round(entry, 3) if isinstance(entry, float) else hidden.get(at)
        for at, entry in exact.items()
        if "/g2/" not in at
    }


@pytest.mark.parametrize("seed", [1, 2, 4, *(slow(seed) for seed in (0, 3, *range(5, 9)))])
def test_quantiles_do_not_tell_how_many_are_hidden(seed):
    assert another_number(*drawn(seed), shared)


def test_the_attack_finds_the_number_where_quantiles_are_only_rounded():
    metric, table, random = drawn(1)
    assert another_number(metric, table, random, rounded, 20) is None
