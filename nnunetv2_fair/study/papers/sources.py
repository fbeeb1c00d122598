"""The evaluations that a study's tables and figures are made of, exact and shareable."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.disclosure.suppression import FEWEST
from nnunetv2_fair.evaluation.papers.side_by_side import Method
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.study.asked import Asked, Place
from nnunetv2_fair.study.index.results import Evaluated, OnTestSet

#: What stands in place of the numbers of a method that is not there yet.
NOT_YET = "needs {what}, not yet"
_NOT_DONE = "not evaluated yet"


class Sources:
    """Evaluations by place and trainer, each read once.

    Args:
        folder: The study's folder.
        results: What its evaluations are, without cases.
        share: Whether only what may be shown to others is given.
    """

    def __init__(self, folder: Path, results: Iterable[OnTestSet], *, share: bool) -> None:
        self._folder = folder
        self._share = share
        self._evaluated: dict[Place, Mapping[str, Evaluated]] = {}
        # where folds predict together and by themselves, the former is what papers report
        for on in sorted(results, key=lambda on: on.predicted):
            place = Place(on.dataset, on.configuration, on.plans, on.test)
            by_trainer = {evaluated.trainer: evaluated for evaluated in on.evaluated}
            self._evaluated.setdefault(place, by_trainer)
        self._read: dict[tuple[Place, str], tuple[EvaluationResult | None, str]] = {}

    def methods(self, asked: Asked, place: Place) -> list[Method]:
        """Return the methods of a table or figure at a place, those that are missing last."""
        found = [Method(name, *self.of(place, trainer)) for name, trainer in asked.methods.items()]
        return [*found, *missing_methods(asked)]

    def of(self, place: Place, trainer: str) -> tuple[EvaluationResult | None, str]:
        """Return the evaluation of a trainer, and why there is none; one of them is empty."""
        key = place, trainer
        if key not in self._read:
            self._read[key] = self._find(place, trainer)
        return self._read[key]

    def _find(self, place: Place, trainer: str) -> tuple[EvaluationResult | None, str]:
        evaluated = self._evaluated.get(place, {}).get(trainer)
        if evaluated is None or evaluated.result is None:
            return None, (evaluated.problem if evaluated is not None else "") or _NOT_DONE
        try:
            result = EvaluationResult.read(self._folder / evaluated.folder)
            return (result, "") if not self._share else self._shared(place, shareable(result))
        except (EvaluationError, OSError) as error:
            return None, str(error)

    def _shared(self, place: Place, told: EvaluationResult) -> tuple[EvaluationResult | None, str]:
        """Return a shareable result, unless numbers of patients tell more beside other methods'."""
        for (there, _), (other, _) in self._read.items():
            if there == place and other is not None and counts_tell_more(other, told):
                return None, (
                    "not shared, because its numbers of patients, beside those of another method, "
                    "would reveal something about few of them"
                )
        return told, ""


def counts_tell_more(first: EvaluationResult, second: EvaluationResult) -> bool:
    """Return whether shareable results of two methods on one test set reveal small numbers.

    Values of different methods cannot be subtracted from each other, numbers of patients can: a
    method has a value of all patients of a group, another one of all but two.

    Args:
        first: Shareable result.
        second: Shareable result of the same cases.
    """
    others = {(c.attribute, c.metric, c.label): c for c in first.comparisons}
    for made in second.comparisons:
        other = others.get((made.attribute, made.metric, made.label))
        if other is None:
            continue
        pairs = [(made.overall, other.overall)]
        pairs += [(group, other.groups[n]) for n, group in made.groups.items() if n in other.groups]
        for one, two in pairs:
            for name in ("n_cases", "n_patients", "n_units"):
                ours, theirs = getattr(one, name), getattr(two, name)
                if (ours is None) != (theirs is None):
                    return True
                if ours is not None and 0 < abs(ours - theirs) < FEWEST:
                    return True
    return False


def missing_methods(asked: Asked) -> list[Method]:
    """Return the methods that the study cannot have yet, each with what it needs."""
    return [Method(name, None, NOT_YET.format(what=what)) for name, what in asked.missing.items()]


def reasons(methods: Sequence[Method]) -> str:
    """Return why no method has an evaluation, in words."""
    found = dict.fromkeys(method.instead for method in methods if method.result is None)
    return "; ".join(found) or _NOT_DONE
