"""Several attributes tell together neither counts nor values of few; nor do verdicts on models.

What is claimed of models is told also where its numbers are hidden.
"""

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.disclosure.of_comparison import shareable_comparison
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.findings.all_findings import with_findings
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.json_file import to_json
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary, compare_all
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from tests.evaluation.disclosure.test_attack import DICE, slow

HOW = StatisticsSettings(n_bootstrap=2)
ATTRIBUTES = {"sex": ("f", "m", "x"), "age": ("old", "young")}
TRIES = 150
#: How far a twin's value is from the true one, in standard deviations.
APART = 0.02


class Publisher:
    """Publishes comparisons of two models on the same patients.

    Args:
        people: The patients, who may move between groups later.
        values: (2, patients).
    """

    def __init__(self, people: pd.DataFrame, values: np.ndarray) -> None:
        self.groups = {
            a: tuple(g for g in of if (people[a] == g).any()) for a, of in ATTRIBUTES.items()
        }
        # a comparison of models takes only the names of groups from it, so it is made once
        self._made = compare_all(
            self._frame(people, values[0]), (DICE,), ["organ"],
            [GroupVocabulary(a, names, None) for a, names in self.groups.items()], "diagonal", HOW,
        )  # fmt: skip

    @staticmethod
    def _frame(people: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
        n = len(values)
        return pd.DataFrame(
            {
                "case": [f"case_{i:03d}x" for i in range(n)],
                "patient": [f"Jane Doe {i:03d}" for i in range(n)],
                **{attribute: people[attribute] for attribute in ATTRIBUTES},
                "label": "organ", "dice": values, "diagonal_px": 99.0, "reference_voxels": 9,
                "prediction_voxels": 8, "flags": "",
            }
        )  # fmt: skip

    def evaluated(self, people: pd.DataFrame, values: np.ndarray) -> EvaluationResult:
        """Return the private evaluation of one model."""
        frame = self._frame(people, values)
        vocabularies = [GroupVocabulary(a, names, None) for a, names in self.groups.items()]
        return with_findings(
            EvaluationResult(
                name="a", per_case=frame, metrics=(DICE,), labels=("organ",),
                attributes=tuple(ATTRIBUTES),
                comparisons=compare_all(
                    frame, (DICE,), ["organ"], vocabularies, "diagonal",
                    StatisticsSettings(n_bootstrap=200),
                ),
                settings={"min_patients": 5, "confidence": 0.95, "empty_distance": "diagonal"},
                group_parts={a: {g: (g,) for g in names} for a, names in self.groups.items()},
            )
        )  # fmt: skip

    def shown(self, people: pd.DataFrame, values: np.ndarray) -> ModelComparison:
        """Return what is published."""
        results = [
            EvaluationResult(
                name=name, per_case=self._frame(people, row), metrics=(DICE,), labels=("organ",),
                attributes=tuple(ATTRIBUTES), comparisons=self._made,
                settings={"min_patients": 5, "confidence": 0.95, "empty_distance": "diagonal"},
                group_parts={a: {g: (g,) for g in names} for a, names in self.groups.items()},
            )
            for name, row in zip(("a", "b"), values, strict=True)
        ]  # fmt: skip
        return shareable_comparison(compare_models(results, n_bootstrap=200), results)

    def __call__(self, people: pd.DataFrame, values: np.ndarray) -> str:
        """Return everything that is published."""
        told = {**to_json(self.shown(people, values)), "created": ""}
        return json.dumps(told, sort_keys=True)


def drawn(seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.random.Generator]:
    """Draw patients, one to four of whom are of unknown sex, or of a sex that few have.

    Returns:
        The people, the values of two models, and who is in the hidden group.
    """
    random = np.random.default_rng([17, seed])
    n_few = int(random.integers(1, 5))
    sizes = [int(n) for n in random.integers(10, 40, size=2)]
    few = ["", "x"][seed % 2]
    people = pd.DataFrame({"sex": np.repeat(["f", "m", few], [*sizes, n_few])})
    n = len(people)
    people["age"] = np.where(random.random(n) < 0.5, "old", "young")
    before = random.beta(12, 4, n)
    # so that the models' differences are close to being shown, or not
    noise = 0.03
    effect = random.uniform(-4, 4, size=2) * noise / np.sqrt(sizes)
    moved = np.select([people["sex"] == "f", people["sex"] == "m"], effect, random.normal() * noise)
    after = np.clip(before + moved + noise * random.normal(size=n), 0, 1)
    values = np.stack([before, after]).round(4)
    return people, values, np.flatnonzero(people["sex"] == few), random


def another_number(
    people: pd.DataFrame, values: np.ndarray, hidden: np.ndarray, random: np.random.Generator
) -> int | None:
    """Return another number of patients, 1 to 4, that the hidden group can have; None if not found.

    Twins are the same patients, with nearly the same values, some of whom are of another sex.
    """
    publish = Publisher(people, values)
    published, few = publish(people, values), people["sex"].iloc[hidden[0]]
    entry = publish.shown(people, values).entries[0]
    # a number that is told stays
    partners = [g for g in ("f", "m") if entry.group_patients[g] is None]
    for attempt in range(TRIES * bool(partners)):
        count = int(random.choice([n for n in range(1, 5) if n != len(hidden)]))
        other = people.copy()
        if count < len(hidden):
            leaving = random.choice(hidden, len(hidden) - count, replace=False)
            other.loc[leaving, "sex"] = random.choice(partners, size=len(leaving))
        else:
            outside = np.flatnonzero(people["sex"].isin(partners))
            other.loc[random.choice(outside, count - len(hidden), replace=False), "sex"] = few
        blur = np.zeros(values.shape)
        if attempt % 2:  # where a number is at the edge of its rounding
            for sex in ("f", "m"):
                blur[:, (other["sex"] == sex).to_numpy()] = random.normal(size=(2, 1))
            blur = (blur + random.normal(size=values.shape)) * random.choice([0.0003, 0.001])
        if publish(other, np.clip(values + blur, 0, 1).round(4)) == published:
            return count
    return None


def patients_without_twin(
    people: pd.DataFrame,
    values: np.ndarray,
    hidden: np.ndarray,
    random: np.random.Generator,
    share: float = APART,
) -> list[int]:
    """Return the hidden patients of whom no twin changes otherwise by the second model.

    In a twin nobody hidden changes by nearly as much (a share of the standard deviation) as the
    patient.
    """
    publish = Publisher(people, values)
    published = publish(people, values)
    change = values[1] - values[0]
    apart = share * change.std()
    left = list(hidden)
    for twin in others_like(people, values, hidden, random, apart):
        moved = twin[1] - twin[0]
        freed = [p for p in left if (np.abs(moved[hidden] - change[p]) > apart).all()]
        if freed and publish(people, twin) == published:
            left = [p for p in left if p not in freed]
        if not left:
            break
    return [int(p) for p in left]


def others_like(
    people: pd.DataFrame,
    values: np.ndarray,
    hidden: np.ndarray,
    random: np.random.Generator,
    least: float,
) -> Iterator[np.ndarray]:
    """Yield values with others of the hidden patients, whose groups of age keep their means.

    Args:
        people: The patients.
        values: (models, patients) values; only those of the last model are changed.
        hidden: Positions of the hidden patients.
        random: Source of randomness.
        least: By how much they move at least.
    """
    for attempt in range(TRIES):
        twin = values.copy()
        apart = random.choice([-1, 1], size=len(hidden)) * least * random.uniform(1.05, 3)
        if attempt % 3:
            apart[:] = apart[0]
        twin[-1, hidden] += apart
        for age in ("old", "young"):
            inside = (people["age"] == age).to_numpy()
            owed = apart[inside[hidden]].sum()
            others = np.setdiff1d(np.flatnonzero(inside), hidden)
            if len(others) and owed:
                some = random.permutation(others)[: random.integers(1, len(others) + 1)]
                twin[-1, some] -= owed / len(some)
        yield np.clip(twin, 0, 1).round(4)


def values_without_twin(
    people: pd.DataFrame,
    values: np.ndarray,
    hidden: np.ndarray,
    random: np.random.Generator,
    share: float = APART,
) -> list[int]:
    """Return the hidden patients whose values no twin has otherwise, in an evaluation.

    The totals of the two attributes differ by the patients of unknown sex, and groups of age
    contain hidden patients.
    """
    made = Publisher(people, values)

    def publish(of_one: np.ndarray) -> str:
        shown = shareable(made.evaluated(people, of_one))
        assert shown.downstream_cases.empty
        told = to_json(replace(shown, per_case=None, downstream_cases=None))
        return json.dumps({**told, "created": ""}, sort_keys=True)

    own = values[1]
    published, left, apart = publish(own), list(hidden), share * own.std()
    for way in random.permutation([-1, 1] * 6):
        # small steps, each of which leaves everything as it is
        current = own.copy()
        for _ in range(TRIES):
            mover = random.choice(hidden)
            by = way * apart * random.uniform(0.3, 1.1)
            # of one sex: where the other's mean is told, it stays as it is
            alike = (people["age"] == people["age"].iloc[mover]) & (
                people["sex"] == random.choice(["f", "m"])
            )
            others = random.permutation(np.setdiff1d(np.flatnonzero(alike), hidden))
            tried = current.copy()
            tried[mover] += by
            some = others[: random.integers(1, 5)]
            tried[some] -= by / max(1, len(some))
            tried = np.clip(tried, 0, 1).round(4)
            if publish(tried) != published:
                continue
            current = tried
            left = [p for p in left if not (np.abs(current[hidden] - own[p]) > apart).all()]
            if not left:
                return []
    return [int(p) for p in left]


SEEDS = [0, 1, 2, *(slow(seed) for seed in range(3, 15))]


@pytest.mark.parametrize("seed", SEEDS)
def test_verdicts_do_not_tell_how_many_are_hidden(seed):
    assert another_number(*drawn(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_verdicts_do_not_tell_how_hidden_patients_change(seed):
    assert patients_without_twin(*drawn(seed)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_totals_of_several_attributes_do_not_tell_values_of_hidden_patients(seed):
    assert values_without_twin(*drawn(seed)) == []
