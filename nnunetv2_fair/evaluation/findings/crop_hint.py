"""How a crop would be tried, where a gap is shown: a possibility, never a finding.

An evaluation does not know why groups differ. Lee et al. (MELBA 2025) found the cause of a gap
outside the organ; whether it is there in other data, only a model trained on crops can tell.
"""

import re
from dataclasses import dataclass

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Kind

#: Setting: how the images were cropped that predictions were made of (see ``origin``).
CROPPED = "cropped"

#: Where the documentation says more.
HOW_TO = "docs/how-to/crop.md"

#: Kinds that say that a model segments one group worse than another.
_GAPS: frozenset[Kind] = frozenset({"group_difference", "pair_difference", "failure_rate"})
_NUMBER = re.compile(r"Dataset(\d{3})_")


@dataclass(frozen=True)
class CropHint:
    """What to run to see whether a region outside the organ causes a gap.

    Attributes:
        attributes: Attribute expressions by which a gap is shown, or groups are told apart.
        commands: Command lines, in their order; words in capitals are to be replaced.
        how_to: Page of the documentation.
    """

    attributes: tuple[str, ...]
    commands: tuple[str, ...]
    how_to: str = HOW_TO


def crop_hint(result: EvaluationResult) -> CropHint | None:
    """Return how a crop would be tried.

    Returns:
        None if no gap is shown, if the predictions were made of crops already, if no masks were
        evaluated, or if the result is to be shared.
    """
    settings = result.settings
    if settings.get(CROPPED) or not settings.get("references") or result.shareable:
        return None
    shown = {f.attribute for f in result.findings if f.kind in _GAPS and f.verdict == "shown"}
    attributes = tuple(attribute for attribute in result.attributes if attribute in shown)
    if not attributes:
        return None
    number = _NUMBER.match(str(settings.get("dataset", "")))
    return hint_for(
        attributes,
        number[1].lstrip("0") if number else "ID",
        str(settings.get("trainer", "")) or "TRAINER",
        str(settings.get("configuration", "")) or "CONFIGURATION",
    )


def hint_for(
    attributes: tuple[str, ...],
    dataset: str = "ID",
    trainer: str = "TRAINER",
    configuration: str = "CONFIGURATION",
) -> CropHint:
    """Return the commands for a dataset and a model, or with capitals where they are not known."""
    model = f"-tr {trainer} -c {configuration}"
    return CropHint(
        attributes,
        (
            f"nnUNetv2_fair_crop -d {dataset} -o NEW_ID",
            "nnUNetv2_fair_prepare -d NEW_ID",
            "nnUNetv2_plan_and_preprocess -d NEW_ID",
            f"nnUNetv2_train NEW_ID {configuration} FOLD -tr {trainer}",
            f"nnUNetv2_fair_predict_cascade -i IMAGES -o predictions_cascade "
            f"--localizer -d {dataset} {model} --segmenter -d NEW_ID {model}",
        ),
    )
