"""Studies in which each fold's model predicts by itself, too."""

from collections import Counter

import pytest

from nnunetv2_fair.cli import evaluate
from nnunetv2_fair.study.plan.steps.commands import shown
from tests.study.conftest import STUDY

BOTH = "prediction: {folds: [ensemble, single]}\n"


def test_both_ways_have_folders_and_names_of_their_own(plan):
    found, before = plan(STUDY, BOTH), plan()
    count = Counter(step.kind for step in found.steps.values())
    models, folds = 3, 2
    assert (count["train"], count["predict"]) == (models * folds, models * (1 + folds))
    assert (count["evaluate"], count["compare"]) == (2 * models, 2)
    # the ensembles are what they were
    for name, step in before.steps.items():
        if name != "index":
            assert found.steps[name].fingerprint == step.fingerprint
    outputs = [out for step in found.steps.values() for out in step.outputs]
    assert len(set(outputs)) == len(outputs)


def test_the_model_of_a_fold_needs_that_fold_alone(plan):
    found = plan(STUDY, BOTH)
    step = found.steps["predict.d901.2d.internal+folds.nnUNetTrainer.f1"]
    assert step.needs == ("train.d901.2d.nnUNetTrainer.f1",)
    line = shown(step.commands[0])
    assert "-o predictions_of_folds/Dataset901_Tiny/2d/internal/nnUNetTrainer/fold_1 " in line
    assert " -f 1 " in line


def test_folds_are_evaluated_as_trainings_of_a_method_and_compared(plan):
    found = plan(STUDY, BOTH)
    step = found.steps["evaluate.d901.2d.internal+folds.nnUNetTrainerOversampling_sex"]
    assert step.needs == tuple(
        f"predict.d901.2d.internal+folds.nnUNetTrainerOversampling_sex.f{fold}" for fold in (0, 1)
    )
    args = evaluate._parser().parse_args(step.commands[0][3:])
    where = "Dataset901_Tiny/2d/internal/nnUNetTrainerOversampling_sex"
    assert [str(p) for p in args.pred] == [
        f"predictions_of_folds/{where}/fold_{fold}" for fold in (0, 1)
    ]
    assert (args.trainings, str(args.o)) == ("folds", f"evaluations_of_folds/{where}")
    assert step.facts["predicted"] == "single folds"
    compared = found.steps["compare.d901.2d.internal+folds"]
    assert compared.outputs[0] == (
        "comparisons_of_folds/Dataset901_Tiny/2d/internal/comparison.json"
    )
    assert compared.facts["predicted"] == "single folds"
    assert "predicted" not in found.steps["compare.d901.2d.internal"].facts


def test_with_repeats_the_folds_of_each_run_are_compared(plan):
    found = plan(STUDY, f"{BOTH}repeats: 2\nbaseline: nnUNetTrainerOversampling_sex\n")
    step = found.steps["compare.d901.2d.internal+folds.run2"]
    words = step.commands[0]
    start = words.index("--names") + 1
    assert words[start : start + 3] == (
        "nnUNetTrainerOversampling_sex_run2",
        "nnUNetTrainer_run2",
        "nnUNetTrainerOversampling_age_run2",
    )
    assert step.facts["predicted"] == "single folds, run2"
    assert step.outputs[0] == (
        "comparisons_of_folds/Dataset901_Tiny/2d/internal/run2/comparison.json"
    )
    evaluation = found.steps["evaluate.d901.2d.internal+folds.nnUNetTrainer_run2"]
    assert evaluation.facts["method"] == "nnUNetTrainer"
    # three models, two runs of each, two folds alone; and the ensembles
    assert sum(step.kind == "predict" for step in found.steps.values()) == 3 * 2 * (2 + 1)


def test_single_folds_alone_and_in_a_cascade(plan):
    text = STUDY.replace("[2d]", "[3d_lowres, 3d_cascade_fullres]")
    found = plan(text, "prediction: {folds: [single]}\n")
    step = found.steps["predict.d901.3d_cascade_fullres.internal+folds.nnUNetTrainer.f0"]
    assert "predict.d901.3d_lowres.internal+folds.nnUNetTrainer.f0" in step.needs
    assert (
        "-prev_stage_predictions "
        "predictions_of_folds/Dataset901_Tiny/3d_lowres/internal/nnUNetTrainer/fold_0"
    ) in shown(step.commands[0])
    assert "compare.d901.3d_lowres.internal" not in found.steps


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[0]", "Dataset901_Tiny has one fold here, 0, so that there are no single folds"),
        ("[all]", "has one fold here, all"),
    ],
)
def test_one_fold_is_its_own_ensemble(mistakes, text, words):
    (line,) = mistakes(STUDY.replace("[0, 1]", text), BOTH)
    assert line.startswith("line 11: prediction, folds: ")
    assert words in line
    assert "leave single out" in line


@pytest.mark.parametrize("value", ["both", "[]", "[single, single]", "[folds]"])
def test_words_that_are_none(mistakes, value):
    (line,) = mistakes(STUDY, f"prediction: {{folds: {value}}}\n")
    assert "line 11: prediction, folds" in line
    assert "expected" in line
    assert "ensemble" in line
