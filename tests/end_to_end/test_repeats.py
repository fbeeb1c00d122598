"""A study that repeats a method, from its file to its page, by the real commands."""

from importlib.util import find_spec

import pandas as pd
import pytest

from nnunetv2_fair import registration
from nnunetv2_fair.cli import study
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.study.step import read_plan
from tests.trainers.seeding import make_seeded_trainer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("snakemake") is None, reason="needs Python 3.11"),
]

STUDY = """\
title: Repeats
datasets:
  - id: 901
    configurations: [2d_trial]
    folds: [0]
    number_of_folds: 2
    tests:  # the test part has too few patients to tell anything
      - {name: many, images: RAW/imagesTr, labels: RAW/labelsTr, demographics: RAW/demographics.csv}
trainers: [nnUNetTrainerMonitor_sex]
repeats: REPEATS
prediction: {mirroring: false}
evaluation: {attributes: [sex], min_patients: 3, bootstrap: 20, metrics: [dice]}
device: cpu
"""


def train(name: str) -> None:
    """Leave the model of a training of 40 steps."""
    trainer = make_seeded_trainer(name, epochs=1)
    trainer.num_iterations_per_epoch = 40
    trainer.run_training()


def test_two_runs_are_one_method_and_a_third_can_follow(tiny_nnunet, tmp_path, monkeypatch, capfd):
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    registration.register()
    runs = [f"nnUNetTrainerMonitor_sex_run{number}" for number in (1, 2)]
    for name in runs:
        train(name)
    path = tmp_path / "study" / "study.yaml"
    path.parent.mkdir()
    text = STUDY.replace("RAW", str(tiny_nnunet["raw"]))
    path.write_text(text.replace("REPEATS", "2"), encoding="utf-8")
    capfd.readouterr()
    done = study.main([str(path), "--cores", "2", "--jobs", "2"])
    assert done == 0, capfd.readouterr()
    where = "Dataset901_Tiny/2d_trial/many"
    result = EvaluationResult.read(path.parent / "evaluations" / where / "nnUNetTrainerMonitor_sex")
    assert [training.name for training in result.trainings] == runs
    assert result.settings["trainings"] == {"kind": "repeats", "number": 2, "names": runs}
    # the two seeds have made two models
    first, second = (training.per_case["dice"] for training in result.trainings)
    assert not first.equals(second)
    assert "Mean (SD) over trainings" in (path.parent / "index.html").read_text(encoding="utf-8")
    told = pd.read_csv(path.parent / "mean_std.csv")
    row = told[(told["quantity"] == "mean") & (told["label"] == result.headline_label)]
    means = [t.comparison("sex", "dice", "disc").overall.mean for t in result.trainings]
    assert row["std"].item() == pytest.approx(pd.Series(means).std())

    path.write_text(text.replace("REPEATS", "3"), encoding="utf-8")
    capfd.readouterr()
    assert study.main([str(path), "--dry-run"]) == 0
    out = capfd.readouterr().out
    rows = {line.split()[0]: line.split()[1:4] for line in out.splitlines() if line.strip()}
    # of each only the third run is to do
    assert rows["predict"] == ["3", "2", "0"]
    assert rows["train"] == ["3", "2", "0"]
    assert "-tr nnUNetTrainerMonitor_sex_run3 " in out
    assert "-tr nnUNetTrainerMonitor_sex_run2 " not in out
    assert "train.d901.2d_trial.nnUNetTrainerMonitor_sex_run2.f0" in read_plan(path.parent).steps
