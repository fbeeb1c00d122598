import csv
import dataclasses
import io

import pandas as pd
import pytest

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.safe_csv import with_formulas, without_formulas
from tests.files.test_tabular import HOSTILE
from tests.report import factories


def test_tables_come_back_and_numbers_stay_numbers():
    frame = pd.DataFrame({"=a": ["=1", "b", None], "dice": [-0.5, 0.25, 1.0]})
    safe = without_formulas(frame)
    assert list(safe.columns) == ["'=a", "dice"]
    assert safe["'=a"].tolist()[:2] == ["'=1", "b"]
    assert safe["dice"].tolist() == [-0.5, 0.25, 1.0]
    pd.testing.assert_frame_equal(with_formulas(safe, ["=a"]), frame, check_dtype=False)
    assert list(frame.columns) == ["=a", "dice"]  # untouched


def test_per_case_csv_is_safe_and_read_back_unchanged(tmp_path):
    levels = [text for text in HOSTILE if text]
    result = factories.make_result({"=sex": levels}, 6, metrics=(factories.DICE,))
    names = [f"{HOSTILE[i % len(HOSTILE)]}{i}" for i in range(len(result.per_case))]
    frame = result.per_case.assign(case=names, patient=names[::-1])
    result = dataclasses.replace(result, per_case=frame)
    result.write(tmp_path)
    text = (tmp_path / "per_case.csv").read_bytes().decode("utf-8")
    for row in csv.reader(io.StringIO(text, newline="")):
        for cell in row:
            assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n"))
            assert not cell.startswith("-") or float(cell) <= 0
    read = EvaluationResult.read(tmp_path).per_case
    for column in ("case", "patient", "=sex", "label"):
        assert read[column].tolist() == frame[column].tolist()
    assert read["dice"].tolist() == pytest.approx(frame["dice"].tolist())
