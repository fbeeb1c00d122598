"""nnU-Net's own commands on our models: predict, evaluate, export, install."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nnunetv2_fair import registration
from nnunetv2_fair.cli.evaluate import main as evaluate
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult

pytestmark = pytest.mark.slow

TRAINER = "nnUNetTrainerOversampling_sex_1epochs"


def nnunet(command: str, *arguments: object, **variables: str) -> str:
    program = Path(sys.executable).parent / command
    done = subprocess.run(
        [str(program), *map(str, arguments)], env={**os.environ, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def trained(tiny_nnunet, monkeypatch):
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    registration.register()
    out = nnunet("nnUNetv2_train", "901", "2d_trial", 0, "-tr", TRAINER, "-device", "cpu")
    assert "Loss per sample, training, by sex: female" in out
    return tiny_nnunet


def test_predict_evaluate_export_install(trained, tmp_path, monkeypatch):
    # a machine that has nothing but the model: no raw and no preprocessed data, no demographics
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    predictions = tmp_path / "predictions"
    nnunet(
        "nnUNetv2_predict", "-d", "901", "-i", trained["raw"] / "imagesTs", "-o", predictions,
        "-c", "2d_trial", "-f", 0, "-tr", TRAINER, "-device", "cpu", "-npp", 1, "-nps", 1,
        nnUNet_preprocessed=str(elsewhere),
    )  # fmt: skip
    assert len(list(predictions.glob("*.png"))) == 6

    arguments = ["-gt", trained["raw"] / "labelsTs", "-pred", predictions, "-a", "sex", "-o",
                 tmp_path / "evaluation", "--min-patients", 1, "-np", 1]  # fmt: skip
    assert evaluate([str(argument) for argument in arguments]) == 0
    result = EvaluationResult.read(tmp_path / "evaluation")
    assert result.comparison("sex", "dice", "disc").overall.n_cases == 6
    assert (tmp_path / "evaluation" / "report.html").stat().st_size > 10_000

    model = tmp_path / "model.zip"
    nnunet(
        "nnUNetv2_export_model_to_zip", "-d", "901", "-o", model, "-c", "2d_trial", "-f", 0,
        "-tr", TRAINER,
    )  # fmt: skip
    with zipfile.ZipFile(model) as archive:
        assert any(name.endswith("checkpoint_final.pth") for name in archive.namelist())
        for name in archive.namelist():
            content = archive.read(name)
            assert b"secretpatient" not in content, name
            assert "demographics" not in name

    monkeypatch.setenv("nnUNet_results", str(elsewhere))
    nnunet("nnUNetv2_install_pretrained_model_from_zip", model)
    again = tmp_path / "again"
    nnunet(
        "nnUNetv2_predict", "-d", "901", "-i", trained["raw"] / "imagesTs", "-o", again,
        "-c", "2d_trial", "-f", 0, "-tr", TRAINER, "-device", "cpu", "-npp", 1, "-nps", 1,
    )  # fmt: skip
    for first in predictions.glob("*.png"):
        assert (again / first.name).read_bytes() == first.read_bytes()


@pytest.mark.parametrize(
    ("trainer", "last"),
    [
        (
            "nnUNetTrainerOverSampling_sex",
            "There is no trainer 'nnUNetTrainerOverSampling_sex', neither in nnU-Net nor in "
            "nnunetv2_fair. Did you mean 'nnUNetTrainerOversampling_sex'?",
        ),
        (
            "nnUNetTrainerOversampling_sex_levle0.5",
            "Trainer name 'nnUNetTrainerOversampling_sex_levle0.5': 'levle0.5' is not an option of "
            "nnUNetTrainerOversampling. Did you mean 'level0.5'?",
        ),
        (
            "nnUNetTrainerOversampling_Sex",
            "nnUNetTrainerOversampling_Sex: There is no attribute 'Sex'. Did you mean 'sex'? "
            "Attributes of this dataset: sex, age.",
        ),
    ],
)
def test_what_is_refused_is_refused_in_the_last_line(tiny_nnunet, monkeypatch, trainer, last):
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    registration.register()
    program = str(Path(sys.executable).parent / "nnUNetv2_train")
    done = subprocess.run(
        [program, "901", "2d_trial", "0", "-tr", trainer, "-device", "cpu"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    assert done.stdout.endswith(f"{last}\n")
    lines = done.stdout.splitlines()
    assert lines[-1].removeprefix("nnUNetv2_train: ") == last


def test_continuing_a_finished_training_only_validates(trained):
    log = next(trained["results"].rglob("subgroup_log.csv"))
    before = log.read_bytes()
    out = nnunet("nnUNetv2_train", "901", "2d_trial", 0, "-tr", TRAINER, "-device", "cpu", "--c")
    assert "Mean Validation Dice" in out
    assert log.read_bytes() == before
