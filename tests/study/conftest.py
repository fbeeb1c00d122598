"""A dataset to plan studies on, and files of studies to write."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nnunetv2_fair import registration
from nnunetv2_fair.study.plan import checks, trainer_facts
from nnunetv2_fair.study.plan.plan import plan_study
from nnunetv2_fair.study.step import Plan
from tests.nnunet_dataset import NAME, write_raw

# studies are planned on Python 3.10, but there is no Snakemake for it to run them
collect_ignore = ["test_run.py"] if sys.version_info < (3, 11) else []

STUDY = """\
title: Tiny
datasets:
  - id: 901
    configurations: [2d]
    folds: [0, 1]
    number_of_folds: 2
attributes: [sex, age]
trainers:
  - nnUNetTrainer
  - nnUNetTrainerOversampling_{attribute}
"""


@pytest.fixture
def study_root(nnunet_folders, tmp_path) -> Path:
    """A folder for a study, beside nnU-Net's folders with one dataset that nobody has prepared."""
    write_raw(nnunet_folders["nnUNet_raw"])
    for variable in (
        "nnUNet_fair_base_checkpoint",
        "nnUNet_fair_allow_changed_table",
    ):
        assert variable not in os.environ
    root = tmp_path / "study"
    root.mkdir()
    return root


@pytest.fixture
def raw(study_root, nnunet_folders) -> Path:
    return nnunet_folders["nnUNet_raw"] / NAME


@pytest.fixture
def preprocessed(study_root, nnunet_folders) -> Path:
    return nnunet_folders["nnUNet_preprocessed"] / NAME


@pytest.fixture
def results(study_root, nnunet_folders) -> Path:
    return nnunet_folders["nnUNet_results"] / NAME


@pytest.fixture
def write_study(study_root) -> Callable[..., Path]:
    """Write a study's file; ``extra`` goes behind ``text``."""

    def write(text: str = STUDY, extra: str = "", name: str = "study.yaml") -> Path:
        path = study_root / name
        path.write_text(text + extra, encoding="utf-8")
        return path

    return write


@pytest.fixture
def asked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the real trainers, but in this process.

    Importing torch in a process of its own takes seconds, and one test of it is enough
    (``test_trainer_facts.py``).
    """
    ask_here(monkeypatch)


def ask_here(monkeypatch: pytest.MonkeyPatch) -> None:
    from nnunetv2_fair.trainers.shared.describe import describe_all

    def ask(names, attributes, environment, repeats=None):
        answer = describe_all(names, attributes, repeats)
        return {name: trainer_facts._facts(found) for name, found in answer.items()}

    registration.register()
    monkeypatch.setattr(checks, "ask", ask)


@pytest.fixture
def plan(write_study, study_root, asked_here) -> Callable[..., Plan]:
    """Plan a study from its text."""

    def make(text: str = STUDY, extra: str = "", folder: Path | None = None) -> Plan:
        return plan_study(write_study(text, extra), folder or study_root)

    return make


def finish_training(
    results: Path, trainer: str, fold: int | str, configuration: str = "2d", plans="nnUNetPlans"
) -> Path:
    """Leave what a finished training leaves, as far as a plan looks at it."""
    folder = results / f"{trainer}__{plans}__{configuration}" / f"fold_{fold}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint_final.pth").write_bytes(b"weights")
    return folder
