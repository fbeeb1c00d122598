"""The one test that asks in a process of its own, as studies do."""

import os

import pytest

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.plan.trainer_facts import TrainerFacts, ask


def test_trainers_are_asked_in_another_process(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer\n"
        "class nnUNetTrainerMine(nnUNetTrainer):\n    pass\n"
    )
    environment = {**os.environ, "nnUNet_extTrainer": str(tmp_path)}
    facts = ask(
        ["nnUNetTrainerMine", "nnUNetTrainerAPPLE_sex", "nnUNetTrainerGroupDRO_sex_stepp0.2"],
        ["sex"],
        environment,
    )
    assert facts["nnUNetTrainerMine"] == TrainerFacts()
    apple = facts["nnUNetTrainerAPPLE_sex"]
    assert apple == TrainerFacts("", True, "sex", "nnUNetTrainer", None, apple.options)
    assert "beta (a number" in apple.options
    assert "'stepp0.2' is no" in facts["nnUNetTrainerGroupDRO_sex_stepp0.2"].error
    assert facts["nnUNetTrainer"] == TrainerFacts()  # the base, which nobody asked for
    assert ask([], [], environment) == {}


def test_a_process_that_does_not_start(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')\n")
    with pytest.raises(StudyError, match=r"nnUNetv2_fair_doctor(.|\n)*no torch here"):
        ask(["nnUNetTrainer"], [], {**os.environ, "PYTHONPATH": str(tmp_path)})
