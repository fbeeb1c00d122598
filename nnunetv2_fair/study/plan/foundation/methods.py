"""Methods of prompted models: names, runs, and what each is predicted with."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair.study.plan.models import Model, Run
from nnunetv2_fair.subgroups.tokens import attribute_token

#: Name of the method that predicts the boxes themselves, filled.
FILLED_BOXES = "filled_boxes"
#: Between a method and the trainer that its boxes are of.
BOXES_OF, OF = "_boxes_of_", "_of_"
#: In the names of methods that APPLE was trained for, and of their controls.
APPLE, CONTROL = "_APPLE_", "_control"


@dataclass(frozen=True)
class Prompted:
    """A model that is prompted with boxes.

    Attributes:
        name: As the file has it.
        weights: File or folder.
        family: Which of them it is; empty where the file tells.
        fingerprint: Of the bytes of its weights.
    """

    name: str
    weights: Path
    family: str
    fingerprint: str

    @property
    def arguments(self) -> tuple[str, ...]:
        """Arguments that choose it."""
        family = ("--family", self.family) if self.family else ()
        return ("--weights", str(self.weights), *family)


@dataclass(frozen=True)
class Learnt:
    """A perturbation that is trained on the embedding of a model.

    Attributes:
        of: The model.
        attribute: Attribute expression; of a control, that of its log.
        beta: Weight of the segmentation loss.
        control: Whether it is trained for the segmentation alone.
        repeats: How often it is trained, as runs with a seed of their own; None: once.
    """

    of: Prompted
    attribute: str
    beta: float = 1.0
    control: bool = False
    repeats: int | None = None

    @property
    def name(self) -> str:
        """Name of the method."""
        if self.control:
            return f"{self.of.name}{CONTROL}"
        beta = "" if self.beta == 1 else f"_beta{self.beta:g}"
        return f"{self.of.name}{APPLE}{attribute_token(self.attribute)}{beta}"

    def trainings(self) -> Iterator[tuple[str, int]]:
        """Yield the name of each run with its seed."""
        if self.repeats is None:
            yield self.name, 0
        for number in range(1, (self.repeats or 0) + 1):
            yield f"{self.name}_run{number}", number


@dataclass(frozen=True)
class PromptedRun:
    """One prediction of a method.

    Attributes:
        training: Name of the training that perturbs the embedding; empty: none does.
        boxes: Position of the run of the trainer whose predictions the boxes are around.
        seed: Of the jitter.
    """

    training: str = ""
    boxes: int = 0
    seed: int = 0


@dataclass(frozen=True)
class PromptedMethod:
    """What is assessed: a model, or the boxes alone.

    Attributes:
        model: Under which it is evaluated and compared.
        of: The model; None: the boxes, filled.
        runs: How each run of ``model`` is predicted.
        boxes: Trainer whose predictions the boxes are around; None: the references.
    """

    model: Model
    of: Prompted | None
    runs: tuple[PromptedRun, ...]
    boxes: Model | None


def method_of(
    line: int, of: Prompted | None, learnt: Learnt | None, boxes: Model | None, moved: int = 0
) -> PromptedMethod:
    """Return a method, named after its model, what was learnt and whose boxes it has.

    Args:
        line: Line of the study's file.
        of: The model; None: the boxes, filled.
        learnt: What perturbs its embedding; None: it is as it came.
        boxes: Trainer whose predictions the boxes are around; None: the references.
        moved: How often boxes are moved by chance, and predicted; 0: they are not repeated.
    """
    stem = learnt.name if learnt is not None else of.name if of is not None else FILLED_BOXES
    if boxes is not None:
        stem += f"{BOXES_OF if of is not None else OF}{boxes.name}"
    trained = [""] if learnt is None else [name for name, _ in learnt.trainings()]
    # boxes of a trainer that is repeated are those of its runs
    of_runs = len(boxes.runs) if boxes is not None and boxes.is_repeated else 0
    count = max((learnt.repeats or 0) if learnt is not None else 0, moved, of_runs)
    runs = [
        PromptedRun(
            trained[number if len(trained) > 1 else 0],
            number if of_runs else 0,
            number + 1 if count else 0,
        )
        for number in range(count or 1)
    ]
    names = [f"{stem}_run{number + 1}" if count else stem for number in range(len(runs))]
    model = Model(
        name=stem,
        line=line,
        runs=tuple(Run(name, (), None) for name in names),
        base=None,
        attribute=None if learnt is None else learnt.attribute,
        per_group=False,
    )
    return PromptedMethod(model, of, tuple(runs), boxes)
