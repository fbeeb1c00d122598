"""The page of a diagnosis: well formed, whatever names the data have; its file reads back."""

import dataclasses

import numpy as np
import pytest

from nnunetv2_fair.audit.diagnosis.answers import questions
from nnunetv2_fair.audit.results.causes import DiagnosisResult
from nnunetv2_fair.report.of_audit.diagnosis_page import rendered_diagnosis, write_diagnosis
from tests.audit.diagnosis.factories import DICE, LABEL, drawn
from tests.report.html_check import check_page

HOSTILE = ("<script>alert(1)</script>", "{{ 7*7 }}")


@pytest.fixture(scope="module")
def result():
    said, _ = questions(
        drawn(np.random.default_rng(3), gap=0.1, cause="labels"), ["sex"], DICE, LABEL,
        {("representation", ""): "repeats: 2 is the least"},
    )  # fmt: skip
    hostile = tuple(dataclasses.replace(one, attribute=HOSTILE[1], between=HOSTILE) for one in said)
    return DiagnosisResult(
        "nnUNetTrainer", DICE, LABEL, hostile, ("shortcut: the images are crops.",), ("A note.",),
        {"metric": "dice"}, {"numpy": "2"}, "2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def test_page(result):
    text, downloads = rendered_diagnosis(result)
    page = check_page(text)
    assert "<script>alert(1)</script>" in page.text  # as text
    assert "{{ 7*7 }}" in page.text
    assert "Private: this page holds counts of small groups" in page.text
    assert "The evidence supports automated labels of the test cases" in page.text
    assert "shortcut: the images are crops." in page.text
    assert "group-only" in page.text
    names = [name for name in downloads.files() if name.endswith(".csv")]
    assert len(names) == 3


def test_files(result, tmp_path):
    written = write_diagnosis(result, tmp_path / "out")
    assert [path.name for path in written] == ["diagnosis.json", "diagnosis.html"]
    read = DiagnosisResult.read(tmp_path / "out")
    assert read.questions[0].named() == result.questions[0].named() == ("labels",)
    assert read.impossible == result.impossible
