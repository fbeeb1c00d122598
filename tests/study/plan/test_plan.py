import dataclasses
import shutil
from collections import Counter

import pytest

from nnunetv2_fair.cli import compare, evaluate, predict_InD, prepare, trial
from nnunetv2_fair.cli.shared.evaluation_arguments import check_numbers
from nnunetv2_fair.study.plan.steps.commands import shown
from nnunetv2_fair.study.record import Record
from nnunetv2_fair.study.step import read_plan
from tests.study.conftest import STUDY

FULL = (
    STUDY.replace("[2d]", "[2d, 2d_trial]").replace("folds: [0, 1]", "folds: [0, 1]")
    + """\
  - nnUNetTrainerAPPLE_{attribute}_beta{0.1,1}
  - nnUNetTrainerInD_sex
baseline: nnUNetTrainerOversampling_sex
prediction: {unknown_model: {sex: male}, mirroring: false, step_size: 0.75}
evaluation:
  attributes: [sex, sex+age]
  metrics: [dice, hd95]
  preset: apple
  tolerance: 2
  min_patients: 3
  empty_distance: inf
  unit: case
  bootstrap: 10
  confidence: 0.9
  bins: {age: [40, 62.5]}
  reference: {sex: female}
  groups: {sex+age: ["female, <40", "male, <40"]}
  failure: {dice: 0.2, "organ:hd95": 12.5}
  margin: {dice: 0.03}
  discover: true
  min_support: 0.05
  tables: [csv, tex]
  allow_missing: true
  shards: 3
seed: 7
"""
)
#: nnUNetTrainer, 2 of oversampling, 4 of APPLE; InD is a model of two trainings.
MODELS = 8
TRAININGS = 9


def names(plan, kind):
    return [step.name for step in plan.steps.values() if step.kind == kind]


def test_all_steps_each_behind_those_that_it_needs(plan):
    found = plan(FULL)
    count = Counter(step.kind for step in found.steps.values())
    configurations, folds, shards = 2, 2, 3
    assert count == {
        "prepare": 1,
        "preprocess": 4,  # fingerprint, plans, 2d, and the small copy of 2d
        "train": TRAININGS * folds * configurations,
        "predict": MODELS * configurations,
        "evaluate": MODELS * configurations * shards,
        "merge": MODELS * configurations,
        "compare": configurations,
        "index": 1,
    }
    seen = set()
    for name, step in found.steps.items():
        assert name == step.name
        assert set(step.needs) <= seen
        assert len(step.fingerprint) == 20
        assert step.attempts == 3
        seen.add(name)
    assert len({step.fingerprint for step in found.steps.values()}) == len(found.steps)
    outputs = [o for s in found.steps.values() if s.kind != "preprocess" for o in s.outputs]
    assert len(set(outputs)) == len(outputs)


def test_a_training(plan, results, nnunet_folders):
    step = plan(FULL).steps["train.d901.2d.nnUNetTrainerAPPLE_age_beta0.1.f1"]
    assert shown(step.commands[0]) == (
        "nnUNetv2_train Dataset901_Tiny 2d 1 -tr nnUNetTrainerAPPLE_age_beta0.1 -p nnUNetPlans "
        "-device cuda"
    )
    assert step.needs == (
        "prepare.d901",
        "preprocess.d901.nnUNetPlans.2d",
        "train.d901.2d.nnUNetTrainer.f1",  # its base, of the same fold
    )
    folder = results / "nnUNetTrainerAPPLE_age_beta0.1__nnUNetPlans__2d" / "fold_1"
    assert step.outputs == (str(folder / "checkpoint_final.pth"),)
    assert step.finished == str(folder / "checkpoint_final.pth")
    # nnU-Net goes on from either, and writes the latest every 50 epochs only
    latest, best = str(folder / "checkpoint_latest.pth"), str(folder / "checkpoint_best.pth")
    assert (step.checkpoints, step.resume) == ((latest, best), ("--c",))
    assert step.resources.gpus == 1
    assert step.facts == {
        "dataset": "Dataset901_Tiny",
        "configuration": "2d",
        "plans": "nnUNetPlans",
        "trainer": "nnUNetTrainerAPPLE_age_beta0.1",
        "fold": "1",
    }


def test_a_model_per_group_is_trained_by_group_and_predicted_by_case(plan, raw):
    found = plan(FULL)
    step = found.steps["predict.d901.2d.internal.nnUNetTrainerInD_sex"]
    assert step.needs == tuple(
        f"train.d901.2d.nnUNetTrainerInD_sex={group}.f{fold}"
        for group in ("female", "male")
        for fold in (0, 1)
    )
    for name in step.needs:
        fold = name[-1]
        assert f"train.d901.2d.nnUNetTrainer.f{fold}" in found.steps[name].needs
    assert shown(step.commands[0]) == (
        f"nnUNetv2_fair_predict_InD -d Dataset901_Tiny -i {raw}/imagesTs "
        "-o predictions/Dataset901_Tiny/2d/internal/nnUNetTrainerInD_sex "
        "-tr nnUNetTrainerInD_sex -p nnUNetPlans -c 2d -f 0 1 -step_size 0.75 --disable_tta "
        f"--demographics {raw}/demographics.csv --unknown-model male "
        "-device cuda -npp 2 -nps 2 --overwrite"
    )


def test_evaluations_in_shards_their_merge_and_the_comparison(plan):
    found = plan(FULL)
    merge = found.steps["merge.d901.2d.internal.nnUNetTrainer"]
    shards = [f"evaluate.d901.2d.internal.nnUNetTrainer.s{i}of3" for i in (1, 2, 3)]
    assert merge.needs == ("predict.d901.2d.internal.nnUNetTrainer", *shards)
    out = "evaluations/Dataset901_Tiny/2d/internal/nnUNetTrainer"
    assert merge.outputs == tuple(
        f"{out}/{file}" for file in ("summary.json", "per_case.csv", "report.html")
    )
    assert merge.facts["attributes"] == "sex sex+age"
    assert "--merge" in merge.commands[0]
    assert "2/3" in found.steps[shards[1]].commands[0]
    comparison = found.steps["compare.d901.2d.internal"]
    assert comparison.outputs == (
        "comparisons/Dataset901_Tiny/2d/internal/comparison.json",
        "comparisons/Dataset901_Tiny/2d/internal/comparison.html",
    )
    assert comparison.needs[0] == "merge.d901.2d.internal.nnUNetTrainerOversampling_sex"
    assert len(comparison.needs) == MODELS
    assert set(found.steps["index"].needs) >= {merge.name, comparison.name}


def test_all_of_our_commands_take_the_arguments(plan):
    """Their own parsers read them; what they cannot read ends in SystemExit."""
    parsers = {
        "nnUNetv2_fair_evaluate": evaluate._parser(),
        "nnUNetv2_fair_predict_InD": predict_InD._parser(),
    }
    found = plan(FULL)
    parsed = 0
    for step in found.steps.values():
        for command in step.commands:
            script = shown(command).split()[0]
            if script in parsers:
                args = parsers[script].parse_args(command[3:])
                parsed += 1
                if script.endswith("evaluate"):
                    evaluate.check_sources(args)
                    check_numbers(args)
                    assert (args.a, args.seed, args.bins) == (
                        ["sex", "sex+age"],
                        7,
                        ["age=40,62.5"],
                    )
                    assert (args.unit, args.tables, args.discover) == (
                        "case",
                        ["csv", "tex"],
                        True,
                    )
                    assert (args.confidence, args.min_support) == (0.9, 0.05)
                    assert args.allow_missing
                    assert args.overwrite
                    assert args.tolerance == 2
    assert parsed == MODELS * 2 * 4 + 2
    # these have no parser of their own to call: they refuse before they do anything
    for command, main in (
        ("prepare", prepare.main),
        ("compare", compare.main),
        ("trial", trial.main),
    ):
        lines = [
            c[3:]
            for s in found.steps.values()
            for c in s.commands
            if shown(c).startswith(f"nnUNetv2_fair_{command} ")
        ]
        assert lines
        with pytest.raises(SystemExit) as end:
            main([*lines[0], "--no-such-flag"])
        assert end.value.code == 2


def test_one_shard_needs_no_merge_and_one_model_no_comparison(plan):
    found = plan(STUDY.replace("  - nnUNetTrainerOversampling_{attribute}\n", ""))
    assert names(found, "evaluate") == ["evaluate.d901.2d.internal.nnUNetTrainer"]
    assert names(found, "merge") == []
    assert names(found, "compare") == []
    assert "report.html" in found.steps["evaluate.d901.2d.internal.nnUNetTrainer"].outputs[2]


def test_other_plans_have_folders_of_their_own(plan):
    found = plan(
        STUDY.replace("    folds:", "    plans: [nnUNetPlans, nnUNetResEncUNetMPlans]\n    folds:")
    )
    step = found.steps["predict.d901.2d__nnUNetResEncUNetMPlans.internal.nnUNetTrainer"]
    assert step.outputs[0].startswith(
        "predictions/Dataset901_Tiny/2d__nnUNetResEncUNetMPlans/internal/nnUNetTrainer/"
    )
    planning = found.steps["plan.d901.nnUNetResEncUNetMPlans"]
    assert shown(planning.commands[0]) == (
        "nnUNetv2_plan_experiment -d 901 -pl nnUNetPlannerResEncM"
    )
    assert len(names(found, "compare")) == 2


def test_a_cascade_waits_for_all_folds_of_the_stage_before(plan):
    text = STUDY.replace("[2d]", "[3d_cascade_fullres, 3d_lowres]")
    found = plan(text)
    step = found.steps["train.d901.3d_cascade_fullres.nnUNetTrainer.f1"]
    assert set(step.needs) == {
        "prepare.d901",
        "preprocess.d901.nnUNetPlans.3d_fullres",
        "train.d901.3d_lowres.nnUNetTrainer.f0",
        "train.d901.3d_lowres.nnUNetTrainer.f1",
    }
    predict = found.steps["predict.d901.3d_cascade_fullres.internal.nnUNetTrainer"]
    assert "predict.d901.3d_lowres.internal.nnUNetTrainer" in predict.needs
    line = shown(predict.commands[0])
    assert (
        "-prev_stage_predictions predictions/Dataset901_Tiny/3d_lowres/internal/nnUNetTrainer"
        in line
    )


def test_external_test_sets(plan, raw, study_root):
    other = raw.parent / "Dataset902_Other"
    shutil.copytree(raw, other)
    folder = study_root / "far"
    shutil.copytree(raw / "imagesTs", folder / "images")
    shutil.copytree(raw / "labelsTs", folder / "labels")
    shutil.copy(raw / "demographics.csv", folder / "people.csv")
    found = plan(
        STUDY.replace(
            "    folds:",
            """\
    tests:
      - {name: other, dataset: 902, part: training}
      - {name: far, images: far/images, labels: far/labels, demographics: far/people.csv}
    folds:""",
        )
    )
    assert names(found, "compare") == ["compare.d901.2d.other", "compare.d901.2d.far"]
    line = shown(found.steps["predict.d901.2d.other.nnUNetTrainer"].commands[0])
    assert f"-i {other}/imagesTr " in line
    line = shown(found.steps["evaluate.d901.2d.far.nnUNetTrainer"].commands[0])
    assert f"-gt {folder}/labels " in line
    assert f"--demographics {folder}/people.csv " in line


def test_resources(plan):
    found = plan(
        extra="""\
resources:
  default: {partition: cpu, memory: 3G, gpus: 1}
  train: {partition: gpu, gpus: 2, runtime: 1d}
  trainers:
    "*Oversampling*": {runtime: 90m, constraint: a100}
attempts: 5
"""
    )
    plain = found.steps["train.d901.2d.nnUNetTrainer.f0"]
    other = found.steps["train.d901.2d.nnUNetTrainerOversampling_sex.f0"]
    assert (plain.resources.partition, plain.resources.runtime_min) == ("gpu", 1440)
    assert (plain.resources.memory_mb, plain.resources.gpus, plain.attempts) == (3000, 2, 5)
    assert "-num_gpus 2" in shown(plain.commands[0])
    assert (other.resources.runtime_min, other.resources.constraint) == (90, "a100")
    prepare_step = found.steps["prepare.d901"]
    assert (prepare_step.resources.partition, prepare_step.resources.gpus) == ("cpu", 0)


def test_without_cuda_no_graphics_card_is_asked_for(plan):
    found = plan(extra="device: cpu\n")
    assert {step.resources.gpus for step in found.steps.values()} == {0}
    assert "-device cpu" in shown(found.steps["train.d901.2d.nnUNetTrainer.f0"].commands[0])


def test_the_interpreter_and_what_is_around_it(plan, nnunet_folders):
    import sys

    found = plan()
    assert {step.commands[0][0] for step in found.steps.values()} == {sys.executable}
    assert found.environment["nnUNet_raw"] == str(nnunet_folders["nnUNet_raw"])
    assert "plugin" in found.environment["nnUNet_extTrainer"]
    found = plan(extra="container: apptainer exec --nv 'my image.sif'\nsetup: [module load cuda]\n")
    assert {step.commands[0][0] for step in found.steps.values()} == {"python"}
    assert found.container == ("apptainer", "exec", "--nv", "my image.sif")
    assert found.setup == ("module load cuda",)
    found = plan(extra="python: /opt/py\nenvironment: {A: 5}\n")
    assert {step.commands[0][0] for step in found.steps.values()} == {"/opt/py"}
    assert found.environment["A"] == "5"


def test_a_plan_is_read_as_it_was_written(plan, study_root):
    found = plan(FULL)
    found.write(study_root)
    assert read_plan(study_root) == dataclasses.replace(
        found,
        steps={n: dataclasses.replace(s, facts=dict(s.facts)) for n, s in found.steps.items()},
    )
    assert found.source == "study.yaml"


def test_nothing_of_single_persons_is_in_the_plan(plan, study_root):
    plan(FULL).write(study_root)
    text = (study_root / ".study" / "plan.json").read_text()
    assert "secretpatient" not in text
    assert "case_0" not in text


def changed(before, after):
    """Kinds of the steps of both plans whose fingerprints differ."""
    return {
        step.name.split(".")[0]
        for name, step in before.steps.items()
        if name in after.steps and after.steps[name].fingerprint != step.fingerprint
    }


BEHIND_TRAINING = {"predict", "evaluate", "compare", "index"}


@pytest.mark.parametrize(
    ("extra", "kinds"),
    [
        ("attempts: 9\nsetup: [module load x]\ndevice: cpu\npython: /opt/python\n", set()),
        ("resources: {train: {gpus: 4, partition: x}, evaluate: {cpus: 2}}\n", set()),
        ("environment: {nnUNet_n_proc_DA: 3}\n", set()),
        ("evaluation: {unit: case}\n", {"evaluate", "compare", "index"}),
        ("evaluation: {tables: [tex]}\n", {"evaluate", "compare", "index"}),
        ("baseline: nnUNetTrainerOversampling_age\n", {"compare", "index"}),
        ("prediction: {step_size: 0.7}\n", BEHIND_TRAINING),
        ("seed: 4\n", {"prepare", "train", *BEHIND_TRAINING}),
    ],
)
def test_a_changed_option_reruns_what_depends_on_it(plan, extra, kinds):
    assert changed(plan(), plan(extra=extra)) == kinds


@pytest.mark.parametrize(
    ("old", "new", "kinds"),
    [
        ("title: Tiny", "title: Small", set()),
        ("  - nnUNetTrainer\n", "  - nnUNetTrainer\n  - nnUNetTrainerFEBS_sex\n",
         {"compare", "index"}),
        ("[0, 1]", "[0]", BEHIND_TRAINING),
        ("[2d]", "[2d, 3d_fullres]", {"index"}),
        ("number_of_folds: 2", "number_of_folds: 3", {"prepare", "train", *BEHIND_TRAINING}),
        ("number_of_folds: 2", "number_of_folds: 2\n    stratify: age",
         {"prepare", "train", *BEHIND_TRAINING}),
        ("attributes: [sex, age]", "attributes: [sex]", {"evaluate", "compare", "index"}),
    ],
)  # fmt: skip
def test_a_changed_list_reruns_what_depends_on_it(plan, old, new, kinds):
    assert old in STUDY
    assert changed(plan(), plan(STUDY.replace(old, new))) == kinds


@pytest.mark.parametrize(
    ("file", "kinds"),
    [
        ("demographics.csv", {"prepare", "train", *BEHIND_TRAINING}),
        ("imagesTr/case_000_0000.png", {"fingerprint", "plan", "preprocess", "train",
                                        *BEHIND_TRAINING}),
        ("imagesTs/case_025_0000.png", BEHIND_TRAINING),
        ("labelsTs/case_025.png", {"evaluate", "compare", "index"}),
    ],
)  # fmt: skip
def test_a_changed_file_reruns_what_depends_on_it(plan, raw, file, kinds):
    before = plan()
    with (raw / file).open("ab") as handle:
        handle.write(b"\n")
    assert changed(before, plan()) == kinds


def test_a_changed_table_of_a_test_set_reruns_what_reads_it(plan, raw, study_root):
    folder = study_root / "far"
    shutil.copytree(raw, folder)
    text = (
        STUDY.replace(
            "    folds:",
            """\
    tests:
      - {name: far, images: far/imagesTs, labels: far/labelsTs, demographics: far/demographics.csv}
    folds:""",
        )
        + "  - nnUNetTrainerInD_sex\n"
    )
    before = plan(text)
    with (folder / "demographics.csv").open("a") as table:
        table.write("\n")
    after = plan(text)
    assert changed(before, after) == {"predict", "evaluate", "compare", "index"}
    predictions = {
        name
        for name in names(before, "predict")
        if before.steps[name].fingerprint != after.steps[name].fingerprint
    }
    # only a model per group looks into the table to predict
    assert predictions == {"predict.d901.2d.far.nnUNetTrainerInD_sex"}


def test_moved_folders_rerun_nothing(plan, nnunet_folders, tmp_path, monkeypatch):
    before = plan()
    for variable, folder in nnunet_folders.items():
        moved = tmp_path / "elsewhere" / variable
        shutil.move(folder, moved)
        monkeypatch.setenv(variable, str(moved))
    after = plan()
    assert changed(before, after) == set()
    assert "elsewhere" in shown(after.steps["predict.d901.2d.internal.nnUNetTrainer"].commands[0])


def record(study_root, step, *, taken_over=False):
    Record(step.name, step.kind, step.fingerprint, (), {}, taken_over, dict(step.facts)).write(
        study_root / step.record
    )


def test_what_is_there_already_is_taken_over(plan, preprocessed, results):
    assert prepare.main(["-d", "901", "--folds", "2", "-a", "age"]) == 0
    steps = plan().steps
    assert steps["prepare.d901"].finished == str(preprocessed / "splits_final.json")
    assert steps["fingerprint.d901"].finished == ""
    assert steps["plan.d901.nnUNetPlans"].finished == ""


def test_what_the_study_has_begun_is_nobody_elses(plan, study_root):
    """A job that died between its last file and its record runs again."""
    assert prepare.main(["-d", "901", "--folds", "2", "-a", "age"]) == 0
    attempts = study_root / ".study" / "attempts" / "prepare.d901.jsonl"
    attempts.parent.mkdir(parents=True)
    attempts.write_text("{}\n")
    step = plan().steps["prepare.d901"]
    assert step.finished == ""
    assert "--overwrite" not in step.commands[0]


def test_folds_of_others_are_kept_whatever_the_file_says(plan, study_root, raw):
    assert prepare.main(["-d", "901", "--folds", "2", "-a", "age"]) == 0
    before = plan()
    record(study_root, before.steps["prepare.d901"], taken_over=True)
    assert changed(before, plan(extra="seed: 5\n")) == {"evaluate", "compare", "index"}
    # a changed table is copied again, and still the folds are not the study's
    with (raw / "demographics.csv").open("a") as table:
        table.write("\n")
    step = plan().steps["prepare.d901"]
    assert step.finished == ""
    record(study_root, step)
    for text in (STUDY, STUDY.replace("number_of_folds: 2", "number_of_folds: 3")):
        step = plan(text).steps["prepare.d901"]
        assert "--overwrite" not in step.commands[0]
        assert prepare.main(list(step.commands[0][3:])) == 0
    assert step.facts["folds"] == "kept"


def test_folds_that_the_study_made_are_made_again(plan, study_root, preprocessed):
    first = plan().steps["prepare.d901"]
    assert first.facts["folds"] == "made"
    assert "--overwrite" not in first.commands[0]
    assert prepare.main(list(first.commands[0][3:])) == 0
    record(study_root, first)
    assert plan().steps["prepare.d901"].fingerprint == first.fingerprint
    again = plan(extra="seed: 5\n").steps["prepare.d901"]
    assert again.fingerprint != first.fingerprint
    assert again.finished == ""
    splits = (preprocessed / "splits_final.json").read_text()
    assert prepare.main(list(again.commands[0][3:])) == 0
    assert (preprocessed / "splits_final.json").read_text() != splits


def test_a_changed_table_is_prepared_again(plan, raw):
    assert prepare.main(["-d", "901", "--folds", "2", "-a", "age"]) == 0
    with (raw / "demographics.csv").open("a") as table:
        table.write("\n")
    assert plan().steps["prepare.d901"].finished == ""
