"""The answer of a diagnosis: evaluations are read, the rule is asked, and the page is written."""

import argparse
import dataclasses
import logging
import math
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from nnunetv2_fair.audit.diagnosis.answers import NOTHING_ELSE_STAYS, questions
from nnunetv2_fair.audit.diagnosis.evaluations import Evaluations
from nnunetv2_fair.audit.diagnosis.wording import CAUSES
from nnunetv2_fair.audit.results.causes import DiagnosisResult
from nnunetv2_fair.console.command import run_command
from nnunetv2_fair.errors import EvaluationError, StudyError, did_you_mean, shorten
from nnunetv2_fair.evaluation.difficulty.measuring import DifficultyOrder, measure
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.files.pool import default_processes
from nnunetv2_fair.files.versions import measuring_versions
from nnunetv2_fair.paths import DIAGNOSIS_FOLDER
from nnunetv2_fair.report.of_audit.diagnosis_page import write_diagnosis
from nnunetv2_fair.study.diagnosis_asked import DiagnosisAsked, from_json
from nnunetv2_fair.study.step import read_plan

logger = logging.getLogger(__name__)

_COMMAND = "python -m nnunetv2_fair.study.diagnosis"
#: Covariates of difficulty, in words.
_SIZE, _CONTRAST, _NOISE = "size", "contrast", "noise"
_NOISE_ALONE = (
    "Only a part of the test cases has expert masks, so that difficulty is the noise of the image "
    "alone: size and contrast of automated masks may be what is wrong with them."
)


def answered(folder: Path, asked: DiagnosisAsked, processes: int = 1) -> DiagnosisResult:
    """Return what a study says of the causes of gaps.

    Args:
        folder: The study's folder.
        asked: What its file asks for.
        processes: How many processes measure the difficulty of images.

    Raises:
        EvaluationError: If an evaluation is missing, or an image cannot be read.
    """

    def read(name: str) -> EvaluationResult | None:
        return EvaluationResult.read(folder / name) if name else None

    model = EvaluationResult.read(folder / asked.model)
    label = asked.label or model.headline_label
    if label not in model.labels:
        raise EvaluationError(
            f"diagnose, label: '{label}' was not evaluated.{did_you_mean(label, model.labels)} "
            f"Labels: {shorten(model.labels, 12)}"
        )
    found = Evaluations(
        model,
        {name: EvaluationResult.read(folder / of) for name, of in asked.balanced.items()},
        read(asked.expert),
        read(asked.neutralised),
        {name: EvaluationResult.read(folder / of) for name, of in asked.exchanged.items()},
        {name: EvaluationResult.read(folder / of) for name, of in asked.control.items()},
        {name: EvaluationResult.read(folder / of) for name, of in asked.further.items()},
        _covariates(folder, asked, model, processes),
    )
    why_not = {(one.cause, one.attribute): one.why for one in asked.impossible if one.cause}
    metric = model.metric(asked.metric)
    withheld = "" if asked.whole_organ else NOTHING_ELSE_STAYS
    said, unsaid = questions(found, asked.attributes, metric, label, why_not, withheld)
    return DiagnosisResult(
        asked.name,
        metric,
        label,
        said,
        tuple(
            f"{': '.join(filter(None, (one.attribute, CAUSES.get(one.cause, ''))))}: {one.why}."
            for one in asked.impossible
        ),
        (*unsaid, *([_NOISE_ALONE] if asked.images and not asked.masks else [])),
        {
            **{key: value for key, value in dataclasses.asdict(asked).items() if value},
            "covariates": [] if found.covariates is None else [*map(str, found.covariates)],
        },
        measuring_versions(),
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _covariates(
    folder: Path, asked: DiagnosisAsked, model: EvaluationResult, processes: int
) -> pd.DataFrame | None:
    """Return covariates of difficulty: a row per case; without an infinite or missing column."""
    if not asked.images:
        return None
    regions = tuple(tuple(values) for values in model.settings["regions"].values())
    masks = Path(asked.masks) if asked.masks else Path(model.settings["references"])
    orders = [
        DifficultyOrder(
            case,
            folder / asked.images / f"{case}_0000{asked.ending}",
            folder / masks / f"{case}{asked.ending}",
            regions,
        )
        for case in dict.fromkeys(model.per_case["case"])
    ]
    measured = measure(orders, processes)
    columns = (_SIZE, _CONTRAST, _NOISE) if asked.masks else (_NOISE,)
    frame = pd.DataFrame(
        {
            column: {case: float(getattr(one, column)) for case, one in measured.items()}
            for column in columns
        }
    )
    usable = [c for c in frame if all(map(math.isfinite, frame[c]))]
    return frame[usable] if usable else None


def main(argv: Sequence[str] | None = None) -> int:
    """Write the answer of a study's diagnosis.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    parser = argparse.ArgumentParser(
        prog=_COMMAND,
        description="Write diagnosis.html and diagnosis.json of a study.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, help="the study's folder, which holds .study")
    parser.add_argument("asked", nargs="?", help="as JSON; that of the study's plan by default")

    def write() -> None:
        arguments = parser.parse_args(argv)
        asked = from_json(arguments.asked or _planned(arguments.folder))
        result = answered(arguments.folder, asked, default_processes())
        out = arguments.folder / DIAGNOSIS_FOLDER
        for path in write_diagnosis(result, out):
            logger.info("Wrote %s", path)
        for one in result.questions:
            logger.info("%s: %s", one.attribute, one.sentence)

    return run_command(parser.prog, argv, write)


def _planned(folder: Path) -> str:
    """Return what the plan of a study asks for, as JSON.

    Raises:
        StudyError: If it asks for nothing.
    """
    plan = read_plan(folder)
    step = plan.of_kind("diagnose")
    if step is None:
        raise StudyError(
            f"The study in {folder} asks for no diagnosis. Add the key diagnose to "
            f"{plan.source or 'its file'}, and plan it again with nnUNetv2_fair_diagnose."
        )
    return step.commands[-1][-1]
