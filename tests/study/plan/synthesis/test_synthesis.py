"""Steps that fill up small groups with synthetic cases, and what is refused before any of them."""

import importlib.util
import json

import numpy as np
import pytest
from PIL import Image

from nnunetv2_fair.cli import equal_scale, prepare
from nnunetv2_fair.study.plan.steps.commands import shown
from nnunetv2_fair.study.record import Record
from tests.nnunet_dataset import write_raw_volumes
from tests.study.conftest import finish_training
from tests.study.plan.synthesis.conftest import FILLED

NAME = "Dataset903_TinyEqualScale"
WHERE = f"synthesis/{NAME}"


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """Whether diffusers is there does not matter to a plan, except where a test says so."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: n if n == "diffusers" else found(n))


@pytest.fixture
def pack(tmp_path):
    """Five synthetic women of our own making."""
    folder = tmp_path / "own"
    for part in ("labels", "images"):
        (folder / part).mkdir(parents=True)
    rows = ["case,sex"]
    for number in range(5):
        mask = np.zeros((40, 48), np.uint8)
        mask[10 : 20 + number, 10:30] = 1
        Image.fromarray(mask).save(folder / "labels" / f"made_{number}.png")
        Image.fromarray(mask * 90 + 60).save(folder / "images" / f"made_{number}_0000.png")
        rows.append(f"made_{number},female")
    (folder / "groups.csv").write_text("\n".join(rows) + "\n")
    return folder


def done(study_root, step):
    """Leave what a step leaves that the study has done."""
    record = Record(step.name, step.kind, step.fingerprint, (), facts=dict(step.facts))
    record.write(study_root / step.record)


def test_masks_images_and_the_dataset_are_made_before_it_is_prepared(plan):
    steps = plan(FILLED).steps
    of = "-d Dataset901_Tiny -a sex"
    # 8 women, 12 men: 4 synthetic women are needed, and a quarter more
    assert shown(steps["masks.d903"].commands[0]) == (
        f"nnUNetv2_fair_synthesize masks {of} --group female -n 5 -o {WHERE}/masks --overwrite"
    )
    images = steps["images.d903"]
    assert shown(images.commands[0]).startswith(
        f"nnUNetv2_fair_synthesize images {of} --pack {WHERE}/masks -o {WHERE}/pack --training "
        f"{WHERE}/training_"
    )
    assert images.needs == ("masks.d903",)
    assert (images.kind, images.resources.gpus) == ("synthesize", 1)
    assert shown(images.commands[0]).endswith("-device cuda --overwrite")
    made = steps["equal_scale.d903"]
    assert shown(made.commands[0]).startswith(
        f"nnUNetv2_fair_equal_scale {of} -o 903 -n TinyEqualScale --target largest --synthetic "
        f"{WHERE}/pack -np "
    )
    assert "--overwrite" not in shown(made.commands[0])
    assert made.needs == ("prepare.d901", "images.d903")
    prepared = steps["prepare.d903"]
    # the folds are those of the source, filled up
    assert shown(prepared.commands[0]) == f"nnUNetv2_fair_prepare -d {NAME}"
    assert prepared.needs == steps["fingerprint.d903"].needs == ("equal_scale.d903",)
    # four women are too few for a floor of quality
    assert "quality.d903" not in steps


def test_quality_is_measured_where_a_group_is_large_enough(plan, raw):
    table = raw / "demographics.csv"
    rows = table.read_text().replace("female", "FEMALE").replace(",male", ",female")
    rows = rows.replace("FEMALE", "male")  # six women fewer than eight are needed
    table.write_text(rows.replace(",,", ",female,"))
    steps = plan(FILLED).steps
    assert "--group male" in shown(steps["masks.d903"].commands[0])
    assert "quality.d903" not in steps
    # every case a patient of its own
    lines = table.read_text().splitlines()
    own = [line.replace("secretpatient", f"p{i}x") for i, line in enumerate(lines[1:])]
    table.write_text("\n".join([lines[0], *own]) + "\n")
    quality = plan(FILLED).steps["quality.d903"]
    assert shown(quality.commands[0]).startswith(
        f"nnUNetv2_fair_synthesize quality -d Dataset901_Tiny -a sex --pack {WHERE}/pack -o "
        f"{WHERE}/quality"
    )
    assert quality.outputs == (f"{WHERE}/quality/quality.csv",)
    assert quality.needs == ("images.d903",)


def test_its_models_are_tested_with_those_of_the_real_cases(plan, raw):
    found = plan(FILLED)
    name = "predict.d901.2d.internal.nnUNetTrainerOversampling_sex_equal_scale_sex"
    step = found.steps[name]
    assert shown(step.commands[0]).startswith(
        f"nnUNetv2_predict -d {NAME} -i {raw}/imagesTs -o predictions/Dataset901_Tiny/2d/internal/"
        "nnUNetTrainerOversampling_sex_equal_scale_sex -tr nnUNetTrainerOversampling_sex "
        "-p nnUNetPlans -c 2d -f 1 -device cuda"
    )
    assert step.needs == ("train.d903.2d.nnUNetTrainerOversampling_sex.f1",)
    (compared,) = [step for step in found.steps.values() if step.kind == "compare"]
    assert (
        "--names nnUNetTrainer nnUNetTrainerOversampling_sex nnUNetTrainer_equal_scale_sex "
        "nnUNetTrainerOversampling_sex_equal_scale_sex"
    ) in shown(compared.commands[0])
    seen = set()
    for name, step in found.steps.items():
        assert set(step.needs) <= seen
        seen.add(name)
    assert not any(step.facts.get("dataset") == NAME and step.facts.get("test")
                   for step in found.steps.values())  # fmt: skip


def test_options_are_those_of_the_commands(plan, changed):
    own = (
        "{dataset: 901, attribute: sex, name: down, target: 9, subsample: true, seed: 3, masks: "
        "{model: shape, steps: 20, unusable: skip, number: 9}, images: {steps: 30, batch: 2, "
        "rate: 0.002, mirror: false, sampling_steps: 5, guidance: 1.5}}"
    )
    found = plan(changed(("{dataset: 901, attribute: sex}", own)), "seed: 7\ndevice: cpu\n")
    masks = shown(found.steps["masks.d903"].commands[0])
    assert f"-n 9 -o {WHERE}/masks --model shape --steps 20 --unusable skip --seed 3" in masks
    images = shown(found.steps["images.d903"].commands[0])
    assert ("--steps 30 --batch 2 --rate 0.002 --no-mirror --sampling-steps 5 --guidance 1.5 "
            "--seed 3") in images  # fmt: skip
    assert found.steps["images.d903"].resources.gpus == 0
    made = shown(found.steps["equal_scale.d903"].commands[0])
    assert "--target 9" in made
    assert "--subsample --seed 3" in made
    assert "predict.d901.2d.internal.nnUNetTrainer_down" in found.steps
    # a training on other terms begins in a folder of its own
    other = plan(changed(("{dataset: 901, attribute: sex}", own.replace("steps: 30", "steps: 31"))))
    folder = images.split("--training ")[1].split()[0]
    assert folder not in shown(other.steps["images.d903"].commands[0])
    short = plan(changed(("{dataset: 901, attribute: sex}", "901")), "seed: 7\n").steps
    assert "-a sex" in shown(short["masks.d903"].commands[0])
    assert "--seed 7" in shown(short["equal_scale.d903"].commands[0])


def test_models_of_the_paper(plan, mistakes, changed, tmp_path):
    weights = tmp_path / "sd15"
    own = f"{{dataset: 901, masks: {{model: points}}, images: {{from: {weights}}}}}"
    text = changed(("{dataset: 901, attribute: sex}", own))
    (line,) = mistakes(text)
    assert line.startswith(f"line 8: synthesis, images, from: {weights} is not a folder")
    (weights / "unet").mkdir(parents=True)
    steps = plan(text).steps
    assert (steps["masks.d903"].kind, steps["masks.d903"].resources.gpus) == ("synthesize", 1)
    masks = shown(steps["masks.d903"].commands[0])
    assert f"--model points --overwrite --training {WHERE}/training_masks_" in masks
    assert masks.endswith("-device cuda")
    assert f"--from {weights} --training" in shown(steps["images.d903"].commands[0])
    (weights / "unet" / "weights.safetensors").write_bytes(b"other")
    other = plan(text).steps
    assert other["images.d903"].fingerprint != steps["images.d903"].fingerprint
    assert other["masks.d903"].fingerprint == steps["masks.d903"].fingerprint
    lines = mistakes(text.replace("{from", "{guidance: 2, from"))
    assert "groups are not told to the network" in lines[0]
    lines = mistakes(changed(("attribute: sex}", "images: {prompt: nowhere}}")))
    assert "nowhere is not a file" in lines[0]
    assert "prompt is for from, which is not there" in lines[1]


def test_a_pack_of_ones_own_needs_no_masks_and_no_images(plan, changed, pack, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    text = changed(("attribute: sex}", f"attribute: sex, pack: {pack}}}"))
    before = plan(text).steps
    assert not {"masks.d903", "images.d903", "quality.d903"} & set(before)
    made = before["equal_scale.d903"]
    assert f"--synthetic {pack} " in shown(made.commands[0])
    assert made.needs == ("prepare.d901",)
    # another image makes another dataset
    Image.fromarray(np.full((40, 48), 7, np.uint8)).save(pack / "images" / "made_0_0000.png")
    assert plan(text).steps["equal_scale.d903"].fingerprint != made.fingerprint


def test_steps_stay_the_same_once_the_dataset_exists(plan, changed, mistakes, pack, study_root,
                                                     nnunet_folders):  # fmt: skip
    text = changed(("attribute: sex}", f"attribute: sex, pack: {pack}}}"))
    before = plan(text)
    done(study_root, before.steps["prepare.d901"])
    assert prepare.main(["-d", "901", "--folds", "2"]) == 0
    assert equal_scale.main(["-d", "901", "-a", "sex", "-o", "903", "--target", "largest",
                             "--synthetic", str(pack), "-np", "1"]) == 0  # fmt: skip
    (line,) = mistakes(text)
    assert line.startswith(f"line 7: {NAME} was made before this study")
    done(study_root, before.steps["equal_scale.d903"])
    done(study_root, before.steps["prepare.d903"])
    assert prepare.main(["-d", "903"]) == 0
    after = plan(text)
    assert {n: s.fingerprint for n, s in after.steps.items()} == {
        n: s.fingerprint for n, s in before.steps.items()
    }
    assert shown(after.steps["equal_scale.d903"].commands[0]).endswith("--overwrite")
    # but it is not made again under finished trainings
    finish_training(nnunet_folders["nnUNet_results"] / NAME, "nnUNetTrainer", 1)
    (line,) = mistakes(text.replace("attribute: sex,", "attribute: sex, seed: 4,"))
    assert "Dataset901_Tiny, its folds, or what synthesis says have changed since" in line


def test_tables_figures_runs_and_single_folds_know_the_models(plan, mistakes, changed):
    table = "tables:\n  - {name: one, kind: medians, by: sex, dataset: 901, methods: {Filled: M}}\n"
    extra = "evaluation: {metrics: [dice, hd]}\n" + table
    found = plan(FILLED, extra.replace("M}", "nnUNetTrainer_equal_scale_sex}"))
    assert '"Filled": "nnUNetTrainer_equal_scale_sex"' in found.steps["paper"].commands[0][-1]
    (line,) = mistakes(FILLED, extra.replace("M}", "nnUNetTrainer_equal_scale}"))
    assert "mean 'nnUNetTrainer_equal_scale_sex'?" in line
    text = changed(("folds: [1]", "folds: [0, 1]"))
    found = plan(text, "repeats: 2\nprediction: {folds: [ensemble, single]}\n")
    step = found.steps["predict.d901.2d.internal+folds.nnUNetTrainer_run2_equal_scale_sex.f1"]
    assert "-tr nnUNetTrainer_run2 -p nnUNetPlans -c 2d -f 1 " in shown(step.commands[0])
    assert step.facts["method"] == "nnUNetTrainer_equal_scale_sex"


@pytest.mark.parametrize(
    ("pairs", "extra", "words"),
    [
        ([("dataset: 901, attribute", "dataset: 905, attribute")], "",
         ["line 8: synthesis: '905' is not a dataset of this study that could be filled up",
          "There: Dataset901_Tiny"]),
        ([("attribute: sex}", "atribute: sex}")], "", ["line 8: ", "mean 'attribute'?"]),
        ([("attribute: sex}", "attribute: site}")], "",
         ["line 8: ", "no attribute 'site'", "sex"]),
        ([("attribute: sex}", "attribute: age}")], "",
         ["line 8: synthesis: attribute: age: a synthetic case has the group of one"]),
        ([("attribute: sex}", "attribute: sex+age}")], "",
         ["line 8: synthesis: attribute: sex+age: a synthetic case has the group of one"]),
        ([("attribute: sex}", "target: many}")], "",
         ['line 8: ', 'found "many"; expected largest, a number of cases of each group']),
        ([("attribute: sex}", "target: 9}")], "",
         ["line 8: synthesis: The groups cannot have equal sizes:",
          "group 'male' has 12 cases, more than its target of 9",
          "Choose a larger target, or add subsample: true to draw 9"]),
        ([("attribute: sex}", "target: 8, subsample: true}")], "",
         ["line 8: synthesis: all groups of 'sex' in Dataset901_Tiny have as many training cases"]),
        ([("attribute: sex}", "as_published: true}")], "",
         ["line 8: synthesis: as_published: true needs target: total=N"]),
        ([("attribute: sex}", "target: total=40, as_published: true, subsample: true}")], "",
         ["line 8: synthesis: subsample and as_published are two ways to draw"]),
        ([("attribute: sex}", "target: total=40, as_published: true}"),
          ("folds: [1]", "folds: [all]")], "",
         ["line 10: folds: nnU-Net's fold all trains on every case, drawn or not"]),
        ([("attribute: sex}", "masks: {number: 3}}")], "",
         ["line 8: synthesis, masks: number is 3, and 4 synthetic cases are needed of a group"]),
        ([("attribute: sex}", "masks: {model: ddpm}}")], "",
         ["line 8: ", "expected shape, pca or points"]),
        ([("attribute: sex}", "masks: {model: pca, steps: 9}}")], "",
         ["line 8: synthesis, masks: model pca is not trained, so that steps would have"]),
        ([("attribute: sex}", "name: a b}")], "",
         ['line 8: datasets, entry 2, synthesis, name: found "a b"; expected a short name of let']),
        ([("attribute: sex}", "name: null}")], "", ["synthesis, name: found nothing; expected"]),
        ([("id: 903", "id: ²")], "", ["line 7: '²': expected an id from 1 to 999 that is free"]),
        ([("id: 903", "id: Dataset903_../x")], "", ["line 7: 'Dataset903_../x': expected an id"]),
        ([("id: 901", "id: 902")], "", ["not a dataset of this study", "There: none"]),
        ([("attributes: [sex]", "  - {id: Dataset903_Two, synthesis: {dataset: 901, name: two}, "
           "configurations: [2d], folds: [1]}\nattributes: [sex]")], "",
         ["line 11: id 903 is that of Dataset903_TinyEqualScale, too, on line 7. Choose"]),
        ([("attribute: sex}", "pack: nowhere}")], "",
         ["line 8: synthesis: ", "nowhere is not a folder"]),
        ([("attribute: sex}", "pack: nowhere, images: {steps: 9}}")], "",
         ["line 8: synthesis: with a pack that is there, images would have no effect"]),
        ([("folds: [1]", "number_of_folds: 3")], "",
         ["line 10: a dataset with synthesis has no key number_of_folds"]),
        ([("folds: [1]", "tests: [internal]")], "",
         ["line 10: a dataset with synthesis has no key tests: its models are tested with those"]),
        ([("folds: [1]", "crop: 901")], "", ["line 8: crop and synthesis make two datasets"]),
        ([("id: 903", "id: 901")], "", ["line 7: id 901 is taken by Dataset901_Tiny"]),
        ([("configurations: [2d]\n    folds: [1]", "configurations: [3d_fullres]")], "",
         ["line 8: synthesis: Dataset901_Tiny and Dataset903_TinyEqualScale have no config"]),
        ([], "prediction: {folds: [single]}\n",
         ["line 10: Dataset903_TinyEqualScale has other folds here than Dataset901_Tiny"]),
        ([("attributes: [sex]", "  - {id: 904, synthesis: 901, configurations: [2d]}\n"
           "attributes: [sex]")], "",
         ["line 11: synthesis: Dataset901_Tiny would have two models called "
          "nnUNetTrainer_equal_scale_sex. Name one of both"]),
    ],
)  # fmt: skip
def test_what_cannot_be_filled_up(mistakes, changed, pairs, extra, words):
    lines = mistakes(changed(*pairs), extra)
    found = " ".join(lines)
    assert all(word in found for word in words), lines


def test_what_cannot_be_learnt_from(mistakes, plan, raw, pack, changed, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (line,) = mistakes(FILLED)
    assert 'pip install "nnunetv2_fair[synthesis]"' in line
    # of another environment nothing is known
    assert "images.d903" in plan(FILLED, "python: /other/bin/python\n").steps
    table = raw / "demographics.csv"
    rows = table.read_text()
    table.write_text(rows.replace("secretpatient3,female", "secretpatient3,").replace(
        "secretpatient6,female", "secretpatient6,"))  # fmt: skip
    (line,) = [line for line in mistakes(FILLED) if "diffusers" not in line]
    assert line.startswith("line 8: synthesis: 'sex' of Dataset901_Tiny: fewer than 3 training pat")
    assert "patients in female" in line
    table.write_text(rows)
    (pack / "groups.csv").write_text("case,sex\nmade_0,women\n")
    lines = mistakes(changed(("attribute: sex}", f"pack: {pack}}}")))
    assert any("4 label maps without a row in groups.csv" in line for line in lines), lines


def test_models_of_groups_need_the_groups_of_the_test_cases(mistakes, plan, raw, changed):
    text = changed(
        ("folds: [1]", "folds: [1]\n    trainers: [nnUNetTrainer, nnUNetTrainerInD_sex]")
    )
    step = plan(text).steps["predict.d901.2d.internal.nnUNetTrainerInD_sex_equal_scale_sex"]
    assert shown(step.commands[0]).startswith(f"nnUNetv2_fair_predict_InD -d {NAME} -i ")
    assert "train.d903.2d.nnUNetTrainerInD_sex=male.f1" in step.needs
    table = raw / "demographics.csv"
    table.write_text(table.read_text().replace("secretpatient12,female", "secretpatient12,"))
    (line,) = mistakes(text)
    assert line.startswith("line 11: nnUNetTrainerInD_sex: 2 cases of test set 'internal' without")


def test_a_far_too_large_target_takes_no_memory(plan, changed):
    found = plan(changed(("attribute: sex}", "target: 900000000000}")))
    assert "--target 900000000000" in shown(found.steps["equal_scale.d903"].commands[0])


def test_attributes_whose_names_are_no_names_of_files(plan, changed, raw):
    for file in ("demographics.csv", "demographics.json"):
        path = raw / file
        path.write_text(path.read_text().replace("sex", "sex/at birth"))
    text = changed(("attribute: sex}", "attribute: sex/at birth}"), ("[sex]", "[sex/at birth]"))
    found = plan(text.replace("  - nnUNetTrainerOversampling_sex\n", ""))
    assert "predict.d901.2d.internal.nnUNetTrainer_equal_scale_sex-at-birth" in found.steps


def test_volumes_need_a_pack(mistakes, nnunet_folders, study_root, changed):
    write_raw_volumes(nnunet_folders["nnUNet_raw"])
    text = changed(("901", "902"), ("[2d]", "[3d_fullres]"))
    lines = mistakes(text)
    assert any("holds .nii.gz files; expected pictures" in line and "pack: FOLDER" in line
               for line in lines), lines  # fmt: skip


def test_another_dataset_of_that_name(mistakes, nnunet_folders):
    other = nnunet_folders["nnUNet_raw"] / NAME
    other.mkdir()
    (other / "dataset.json").write_text(json.dumps({"labels": {}}))
    (line,) = mistakes(FILLED)
    assert line.startswith(f"line 7: {other} exists and holds no groups of equal size; expected")
