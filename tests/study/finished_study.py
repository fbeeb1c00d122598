"""A study's folder as the other parts leave it: plan, records, attempts, real evaluations."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.cli import compare, evaluate
from nnunetv2_fair.study.record import Attempt, Record
from nnunetv2_fair.study.step import STATE, Plan, Resources, Step
from tests.evaluation.factories import Dataset, make_dataset, write_mask

DATASET = "Dataset042_Phantoms"
BASELINE = "nnUNetTrainer_5epochs"
FAIR = "nnUNetTrainerOversampling_sex+age"
BROKEN = "nnUNetTrainerAPPLE_sex_beta0.1"
VERSIONS = {"python": "3.11.9", "nnunetv2": "2.8.1", "commit": "0a1b2c3"}
PATIENT = "p7"


def attempt(seconds: float, exit_code: int = 0, **rest) -> Attempt:
    base = Attempt("2026-11-20T10:00:00+00:00", seconds, exit_code, "node-1")
    return dataclasses.replace(base, **rest)


class StudyFolder:
    """Writes steps one by one, in the order of the plan."""

    def __init__(self, root: Path, title: str = "Lungs, first try") -> None:
        self.root = root
        self.title = title
        self.steps: dict[str, Step] = {}

    def add(self, name: str, kind: str, needs: Sequence[str] = (), **rest) -> Step:
        step = Step(name, kind, (("true",),), tuple(needs), fingerprint=f"f-{name}", **rest)
        self.steps[name] = step
        Plan(self.title, self.steps).write(self.root)
        return step

    def attempts(self, step: Step, *attempts: Attempt) -> None:
        path = self.root / STATE / "attempts" / f"{step.name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(dataclasses.asdict(entry)) for entry in attempts]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def done(self, step: Step, *attempts: Attempt, taken_over: bool = False) -> None:
        if attempts:
            self.attempts(step, *attempts)
        record = Record(step.name, step.kind, step.fingerprint, attempts, VERSIONS, taken_over)
        record.write(self.root / step.record)

    def failed(self, step: Step, *attempts: Attempt) -> None:
        self.attempts(step, *attempts)
        log = self.root / step.log
        log.parent.mkdir(exist_ok=True)
        log.write_text("out of memory\n", encoding="utf-8")


def facts(trainer: str = "", test: str = "", fold: str = "") -> dict[str, str]:
    found = {
        "dataset": DATASET, "configuration": "2d", "plans": "nnUNetPlans", "trainer": trainer,
        "test": test, "fold": fold,
    }  # fmt: skip
    return {key: value for key, value in found.items() if value}


def make_masks(root: Path) -> Dataset:
    """Predictions of a baseline, and of a model that is as good for women as for men."""
    made = make_dataset(root, n_patients=18, cases_per_patient=1)
    generator = np.random.default_rng(2)
    for case in made.cases:
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(made.references / f"{case}.png")))
        moved = np.roll(labels, 1 + int(generator.random() < 0.2), axis=1)
        write_mask(root / "fair" / f"{case}.png", moved)
    return made


def evaluate_into(
    study: StudyFolder, masks: Dataset, trainer: str, predictions: str, test: str = "internal"
) -> Path:
    """Run the real command and return its folder."""
    out = study.root / "evaluations" / DATASET / "2d" / test / trainer
    arguments = masks.arguments("unused", "--name", trainer, "-a", "sex", "age", "--bins", "age=60")
    arguments[arguments.index("-o") + 1] = str(out)
    arguments[arguments.index("-pred") + 1] = str(masks.root / predictions)
    arguments[arguments.index("--bootstrap") + 1] = "100"
    assert evaluate.main(arguments) == 0
    return out


def add_evaluation(study: StudyFolder, trainer: str, test: str = "internal") -> Step:
    return study.add(
        f"merge.d042.2d.{trainer}.{test}",
        "merge",
        outputs=(f"evaluations/{DATASET}/2d/{test}/{trainer}/summary.json",),
        facts=facts(trainer, test) | {"attributes": "sex age"},
    )


def add_comparison(study: StudyFolder, needs: Sequence[str], test: str = "internal") -> Step:
    folder = f"comparisons/{DATASET}/2d/{test}"
    return study.add(
        f"compare.d042.2d.{test}",
        "compare",
        needs,
        outputs=(f"{folder}/comparison.json", f"{folder}/comparison.html"),
        facts=facts(test=test),
    )


def make_study(root: Path, masks: Dataset) -> StudyFolder:
    """Two methods evaluated and compared; a third one's training has failed."""
    study = StudyFolder(root / "study")
    prepare = study.add("prepare.d042", "prepare", facts={"dataset": DATASET})
    study.done(prepare, attempt(36, peak_memory_mb=500))
    merged = []
    for trainer, predictions in ((BASELINE, "predictions"), (FAIR, "fair")):
        train = study.add(
            f"train.d042.2d.{trainer}.f0",
            "train",
            [prepare.name],
            facts=facts(trainer, fold="0"),
            resources=Resources(cpus=8, gpus=2),
        )
        if trainer == BASELINE:
            study.done(train, taken_over=True)
        else:
            gpu = {"gpu": "NVIDIA A100", "gpus": 2, "job": "71"}
            first = attempt(3600, -15, peak_memory_mb=9000, **gpu)
            second = attempt(1800, 0, peak_memory_mb=12500, continued=True, **gpu)
            study.done(train, first, second)
        step = add_evaluation(study, trainer)
        evaluate_into(study, masks, trainer, predictions)
        study.done(step, attempt(60, peak_memory_mb=700))
        merged.append(step.name)
    train = study.add(
        f"train.d042.2d.{BROKEN}.f0", "train", [prepare.name], facts=facts(BROKEN, fold="0")
    )
    study.failed(train, attempt(10, 1), attempt(12, 1, job="99"))
    step = add_evaluation(study, BROKEN)
    study.steps[step.name] = dataclasses.replace(step, needs=(train.name,))
    Plan(study.title, study.steps).write(study.root)
    compared = add_comparison(study, merged)
    folder = study.root / compared.outputs[0]
    places = [str(study.root / "evaluations" / DATASET / "2d" / "internal" / t)
              for t in (BASELINE, FAIR)]  # fmt: skip
    done = compare.main([*places, "-o", str(folder.parent), "--bootstrap", "200"])
    assert done == 0
    study.done(compared, attempt(30, peak_memory_mb=800))
    study.add("index", "index", list(study.steps))
    return study
