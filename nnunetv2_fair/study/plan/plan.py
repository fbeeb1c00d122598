"""From a study's file to its steps."""

import os
import shlex
import sys
from pathlib import Path

from nnunetv2_fair.study.plan import checks
from nnunetv2_fair.study.plan.diagnosis.balanced_trainers import with_balanced_trainers
from nnunetv2_fair.study.plan.foundation.apple_steps import add_learning
from nnunetv2_fair.study.plan.steps.commands import index_command
from nnunetv2_fair.study.plan.steps.dataset_steps import add_dataset
from nnunetv2_fair.study.plan.steps.diagnosis_steps import add_diagnosis
from nnunetv2_fair.study.plan.steps.paper_steps import add_papers
from nnunetv2_fair.study.plan.steps.step_builder import StepBuilder
from nnunetv2_fair.study.plan.steps.task import Task
from nnunetv2_fair.study.plan.steps.test_steps import add_tests
from nnunetv2_fair.study.plan.steps.training_steps import add_trainings
from nnunetv2_fair.study.step import Plan
from nnunetv2_fair.study.study_file.problems import refuse
from nnunetv2_fair.study.study_file.reading import read_settings
from nnunetv2_fair.study.study_file.settings import Settings

_SHOWN = ("train", "evaluate", "merge", "compare", "diagnose", "paper")
INDEX_OUTPUTS = ("index.html", "provenance.json", "costs.csv", "rankings.csv")


def plan_study(path: Path, folder: Path, most_cpus: int | None = None) -> Plan:
    """Plan a study; nothing is written.

    Args:
        path: The study's file.
        folder: The study's folder; it need not exist.
        most_cpus: Cores of the machine that all steps run on; None for a cluster.

    Returns:
        All steps, each after those that it needs.

    Raises:
        StudyError: With all mistakes of the file, each with its line.
    """
    settings, problems = read_settings(path)
    settings = with_balanced_trainers(settings)
    found = checks.check(settings, os.environ)
    found.problems += problems
    found.problems += checks.check_folder(settings, folder)
    builder = StepBuilder(settings, found.environment, folder, _python(settings), most_cpus)
    if settings.title and not found.problems:
        # a dataset comes before what is made of it, and all trainings before the tests
        for on in sorted(found.datasets, key=lambda on: on.dataset.is_made):
            add_dataset(builder, on)
            add_trainings(builder, on)
            add_learning(builder, on)
        for on in found.datasets:
            add_tests(builder, on)
        if found.diagnosed is not None:
            add_diagnosis(builder, found.diagnosed)
        add_papers(builder, found.datasets)
        found.problems += builder.problems
    refuse(path, found.problems)
    shown = tuple(name for name, step in builder.steps.items() if step.kind in _SHOWN)
    builder.add(Task("index", "index", (index_command(),), {}, needs=shown, outputs=INDEX_OUTPUTS))
    return Plan(
        settings.title,
        builder.steps,
        settings.setup,
        found.environment,
        tuple(shlex.split(settings.container)),
        source=os.path.relpath(path.resolve(), folder.resolve()),
    )


def _python(settings: Settings) -> str:
    return settings.python or ("python" if settings.container else sys.executable)
