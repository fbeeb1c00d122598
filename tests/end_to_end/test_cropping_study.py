"""A study that crops, trains on full images and on crops, and predicts with a cascade."""

from importlib.util import find_spec

import pandas as pd
import pytest
import torch

from nnunetv2_fair import registration
from nnunetv2_fair.cli import phantoms, study
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.trainers.seeding import seed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("snakemake") is None, reason="needs Python 3.11"),
]

STUDY = """\
title: Cropping
datasets:
  - id: 901
    configurations: [2d_trial]
    folds: [0]
    number_of_folds: 2
    tests: [{name: internal, cascade: 903}]
  - id: 903
    crop: {dataset: 901, margin: 4, jitter: 2}
    configurations: [2d_trial]
    folds: [0]
trainers: [nnUNetTrainer]
prediction: {mirroring: false}
evaluation:
  attributes: [sex]
  min_patients: 2
  bootstrap: 20
  metrics: [dice, hd]
  downstream: [radiomics]
  threshold: {surface_area: 300}
tables: [{name: crops, kind: medians, by: sex}]
device: cpu
seed: 3
"""
METHODS = ("nnUNetTrainer", "nnUNetTrainer_cascade", "nnUNetTrainer_upper_bound")


def train(dataset: str, steps: int) -> None:
    """Leave the model of a short training."""
    from nnunetv2.run.run_training import get_trainer_from_args

    seed(5)
    trainer = get_trainer_from_args(
        dataset, "2d_trial", 0, "nnUNetTrainer", device=torch.device("cpu")
    )
    trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = steps // 2, 1
    trainer.num_epochs = 2
    trainer.run_training()


def test_full_images_crops_cascade_and_upper_bound(nnunet_folders, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    registration.register()
    options = ["-d", "901", "-n", "Shortcut", "--bias", "shortcut", "--patients", "30"]
    assert phantoms.main([*options, "--seed", "1"]) == 0
    path = tmp_path / "study" / "study.yaml"
    path.parent.mkdir()
    path.write_text(STUDY, encoding="utf-8")

    def run(*further: str) -> str:
        capfd.readouterr()
        code = study.main([str(path), "--cores", "2", "--jobs", "2", *further])
        printed = capfd.readouterr()
        assert code == 0, printed
        return printed.out

    # trainings are made shorter than a study would make them; it then takes them over
    run("--only", *(f"{step}.{dataset}.nnUNetPlans.2d" for step in ("preprocess", "trial")
                    for dataset in ("d901", "d903")))  # fmt: skip
    names = "Dataset901_Shortcut", "Dataset903_ShortcutCropped"
    raw = [nnunet_folders["nnUNet_raw"] / name for name in names]
    cases = [sorted(path.name for path in (folder / "imagesTr").iterdir()) for folder in raw]
    assert cases[0] == cases[1]
    splits = [nnunet_folders["nnUNet_preprocessed"] / name / "splits_final.json" for name in names]
    assert splits[0].read_bytes() == splits[1].read_bytes()
    train("901", 200)
    train("903", 100)
    run()

    where = path.parent / "evaluations" / "Dataset901_Shortcut" / "2d_trial" / "internal"
    results = {name: EvaluationResult.read(where / name) for name in METHODS}
    dice = {name: r.comparison("sex", "dice", "nodule") for name, r in results.items()}
    n_cases = {comparison.overall.n_cases for comparison in dice.values()}
    assert n_cases == {len(list((raw[0] / "labelsTs").iterdir()))}
    for comparison in dice.values():
        assert set(comparison.groups) == {"female", "male"}
    # with exact boxes 100 steps are enough
    assert dice["nnUNetTrainer_upper_bound"].overall.mean > 0.6
    assert results["nnUNetTrainer_cascade"].downstream
    boxes = {}
    for name in METHODS[1:]:
        folder = path.parent / "predictions" / where.relative_to(path.parent / "evaluations")
        boxes[name] = pd.read_csv(folder / name / "boxes.csv")
    assert boxes["nnUNetTrainer_upper_bound"]["fallback"].sum() == 0
    assert (boxes["nnUNetTrainer_upper_bound"]["x_size_error_px"] == 0).all()
    # whatever the first model finds, its boxes are not those of the references
    found = boxes["nnUNetTrainer_cascade"]
    assert ((found["fallback"] == 1) | (found["x_abs_size_error_px"] > 0)).any()
    page = (path.parent / "index.html").read_text(encoding="utf-8")
    for name in METHODS:
        assert name in page
    assert "an upper bound for better boxes" in page
