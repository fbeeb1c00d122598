"""Somebody who reads a shareable report and tries to work out the values of single patients.

Three ways, none of which uses the code that hides:

- *twins*: other patients with other values, of whom exactly the same report would be written. If
  there are twins in whom a patient's value is different, no reader can tell it, however clever:
  the attack fails by proof. If none are found, the report may give the value away;
- *explanations*: all ways in which a few values of a known kind (such as roots of whole numbers)
  can have the mean and the standard deviation that are shown;
- *the page*: what the marks, axes and words of ``report.html`` tell beyond ``summary.json``.
"""

import html
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

#: What is true of so many patients is not a fact about single ones.
ENOUGH = 5

Publish = Callable[[np.ndarray], Mapping[str, object]]


@dataclass(frozen=True)
class Table:
    """Patients with a value of a metric.

    Attributes:
        values: (patients,) values, each of ``levels``.
        groups: (patients,) group of each.
        levels: Ascending values that are possible at all.
    """

    values: np.ndarray
    groups: np.ndarray
    levels: np.ndarray

    def held_by_few(self) -> np.ndarray:
        """Return the positions of patients whose value fewer than five of their group have."""
        same = self.values[:, None] == self.values[None, :]
        together = self.groups[:, None] == self.groups[None, :]
        return np.flatnonzero((same & together).sum(axis=1) < ENOUGH)


def told_patients(
    table: Table,
    publish: Publish,
    random: np.random.Generator,
    rounds: int,
    *,
    first_look: Publish | None = None,
    among: Sequence[int] | None = None,
    within: int = 0,
) -> list[int]:
    """Return patients whose value no twin has otherwise: whose value may have been answered.

    For one patient after the other, values are looked for that resemble the true ones, but that
    nobody of the patient's group has as the patient does. What is published of the closest is
    compared with what is published of the true ones. Each round takes longer than the one before,
    for the patients that are left.

    Args:
        table: The patients.
        publish: Values -> everything that is published of them, number by number.
        random: Source of randomness.
        rounds: How often every patient is tried.
        first_look: Some of what is published, in less time: whatever differs in it is no twin.
        among: Positions of the patients; those whose value few have if None.
        within: How many levels away a value is still the patient's.
    """
    published = publish(table.values)
    looks = Resemblance(table, published)
    at_first = None if first_look is None else first_look(table.values)
    open_cases = set(table.held_by_few().tolist() if among is None else among)
    for effort in range(1, rounds + 1):
        for patient in sorted(open_cases):
            if patient not in open_cases:
                continue  # a twin of another patient was theirs, too
            for twin in _close_values(looks, patient, open_cases, random, effort, within):
                if first_look is not None and first_look(twin) != at_first:
                    continue
                if publish(twin) == published:
                    open_cases -= {i for i in open_cases if not _has(table, twin, i, within)}
                    break
    return sorted(open_cases)


def _has(table: Table, twin: np.ndarray, patient: int, within: int) -> bool:
    """Return whether anybody of the patient's group has the patient's value in the twin."""
    group = table.groups == table.groups[patient]
    places = np.searchsorted(table.levels, twin[group])
    true = np.searchsorted(table.levels, table.values[patient])
    return bool((np.abs(places - true) <= within).any())


class Resemblance:
    """How much values of the same patients look like the true ones: a guide for the search.

    Compared are means, standard deviations, medians and dominances, of groups and of all
    together, each by how much it may move without being noticed.

    Args:
        table: The patients and their true values.
        published: What is published of them.
    """

    def __init__(self, table: Table, published: Mapping[str, object]) -> None:
        self.table = table
        names, sizes = np.unique(table.groups, return_counts=True)
        shown = [str(name) for name in names[sizes >= ENOUGH]]
        groups = [np.flatnonzero(table.groups == name) for name in shown]
        self._parts = [np.arange(len(table.values)), *groups]
        self._pairs = list(itertools.combinations(groups, 2))
        self._true = self._features(table.values[None])[0]
        self._apart = np.zeros(len(self._true))
        self._blurs = np.array([*map(float, self._each_blur())])
        for column, number in enumerate(("mean", "std", "median")):
            told = published.get(f"/overall/{number}")
            if not isinstance(told, float):
                self._blurs[column] = np.inf  # what is hidden may be anything
            elif number != "median":
                self._apart[column] = told - self._true[column]

    def distances(self, values: np.ndarray, to_shown: np.ndarray) -> np.ndarray:
        """Return how different values look.

        Args:
            values: (tables, patients) values.
            to_shown: (tables,) from 0 to 1: whether mean and standard deviation of all together
                are best what they are, or what is shown, from which rounding is farthest away.

        Returns:
            (tables,), 0 or more.
        """
        aims = self._true + to_shown[:, None] * self._apart
        return (((self._features(values) - aims) / self._blurs) ** 2).sum(axis=1)

    def _features(self, values: np.ndarray) -> np.ndarray:
        found = []
        for part in self._parts:
            inside, n = values[:, part], len(part)
            found.append(inside.mean(axis=1))
            if n >= _NOT_TINY:
                found.append(inside.std(axis=1, ddof=1))
                found.append(np.sort(inside, axis=1)[:, n // 2])
        for ours, theirs in self._pairs:
            above = np.sign(values[:, ours, None] - values[:, None, theirs])
            found.append(above.mean(axis=(1, 2)))
        return np.stack(found, axis=1)

    def _each_blur(self) -> Iterator[float]:
        for part in self._parts:
            n, spread = len(part), max(self.table.values[part].std(ddof=1), 1e-9)
            if n < _NOT_TINY:
                yield spread / 3
            else:
                yield spread / math.sqrt(n) / 6
                yield spread / math.sqrt(2 * (n - 1)) / 6
                yield spread / 5
        for ours, theirs in self._pairs:
            m, n = len(ours), len(theirs)
            yield math.sqrt((m + n + 1) / (3 * m * n)) / 8


_NOT_TINY = 10
_CHAINS = 48
_STEPS = 100
_CANDIDATES = 8


def _close_values(
    looks: Resemblance,
    patient: int,
    open_cases: set[int],
    random: np.random.Generator,
    effort: int,
    within: int,
) -> Iterator[np.ndarray]:
    """Yield values like the true ones, in whose group nobody has the patient's, closest first.

    Found by simulated annealing, many at once. Some also avoid the values of other patients of
    whom no twin is known yet.
    """
    table = looks.table
    n, top, rows = len(table.values), len(table.levels) - 1, np.arange(_CHAINS)
    true = np.searchsorted(table.levels, table.values)
    group = table.groups == table.groups[patient]
    taboo = true[patient]
    held = np.zeros((n, top + 1))
    for i in open_cases:
        held[table.groups == table.groups[i], true[i]] = 1
    price = random.uniform(0, 0.6, _CHAINS)
    to_shown = random.choice([0, 0, 0.5, 1], size=_CHAINS)
    # where levels are fine, steps of one level would take too long
    pace = np.array([1, 1, max(1, round(float(true.std()) / 8))])

    def costs(places: np.ndarray) -> np.ndarray:
        found = looks.distances(table.levels[places], to_shown)
        found += price * held[np.arange(n), places].sum(axis=1)
        found[(np.abs(places[:, group] - taboo) <= within).any(axis=1)] = np.inf
        return found

    current = np.tile(true, (_CHAINS, 1))
    holders = np.flatnonzero(group & (np.abs(true - taboo) <= within))
    away = random.choice([-2, -1, -1, 1, 1, 2], size=(_CHAINS, len(holders)))
    away += np.sign(away) * within
    together = random.random(_CHAINS) < 0.5
    away[together] = away[together, :1]
    moved = taboo + away
    current[:, holders] = np.where((moved < 0) | (moved > top), taboo - away, moved)
    cost = costs(current)
    best, lowest = current.copy(), cost.copy()
    n_steps = _STEPS * effort
    for step in range(n_steps):
        heat = 3 * 0.1 ** (step / n_steps)
        tried = current.copy()
        by = random.choice([-2, -1, 1, 2], p=[0.15, 0.35, 0.35, 0.15], size=_CHAINS)
        by *= random.choice(pace, size=_CHAINS)
        tried[rows, random.integers(n, size=_CHAINS)] += by
        # often somebody else moves the other way, so that sums stay
        back = random.random(_CHAINS) < 0.5
        tried[rows[back], random.integers(n, size=_CHAINS)[back]] -= by[back]
        np.clip(tried, 0, top, out=tried)
        cost_tried = costs(tried)
        with np.errstate(invalid="ignore"):
            likely = np.exp(np.minimum(0, (cost - cost_tried) / heat))
        taken = np.isfinite(cost_tried) & (random.random(_CHAINS) < likely)
        current[taken], cost[taken] = tried[taken], cost_tried[taken]
        better = cost < lowest
        best[better], lowest[better] = current[better], cost[better]
    in_order = best[np.argsort(lowest, kind="stable")]
    _, first = np.unique(in_order, axis=0, return_index=True)
    for place in np.sort(first)[: _CANDIDATES * effort]:
        yield table.levels[in_order[place]]


def explanations(
    levels: np.ndarray, n: int, shows: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return all sets of n values that would be shown as they are.

    Args:
        levels: Possible values.
        n: Number of values.
        shows: (sets, n) values -> (sets,) whether they would be shown as they are.
    """
    sets = np.array(list(itertools.combinations_with_replacement(levels, n)))
    return np.asarray(sets[shows(sets)])


def looks_like(sets: np.ndarray, mean: float) -> np.ndarray:
    """Return which sets would be shown with this mean."""
    spread = sets.std(axis=1, ddof=1)
    different = (np.diff(sets, axis=1) > 1e-9).sum(axis=1) + 1
    gaps = np.diff(sets, axis=1).max(axis=1)
    told = (different >= ENOUGH) & (gaps <= 0.75 * (sets[:, -1] - sets[:, 0]))
    step = _steps(spread)
    told &= np.abs(np.round(mean / step) * step - mean) < 1e-6
    # halves are rounded either way
    told &= np.abs(sets.mean(axis=1) - mean) <= step / 2 + 1e-9
    return told


def _steps(least: np.ndarray) -> np.ndarray:
    """Return the smallest of 1, 2, 5 times powers of ten, from 0.001, that is at least as large."""
    ladder = np.array([d * 10.0**k for k in range(-3, 4) for d in (1, 2, 5)])
    return ladder[np.searchsorted(ladder, least - 1e-12)]


def answered(found: np.ndarray) -> list[float]:
    """Return the values that are in every explanation."""
    common = set(found[0].tolist())
    for row in found[1:]:
        common &= set(row.tolist())
    return sorted(common)


_NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?\d+\.\d+(?![\w.])")


def numbers_in(value: object) -> Iterator[float]:
    """Yield all numbers in a JSON value, those in its sentences included."""
    if isinstance(value, dict):
        for entry in value.values():
            yield from numbers_in(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from numbers_in(entry)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)
    elif isinstance(value, str):
        yield from words_numbers(value)


def words_numbers(text: str) -> Iterator[float]:
    """Yield the decimal numbers of a text."""
    for found in _NUMBER.findall(text):
        yield float(found.replace("\u2212", "-"))


@dataclass(frozen=True)
class Mark:
    """A mark of a plot, read back.

    Attributes:
        value: Where it is on the axis.
        blur: How exactly that can be read.
    """

    value: float
    blur: float


_TICK = re.compile(r'<span style="left:([\d.]+)%">([^<]+)</span>')
_PATH = re.compile(r'<path class="(?:median|whisker|marker|hole|dots[^"]*)" d="([^"]*)"')
_BOX = re.compile(r'<rect class="box"[^>]*? x="([\d.]+)"[^>]*? width="([\d.]+)"')


def marks_of(page: str) -> list[Mark]:
    """Read all marks of all plots of a page back."""
    found = []
    for rest in page.split('<div class="plot ')[1:]:
        plot = rest.split('<div class="plot-unit"')[0]
        ticks = [
            (float(x), html.unescape(t).replace("\u2212", "-")) for x, t in _TICK.findall(plot)
        ]
        if len(ticks) < 2:
            continue
        (x0, low), (x1, high) = ticks[0], ticks[-1]
        per_unit = (float(high) - float(low)) / (x1 - x0)
        positions = []
        for path in _PATH.findall(plot):
            positions += [float(x) for x in re.findall(r"[MH]([\d.]+)", path)]
        for x, width in _BOX.findall(plot):
            positions += [float(x), float(x) + float(width)]
        for x in positions:
            found.append(Mark(float(low) + (x / 10 - x0) * per_unit, abs(per_unit) * 0.021))
    return found


_PLANE = re.compile(r'<svg class="plane".*?</svg>', re.S)
_X_TICK = re.compile(r'<text class="tick" x="([\d.]+)" y="[\d.]+" text-anchor="middle">([^<]+)<')
_Y_TICK = re.compile(r'<text class="tick" x="[\d.]+" y="([\d.]+)" text-anchor="end">([^<]+)<')
_SPOT = re.compile(r'<circle class="spot" cx="([\d.]+)" cy="([\d.]+)"')


def spots_of(page: str) -> list[Mark]:
    """Read all marks of all planes of a page back."""
    found = []
    for plane in _PLANE.findall(page):
        spots = [(float(x), float(y)) for x, y in _SPOT.findall(plane)]
        for place, pattern, shift in ((0, _X_TICK, 0.0), (1, _Y_TICK, -4.0)):
            ticks = [(float(at) + shift, _plain(text)) for at, text in pattern.findall(plane)]
            (first, low), (last, high) = ticks[0], ticks[-1]
            per_unit = (high - low) / (last - first)
            found += [
                Mark(low + (spot[place] - first) * per_unit, abs(per_unit) * 0.11) for spot in spots
            ]
    return found


def _plain(text: str) -> float:
    return float(html.unescape(text).replace("\u2212", "-"))


def text_of(page: str) -> str:
    """Return everything that a page says, in words, titles and data attributes."""
    page = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.S)
    attributes = re.findall(r'(?:title|aria-label|data-[\w-]+)="([^"]*)"', page)
    return html.unescape(" ".join([re.sub(r"<[^>]*>", " ", page), *attributes]))


def scripts_of(page: str) -> list[str]:
    """Return embedded data: scripts that are not code."""
    found = re.findall(r"<script\b([^>]*)>(.*?)</script>", page, flags=re.S)
    return [content for attributes, content in found if "json" in attributes]


def read(text: str) -> dict:
    """Return what a summary.json says."""
    return json.loads(text)


def told_otherwise(page: str, summary: dict) -> list[float]:
    """Return numbers that the page tells and the summary does not."""
    told = set(numbers_in(summary))
    # variances are shown as standard deviations
    known = np.array(sorted(told | {math.sqrt(abs(number)) for number in told}))
    found = []
    for mark in (*marks_of(page), *spots_of(page)):
        if np.abs(known - mark.value).min() > mark.blur and abs(mark.value) > mark.blur:
            found.append(mark.value)
    ticks = {
        _plain(text) for pattern in (_TICK, _X_TICK, _Y_TICK) for _, text in pattern.findall(page)
    }
    for number in words_numbers(text_of(page)):
        near = np.abs(np.abs(known) - abs(number)).min()
        decimals = 0.0500001 if abs(number) >= 9.9 else 0.0050001
        if number not in ticks and near > decimals:
            found.append(number)
    return found


def roots(most: int) -> np.ndarray:
    """Return the distances in pixels that are possible: roots of whole numbers."""
    return np.sqrt(np.arange(most + 1, dtype=float))


def decimals(places: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Return the scores that a table with so many decimals can hold."""
    scale = 10**places
    return np.arange(math.ceil(low * scale), math.floor(high * scale) + 1) / scale


def drawn(levels: np.ndarray, sizes: Sequence[int], random: np.random.Generator) -> Table:
    """Draw patients in groups of these sizes, whose values pile up somewhere."""
    groups = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    n = int(sum(sizes))
    width, centre = random.uniform(0.05, 0.25), random.uniform(0.3, 0.8)
    places = np.clip(random.normal(centre, width, n), 0, 1) * (len(levels) - 1)
    return Table(levels[places.round().astype(int)], groups, levels)
