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
    table: Table, publish: Publish, random: np.random.Generator, tries: int
) -> list[int]:
    """Return patients whose value no twin has otherwise: whose value may have been answered.

    Twins are found by a walk over patients of whom nearly the same would be published.

    Args:
        table: The patients.
        publish: Values -> everything that is published of them, number by number.
        random: Source of randomness.
        tries: Steps of the walk.
    """
    published = publish(table.values)
    open_cases = set(table.held_by_few().tolist())
    current, wrong = table.values.copy(), 0
    for attempt in range(tries):
        if not open_cases:
            break
        if attempt % 100 == 99:
            current, wrong = table.values.copy(), 0
        twin = _moved(table, current, open_cases, random)
        told = publish(twin)
        others = _n_different(published, told)
        if others <= wrong or random.random() < math.exp((wrong - others) / 0.7):
            current, wrong = twin, others
        if others == 0:
            open_cases -= {i for i in open_cases if not _has(table, twin, i)}
    return sorted(open_cases)


def _n_different(first: Mapping[str, object], second: Mapping[str, object]) -> int:
    return sum(first.get(key) != second.get(key) for key in {*first, *second})


def _has(table: Table, twin: np.ndarray, patient: int) -> bool:
    """Return whether anybody of the patient's group has the patient's value in the twin."""
    group = table.groups == table.groups[patient]
    return bool((twin[group] == table.values[patient]).any())


def _moved(
    table: Table, current: np.ndarray, open_cases: set[int], random: np.random.Generator
) -> np.ndarray:
    """Return values of which some are moved to a level nearby, often so that sums stay."""
    twin = current.copy()
    patient = int(random.choice(sorted(open_cases)))
    group = np.flatnonzero(table.groups == table.groups[patient])
    holders = np.flatnonzero((table.groups == table.groups[patient]) & (twin == twin[patient]))
    moved = holders if random.random() < 0.3 else np.array([patient])
    steps = int(random.choice([-2, -1, -1, -1, 1, 1, 1, 2]))
    for i in moved:
        _shift(table, twin, i, steps)
    others = np.setdiff1d(group, moved)
    if len(others) and random.random() < 0.6:
        for i in random.choice(others, size=min(len(moved), len(others)), replace=False):
            _shift(table, twin, i, -steps)
    return twin


def _shift(table: Table, twin: np.ndarray, patient: int, steps: int) -> None:
    place = int(np.searchsorted(table.levels, twin[patient])) + steps
    twin[patient] = table.levels[min(max(place, 0), len(table.levels) - 1)]


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
