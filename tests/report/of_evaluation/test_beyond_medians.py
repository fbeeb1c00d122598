"""Failure rates and adjusted gaps on the page and the console, with hostile names."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.request import Request, ScoresFile, answer
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.of_evaluation.beyond_medians import beyond_medians
from nnunetv2_fair.report.of_evaluation.page import render_report
from nnunetv2_fair.report.terminal.evaluation import console_table
from tests.report.html_check import Page, check_page

HOSTILE = "<script>alert(1)</script>"


def evaluated(folder: Path, *, shareable: bool = False, apart: bool = False) -> EvaluationResult:
    rng = np.random.default_rng(0)
    group = np.arange(80) % 2
    size = np.exp(rng.normal(6 + 0.3 * group + 9 * group * apart, 0.4, 80)).round()
    dice = np.where(rng.random(80) < 0.2 * (1 - group), 0, 0.9 - 1 / np.sqrt(size))
    frame = pd.DataFrame(
        {
            "case": [f"c{i}" for i in range(80)],
            "sex": np.where(group == 1, "male", HOSTILE),
            "site": [f"{HOSTILE}{i % 3}" for i in range(80)],
            "dice": dice,
            "hd95_mm": 30 - 30 * dice,
            "reference_voxels": size.astype(int),
        }
    )
    frame.to_csv(folder / "s.csv", index=False)
    request = Request(
        ScoresFile(folder / "s.csv", "csv"),
        ["sex"],
        statistics=StatisticsSettings(n_bootstrap=50),
        adjust=("site",),
        shareable=shareable,
    )
    return answer(request).result


def shown(result: EvaluationResult) -> str:
    terms = Terms(result.metrics, result.definitions)
    return beyond_medians(result, "sex", terms, Downloads())


def test_rates_and_gaps_are_told(tmp_path):
    result = evaluated(tmp_path)
    text = render_report(result, [])
    page = check_page(text)
    assert HOSTILE not in text
    part = Page(shown(result))
    found = result.failures[0].groups[HOSTILE]
    assert f"{found.rate * 100:.1f}%" in part.text
    assert f"{found.n_failed} of {found.n_patients}" in part.text
    assert "size in the reference" in part.text
    assert "Dice 0.1 or less" in part.text
    assert "fails more often for" in page.text


def test_why_there_is_no_adjusted_gap(tmp_path):
    result = evaluated(tmp_path, apart=True)
    part = shown(result)
    assert "the groups have no values in common" in part
    table = console_table(result, "sex")
    assert "none (the groups have no values in common)" in table
    assert "gap of means adjusted for site" in table


def test_nothing_is_told_of_a_shareable_result(tmp_path):
    result = evaluated(tmp_path, shareable=True)
    assert shown(result) == ""
    assert "adjusted for" not in console_table(result, "sex")


@pytest.mark.parametrize("name", ["failure_rate", "adjusted_gap"])
def test_the_words_are_defined(tmp_path, name):
    result = evaluated(tmp_path)
    assert Terms(result.metrics, result.definitions).find(name) is not None
