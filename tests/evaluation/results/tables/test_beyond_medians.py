"""Failure rates, adjusted gaps and margins as tables: the numbers of the result, cell by cell."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.failures.criteria import parse_failures
from nnunetv2_fair.evaluation.request import Request, ScoresFile, answer
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.printed_tables import tables_of
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> EvaluationResult:
    rng = np.random.default_rng(4)
    n = 120
    path = tmp_path_factory.mktemp("scores") / "s.csv"
    pd.DataFrame(
        {
            "case": [f"c{i}" for i in range(n)],
            "sex": np.array(["f", "m", "x"])[np.arange(n) % 3],
            "site": [f"s{i % 2}" for i in range(n)],
            "dice": np.where(rng.random(n) < 0.1, 0.0, rng.uniform(0.7, 0.95, n)).round(4),
            "hd95_mm": rng.uniform(1, 9, n).round(3),
        }
    ).to_csv(path, index=False)
    request = Request(
        ScoresFile(path, "csv"), ("sex",), statistics=StatisticsSettings(n_bootstrap=100),
        failures=parse_failures(["dice=0.2", "hd95=8"]), margins={"dice": 0.03, "hd95": 1.5},
        adjust=("site",),
    )  # fmt: skip
    return answer(request).result


def rows_of(result: EvaluationResult, name: str) -> list[dict[str, str]]:
    (table,) = [table for table in tables_of(result) if table.name == name]
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_failures(result):
    rows = rows_of(result, "failures")
    assert [(r["Metric"], r["Failure"], r["Group"]) for r in rows] == [
        (metric, failure, group)
        for metric, failure in (("Dice", "0.2 or less"), ("HD95 (mm)", "8 or more"))
        for group in "fmx"
    ]
    found = result.failures[0]
    for row, (name, rate) in zip(rows, found.groups.items(), strict=False):
        assert row["Rate"] == f"{rate.rate:.4f}"
        assert (row["Patients"], row["With a failure"]) == ("40", str(rate.n_failed))
        assert row["p (Holm)"] == f"{found.test.corrected_p:.3g}"
        assert row["Reference"] == ("" if name == "f" else "f")
    assert rows[1]["Difference"] == f"{found.differences[0].value:.4f}"


def test_adjusted_gaps(result):
    rows = rows_of(result, "adjusted")
    assert len(rows) == len(result.adjusted_gaps) == 4
    gap, row = result.adjusted_gaps[0], rows[0]
    assert (row["Reference"], row["Group"], row["Adjusted for"]) == (*gap.between, "site")
    assert row["Gap as found"] == f"{gap.crude:.4f}"
    assert row["Adjusted gap"] == f"{gap.value:.4f}"
    assert row["Adjusted interval"] == f"[{gap.interval.low:.4f} to {gap.interval.high:.4f}]"
    assert row["p"] == f"{gap.test.p_value:.3g}"


def test_margins_tell_every_pair_once(result):
    rows = rows_of(result, "margins")
    assert [(r["Metric"], r["Reference"], r["Group"]) for r in rows] == [
        (metric, "f", group) for metric in ("Dice", "HD95 (mm)") for group in "mx"
    ]
    assert {r["Margin"] for r in rows} == {"0.0300", "1.500"}
    # two pairs, not all of them excluded
    assert {r["Coverage"] for r in rows} == {"0.95"}
    verdicts = {r["Gap beyond the margin"] for r in rows}
    assert verdicts <= {"excluded", "shown", "unclear", "not comparable"}


def test_there_are_none_where_nothing_was_asked_and_none_are_shared(result):
    names = ("failures", "adjusted", "margins")
    plain = dataclasses.replace(result, failures=(), adjusted_gaps=(), findings=())
    for found in (plain, shareable(result)):
        assert not [table.name for table in tables_of(found) if table.name in names]
