"""Studies that train every method several times."""

import pytest

from nnunetv2_fair.cli import evaluate
from nnunetv2_fair.study.plan.steps.commands import shown
from tests.study.conftest import STUDY, finish_training

TRAINERS = """\
  - nnUNetTrainer
  - nnUNetTrainerMonitor_sex_5epochs
  - nnUNetTrainerAPPLE_sex_beta0.1
  - nnUNetTrainerInD_sex_baseMonitor-sex-5epochs
"""
PLAIN = STUDY[: STUDY.index("  - nnUNetTrainer\n")] + TRAINERS
REPEATED = f"{PLAIN}repeats: 3\n"


def trained(found):
    return {step.facts["trainer"] for step in found.steps.values() if step.kind == "train"}


def test_every_trainer_is_trained_by_the_names_of_its_runs(plan):
    found = plan(REPEATED)
    assert trained(found) == {
        name.format(run)
        for run in (1, 2, 3)
        for name in (
            "nnUNetTrainer_run{0}",
            "nnUNetTrainerMonitor_sex_run{0}_5epochs",
            "nnUNetTrainerAPPLE_sex_beta0.1_base-run{0}_run{0}",
            "nnUNetTrainerInD_sex=female_baseMonitor-sex-run{0}-5epochs_run{0}",
            "nnUNetTrainerInD_sex=male_baseMonitor-sex-run{0}-5epochs_run{0}",
        )
    }
    assert trained(plan(PLAIN)).isdisjoint(trained(found))


def test_a_run_builds_on_the_same_run_of_its_base(plan, results):
    found = plan(REPEATED)
    for step in found.steps.values():
        bases = [needed for needed in step.needs if needed.startswith("train.")]
        if step.kind != "train" or not bases:
            continue
        (base,) = bases
        assert (base[-1], found.steps[base].facts["fold"]) == (step.name[-1], step.facts["fold"])
        run = next(n for n in (1, 2, 3) if f"_run{n}" in step.name)
        assert f"_run{run}" in base
    step = found.steps["train.d901.2d.nnUNetTrainerAPPLE_sex_beta0.1_base-run2_run2.f1"]
    assert "train.d901.2d.nnUNetTrainer_run2.f1" in step.needs
    assert step.facts["method"] == "nnUNetTrainerAPPLE_sex_beta0.1"
    assert step.finished == str(
        results
        / "nnUNetTrainerAPPLE_sex_beta0.1_base-run2_run2__nnUNetPlans__2d"
        / "fold_1/checkpoint_final.pth"
    )


def test_runs_are_predicted_one_by_one_and_evaluated_as_one_method(plan):
    found = plan(REPEATED)
    name = "nnUNetTrainerInD_sex_baseMonitor-sex-5epochs"
    runs = [f"nnUNetTrainerInD_sex_baseMonitor-sex-run{n}-5epochs_run{n}" for n in (1, 2, 3)]
    for run in runs:
        line = shown(found.steps[f"predict.d901.2d.internal.{run}"].commands[0])
        assert f" -o predictions/Dataset901_Tiny/2d/internal/{run} -tr {run} " in line
    step = found.steps[f"evaluate.d901.2d.internal.{name}"]
    assert step.needs == tuple(f"predict.d901.2d.internal.{run}" for run in runs)
    args = evaluate._parser().parse_args(step.commands[0][3:])
    assert [folder.name for folder in args.pred] == runs
    assert (args.trainings, args.name) == ("repeats", name)
    assert str(args.o) == f"evaluations/Dataset901_Tiny/2d/internal/{name}"
    compared = found.steps["compare.d901.2d.internal"].commands[0]
    names = compared[compared.index("--names") + 1 :][:4]
    assert names[0] == "nnUNetTrainer"
    assert name in names
    assert not [word for word in compared if "_run" in word]


def test_more_repeats_train_only_what_is_new(plan):
    before, after = plan(PLAIN + "repeats: 2\n"), plan(REPEATED)
    new = trained(after) - trained(before)
    assert trained(before) < trained(after)
    assert all("_run3" in name for name in new)
    for kind in ("train", "predict"):
        old = [step for step in before.steps.values() if step.kind == kind]
        assert old
        for step in old:
            assert after.steps[step.name].fingerprint == step.fingerprint
    name = "evaluate.d901.2d.internal.nnUNetTrainer"
    assert before.steps[name].fingerprint != after.steps[name].fingerprint


def test_one_repeat_is_a_run_that_more_can_follow(plan):
    found = plan(PLAIN + "repeats: 1\n")
    assert "nnUNetTrainer_run1" in trained(found)
    words = found.steps["evaluate.d901.2d.internal.nnUNetTrainer"].commands[0]
    assert "--trainings" not in words
    assert "predictions/Dataset901_Tiny/2d/internal/nnUNetTrainer_run1" in words


def test_resources_are_asked_for_by_the_name_of_the_method_or_of_a_run(plan):
    found = plan(
        REPEATED,
        "resources:\n  trainers:\n    nnUNetTrainer: {runtime: 90m}\n"
        "    '*_run3': {runtime: 30m}\n",
    )
    minutes = [
        found.steps[f"train.d901.2d.nnUNetTrainer_run{n}.f0"].resources.runtime_min
        for n in (1, 2, 3)
    ]
    assert minutes == [90, 90, 30]


@pytest.mark.parametrize(
    ("trainer", "words"),
    [
        (
            "nnUNetTrainerOversampling_sex_run2",
            "'nnUNetTrainerOversampling_sex_run2' names a run, and repeats makes the names of all "
            "runs: leave _run... out of the name, or leave repeats out",
        ),
        ("nnUNetTrainerAPPLE_sex_baseMonitor-sex-run2", "names a run"),
        (
            "nnUNetTrainerDA5",
            "'nnUNetTrainerDA5' has no seed, so it cannot be repeated: nnUNetTrainer and the "
            "trainers of nnunetv2_fair can. Write nnUNetTrainerMonitor_onDA5, which trains in the "
            "same way",
        ),
        (
            "nnUNetTrainerAPPLE_sex_baseDA5",
            "the base of 'nnUNetTrainerAPPLE_sex_baseDA5', 'nnUNetTrainerDA5' has no seed",
        ),
        (
            "nnUNetTrainerAPPLE_sex_baseInD-sex=female",
            "builds on nnUNetTrainerInD_sex=female, which builds on a model, too",
        ),
        (
            "nnUNetTrainerAPPLE_sex_baseMonitor-age",
            "nnUNetTrainerAPPLE_sex_baseMonitor-age-run1_run1 builds on a model of "
            "nnUNetTrainerMonitor_age_run1, which is neither in this study nor trained",
        ),
    ],
)
def test_what_cannot_be_repeated(mistakes, trainer, words):
    (line,) = mistakes(f"{PLAIN}  - {trainer}\nrepeats: 3\n")
    assert line.startswith("line 13: ")
    assert words in line


def test_runs_of_a_base_that_were_trained_before(mistakes, plan, results):
    text = f"{PLAIN}  - nnUNetTrainerAPPLE_sex_baseMonitor-age\nrepeats: 2\n"
    for fold in (0, 1):
        finish_training(results, "nnUNetTrainerMonitor_age_run1", fold)
    (line,) = mistakes(text)
    assert "a model of nnUNetTrainerMonitor_age_run2, which is neither" in line
    assert "Add '- nnUNetTrainerMonitor_age' to trainers" in line
    for fold in (0, 1):
        finish_training(results, "nnUNetTrainerMonitor_age_run2", fold)
    assert plan(text)
