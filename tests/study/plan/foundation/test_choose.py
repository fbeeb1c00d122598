"""What is refused of prompted models before anything runs, and what they are called."""

import os

import pytest
import torch

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.plan.foundation.weights_facts import ask_weights
from nnunetv2_fair.study.plan.steps.commands import shown
from nnunetv2_fair.study.record import Record
from tests.foundation.tiny_models import write_tiny
from tests.study.conftest import STUDY
from tests.study.plan.foundation.conftest import SAM

TEST = "d901.2d.internal"


def evaluated(found):
    prefix = f"evaluate.{TEST}."
    return [name.removeprefix(prefix) for name in found.steps if name.startswith(prefix)]


def test_a_model_stands_beside_the_trainers_alone_and_with_apple(sam_plan, study_root, raw):
    found = sam_plan()
    names = ["filled_boxes", "SAM", "SAM_APPLE_sex", "SAM_APPLE_age"]
    assert evaluated(found)[-4:] == names
    compared = shown(found.steps[f"compare.{TEST}"].commands[0])
    assert " ".join(names) in compared
    predicted = found.steps[f"predict.{TEST}.SAM_APPLE_age"]
    words = shown(predicted.commands[0])
    where = "predictions/Dataset901_Tiny/2d/internal"
    assert words.startswith(
        f"nnUNetv2_fair_predict_SAM -d Dataset901_Tiny -i {raw}/imagesTs -o {where}/SAM_APPLE_age "
        f"-gt {raw}/labelsTs --boxes references --generator "
    )
    assert "/SAM_APPLE_age__sam/fold_0 --weights " in words
    assert words.endswith(f"{study_root}/sam_vit_tiny.pth -device cuda --overwrite")
    assert predicted.needs == ("train.d901.sam.SAM_APPLE_age.f0",)
    assert "--filled-boxes -device cpu" in shown(
        found.steps[f"predict.{TEST}.filled_boxes"].commands[0]
    )
    assert found.steps[f"predict.{TEST}.SAM"].needs == ()


def test_trainings_share_their_embeddings_and_go_on_after_an_interruption(sam_plan, results):
    found = sam_plan("repeats: 2\n" + SAM + "  beta: [1, 10]\n  control: true\n  dloss: balanced\n")
    step = found.steps["train.d901.sam.SAM_APPLE_sex_beta10_run2.f0"]
    assert step.needs == ("prepare.d901", "embed.d901.SAM.f0")
    folder = results / "SAM_APPLE_sex_beta10_run2__sam" / "fold_0"
    assert shown(step.commands[0]).startswith(
        f"nnUNetv2_fair_train_APPLE_SAM -d Dataset901_Tiny -a sex -f 0 -o {folder} --beta 10 "
        "--seed 2 --dloss balanced --weights"
    )
    assert step.outputs == (f"{folder}/checkpoint_final.pth",)
    assert (step.resume, step.checkpoints) == (("--c",), (f"{folder}/checkpoint_latest.pth",))
    assert step.facts["method"] == "SAM_APPLE_sex_beta10"
    embedding = shown(found.steps["embed.d901.SAM.f0"].commands[0])
    assert "--only-embeddings" in embedding
    control = shown(found.steps["train.d901.sam.SAM_control_run1.f0"].commands[0])
    assert "--beta 1 --fairness 0 --seed 1" in control
    together = shown(found.steps[f"evaluate.{TEST}.SAM_control"].commands[0])
    assert "internal/SAM_control_run1 " in together
    assert "internal/SAM_control_run2 --trainings repeats" in together
    # without jitter, nothing about the model as it came is by chance
    assert "--trainings" not in shown(found.steps[f"evaluate.{TEST}.SAM"].commands[0])


def test_boxes_of_a_trainer_follow_its_runs(sam_plan):
    extra = "repeats: 2\n" + SAM + "  boxes: [references, nnUNetTrainer]\n  attributes: [sex]\n"
    found = sam_plan(extra)
    assert evaluated(found)[-6:] == [
        "filled_boxes", "SAM", "SAM_APPLE_sex", "filled_boxes_of_nnUNetTrainer",
        "SAM_boxes_of_nnUNetTrainer", "SAM_APPLE_sex_boxes_of_nnUNetTrainer",
    ]  # fmt: skip
    step = found.steps[f"predict.{TEST}.SAM_APPLE_sex_boxes_of_nnUNetTrainer_run2"]
    words = shown(step.commands[0])
    assert "--boxes predictions/Dataset901_Tiny/2d/internal/nnUNetTrainer_run2 " in words
    assert "/SAM_APPLE_sex_run2__sam/fold_0 " in words
    assert set(step.needs) == {
        f"predict.{TEST}.nnUNetTrainer_run2",
        "train.d901.sam.SAM_APPLE_sex_run2.f0",
    }
    assert f"predict.{TEST}.SAM_boxes_of_nnUNetTrainer_run2" in found.steps


def test_moved_boxes_are_predicted_in_every_repeat(sam_plan):
    found = sam_plan("repeats: 2\n" + SAM + "  jitter: 0.1\n")
    words = shown(found.steps[f"predict.{TEST}.SAM_run2"].commands[0])
    assert "--jitter 0.1 --seed 2" in words
    assert "--trainings repeats" in shown(found.steps[f"evaluate.{TEST}.SAM"].commands[0])


def test_they_stand_once_beside_the_ensemble_of_the_first_configuration(sam_plan):
    text = STUDY.replace("[2d]", "[2d, 3d_fullres]")
    found = sam_plan(SAM + "prediction: {folds: [ensemble, single]}\n", text)
    assert [name for name in found.steps if name.endswith(".SAM") and "evaluate" in name] == [
        f"evaluate.{TEST}.SAM"
    ]


def test_tables_take_their_names(sam_plan):
    rows = "{MedSAM+: SAM_APPLE_age, boxes: filled_boxes}"
    found = sam_plan(SAM + f"tables: [{{name: t, kind: fairness, by: age, methods: {rows}}}]\n")
    assert f"evaluate.{TEST}.SAM_APPLE_age" in found.steps["paper"].needs
    found = sam_plan(SAM + "tables: [{name: t, kind: fairness, by: age}]\n")
    assert '"SAM_APPLE_sex": "SAM_APPLE_sex"' in found.steps["paper"].commands[0][-1]


def test_other_weights_make_steps_run_again(sam_plan, study_root):
    before = sam_plan()
    path = study_root / "sam_vit_tiny.pth"
    path.rename(study_root / "sam_vit_moved.pth")
    moved = sam_plan(SAM.replace("tiny", "moved"))
    name = "train.d901.sam.SAM_APPLE_sex.f0"
    assert moved.steps[name].fingerprint == before.steps[name].fingerprint
    write_tiny(study_root, "sam_vit_moved.pth")
    content = torch.load(study_root / "sam_vit_moved.pth", weights_only=True)
    torch.save({k: v + 1 for k, v in content.items()}, study_root / "sam_vit_moved.pth")
    other = sam_plan(SAM.replace("tiny", "moved"))
    for step in (name, f"predict.{TEST}.SAM", "embed.d901.SAM.f0"):
        assert other.steps[step].fingerprint != before.steps[step].fingerprint
    boxes = f"predict.{TEST}.filled_boxes"
    assert other.steps[boxes].fingerprint == before.steps[boxes].fingerprint


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("sam: {}\n", "line 11: sam: missing models"),
        ("sam: {models: {}}\n", "sam, models: found {}; expected names of models with the paths"),
        ("sam: {models: {..: sam_vit_tiny.pth}}\n", "'..' cannot be the name of a model"),
        ("sam: {models: {A: ''}}\n", 'sam, models, A, weights: found ""; expected a path'),
        (
            "repeats: 2\nsam: {models: {nnUNetTrainer_run1: sam_vit_tiny.pth}}\n",
            "two methods would be called nnUNetTrainer_run1; rename the model",
        ),
        (SAM + "  attributes: [sex+age, sex + age]\n", "'sex+age' is listed twice"),
        ("sam: {models: {A: gone.pth}}\n", "gone.pth does not exist. Put the weights of A there"),
        ("sam: {models: {a b: sam_vit_tiny.pth}}\n", "'a b' cannot be the name of a model"),
        ("sam: {models: {filled_boxes: sam_vit_tiny.pth}}\n", "and not filled_boxes"),
        ("sam: {models: {nnUNetTrainer: sam_vit_tiny.pth}}\n", "would be called nnUNetTrainer"),
        ("sam: {models: {A: other.pth}}\n", "sam, models, A: "),
        ("sam: {models: {A: plain.pth}}\n", "(in this file: A: {weights: ..., family: medsam})"),
        (SAM + "  boxes: [nnUNetTrainr]\n", "Did you mean 'nnUNetTrainer'? Expected references"),
        (SAM + "  attributes: [handedness]\n", "sam, attributes: "),
        (SAM + "  fold: 2\n", "sam, fold: Dataset901_Tiny has the folds 0 to 1, not 2"),
        (SAM + "  channel: 1\n", "sam, channel: Dataset901_Tiny has the channels 0"),
        (SAM + "  beta: 0\n", "sam, beta: found 0; expected a number above 0"),
        (SAM + "  epoch: 3\n", "sam: there is no key 'epoch'. Did you mean 'epochs'?"),
        (SAM + "prediction: {folds: [single]}\n", "Add ensemble, or remove the key sam"),
        (
            "repeats: 2\n" + SAM + "  boxes: [nnUNetTrainer]\n  repeats: 3\n",
            "nnUNetTrainer is trained 2 times, and the embedding 3 times",
        ),
    ],
)
def test_mistakes_are_told_with_their_line(sam_plan, study_root, extra, told):
    (study_root / "other.pth").write_bytes(b"no weights")
    write_tiny(study_root, "plain.pth")
    with pytest.raises(StudyError) as error:
        sam_plan(extra)
    lines = [line for line in str(error.value).splitlines() if told in line]
    assert lines, str(error.value)
    assert "line 1" in lines[0]


def test_images_without_a_reference_have_no_box(sam_plan, raw):
    next((raw / "labelsTs").iterdir()).unlink()
    with pytest.raises(StudyError, match="1 image of test set 'internal' without reference to"):
        sam_plan()
    sam_plan(SAM + "  boxes: [nnUNetTrainer]\n")


def test_training_cases_of_one_group_are_refused(sam_plan, raw):
    table = raw / "demographics.csv"
    table.write_text(table.read_text().replace(",female", ",male"))
    with pytest.raises(StudyError, match="fewer than two groups of 'sex'"):
        sam_plan()


def test_finished_trainings_are_not_made_into_others(sam_plan, study_root, results):
    found = sam_plan()
    step = found.steps["train.d901.sam.SAM_APPLE_sex.f0"]
    Record(step.name, step.kind, step.fingerprint, ()).write(study_root / step.record)
    final = results / "SAM_APPLE_sex__sam" / "fold_0" / "checkpoint_final.pth"
    final.parent.mkdir(parents=True)
    final.write_bytes(b"weights")
    sam_plan()
    with pytest.raises(StudyError, match="keys of sam\\) has changed since"):
        sam_plan(SAM + "  epochs: 3\n")


@pytest.mark.slow  # torch is imported once more
def test_a_process_of_its_own_looks_at_the_weights(tmp_path):
    models = [("A", write_tiny(tmp_path), None), ("B", tmp_path / "gone.pth", "medsam")]
    told = ask_weights(models, os.environ)
    assert told["A"] == ""
    assert "gone.pth does not exist" in told["B"]
