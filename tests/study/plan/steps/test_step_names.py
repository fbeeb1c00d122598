"""Names of steps: they are on disk, so they must stay what they were."""

import dataclasses

from nnunetv2_fair.study.plan.datasets import Dataset
from nnunetv2_fair.study.plan.steps import step_names

FIELDS = {field.name: None for field in dataclasses.fields(Dataset)}
LUNGS = Dataset(**FIELDS | {"name": "Dataset042_Lungs"})
PLANS = "nnUNetPlans"


def test_steps_of_a_dataset():
    assert step_names.fingerprint_step(LUNGS) == "fingerprint.d042"
    assert step_names.prepare_step(LUNGS) == "prepare.d042"
    assert step_names.plan_step(LUNGS, PLANS) == "plan.d042.nnUNetPlans"


def test_a_trial_and_a_cascade_use_the_data_of_another_configuration():
    preprocess, trial = step_names.data_steps(LUNGS, PLANS, "2d_trial")
    assert preprocess == "preprocess.d042.nnUNetPlans.2d"
    assert trial == "trial.d042.nnUNetPlans.2d"
    assert step_names.data_steps(LUNGS, PLANS, "3d_cascade_fullres") == [
        "preprocess.d042.nnUNetPlans.3d_fullres"
    ]


def test_other_plans_are_part_of_the_name():
    usual = step_names.train_step(LUNGS, PLANS, "2d", "nnUNetTrainer", "0")
    assert usual == "train.d042.2d.nnUNetTrainer.f0"
    other = step_names.train_step(LUNGS, "ResEncM", "2d", "nnUNetTrainer", "all")
    assert other == "train.d042.2d__ResEncM.nnUNetTrainer.fall"


def test_steps_on_a_test_set():
    predicted = step_names.step_on_test_set(
        "predict", LUNGS, PLANS, "2d", "internal", "nnUNetTrainer"
    )
    assert predicted == "predict.d042.2d.internal.nnUNetTrainer"
    assert step_names.step_on_test_set("compare", LUNGS, PLANS, "2d", "clinic") == (
        "compare.d042.2d.clinic"
    )
    assert step_names.shard_step("evaluate.x", 2, 5) == "evaluate.x.s2of5"
