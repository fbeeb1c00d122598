"""The command that predicts with a cascade, or with the boxes of the references."""

from collections.abc import Sequence

from nnunetv2_fair.study.plan.datasets import Dataset, TestSet
from nnunetv2_fair.study.plan.steps.commands import Command
from nnunetv2_fair.study.plan.steps.predictions import Prediction
from nnunetv2_fair.study.plan.study_dataset import Cascade

_COMMAND = "nnUNetv2_fair_predict_cascade"


def cascade_command(
    cascade: Cascade,
    test: TestSet,
    out: str,
    first: tuple[Dataset, Prediction] | None,
    second: Prediction,
    model: Sequence[str],
    options: Sequence[str],
    how: Sequence[str],
) -> Command:
    """Return the command.

    Args:
        cascade: The models.
        test: Images, and references to measure the errors of the boxes.
        out: Folder of the predictions.
        first: What finds the organ, and what it was trained on; None takes the references.
        second: What segments the crops.
        model: Arguments that choose plans and configuration, of both models.
        options: Arguments for both models that change the outcome.
        how: Arguments that do not.
    """
    what = ["-i", str(test.images), "-o", out, "-gt", str(test.labels), *options]
    if first is None:
        what.append("--upper-bound")
    else:
        if cascade.factor is not None:
            what += ["--factor", f"{cascade.factor:g}"]
        what += ["--localizer", *_chosen(*first, model)]
    what += ["--segmenter", *_chosen(cascade.cropped.dataset, second, model)]
    return Command(_COMMAND, tuple(what), tuple(how))


def _chosen(dataset: Dataset, prediction: Prediction, model: Sequence[str]) -> list[str]:
    trainer = prediction.run.name
    return ["-d", dataset.name, "-tr", trainer, *model, "-f", *prediction.folds]
