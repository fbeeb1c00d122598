"""What a study refuses, and what it says then."""

import json
import shutil

import pytest

from nnunetv2_fair.cli import prepare
from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.plan.models import Model, Run, in_order
from nnunetv2_fair.study.record import Record
from tests.study.conftest import STUDY, finish_training


def replaced(old: str, new: str) -> str:
    assert old in STUDY
    return STUDY.replace(old, new)


TRAINERS = "  - nnUNetTrainer\n  - nnUNetTrainerOversampling_{attribute}\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("id: 901", "id: 902", ["line 3: No dataset '902'", "found there: Dataset901_Tiny"]),
        ("id: 901", "id: lungs", ["line 3: 'lungs' is not a dataset"]),
        ("[2d]", "[2d, 2d]", ["line 3: configuration '2d' is listed twice, first on line 3"]),
        ("[2d]", "[2D]", ["line 3: Dataset901_Tiny has no configuration 2D; nnU-Net plans 2d"]),
        ("[2d]", "[3d_cascade_fullres]", ["line 3: 3d_cascade_fullres trains on what 3d_lowres",
                                          "add 3d_lowres", "list all folds"]),
        ("[0, 1]", "[0, 1, 0]", ["line 5: fold '0' is listed twice"]),
        ("[0, 1]", "[0, 2]", ["line 5: Dataset901_Tiny has the folds 0 to 1, not 2"]),
        ("[0, 1]", "[0, all]", ["line 5: 'all' trains on all cases and cannot be combined"]),
        ("[sex, age]", "[sex, colour]", ["line 7: Dataset901_Tiny: There is no attribute 'colour'",
                                         "sex, age"]),
        ("[sex, age]", "[sex, sex]", ["line 7: attribute 'sex' is listed twice"]),
        ("[sex, age]", "[sex+sex]", ["line 7: Dataset901_Tiny: 'sex+sex' is not an attribute"]),
        ("attributes: [sex, age]\n", "", ["line 9: 'nnUNetTrainerOversampling_{attribute}': "
                                          "{attribute} means the study's attributes, but "
                                          "there are none"]),
        (TRAINERS, "  - nnUNetTrainr\n", ["line 9: there is no trainer 'nnUNetTrainr'",
                                          "Did you mean 'nnUNetTrainer'?"]),
        (TRAINERS, "  - nnUNetTrainerFEBS_sex_gama2\n", ["line 9: ", "no attribute 'sex_gama2'",
                                                         "Options: ", "gamma (a number"]),
        (TRAINERS, "  - nnUNetTrainerFEBS_race\n", ["line 9: nnUNetTrainerFEBS_race: Dataset901_T"
                                                    "iny: There is no attribute 'race'"]),
        (TRAINERS, "  - nnUNetTrainerFEBS_{attribut}\n", ["line 9: ", "is not a wildcard"]),
        (TRAINERS, f"{TRAINERS}  - nnUNetTrainerOversampling_sex\n",
         ["line 11: trainer 'nnUNetTrainerOversampling_sex' is listed twice, first on line 10"]),
        (TRAINERS, "  - nnUNetTrainerAPPLE_sex\n",
         ["line 9: nnUNetTrainerAPPLE_sex builds on a model of nnUNetTrainer, which is neither in "
          "this study nor trained", "fold_0/checkpoint_final.pth", "Add '- nnUNetTrainer' to"]),
        (TRAINERS, "  - nnUNetTrainerAPPLE_sex_base-7years\n",
         ["line 9: base of nnUNetTrainerAPPLE_sex_base-7years: there is no trainer "
          "'nnUNetTrainer_7years'"]),
        (TRAINERS, "  - nnUNetTrainerAPPLE_sex_base-7epochs\n",
         ["builds on a model of nnUNetTrainer_7epochs, which is neither in this study"]),
        (TRAINERS, "  - nnUNetTrainer\n  - nnUNetTrainerAPPLE_sex_baseAPPLE-sex\n",
         ["line 10: ", "nnUNetTrainerAPPLE cannot be the base of another"]),
        (TRAINERS, "  - nnUNetTrainer\n  - nnUNetTrainerInD_colour\n",
         ["line 10: ", "does not name the attribute"]),
    ],
)  # fmt: skip
def test_one_mistake(mistakes, old, new, words):
    (line,) = mistakes(replaced(old, new))
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("evaluation: {preset: lee, metrics: [iou]}\n", ["line 11: --preset lee needs dice, hd"]),
        ("baseline: nnUNetTrainerFEBS_sex\n",
         ["line 11: baseline 'nnUNetTrainerFEBS_sex' is not a trainer of Dataset901_Tiny. Expected "
          "one of nnUNetTrainer, nnUNetTrainerOversampling_sex"]),
        ("evaluation: {bins: {ages: [50]}}\n",
         ["line 11: evaluation, bins: there is no attribute 'ages'. Attributes: age, sex"]),
        ("evaluation:\n  attributes: [sex]\n  reference:\n    race: x\n",
         ["line 14: evaluation, reference: there is no attribute 'race'"]),
        ("evaluation:\n  attributes: [sex]\n  groups:\n    sexx: [female, male]\n",
         ["line 14: evaluation, groups: 'sexx' is not evaluated. Did you mean 'sex'? Correct the "
          "name, or add it to attributes: sex"]),
        ("evaluation:\n  attributes: [sex]\n  groups:\n    sex: [female, mael]\n",
         ["line 14: ", "--groups sex=female,mael: there is no group 'mael'. Did you mean 'male'? "
          "Groups of 'sex': female; male"]),
        ("evaluation: {attributes: [sex], groups: {sex: [male]}}\n",
         ["line 11", "expected a list of two or more different groups, such as [White, Black]"]),
        ("evaluation: {attributes: [sex], groups: {sex: [male, male]}}\n",
         ["line 11", "expected a list of two or more different groups, such as [White, Black]"]),
        ("evaluation: {adjust: [site]}\n",
         ["line 11: evaluation, adjust: there is no attribute 'site'. Attributes: age, sex"]),
        ("evaluation:\n  attributes: [sex+age]\n  adjust: [age]\n",
         ["line 13: evaluation, adjust: 'age' is compared, and cannot be adjusted for itself"]),
        ("evaluation:\n  metrics: [dice]\n  failure: {hd95: 9}\n",
         ["line 13: --failure hd95=9: 'hd95' is not evaluated (evaluated: dice)"]),
        ("evaluation:\n  preset: apple\n  margin: {dice: 1.5}\n",
         ["line 13: --margin dice=1.5: no gap of dice can be larger than 1"]),
        ("evaluation:\n  confidence: 0.4\n  margin: {dice: 0.1}\n",
         ["line 13: --margin with --confidence 0.4"]),
        ("evaluation: {margin: {dise: 0.1}}\n",
         ["line 11: --margin dise=0.1: 'dise' is not evaluated"]),
        ("evaluation: {failure: {dice: low}}\n", ["line 11", 'found "low"; expected a number']),
        ("evaluation:\n  preset: lee\n  attributes: [race]\n",
         ["line 13: Dataset901_Tiny: There is no attribute 'race'"]),
        ("resources:\n  trainers:\n    nnUNetTrainerADV*: {gpus: 2}\n",
         ["line 13: resources, trainers: no trainer of the study matches 'nnUNetTrainerADV*'"]),
        ("environment: {nnUNet_fair_base_checkpoint: /no/such.pth}\n",
         ["line 11: nnUNet_fair_base_checkpoint is /no/such.pth, which is not a file"]),
        ("environment: {nnUNet_fair_allow_changed_table: yes}\n",
         ["line 11: nnUNet_fair_allow_changed_table is 1, or not set at all"]),
    ],
)  # fmt: skip
def test_one_mistake_of_an_option(mistakes, extra, words):
    (line,) = mistakes(extra=extra)
    for word in words:
        assert word in line


@pytest.fixture
def elsewhere(raw, study_root) -> str:
    """A test set in folders, whose table keeps people as people do; the file's key ``tests``."""
    for part in ("imagesTs", "labelsTs"):
        shutil.copytree(raw / part, study_root / part)
    cases = sorted(path.name.split(".")[0] for path in (raw / "labelsTs").iterdir())
    lines = [f"{case},{'F' if i % 2 else 'Mann'},0{40 + i}Y" for i, case in enumerate(cases)]
    table = study_root / "people.csv"
    table.write_text("\n".join(["Filename,Gender,Age", *lines, ""]), encoding="utf-8")
    return (
        "    tests:\n      - {name: out, images: imagesTs, labels: labelsTs, "
        "demographics: people.csv}\n"
    )


def test_how_a_table_is_read_is_checked_and_handed_over(mistakes, plan, elsewhere):
    text = replaced("attributes: [sex, age]\n", f"{elsewhere}attributes: [sex]\n")
    (line,) = mistakes(text)
    assert line.startswith("line 8: test set 'out': ")
    assert "--columns case=Filename" in line
    assert "(in this file: keys of the same names under evaluation or the test set)" in line
    keys = (
        "evaluation:\n  columns: {case: Filename, sex: Gender}\n"
        "  values: {sex: {F: female, Mann: male}}\n"
    )
    made = plan(text, keys)
    (command,) = next(s.commands for s in made.steps.values() if s.kind == "evaluate")
    at = command.index("--columns")
    assert command[at : at + 7] == (
        "--columns", "case=Filename", "sex=Gender", "--values", "sex", "F=female", "Mann=male",
    )  # fmt: skip
    # of the test set alone: the same
    own = ", columns: {case: Filename, sex: Gender}, values: {sex: {F: female, Mann: male}}}\n"
    assert plan(text.replace("people.csv}\n", f"people.csv{own}")).steps.keys() == made.steps.keys()


def test_all_mistakes_of_form_and_meaning_come_at_once(mistakes):
    text = """\
title: Tiny
datasets:
  - id: 901
    configurations: [2d, 9d]
    folds: [0, nine]
  - {id: 77, configurations: [2d]}
attributes: [sex, colour]
trainers:
  - nnUNetTrainerGroupDRO_{attribute}
  - nnUNetTrainerGroupDRO_sex_stop0.1
devices: cpu
"""
    lines = mistakes(text)
    for number, word in (
        (3, "no configuration 9d"),
        (5, 'found "nine"'),
        (6, "No dataset '77'"),
        (7, "no attribute 'colour'"),
        (10, "'stop0.1' is not an option"),
        (11, "Did you mean 'device'?"),
    ):
        assert any(line.startswith(f"line {number}: ") and word in line for line in lines), lines
    assert len(lines) == 6


def test_duplicate_datasets_and_tests(mistakes, raw):
    text = replaced(
        "attributes:",
        """\
  - id: Dataset901_Tiny
    configurations: [2d]
    number_of_folds: 2
    folds: [0]
    tests: [internal, {name: internal, dataset: 901}]
attributes:""",
    )
    lines = mistakes(text)
    assert lines == [
        "line 7: dataset 'Dataset901_Tiny' is listed twice, first on line 3",
        "line 11: test set 'internal' is listed twice, first on line 11",
    ]


def test_folders_of_nnunet_that_are_not_set(mistakes, monkeypatch):
    monkeypatch.delenv("nnUNet_results")
    (line,) = mistakes()
    assert "nnUNet_results not set: name nnU-Net's folders in environment" in line


def test_folders_of_nnunet_in_the_file(plan, study_root, monkeypatch, nnunet_folders):
    for variable in nnunet_folders:
        monkeypatch.delenv(variable)
    extra = "environment:\n" + "".join(f"  {name}: ../{name}\n" for name in nnunet_folders)
    found = plan(extra=extra)
    for name in nnunet_folders:
        assert found.environment[name].endswith(f"study/../{name}")


def test_missing_demographics(mistakes, raw):
    (raw / "demographics.csv").unlink()
    (line,) = mistakes()
    assert line.startswith("line 3: ")
    assert f"{raw} has no demographics.csv" in line
    assert "nnUNetv2_fair_prepare -d 901 --describe" in line


def test_a_damaged_dictionary_or_dataset(mistakes, raw):
    (raw / "demographics.json").write_text("{")
    (line,) = mistakes()
    assert "demographics.json is not JSON" in line
    (raw / "demographics.json").write_text("{}")
    (raw / "dataset.json").write_text("[]")
    (line,) = mistakes()
    assert "dataset.json" in line
    assert "not nnU-Net's" in line


def test_an_attribute_without_groups(mistakes, raw):
    schema = json.loads((raw / "demographics.json").read_text())
    del schema["attributes"]["age"]["bins"]
    (raw / "demographics.json").write_text(json.dumps(schema))
    lines = mistakes()
    assert len(lines) == 2  # of the evaluation, and of the trainer
    assert all("'age' is numeric and has no bins" in line for line in lines)
    # bins of the evaluation are enough for it, but not for a trainer
    (line,) = mistakes(extra="evaluation: {bins: {age: [50]}}\n")
    assert line.startswith("line 10: ")


def test_no_attribute_at_all(mistakes, raw):
    schema = json.loads((raw / "demographics.json").read_text())
    schema["default"] = None
    (raw / "demographics.json").write_text(json.dumps(schema))
    text = replaced("attributes: [sex, age]\n", "").replace(
        "  - nnUNetTrainerOversampling_{attribute}\n", "  - nnUNetTrainerFEBS\n"
    )
    lines = mistakes(text)
    assert len(lines) == 2
    assert "no attribute to evaluate Dataset901_Tiny by" in lines[0]
    assert "No attribute was named" in lines[1]


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ("{name: x}", ["test set 'x': expected either dataset, or images, labels and demogr"]),
        ("{name: x, dataset: 902, images: a}", ["expected either dataset, or images"]),
        ("{name: x, images: a, labels: b}", ["expected either dataset, or images"]),
        ("{name: x, dataset: 901, part: training}", ["training cases of Dataset901_Tiny itself"]),
        ("{name: x, dataset: 55}", ["No dataset '55'"]),
        ("{name: x, dataset: 902}", ["Dataset902_Other cannot test models of Dataset901_Tiny: "
                                     "labels {'background': 0, 'cyst': 1} there, {'background': 0,"
                                     " 'disc': 1} here"]),
        ("{name: x, images: a, labels: b, demographics: c.csv}", ["c.csv does not exist"]),
        ("{name: x, images: a, labels: b, demographics: ../d.csv}", ["study/a is missing or holds"
                                                                     " no file named <case>_0000"]),
    ],
)  # fmt: skip
def test_test_sets_that_cannot_be(mistakes, raw, study_root, tests, words):
    other = raw.parent / "Dataset902_Other"
    shutil.copytree(raw, other)
    content = json.loads((other / "dataset.json").read_text())
    content["labels"] = {"background": 0, "cyst": 1}
    (other / "dataset.json").write_text(json.dumps(content))
    shutil.copy(raw / "demographics.csv", study_root.parent / "d.csv")
    (line,) = mistakes(replaced("    folds:", f"    tests: [{tests}]\n    folds:"))
    assert line.startswith("line 5: ")
    for word in words:
        assert word in line


def test_a_test_part_without_masks(mistakes, raw):
    shutil.rmtree(raw / "labelsTs")
    (line,) = mistakes()
    assert f"{raw}/labelsTs is missing or holds no file named <case>.png" in line
    assert "cannot be evaluated" in line


def test_attributes_of_an_external_test_set(mistakes, raw):
    other = raw.parent / "Dataset902_Other"
    shutil.copytree(raw, other)
    schema = json.loads((other / "demographics.json").read_text())
    del schema["attributes"]["age"]
    (other / "demographics.json").write_text(json.dumps(schema))
    lines = mistakes(replaced("    folds:", "    tests: [{name: far, dataset: 902}]\n    folds:"))
    assert len(lines) == 1
    assert "test set 'far': There is no attribute 'age'" in lines[0]


def test_a_base_that_is_trained_already_needs_no_place_in_the_study(plan, mistakes, results):
    text = replaced(TRAINERS, "  - nnUNetTrainerAPPLE_sex\n")
    finish_training(results, "nnUNetTrainer", 0)
    (line,) = mistakes(text)
    assert "fold_1/checkpoint_final.pth" in line
    finish_training(results, "nnUNetTrainer", 1)
    found = plan(text)
    assert "train.d901.2d.nnUNetTrainer.f0" not in found.steps
    assert "train.d901.2d.nnUNetTrainerAPPLE_sex.f0" in found.steps


def test_a_base_of_the_users(plan, tmp_path):
    checkpoint = tmp_path / "base.pth"
    checkpoint.write_bytes(b"x")
    text = replaced(TRAINERS, "  - nnUNetTrainerAPPLE_sex\n")
    extra = f"environment: {{nnUNet_fair_base_checkpoint: {checkpoint}}}\n"
    assert plan(text, extra).environment["nnUNet_fair_base_checkpoint"] == str(checkpoint)


def test_a_model_per_group_and_cases_of_unknown_group(mistakes, plan, raw):
    text = replaced(TRAINERS, "  - nnUNetTrainer\n  - nnUNetTrainerInD_sex\n")
    table = raw / "demographics.csv"
    content = table.read_text()
    table.write_text(
        content.replace("case_025,secretpatient12,female", "case_025,secretpatient12,")
    )
    assert table.read_text() != content
    (line,) = mistakes(text)
    assert "line 10: nnUNetTrainerInD_sex: 1 case of test set 'internal' without known" in line
    assert "prediction: {unknown_model: {sex: GROUP}}" in line
    assert "case_025" not in line
    assert plan(text, "prediction: {unknown_model: {sex: male}}\n")
    (line,) = mistakes(text, "prediction:\n  unknown_model:\n    sex: men\n")
    assert line.startswith(
        "line 13: prediction, unknown_model: test set 'internal' has no group 'men'"
    )
    assert "Groups: female, male" in line


def test_a_group_without_training_case(mistakes, raw):
    table = raw / "demographics.csv"
    lines = table.read_text().splitlines()
    # women only in the test part, which begins with case_024
    lines = [x if x > "case_024" else x.replace(",female,", ",male,") for x in lines]
    table.write_text("\n".join(lines) + "\n")
    text = replaced(TRAINERS, "  - nnUNetTrainer\n  - nnUNetTrainerInD_sex\n")
    (line,) = mistakes(text)
    assert "has no training case of group female of 'sex'" in line


def test_bases_in_a_circle():
    def model(name, base):
        return Model(name, 1, (Run(name, (name,), base),), base, None, False)

    ordered = in_order([model("c", "b"), model("b", "a"), model("a", None)])
    assert [m.name for m in ordered] == ["a", "b", "c"]
    with pytest.raises(StudyError, match="'a' builds on itself, by way of its base 'b'"):
        in_order([model("a", "b"), model("b", "a")])


def prepared_and_changed(raw, seed=12345):
    assert prepare.main(["-d", "901", "--folds", "2", "-a", "sex", "--seed", str(seed)]) == 0
    with (raw / "demographics.csv").open("a") as table:
        table.write("\n")


def test_a_table_that_changed_under_finished_trainings(mistakes, plan, raw, results):
    prepared_and_changed(raw)
    assert plan()  # nothing is trained yet: it is simply prepared again
    folder = finish_training(results, "nnUNetTrainer", 1)
    (line,) = mistakes()
    assert line.startswith("line 3: the demographics of Dataset901_Tiny have changed since")
    assert f"1 training has begun with the previous ones: {folder}" in line
    assert "move these folders away" in line
    found = plan(extra="environment: {nnUNet_fair_allow_changed_table: 1}\n")
    assert "--overwrite" not in found.steps["prepare.d901"].commands[0]
    (folder / "checkpoint_final.pth").rename(folder / "checkpoint_latest.pth")
    assert "has begun" in mistakes()[0]


def test_a_seed_that_changed_under_finished_trainings(mistakes, plan, study_root, results):
    step = plan().steps["prepare.d901"]
    assert prepare.main(list(step.commands[0][3:])) == 0
    record = Record(step.name, step.kind, step.fingerprint, (), facts=dict(step.facts))
    record.write(study_root / step.record)
    finish_training(results, "nnUNetTrainer", 1)
    training = plan().steps["train.d901.2d.nnUNetTrainer.f1"]
    Record(training.name, "train", training.fingerprint, ()).write(study_root / training.record)
    (line,) = mistakes(extra="seed: 5\n")  # told once, although the training's record is old, too
    assert "or seed, number_of_folds or stratify, have changed since this study made its" in line
    kept = plan(extra="seed: 5\nenvironment: {nnUNet_fair_allow_changed_table: 1}\n")
    assert "--overwrite" not in kept.steps["prepare.d901"].commands[0]


def test_a_finished_training_whose_images_changed(mistakes, plan, study_root, raw, results):
    step = plan().steps["train.d901.2d.nnUNetTrainer.f1"]
    Record(step.name, step.kind, step.fingerprint, ()).write(study_root / step.record)
    folder = finish_training(results, "nnUNetTrainer", 1)
    assert plan()
    with (raw / "imagesTr" / "case_000_0000.png").open("ab") as image:
        image.write(b"x")
    (line,) = mistakes()
    assert line.startswith("line 3: 1 training of Dataset901_Tiny has finished, and what it")
    assert str(folder) in line
    assert "never overwritten" in line
    shutil.rmtree(folder)
    assert plan()


def test_two_studies_in_one_folder(mistakes, plan, study_root, write_study, tmp_path):
    plan().write(study_root)
    assert plan(extra="attempts: 2\n")
    (line,) = mistakes(replaced("title: Tiny", "title: Other"))
    assert line.startswith(f"line 1: {study_root} holds another study, 'Tiny' of study.yaml")
    assert "Name another folder with -o" in line
    plan(folder=tmp_path / "elsewhere").write(study_root)
    (line,) = mistakes()
    assert "of ../study/study.yaml" in line
    (study_root / ".study" / "plan.json").write_text("{")
    (line,) = mistakes()
    assert "plan.json is damaged; delete it" in line


def test_a_folder_that_is_a_file(mistakes, tmp_path):
    (tmp_path / "f").write_text("")
    (line,) = mistakes(folder=tmp_path / "f")
    assert "is a file; name a folder with -o" in line


def test_plans_that_are_there(mistakes, plan, preprocessed):
    preprocessed.mkdir(parents=True)
    text = replaced("    folds:", "    plans: [myPlans]\n    folds:")
    (line,) = mistakes(text)
    assert (
        "has no plans 'myPlans', and no planner of nnU-Net makes them. Known: nnUNetPlans" in line
    )
    plans = {"configurations": {"2d": {"data_identifier": "mine_2d"}}}
    (preprocessed / "myPlans.json").write_text(json.dumps(plans))
    found = plan(text)
    assert found.steps["plan.d901.myPlans"].finished == str(preprocessed / "myPlans.json")
    assert found.steps["preprocess.d901.myPlans.2d"].finished == ""
    (line,) = mistakes(text.replace("[2d]", "[3d_fullres]"))
    assert "has no configuration 3d_fullres; plans 'myPlans' have 2d, 2d_trial" in line
    (preprocessed / "myPlans.json").write_text("{}")
    assert "not a plans file of nnU-Net" in mistakes(text)[0]


def test_preprocessed_data_is_taken_over_if_it_is_complete(plan, preprocessed, raw):
    folder = preprocessed / "mine_2d"
    folder.mkdir(parents=True)
    plans = {"configurations": {"2d": {"data_identifier": "mine_2d"}}}
    (preprocessed / "nnUNetPlans.json").write_text(json.dumps(plans))
    cases = sorted(f.name.removesuffix("_0000.png") for f in (raw / "imagesTr").iterdir())
    for case in cases[1:]:
        (folder / f"{case}.pkl").touch()
    assert plan().steps["preprocess.d901.nnUNetPlans.2d"].finished == ""
    (folder / f"{cases[0]}.pkl").touch()
    assert plan().steps["preprocess.d901.nnUNetPlans.2d"].finished == str(folder)


def test_folds_of_splits_that_are_there(mistakes, plan):
    assert prepare.main(["-d", "901", "--folds", "3"]) == 0
    assert plan(replaced("[0, 1]", "[0, 1, 2]"))
    (line,) = mistakes(replaced("[0, 1]", "[3]"))
    assert "has the folds 0 to 2, not 3" in line
