"""A study that diagnoses a gap: its steps, costs, what is impossible, and what is refused."""

import shutil

import numpy as np
import pytest
from PIL import Image

from nnunetv2_fair.study.diagnosis_asked import from_json
from nnunetv2_fair.study.plan.diagnosis.costs import cheap_steps, costs_in_words, costs_of
from nnunetv2_fair.study.plan.steps.commands import shown
from tests.study.plan.diagnosis.conftest import DIAGNOSED

ASK = "repeats: 2\ndiagnose: {metric: dice}\n"
EQUAL = "nnUNetTrainerMonitor_sex_cohortequal"
WHERE = "evaluations/Dataset901_Tiny/2d"


def asked_of(plan):
    return from_json(plan.steps["diagnose"].commands[0][-1])


def why(plan):
    return {(one.cause, one.attribute): one.why for one in asked_of(plan).impossible}


def test_steps(plan, raw):
    found = plan(DIAGNOSED, ASK)
    asked = asked_of(found)
    assert asked.attributes == ("sex",)
    assert asked.model == f"{WHERE}/internal/nnUNetTrainer"
    assert asked.balanced == {"sex": f"{WHERE}/internal/{EQUAL}"}
    assert asked.neutralised == f"{WHERE}/internal_neutralised/nnUNetTrainer"
    assert asked.exchanged == {"sex": f"{WHERE}/internal_exchanged_sex/nnUNetTrainer"}
    assert asked.masks == str(raw / "labelsTs")
    assert not asked.whole_organ
    # what the file does not name is trained, with the same repeats
    assert f"train.d901.2d.{EQUAL}_run2.f1" in found.steps
    edit = found.steps["edit.d901.internal.sex"]
    assert shown(edit.commands[0]).startswith(
        f"nnUNetv2_fair_backgrounds -i {raw}/imagesTs -organ {raw}/labelsTs "
        "-o diagnosis_images/internal/sex --demographics"
    )
    predict = found.steps["predict.d901.2d.internal_neutralised.nnUNetTrainer_run1"]
    assert "-i diagnosis_images/internal/sex/neutralised -o" in shown(predict.commands[0])
    assert edit.name in predict.needs
    evaluate = found.steps["evaluate.d901.2d.internal_neutralised.nnUNetTrainer"]
    assert "--allow-missing" in shown(evaluate.commands[0])
    assert "--allow-missing" not in shown(
        found.steps["evaluate.d901.2d.internal.nnUNetTrainer"].commands[0]
    )
    last = found.steps["diagnose"]
    assert {evaluate.name, f"evaluate.d901.2d.internal.{EQUAL}"} <= set(last.needs)
    assert "diagnose" in found.steps["index"].needs
    assert shown(last.commands[0]).endswith("-m nnunetv2_fair.study.diagnosis .")
    seen = set()
    for name, step in found.steps.items():
        assert set(step.needs) <= seen
        seen.add(name)


def test_costs_those_without_training_first(plan, raw, study_root):
    found = plan(DIAGNOSED, ASK)
    costs = {one.name: one for one in costs_of(found, study_root)}
    assert list(costs) == ["model", "difficulty", "shortcut", "representation"]
    assert [(c.trainings, c.predictions) for c in costs.values()] == [
        (4, 2),
        (0, 0),
        (0, 6),
        (4, 2),
    ]
    assert costs["shortcut"].gpu_hours == 36
    assert costs["representation"].gpu_hours == 4 * 48 + 2 * 6
    cheap = cheap_steps(found, study_root)
    assert not any(EQUAL in name for name in cheap)
    assert "evaluate.d901.2d.internal_control_sex.nnUNetTrainer" in cheap
    text = costs_in_words(found, study_root)
    assert "Diagnosis of nnUNetTrainer, Dataset901_Tiny, 2d, internal, by sex" in text
    assert "  labels: there are no expert masks to compare the references with" in text


def test_what_is_impossible_is_told_and_the_rest_goes_on(plan, raw):
    found = plan(DIAGNOSED, "diagnose: {skip: [shortcut]}\n")
    told = why(found)
    assert "repeats: 2 is the least" in told["representation", ""]
    assert told["shortcut", ""] == "left out by skip"
    assert "expert: FOLDER" in told["labels", ""]
    assert not any("edit" in name or "cohortequal" in name for name in found.steps)
    assert asked_of(found).images
    text = DIAGNOSED.replace("- nnUNetTrainer", "- nnUNetTrainerGroupDRO_sex")
    told = why(plan(text, ASK))
    assert (
        "differs from nnUNetTrainerGroupDRO_sex by equal numbers of each group alone"
        in told["representation", ""]
    )


def test_an_attribute_with_one_group_is_left_out_or_refused(plan, mistakes, raw):
    rows = (raw / "demographics.csv").read_text().splitlines()
    header, *rest = rows
    text = "\n".join([header, *(",".join([*r.split(",")[:3], "30"]) for r in rest)])
    (raw / "demographics.csv").write_text(text + "\n")
    both = DIAGNOSED.replace("[sex]", "[sex, age]")
    found = plan(both, "diagnose: {}\n")
    assert asked_of(found).attributes == ("sex",)
    assert why(found)["", "age"].startswith("two groups with 5 patients or more are needed in test")
    (line,) = mistakes(both, "diagnose: {attributes: [age]}\n")
    assert "diagnose, attributes: nothing can be said of age: two groups with 5 patients" in line


def test_expert_masks(plan, raw, tmp_path):
    expert = tmp_path / "expert"
    shutil.copytree(raw / "labelsTs", expert)
    found = plan(DIAGNOSED, f"diagnose: {{expert: {expert}}}\n")
    step = found.steps["evaluate.d901.2d.internal_expert.nnUNetTrainer"]
    words = shown(step.commands[0])
    # the same predictions, against other masks
    assert f"-gt {expert} -pred predictions/Dataset901_Tiny/2d/internal/nnUNetTrainer " in words
    assert step.needs == ("predict.d901.2d.internal.nnUNetTrainer",)
    asked = asked_of(found)
    assert asked.expert == f"{WHERE}/internal_expert/nnUNetTrainer"
    assert asked.masks == str(expert)
    for path in sorted(expert.glob("*.png"))[:8]:
        path.unlink()
    asked = asked_of(plan(DIAGNOSED, f"diagnose: {{expert: {expert}}}\n"))
    assert asked.masks == ""  # difficulty must not depend on masks that are in doubt
    for path in sorted(expert.glob("*1.png")):
        path.unlink()
    found = plan(DIAGNOSED, f"diagnose: {{expert: {expert}}}\n")
    assert why(found)["labels", "sex"].startswith("5 patients of each group need an expert mask; ")
    assert asked_of(found).expert == ""


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("test: other", "diagnose, test: test set 'other' is not one of Dataset901_Tiny. There: "),
        ("trainer: nnUNetTrainerX", "'nnUNetTrainerX' is not a trainer of Dataset901_Tiny"),
        ("dataset: 5", "diagnose, dataset: '5' is not a dataset of this study"),
        ("configuration: 3d", "'3d' is not a configuration of Dataset901_Tiny"),
        ("attributes: [age]", "diagnose, attributes: 'age' is not evaluated."),
        ("metric: iou", "diagnose, metric: iou is not evaluated. Add it to metrics of evaluation"),
        ("balanced: nnUNetTrainerMonitor", "diagnose, balanced: 'nnUNetTrainerMonitor' is not a "),
        ("balanced: nnUNetTrainer", "diagnose, balanced: nnUNetTrainer is what is diagnosed"),
        ("further: [{dataset: 7}]", "diagnose, further: '7' is not a dataset of this study. Add"),
        (
            "skip: [size]",
            'found "size"; expected one of difficulty, labels, shortcut, representation',
        ),
        ("margin: 0", "found 0; expected a distance in mm (pixels of pictures) above 0"),
    ],
)
def test_mistakes(mistakes, raw, key, told):
    extra = f"repeats: 2\nevaluation: {{metrics: [dice]}}\ndiagnose: {{{key}}}\n"
    lines = mistakes(DIAGNOSED, extra)
    assert any(told in line for line in lines), lines


def test_models_of_a_dataset_that_the_study_makes(mistakes, raw):
    made = "  - {id: 903, crop: 901, configurations: [2d]}\nattributes: [sex]"
    text = DIAGNOSED.replace("attributes: [sex]", made)
    lines = mistakes(text, "repeats: 2\ndiagnose: {metric: dice, further: [{dataset: 903}]}\n")
    assert any("diagnose, further: the study makes Dataset903_TinyCropped" in x for x in lines)


def test_single_folds_alone_are_refused(mistakes, raw):
    (line,) = mistakes(DIAGNOSED, "prediction: {folds: [single]}\ndiagnose: {}\n")
    assert "a diagnosis is of all folds together; add ensemble" in line


def test_expert_masks_of_other_cases_grids_or_labels(mistakes, raw, tmp_path):
    expert = tmp_path / "expert"
    shutil.copytree(raw / "labelsTs", expert)
    ask = f"diagnose: {{expert: {expert}}}\n"
    shutil.copy(expert / "case_024.png", expert / "stranger.png")
    (line,) = mistakes(DIAGNOSED, ask)
    assert "are of no case of test set 'internal': stranger" in line
    (expert / "stranger.png").unlink()
    Image.new("L", (9, 9)).save(expert / "case_024.png")
    (line,) = mistakes(DIAGNOSED, ask)
    assert "1 of 18 masks are on another grid than their reference: case_024 (size: " in line
    shutil.copy(raw / "labelsTs" / "case_024.png", expert / "case_024.png")
    white = np.asarray(Image.open(expert / "case_024.png")) * np.uint8(255)
    Image.fromarray(white).save(expert / "case_024.png")
    (line,) = mistakes(DIAGNOSED, ask)
    assert (
        "1 of 18 masks hold values that are no labels of Dataset901_Tiny, such as case_024: 255. "
        "Its labels are 0 background, 1 disc. Give the masks the same numbers" in line
    )
    for path in expert.glob("*.png"):
        Image.fromarray(np.zeros_like(white)).save(path)
    (line,) = mistakes(DIAGNOSED, ask)
    assert "no mask holds label 1 (disc), which the references of 18 of the same cases" in line
    (line,) = mistakes(DIAGNOSED, f"diagnose: {{expert: {raw}/labelsTs}}\n")
    assert "holds the references themselves" in line
    (line,) = mistakes(DIAGNOSED, f"diagnose: {{expert: {tmp_path}/none}}\n")
    assert "has no mask called <case>.png" in line
    (line,) = mistakes(DIAGNOSED, f"diagnose: {{organ: {tmp_path}/none}}\n")
    assert "18 cases of test set 'internal' without mask in" in line


def test_a_trainer_with_a_wildcard_is_not_listed_twice(plan, raw):
    text = DIAGNOSED + "  - nnUNetTrainerMonitor_{attribute}_cohortequal\n"
    assert asked_of(plan(text, ASK)).balanced
    short = text.replace("- nnUNetTrainer\n", "- nnUNetTrainer_5epochs\n")
    balanced = asked_of(plan(short, ASK)).balanced
    assert balanced == {"sex": f"{WHERE}/internal/{EQUAL}_5epochs"}
