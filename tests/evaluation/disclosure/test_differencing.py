"""Two reports on some of the same patients reveal together no more than each of them."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation.disclosure.differencing import (
    read_earlier,
    shareable_beside,
    together_revealed,
)
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.evaluation.disclosure.test_attack import TABLES, slow
from tests.evaluation.disclosure.test_of_evaluation import make, persons

Person = Mapping[str, object]


def binned(people: Sequence[Person], bins: Sequence[int]) -> list[dict[str, str]]:
    """Return people with age groups: below the first bin, and so on."""
    names = [f"<{bins[0]}", *(f"{a}-{b}" for a, b in itertools.pairwise(bins)), f"{bins[-1]}+"]
    return [
        {"patient": str(p["patient"]), "sex": str(p["sex"]), "site": str(p["site"]),
         "age": names[int(np.searchsorted(bins, p["years"], side="right"))]}
        for p in people
    ]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Report:
    people: Sequence[Person]
    expressions: tuple[str, ...]
    bins: tuple[int, ...]

    def private(self) -> EvaluationResult:
        return make(binned(self.people, self.bins), self.expressions)


def drawn(seed: int) -> tuple[Report, Report, Sequence[Person]]:
    """Draw two reports on mostly the same people, as they happen: one more level, bin or site."""
    random = np.random.default_rng([19, seed])
    n = int(random.integers(30, 70))
    everybody: list[Person] = [
        {
            "patient": f"p{i}",
            "sex": str(random.choice(["f", "m", "d"], p=[0.5, 0.44, 0.06])),
            "site": str(random.choice(["a", "b", "c"], p=[0.5, 0.4, 0.1])),
            "years": int(random.integers(20, 90)),
        }
        for i in range(n)
    ]
    choices = [("sex",), ("age",), ("sex", "age"), ("site",), ("sex", "site")]
    first, second = (choices[int(i)] for i in random.integers(0, len(choices), size=2))
    if random.random() < 0.4:
        second = first
    bins = (50,) if random.random() < 0.5 else (40, 60)
    others = bins if random.random() < 0.6 else (bins[0] + int(random.integers(1, 6)), *bins[1:])
    kept = n - int(random.choice([0, 0, 1, 2, 4, 8, 15]))
    return Report(everybody[:kept], first, bins), Report(everybody, second, others), everybody


def told_sets(report: Report, everybody: Sequence[Person]) -> dict[tuple[str, ...], np.ndarray]:
    """Return (people,) who is counted in every count that is told."""
    shown = shareable(report.private())
    rows = {p["patient"]: p for p in binned(report.people, report.bins)}
    inside = np.array([p["patient"] in rows for p in everybody])
    found = {("all",): inside}
    for made in shown.comparisons:
        for name, group in made.groups.items():
            if group.n_patients is not None:
                found[made.attribute, name, str(report.bins)] = np.array(
                    [inside[i] and rows[p["patient"]][made.attribute] == name
                     for i, p in enumerate(everybody)]
                )  # fmt: skip
    return found


def revealed(first: Report, second: Report, everybody: Sequence[Person]) -> list[str]:
    """Return groups of one to four people whose number follows from both reports together.

    The reader knows how bins lie in each other and that the first cohort is part of the second,
    and adds and subtracts all counts that are told.
    """
    reports = (first, second)
    told: dict[tuple[object, ...], np.ndarray] = {}
    for which, report in enumerate(reports):
        for cell, members in told_sets(report, everybody).items():
            told[(which, *cell)] = members
    cuts = sorted({*first.bins, *second.bins})
    stayed = {p["patient"] for p in first.people}
    atom_of = [
        (p["sex"], p["site"], int(np.searchsorted(cuts, p["years"], side="right")),
         p["patient"] in stayed)
        for p in everybody
    ]  # fmt: skip
    # every combination that could be, whether somebody has it or not
    atoms = list(
        itertools.product(("f", "m", "d"), ("a", "b", "c"), range(len(cuts) + 1), (True, False))
    )
    counts = np.array([atom_of.count(atom) for atom in atoms])

    def in_atoms(which: int, expression: str, name: str) -> np.ndarray:
        of_bins = reports[which].bins
        middle = [cuts[0] - 1, *cuts]
        found = []
        for sex, site, piece, stays in atoms:
            (row,) = binned(
                [{"patient": "x", "sex": sex, "site": site, "years": middle[piece]}], of_bins
            )
            found.append((stays or which == 1) and (expression == "all" or row[expression] == name))
        return np.array(found, float)

    rows = [in_atoms(key[0], key[1], key[2] if len(key) > 2 else "") for key in told]
    targets: dict[str, np.ndarray] = {}
    for which, report in enumerate(reports):
        for expression in report.expressions:
            names = {p[expression] for p in binned(everybody, report.bins)}
            for name in names:
                targets[f"{which} {expression} {name}"] = in_atoms(which, expression, name)
                both = in_atoms(1, expression, name) if report.bins == second.bins else None
                if both is not None:
                    targets[f"new {expression} {name}"] = both - in_atoms(0, expression, name) * (
                        first.bins == second.bins
                    )
    targets["new"] = in_atoms(1, "all", "") - in_atoms(0, "all", "")
    for piece in range(len(cuts) + 1):
        targets[f"years {piece}"] = np.array([float(a[2] == piece) for a in atoms])
    known = np.array(rows).T
    found = []
    for name, target in targets.items():
        weights, *_ = np.linalg.lstsq(known, target, rcond=None)
        if np.abs(known @ weights - target).max() < 1e-8 and 1 <= target @ counts <= 4:
            found.append(name)
    return found


@pytest.mark.parametrize("seed", [*range(6), *(slow(seed) for seed in range(6, TABLES))])
def test_whatever_subtracting_reveals_is_refused(seed):
    first, second, everybody = drawn(seed)
    problems = list(together_revealed(shareable(first.private()), shareable(second.private())))
    if revealed(first, second, everybody):
        assert problems


def reports(cells, expressions, folder=None):
    private = make(persons(cells, ("sex", "age")), expressions)
    if folder is not None:
        folder.mkdir()
        shareable(private).write(folder)
    return private


LARGE = {("f", "old"): 20, ("f", "young"): 20, ("m", "old"): 20, ("m", "young"): 20}


def test_the_same_report_again_is_fine(tmp_path):
    private = reports(LARGE, ("sex", "age"), tmp_path / "earlier")
    told = shareable_beside(private, [tmp_path / "earlier", tmp_path / "earlier" / "summary.json"])
    assert "--against" in told.notes[-1]
    assert shareable_beside(private, []).notes == shareable(private).notes


def test_other_attributes_are_fine_where_nothing_is_hidden(tmp_path):
    reports(LARGE, ("sex",), tmp_path / "earlier")
    assert shareable_beside(reports(LARGE, ("age",)), [tmp_path / "earlier"]).shareable


def test_other_attributes_are_refused_where_something_is_hidden(tmp_path):
    few = {**LARGE, ("d", "old"): 3}
    reports(few, ("sex",), tmp_path / "earlier")
    with pytest.raises(EvaluationError, match=r"only here are some numbers of 'age' told"):
        shareable_beside(reports(few, ("age",)), [tmp_path / "earlier"])


def test_other_groups_are_refused(tmp_path):
    reports(LARGE, ("age",), tmp_path / "earlier")
    cells = {("f", "over 52"): 41, ("f", "up to 52"): 39}
    with pytest.raises(EvaluationError, match="'age' has other groups there"):
        shareable_beside(reports(cells, ("age",)), [tmp_path / "earlier"])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        pytest.param({("f", "old"): 23}, "the cohorts differ by fewer than 5 patients", id="3"),
        pytest.param({("f", "old"): 26, ("m", "old"): 22}, "'m' of 'sex' differ by", id="6-and-2"),
        pytest.param({("f", "old"): 26, ("m", "old"): 25}, "", id="6-and-5"),
    ],
)
def test_cohorts_that_differ_by_few_are_refused(tmp_path, more, told):
    reports(LARGE, ("sex",), tmp_path / "earlier")
    private = reports({**LARGE, **more}, ("sex",))
    if not told:
        assert shareable_beside(private, [tmp_path / "earlier"]).shareable
        return
    with pytest.raises(EvaluationError, match=told):
        shareable_beside(private, [tmp_path / "earlier"])


def test_private_reports_and_other_folders_are_refused(tmp_path):
    private = make(persons(LARGE, ("sex", "age")), ("sex",))
    private.write(tmp_path)
    with pytest.raises(UsageError, match="this is a private evaluation, not a report that was"):
        read_earlier(tmp_path)
    with pytest.raises(EvaluationError, match=r"has no summary\.json"):
        read_earlier(tmp_path / "nothing")
