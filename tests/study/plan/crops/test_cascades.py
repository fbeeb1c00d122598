"""Cascades of a study: their steps, and what is refused before any of them runs."""

import pytest

from nnunetv2_fair.study.plan.steps.commands import shown
from tests.study.plan.crops.conftest import CROPPED

WHERE = "predictions/Dataset901_Tiny/2d/internal"


def test_every_model_of_crops_predicts_twice(plan, raw):
    found = plan(CROPPED)
    name = "predict.d901.2d.internal.nnUNetTrainerOversampling_sex"
    step = found.steps[f"{name}_cascade"]
    assert shown(step.commands[0]).startswith(
        f"nnUNetv2_fair_predict_cascade -i {raw}/imagesTs "
        f"-o {WHERE}/nnUNetTrainerOversampling_sex_cascade -gt {raw}/labelsTs "
        "--localizer -d Dataset901_Tiny -tr nnUNetTrainer -p nnUNetPlans -c 2d -f 0 1 "
        "--segmenter -d Dataset903_TinyCropped -tr nnUNetTrainerOversampling_sex -p nnUNetPlans "
        "-c 2d -f 1 -device cuda"
    )
    assert set(step.needs) == {
        "train.d903.2d.nnUNetTrainerOversampling_sex.f1",
        "train.d901.2d.nnUNetTrainer.f0",
        "train.d901.2d.nnUNetTrainer.f1",
    }
    bound = found.steps[f"{name}_upper_bound"]
    assert "--upper-bound --segmenter -d Dataset903_TinyCropped" in shown(bound.commands[0])
    assert bound.needs == ("train.d903.2d.nnUNetTrainerOversampling_sex.f1",)
    assert step.resources.gpus == bound.resources.gpus == 1


def test_they_are_compared_with_the_models_of_full_images(plan):
    found = plan(CROPPED)
    (compared,) = [step for step in found.steps.values() if step.kind == "compare"]
    words = shown(compared.commands[0])
    assert (
        "--names nnUNetTrainer nnUNetTrainerOversampling_sex nnUNetTrainer_cascade "
        "nnUNetTrainer_upper_bound nnUNetTrainerOversampling_sex_cascade "
        "nnUNetTrainerOversampling_sex_upper_bound"
    ) in words
    evaluated = found.steps["evaluate.d901.2d.internal.nnUNetTrainer_cascade"]
    assert evaluated.needs == ("predict.d901.2d.internal.nnUNetTrainer_cascade",)
    assert evaluated.facts["test"] == "internal"
    # each step comes behind those that it needs
    seen = set()
    for name, step in found.steps.items():
        assert set(step.needs) <= seen
        seen.add(name)


def test_options_of_predictions_and_the_localizer(plan, changed):
    chosen = "cascade: {dataset: 903, localizer: nnUNetTrainerOversampling_sex, factor: 2}"
    text = changed(("cascade: 903", chosen))
    extra = "prediction: {mirroring: false, step_size: 0.75}\n"
    step = plan(text, extra).steps["predict.d901.2d.internal.nnUNetTrainer_cascade"]
    words = shown(step.commands[0])
    assert "-step_size 0.75 --disable_tta --factor 2 --localizer -d Dataset901_Tiny" in words
    assert "-tr nnUNetTrainerOversampling_sex -p nnUNetPlans -c 2d -f 0 1 --segmenter" in words
    baseline = "baseline: nnUNetTrainerOversampling_sex\n"
    step = plan(CROPPED, baseline).steps["predict.d901.2d.internal.nnUNetTrainer_cascade"]
    assert "--localizer -d Dataset901_Tiny -tr nnUNetTrainerOversampling_sex" in shown(
        step.commands[0]
    )


def test_runs_and_single_folds(plan, changed):
    text = changed(("folds: [1]", "folds: [0, 1]"))
    found = plan(text, "repeats: 2\nprediction: {folds: [ensemble, single]}\n")
    step = found.steps["predict.d901.2d.internal.nnUNetTrainer_run2_cascade"]
    words = shown(step.commands[0])
    # a run follows the same run of the localizer
    assert words.count("-tr nnUNetTrainer_run2 ") == 2
    assert step.facts["method"] == "nnUNetTrainer_cascade"
    evaluated = found.steps["evaluate.d901.2d.internal.nnUNetTrainer_cascade"]
    assert "--trainings repeats" in shown(evaluated.commands[0])
    single = found.steps["predict.d901.2d.internal+folds.nnUNetTrainer_run1_cascade.f1"]
    assert shown(single.commands[0]).count("-f 1 ") == 2
    assert "/nnUNetTrainer_run1_cascade/fold_1 " in shown(single.commands[0])


def test_configurations_that_both_have(plan, changed):
    text = changed(("configurations: [2d]\n    folds: [0, 1]",
                    "configurations: [2d, 3d_fullres]\n    folds: [0, 1]"))  # fmt: skip
    found = plan(text)
    assert "predict.d901.2d.internal.nnUNetTrainer_cascade" in found.steps
    assert "predict.d901.3d_fullres.internal.nnUNetTrainer_cascade" not in found.steps


@pytest.mark.parametrize(
    ("pairs", "extra", "words"),
    [
        ([("cascade: 903", "cascade: 904")], "",
         ["line 8: cascade: '904' is not a dataset of this study. Add it to datasets: "
          "{id: 904, crop: 901, configurations: [2d]}"]),
        ([("cascade: 903", "cascade: 901")], "",
         ["line 8: cascade: Dataset901_Tiny is not cropped; expected crops of Dataset901_Tiny"]),
        ([("cascade: 903", "cascade: {dataset: 903, localizer: nnUNetTrainr}")], "",
         ["line 8: cascade, localizer: 'nnUNetTrainr' is not a trainer of Dataset901_Tiny",
          "mean 'nnUNetTrainer'?"]),
        ([("cascade: 903", "cascade: {dataset: 903, factor: 0.5}")], "",
         ["line 8: ", "found 0.5; expected a number, 1 or more"]),
        ([("cascade: 903", "cascade: true")], "", ["line 8: ", "found true; expected the id or"]),
        ([("{name: internal, cascade: 903}", "internal")], "",
         ["line 10: nothing tests the models of Dataset903_TinyCropped: under tests of "
          "Dataset901_Tiny, write {name: internal, cascade: 903}"]),
        ([("configurations: [2d]\n    folds: [1]", "configurations: [3d_fullres]")], "",
         ["line 8: cascade: Dataset901_Tiny and Dataset903_TinyCropped have no configuration in"]),
        ([("  - nnUNetTrainer\n", "  - nnUNetTrainer\n  - nnUNetTrainerInD_sex\n")],
         "prediction: {unknown_model: {sex: male}}\n",
         ["line 16: nnUNetTrainerInD_sex is a model for each group, which a cascade cannot"]),
        ([("  - nnUNetTrainer\n", "  - nnUNetTrainer\n  - nnUNetTrainerInD_sex\n"),
          ("cascade: 903", "cascade: {dataset: 903, localizer: nnUNetTrainerInD_sex}"),
          ("folds: [1]", "folds: [1]\n    trainers: [nnUNetTrainer]")],
         "prediction: {unknown_model: {sex: male}}\n",
         ["line 8: cascade, localizer: nnUNetTrainerInD_sex is a model for each group"]),
        ([], "prediction: {folds: [single]}\n",
         ["line 12: Dataset903_TinyCropped has other folds here than Dataset901_Tiny"]),
    ],
)  # fmt: skip
def test_cascades_that_make_no_sense(mistakes, changed, pairs, extra, words):
    lines = mistakes(changed(*pairs), extra)
    assert any(all(word in line for word in words) for line in lines), lines


def test_images_without_reference(mistakes, raw):
    (raw / "labelsTs" / "case_024.png").unlink()
    (line,) = mistakes(CROPPED)
    assert line.startswith("line 8: cascade: 1 image of test set 'internal' without reference")
    assert "case_024" in line


def test_tables_and_figures_know_cascades(plan, mistakes):
    table = "tables:\n  - {name: one, kind: medians, by: sex, methods: {Cropped: METHOD}}\n"
    extra = "evaluation: {metrics: [dice, hd]}\n" + table
    found = plan(CROPPED, extra.replace("METHOD", "nnUNetTrainer_cascade"))
    assert '"Cropped": "nnUNetTrainer_cascade"' in found.steps["paper"].commands[0][-1]
    (line,) = mistakes(CROPPED, extra.replace("METHOD", "nnUNetTrainer_cascde"))
    assert "mean 'nnUNetTrainer_cascade'?" in line
    every = plan(CROPPED, extra.replace(", methods: {Cropped: METHOD}", ""))
    assert "nnUNetTrainer_upper_bound" in every.steps["paper"].commands[0][-1]
