"""The evaluations that a study's tables and figures are made of, exact and shareable."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
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
            return (shareable(result) if self._share else result), ""
        except (EvaluationError, OSError) as error:
            return None, str(error)


def missing_methods(asked: Asked) -> list[Method]:
    """Return the methods that the study cannot have yet, each with what it needs."""
    return [Method(name, None, NOT_YET.format(what=what)) for name, what in asked.missing.items()]


def reasons(methods: Sequence[Method]) -> str:
    """Return why no method has an evaluation, in words."""
    found = dict.fromkeys(method.instead for method in methods if method.result is None)
    return "; ".join(found) or _NOT_DONE
