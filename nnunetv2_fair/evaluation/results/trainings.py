"""How many trainings of a method a result is about: one trained model, or the method."""

from collections.abc import Mapping
from typing import Any, Literal

#: How trainings of one method differ: ``repeats`` in their random seed alone, ``folds`` also in
#: the part of the training data that was left out.
TrainingKind = Literal["repeats", "folds"]

#: Key of the settings of a result that says so: ``{"kind": ..., "number": 3, "names": [...]}``;
#: a shareable result has no names. Of a comparison: model -> number of trainings.
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


def subjects(numbers: Mapping[str, int]) -> str:
    """Return a sentence on what a comparison is about.

    Args:
        numbers: Model -> number of its trainings.
    """
    if all(number == 1 for number in numbers.values()):
        return (
            "Each model is one training: what is said holds for this trained model, and another "
            "training of the same method may turn out differently."
        )
    counts = {number for number in numbers.values() if number > 1}
    how_many = f"{min(counts)}" if len(counts) == 1 else "several"
    several = (
        f"is a method of {how_many} trainings: what is said allows for what another training of "
        "it would change."
    )
    if all(number > 1 for number in numbers.values()):
        return f"Each model {several}"
    return (
        f"A model {several} The others are one training each, and nothing is said about their "
        "methods; the notes tell which."
    )
