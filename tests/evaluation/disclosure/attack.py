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
    roughly: bool = True,
    among: Sequence[int] | None = None,
    within: int = 0,
    until: int = 0,
) -> list[int]:
    """Return patients whose value no twin has otherwise: whose value may have been answered.

    For all patients at once, values are looked for that resemble the true ones, but that nobody of
    the patient's group has as the patient does. What is published of the closest is compared with
    what is published of the true ones. Each round takes longer than the one before, for the
    patients that are left.

    Args:
        table: The patients.
        publish: Values -> everything that is published of them, number by number.
        random: Source of randomness.
        rounds: How many rounds at most.
        roughly: Whether only values are tried that :meth:`Resemblance.alike` lets pass; it knows
            how numbers are rounded in shareable results.
        among: Positions of the patients; those whose value few have if None.
        within: How many levels away a value is still the patient's.
        until: So few patients left are few enough.
    """
    published = publish(table.values)
    looks = Resemblance(table, published)
    left = np.array(sorted(table.held_by_few() if among is None else among))
    for effort in range(1, rounds + 1):
        if len(left) <= until:
            break
        twins, costs = _close_values(looks, left, random, effort, within, roughly)
        freed = _freed(table, twins, left, within)
        tries, untried = np.zeros(len(left), int), np.ones(len(twins), bool)
        while len(left) > until and untried.any():
            of_use = freed[:, tries < _CANDIDATES * effort].sum(axis=1) * untried / (1 + costs)
            best = int(of_use.argmax())
            if not of_use[best]:
                break
            untried[best] = False
            tries += freed[best]
            if publish(twins[best]) == published:
                still = ~freed[best]
                left, tries, freed = left[still], tries[still], freed[:, still]
    return [int(patient) for patient in left]


def drifting_twins(
    table: Table,
    publish: Publish,
    random: np.random.Generator,
    patients: Sequence[int],
    tries: int,
    until: int = 0,
) -> list[int]:
    """Return the patients of whom no twin is found by drifting away from the true values.

    For groups that are too large for annealing: one patient's value moves by a level or two,
    another's the other way, and where the same is published, the next step goes on from there.
    Steps that take a value away from whoever still has it are preferred, and nobody comes to it.

    Args:
        table: The patients.
        publish: Values -> everything that is published of them.
        random: Source of randomness.
        patients: Positions of the patients.
        tries: How many tables of values are tried per patient.
        until: So few patients left are few enough.
    """
    published = publish(table.values)
    true = np.searchsorted(table.levels, table.values)
    top = len(table.levels) - 1
    left = set(patients)
    current = true.copy()
    for patient in sorted(patients):
        group = np.flatnonzero(table.groups == table.groups[patient])
        for attempt in range(tries):
            if patient not in left or len(left) <= until:
                break
            if attempt == tries // 2:
                current = true.copy()
            holders = group[current[group] == true[patient]]
            first = random.choice(holders if len(holders) and random.random() < 0.7 else group)
            second = random.choice(group)
            moved = current.copy()
            way = random.choice([-2, -1, 1, 2], p=[0.1, 0.4, 0.4, 0.1])
            moved[first] += way
            moved[second] -= way * (random.random() < 0.8)
            came = (moved == true[patient]) & (current != true[patient])
            if moved.min() < 0 or moved.max() > top or came[group].any():
                continue
            if publish(table.levels[moved]) == published:
                current = moved
                freed = _freed(table, table.levels[current][None], np.array(sorted(left)), 0)[0]
                left -= set(np.array(sorted(left))[freed].tolist())
    return sorted(left)


def _freed(table: Table, twins: np.ndarray, patients: np.ndarray, within: int) -> np.ndarray:
    """Return (tables, patients) whether nobody of the patient's group has the patient's value."""
    places = np.searchsorted(table.levels, twins)
    true = np.searchsorted(table.levels, table.values)
    found = np.empty((len(twins), len(patients)), bool)
    for column, patient in enumerate(patients):
        group = table.groups == table.groups[patient]
        found[:, column] = (np.abs(places[:, group] - true[patient]) > within).all(axis=1)
    return found


class Resemblance:
    """How much values of the same patients look like the true ones: a guide for the search.

    Compared are means, standard deviations, medians and dominances, of groups and of all
    together, as far as they are told.

    Args:
        table: The patients and their true values.
        published: What is published of them.
    """

    def __init__(self, table: Table, published: Mapping[str, object]) -> None:
        self.table = table
        names, sizes = np.unique(table.groups, return_counts=True)
        shown = [str(name) for name in names[sizes >= ENOUGH]]
        parts = [np.arange(len(table.values))]
        parts += [np.flatnonzero(table.groups == name) for name in shown]
        self._parts, self._sizes = parts, np.array([len(part) for part in parts])
        self._shares = np.zeros((len(table.values), len(parts)))
        for column, part in enumerate(parts):
            self._shares[part, column] = 1 / len(part)
        places = ["/overall", *(f"/groups/{name}" for name in shown)]
        self._means, self._stds, self._medians = (
            np.array([isinstance(published.get(f"{place}/{number}"), float) for place in places])
            for number in ("mean", "std", "median")
        )
        told = {entry.rpartition("/")[0] for entry in published if entry.startswith("/effects/")}
        # what is told of a pair, and the test of all of them, depend on every pair
        self._pairs = list(itertools.combinations(range(1, len(parts)), 2))
        self._dominances = [
            not told.isdisjoint(f"/effects/{(None, *pair)}" for pair in ((a, b), (b, a)))
            for a, b in itertools.combinations(shown, 2)
        ]
        self._true = self._features(table.values[None])[0]
        self._shown = self._rounded(table.values[None])[0]
        shown_numbers = [
            published[f"{place}/{number}"]
            for number, chosen in (("mean", self._means), ("std", self._stds))
            for place in itertools.compress(places, chosen)
        ]
        unsafe = np.flatnonzero(np.isnan(self._shown))
        self._shown[unsafe] = np.array(shown_numbers)[unsafe]
        self._sharp = self._each_sharpness()
        self._apart = np.zeros(len(self._true))
        for column, number in ((0, "mean"), (len(parts), "std")):
            if self._sharp[column]:
                self._apart[column] = published[f"/overall/{number}"] - self._true[column]

    def aims(self, n: int, random: np.random.Generator) -> np.ndarray:
        """Return n times what values should look like: half the true ones, half others about them.

        Where a true number is close to being rounded otherwise, others are safer: for all together
        some aim at what is shown.
        """
        to_shown = random.choice([0, 0, 0, 0, 0.5, 1], size=n)
        found = self._true + to_shown[:, None] * self._apart
        blurs = np.divide(1, self._sharp, out=np.zeros(len(self._sharp)), where=self._sharp > 0)
        apart = random.choice([0, 0, 0.5, 1], size=n)
        return found + apart[:, None] * blurs * random.normal(size=(n, len(blurs)))

    def distances(self, values: np.ndarray, aims: np.ndarray) -> np.ndarray:
        """Return how different values look from what they should.

        Args:
            values: (tables, patients) values.
            aims: (tables, numbers) as :meth:`aims` returns them.

        Returns:
            (tables,), 0 or more.
        """
        return (((self._features(values) - aims) * self._sharp) ** 2).sum(axis=1)

    def alike(self, values: np.ndarray) -> np.ndarray:
        """Return (tables,) whether means, deviations, medians and dominances are shown alike.

        As far as they are told. What is made of resamples and of ranks of all groups may differ.
        """
        return (self._rounded(values) == self._shown).all(axis=1)

    def _features(self, values: np.ndarray) -> np.ndarray:
        """Return (tables, numbers): means and deviations of all parts, some medians, dominances."""
        means = values @ self._shares
        squares = (values**2) @ self._shares - means**2
        stds = np.sqrt(np.maximum(squares, 0) * (self._sizes / (self._sizes - 1)))
        found = [means, stds]
        for column in np.flatnonzero(self._medians):
            found.append(_medians(values[:, self._parts[column]])[:, None])
        for first, second in self._pairs:
            ours, theirs = values[:, self._parts[first]], values[:, self._parts[second]]
            more, less = (
                np.count_nonzero(than(ours[:, :, None], theirs[:, None, :]), axis=(1, 2))
                for than in (np.greater, np.less)
            )
            found.append((more - less)[:, None] / (ours.shape[1] * theirs.shape[1]))
        return np.hstack(found)

    def _rounded(self, values: np.ndarray) -> np.ndarray:
        """Return (tables, numbers) what is told, rounded; NaN where it is not safe which way."""
        found = self._features(values)
        n, n_parts = self._sizes, len(self._sizes)
        means, stds = found[:, :n_parts], found[:, n_parts : 2 * n_parts]
        steps = _steps(np.where(n >= _NOT_TINY, stds / np.sqrt(n) / 2, stds))
        std_steps = _steps(stds / np.sqrt(2 * (n - 1)) / 2)
        told = [
            _safely(steps, means)[:, self._means],
            _safely(std_steps, stds)[:, self._stds],
        ]
        for column in np.flatnonzero(self._medians):
            inside = values[:, self._parts[column]]
            told.append(_to(_median_steps(inside, stds[:, column]), _medians(inside))[:, None])
        for column, (first, second) in enumerate(self._pairs):
            if self._dominances[column]:
                step = _steps(self._error_of(n[first], n[second]) / 2)
                told.append(_to(step, found[:, column - len(self._pairs), None]))
        return np.hstack(told)

    @staticmethod
    def _error_of(m: int, n: int) -> float:
        """Return the standard error of a dominance under no difference."""
        return math.sqrt((m + n + 1) / (3 * m * n))

    def _each_sharpness(self) -> np.ndarray:
        """Return 1 over how much every number may move without being noticed; 0 if not told."""
        n, n_parts = self._sizes, len(self._sizes)
        stds = np.maximum(self._true[n_parts : 2 * n_parts], 1e-9)
        of_means = np.where(n >= _NOT_TINY, 6 * np.sqrt(n), 3) / stds * self._means
        of_stds = 6 * np.sqrt(2 * (n - 1)) / stds * self._stds
        of_medians = 5 / stds[self._medians]
        of_pairs = [8 / self._error_of(n[first], n[second]) for first, second in self._pairs]
        return np.concatenate([of_means, of_stds, of_medians, of_pairs])


_NOT_TINY = 10
_CHAINS = 480
_STEPS = 100
_CANDIDATES = 24


def _close_values(
    looks: Resemblance,
    patients: np.ndarray,
    random: np.random.Generator,
    effort: int,
    within: int,
    roughly: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Return values like the true ones, in whose group nobody has the value of one of the patients.

    Found by simulated annealing, many chains at once, as many for every patient. Some also avoid
    the values of the others. Of every chain the closest are returned.

    Returns:
        (tables, patients) values, and (tables,) how different they look.
    """
    table = looks.table
    n, top = len(table.values), len(table.levels) - 1
    true = np.searchsorted(table.levels, table.values)
    whose = np.repeat(patients, np.clip(_CHAINS // len(patients), 4, 48))
    rows = np.arange(len(whose))
    group = table.groups == table.groups[whose, None]
    taboo = true[whose, None]
    held = np.zeros((n, top + 1))
    for i in patients:
        held[table.groups == table.groups[i], true[i]] = 1
    price = random.uniform(0, 0.6, len(rows))
    aims = looks.aims(len(rows), random)
    # where levels are fine, steps of one level would take too long
    pace = np.array([1, 1, max(1, round(float(true.std()) / 8))])

    def costs(places: np.ndarray) -> np.ndarray:
        found = looks.distances(table.levels[places], aims)
        found += price * held[np.arange(n), places].sum(axis=1)
        found[(group & (np.abs(places - taboo) <= within)).any(axis=1)] = np.inf
        return found

    holders = group & (np.abs(true - taboo) <= within)
    away = random.choice([-2, -1, -1, 1, 1, 2], size=holders.shape)
    together = random.random(len(rows)) < 0.5
    away[together] = away[together, :1]
    away += np.sign(away) * within
    moved = np.where((taboo + away < 0) | (taboo + away > top), taboo - away, taboo + away)
    current = np.where(holders, moved, true)
    cost = costs(current)
    best, lowest = current.copy(), np.full(len(rows), np.inf)
    n_steps = _STEPS * effort
    for step in range(n_steps):
        heat = 3 * 0.1 ** (step / n_steps)
        tried = current.copy()
        by = random.choice([-2, -1, 1, 2], p=[0.15, 0.35, 0.35, 0.15], size=len(rows))
        by *= random.choice(pace, size=len(rows))
        tried[rows, random.integers(n, size=len(rows))] += by
        # often somebody else moves the other way, so that sums stay
        back = random.random(len(rows)) < 0.5
        tried[rows[back], random.integers(n, size=len(rows))[back]] -= by[back]
        np.clip(tried, 0, top, out=tried)
        cost_tried = costs(tried)
        with np.errstate(invalid="ignore"):
            likely = np.exp(np.minimum(0, (cost - cost_tried) / heat))
        taken = np.isfinite(cost_tried) & (random.random(len(rows)) < likely)
        current[taken], cost[taken] = tried[taken], cost_tried[taken]
        better = np.flatnonzero(taken & (cost < lowest))
        if roughly:
            better = better[looks.alike(table.levels[current[better]])]
        best[better], lowest[better] = current[better], cost[better]
    every, first = np.unique(best[np.isfinite(lowest)], axis=0, return_index=True)
    return table.levels[every], lowest[np.isfinite(lowest)][first]


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


_LADDER = np.array([d * 10.0**k for k in range(-3, 4) for d in (1, 2, 5)])


def _steps(least: np.ndarray) -> np.ndarray:
    """Return the smallest of 1, 2, 5 times powers of ten, from 0.001, that is at least as large."""
    return _LADDER[np.searchsorted(_LADDER, least - 1e-12)]


def _medians(values: np.ndarray) -> np.ndarray:
    n = values.shape[1]
    ordered = np.sort(values, axis=1)
    return (ordered[:, (n - 1) // 2] + ordered[:, n // 2]) / 2


def _median_steps(values: np.ndarray, stds: np.ndarray) -> np.ndarray:
    """Return (tables,) the steps at which five values are rounded to the same as the median."""
    medians = _medians(values)[:, None]
    found = _steps(1.25 * stds / math.sqrt(values.shape[1]))
    alone = np.ones(len(values), bool)
    while alone.any():
        steps = found[:, None]
        alone = (_to(steps, values) == _to(steps, medians)).sum(axis=1) < ENOUGH
        found[alone] = _steps(found[alone] * 1.5)
    return found


def _safely(steps: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Round; NaN in the middle, where it depends on the order of sums which way it goes."""
    found = _to(steps, values)
    return np.where(np.abs(np.abs(values - found) - steps / 2) < 1e-9, np.nan, found)


def _to(steps: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.round(np.round(values / steps) * steps, 6)


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
