import csv
import dataclasses
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.spreadsheet import (
    protected,
    unprotected,
    with_formulas,
    without_formulas,
)
from tests.report import factories

HOSTILE = (
    "=HYPERLINK(\"http://example.org\")", "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)",
    "\t=1", "\r=1", "\n=1", "\uff1d1", "'=1", "''=1", "'plain", "plain", "<script>", "x" * 5000,
    "two\nlines", "\u202eevil", "a,b", 'say "hi"', "", "5-7", "<50", ">=65", "NA", "001",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_and_every_cell_comes_back(text):
    safe = protected(text)
    assert not safe.lstrip("'") or safe[:1] not in tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
    assert unprotected(safe) == text


@given(st.text(alphabet="=+-@'\t\r\n ab1", max_size=6))
def test_any_text_comes_back(text):
    assert unprotected(protected(text)) == text
    assert protected(text)[:1] not in tuple("=+-@\t\r\n")


def test_harmless_names_stay_as_they_are():
    for text in ("case_001", "female, <50", "'quoted", "3", "", "5-7"):
        assert protected(text) == text


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
