"""The section on downstream measures, of a real evaluation."""

import csv
import dataclasses
import html
import io
import re

import pytest

from nnunetv2_fair.evaluation import evaluate
from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings, Threshold
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.of_evaluation.downstream.section import downstream_section
from nnunetv2_fair.report.of_evaluation.page import render_report
from tests.evaluation.downstream.hearts import make_hearts
from tests.report.html_check import check_page

QUICK = EvaluationSettings(metrics=("dice",), statistics=StatisticsSettings(n_bootstrap=50))
CARDIAC = DownstreamSettings(("cardiac",), thresholds=(Threshold("ef", 60),))


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    dataset = make_hearts(tmp_path_factory.mktemp("hearts"), 20)
    return evaluate(
        dataset.references, dataset.predictions, dataset.table, ["sex"],
        settings=QUICK, downstream=CARDIAC,
    )  # fmt: skip


def words_of(section):
    return html.unescape(re.sub(r"<[^>]+>", "", section))


def test_every_claim_is_told(result):
    words = words_of(downstream_section(result, Downloads()))
    claims = [f for f in result.findings if f.kind == "downstream"]
    assert len(claims) == 9  # eight measures, one threshold
    for finding in claims:
        assert finding.sentence in words
    assert "Length" not in words  # only what was measured is defined
    assert "Stroke volume over end-diastolic volume; undefined where the latter is 0." in words
    assert "The same 9 equal bins for all groups, up to the 95th percentile" in words
    assert "JS 1.000, by chance 0." in words


def test_numbers_can_be_taken_along(result):
    downloads = Downloads()
    downstream_section(result, downloads)
    files = downloads.files()
    assert "figures/error_of_ef_of_lv_cavity_by_sex.png" in files
    text = files["tables/error_of_ef_of_lv_cavity_by_sex.csv"].decode("utf-8-sig")
    rows = {row["group"]: row for row in csv.DictReader(io.StringIO(text))}
    ef = next(c for c in result.downstream if c.measure.name == "ef")
    for name, group in ef.groups.items():
        assert float(rows[name]["bias"]) == pytest.approx(group.bias)
        assert int(rows[name]["upward_at_60"]) == ef.decisions[0].groups[name].upward
        shares = [float(v) for k, v in rows[name].items() if k.startswith("share_above")]
        assert shares == pytest.approx(group.shares)
    (divergence,) = ef.divergences
    assert float(rows[divergence.between[1]]["by_chance"]) == pytest.approx(divergence.by_chance)
    assert rows[divergence.between[0]]["divergence"] == ""
    assert not any(case in text for case in ("P000", "P001"))


def test_it_is_part_of_the_page(result):
    page = render_report(result, [])
    assert 'href="#downstream"' in page
    check_page(page)


def test_hostile_names(result):
    hostile = "<script>alert(1)</script>\u202e"
    compared = dataclasses.replace(result.downstream[0], label=hostile)
    page = downstream_section(dataclasses.replace(result, downstream=(compared,)), Downloads())
    assert "<script>" not in page
    assert "\u202e" not in page


def test_groups_that_are_not_compared(tmp_path):
    dataset = make_hearts(tmp_path, 8)
    few = evaluate(
        dataset.references, dataset.predictions, dataset.table, ["sex"],
        settings=QUICK, downstream=CARDIAC,
    )  # fmt: skip
    section = downstream_section(few, Downloads())
    assert "<svg" not in section
    assert "4 (not compared)" in words_of(section)
    assert "cannot be compared: fewer than two groups are large enough" in words_of(section)


def test_nothing_without_measures(result):
    assert downstream_section(dataclasses.replace(result, downstream=()), Downloads()) == ""
