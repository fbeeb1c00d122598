"""How many trainings of a method a result is about: one trained model, or the method."""

from collections.abc import Mapping
from typing import Any, Literal

#: How trainings of one method differ: ``repeats`` in their random seed alone, ``folds`` also in
#: the part of the training data that was left out.
TrainingKind = Literal["repeats", "folds"]

#: Key of the settings of a result that says so: ``{"kind": ..., "number": 3, "names": [...]}``;
#: a shareable result has no names.
TRAININGS = "trainings"

#: Note of every result of one training.
ONE_TRAINING = (
    "All of this is about this trained model. Another training of the same method, with another "
    "random seed or fold, would give other values; --trainings evaluates several together."
)


def number_of_trainings(settings: Mapping[str, Any]) -> int:
    """Return of how many trainings a result is; 1 if its settings do not say."""
    found = settings.get(TRAININGS)
    return int(found["number"]) if found else 1


def subject(settings: Mapping[str, Any]) -> str:
    """Return what a result is about: ``this trained model``, or ``the method (3 trainings)``."""
    number = number_of_trainings(settings)
    return "this trained model" if number == 1 else f"the method ({number} trainings)"
