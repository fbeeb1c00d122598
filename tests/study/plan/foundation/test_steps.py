"""The planned commands of prompted models do what the plan says, on a small random model."""

import json
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.study.plan.steps.commands import shown
from tests.study.plan.foundation.conftest import SAM

EXTRA = """\
device: cpu
repeats: 2
evaluation: {metrics: [dice], bootstrap: 0, min_patients: 1}
"""
KEYS = "  attributes: [sex]\n  epochs: 1\n  steps: 1\n  batch: 2\n"


def run(plan, folder, *names):
    """Run steps in this process, which is what starting interpreters would take minutes for."""
    for name in names:
        step = plan.steps[name]
        for command in step.commands:
            script, *arguments = shlex.split(shown(command))
            main = import_module(f"nnunetv2_fair.cli.{script.removeprefix('nnUNetv2_fair_')}").main
            assert main(arguments) == 0, name
        for output in step.outputs:
            assert (folder / output).exists(), output


@pytest.mark.slow
def test_what_is_planned_runs_and_is_evaluated_as_any_model(
    sam_plan, study_root, results, preprocessed, monkeypatch
):
    plan = sam_plan(EXTRA + SAM + KEYS)
    monkeypatch.chdir(study_root)
    trainings = [f"SAM_APPLE_sex_run{number}" for number in (1, 2)]
    run(plan, study_root, "prepare.d901", "embed.d901.SAM.f0")
    made = {path: path.stat().st_mtime_ns for path in preprocessed.rglob("*.npy")}
    assert made
    run(plan, study_root, *(f"train.d901.sam.{name}.f0" for name in trainings))
    assert {path: path.stat().st_mtime_ns for path in preprocessed.rglob("*.npy")} == made
    for name in trainings:
        assert (results / f"{name}__sam" / "fold_0" / "subgroup_log.csv").is_file()
    methods = ["filled_boxes", "SAM", *trainings]
    run(plan, study_root, *(f"predict.d901.2d.internal.{name}" for name in methods))
    where = Path("predictions/Dataset901_Tiny/2d/internal")
    seeds = [
        json.loads((where / name / "sam.json").read_text())["perturbation"]["seed"]
        for name in trainings
    ]
    assert seeds == [1, 2]
    names = ("filled_boxes", "SAM_APPLE_sex")
    run(plan, study_root, *(f"evaluate.d901.2d.internal.{name}" for name in names))
    boxes, both = (
        EvaluationResult.read(Path("evaluations/Dataset901_Tiny/2d/internal") / name)
        for name in names
    )
    assert boxes.comparison("sex", "dice", "disc").overall.mean == pytest.approx(0.88, abs=0.03)
    assert [training.name for training in both.trainings] == trainings
