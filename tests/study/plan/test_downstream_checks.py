"""Downstream measures in a study: arguments of the evaluation, and what is refused."""

import numpy as np
import pytest
import SimpleITK

from nnunetv2_fair.study.plan.steps.commands import shown
from tests.study.conftest import STUDY


def evaluation(plan, extra, text=STUDY):
    step = plan(text, extra).steps["evaluate.d901.2d.internal.nnUNetTrainer"]
    return shown(step.commands[0])


def test_arguments(plan, raw):
    words = evaluation(
        plan,
        "evaluation: {downstream: [radiomics], threshold: {perimeter: [50, 80.5], "
        '"disc:diameter": 12}}\n',
    )
    assert "--downstream radiomics " in words
    assert (
        "--threshold perimeter=50 --threshold perimeter=80.5 --threshold disc:diameter=12" in words
    )
    assert f"--images {raw}/imagesTs" in words
    # studies that do not ask for it are not evaluated again
    assert "--images" not in evaluation(plan, "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("threshold: {ef: 50}", "evaluation, threshold is about downstream measures: add"),
        ("frames: phase", "evaluation, frames is about downstream measures: add"),
        ("downstream: [hearts]", "found \"hearts\"; expected one of"),
        ("downstream: [radiomics], threshold: {ef: 50}", "'ef' is not measured"),
        ("downstream: [radiomics], threshold: {diameter: [5, 5]}", "expected a number, or a list"),
        ("downstream: [radiomics], threshold: {diameter: many}", "expected a number"),
        ('downstream: [radiomics], threshold: {"disk:diameter": 5}', "there is no label 'disk'"),
        ("downstream: [radiomics], frames: phase", "it needs --downstream cardiac"),
        ("downstream: [cardiac]", "test set 'internal': --downstream cardiac needs the label"),
        ("downstream: [tumour]", "test set 'internal': --downstream tumour needs volumes"),
    ],
)  # fmt: skip
def test_refused(mistakes, given, words):
    (line,) = mistakes(STUDY, f"evaluation: {{{given}}}\n")
    assert line.startswith("line 11: ")
    assert words in line


@pytest.fixture
def hearts(raw) -> str:
    """The test set of folders with volumes of hearts, and the study's file about it."""
    for part in ("imagesTs", "labelsTs"):
        for path in (raw / part).iterdir():
            path.unlink()
    content = (raw / "dataset.json").read_text().replace(".png", ".nii.gz")
    (raw / "dataset.json").write_text(content.replace("disc", "LV_cavity"))
    for path in [*(raw / "imagesTr").iterdir(), *(raw / "labelsTr").iterdir()]:
        path.rename(path.with_name(path.name.replace(".png", ".nii.gz")))
    for number in range(24, 30):
        volume = SimpleITK.GetImageFromArray(np.ones((3, 8, 8), np.uint8))
        SimpleITK.WriteImage(volume, str(raw / "labelsTs" / f"case_{number:03d}.nii.gz"))
        SimpleITK.WriteImage(volume, str(raw / "imagesTs" / f"case_{number:03d}_0000.nii.gz"))
    return STUDY


def test_frames_of_the_heart(plan, mistakes, hearts):
    (line,) = mistakes(hearts, "evaluation: {downstream: [cardiac]}\n")
    assert line.startswith("line 11: test set 'internal': ")
    assert "do not end in _ED or _ES" in line
    (line,) = mistakes(hearts, "evaluation: {downstream: [cardiac], frames: phase}\n")
    assert "has no column 'phase'" in line
