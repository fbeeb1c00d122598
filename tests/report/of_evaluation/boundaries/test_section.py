"""The section of boundary maps, of a real evaluation."""

import csv
import dataclasses
import html
import io
import re

import pytest

from nnunetv2_fair.evaluation import evaluate
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.of_evaluation.boundaries.section import boundary_section
from nnunetv2_fair.report.of_evaluation.page import render_report
from tests.evaluation.factories import make_dataset
from tests.report.html_check import check_page

QUICK = EvaluationSettings(metrics=("dice",), statistics=StatisticsSettings(n_bootstrap=0))


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    dataset = make_dataset(tmp_path_factory.mktemp("maps"), n_patients=16)
    return evaluate(
        dataset.references, dataset.predictions, dataset.table, ["sex"],
        settings=QUICK, boundary_maps=True,
    )  # fmt: skip


def test_every_label_has_its_faces(result):
    section = boundary_section(result, Downloads())
    words = html.unescape(re.sub("<[^>]+>", "", section))
    assert section.count('<div class="clock">') == 6 + 3  # the organ's inner outline has its own
    assert "inner outline: female" in section
    assert "12 o'clock: top, 3 o'clock: right" in words
    assert "Outlines of holes, such as where another label lies inside, are inner outlines" in words
    for finding in result.findings:
        if finding.kind == "boundary":
            assert finding.sentence in words


def test_numbers_can_be_taken_along(result):
    downloads = Downloads()
    boundary_section(result, downloads)
    files = downloads.files()
    assert "figures/boundary_error_of_lesion_by_sex.svg" in files
    text = files["tables/boundary_error_of_organ_by_sex.csv"].decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 3 * 2 * 12  # two groups and their difference, two outlines
    assert {row["clock_hour"] for row in rows} == {str(hour) for hour in range(1, 13)}
    organ = next(found for found in result.boundary_maps if found.label == "organ")
    (one,) = [
        row for row in rows
        if (row["group"], row["minus_group"], row["outline"], row["clock_hour"])
        == ("female", "", "outer", "3")
    ]  # fmt: skip
    assert float(one["mean_boundary_error_px"]) == pytest.approx(organ.errors["female"][0][3])


def test_it_is_part_of_the_page(result):
    page = render_report(result, [])
    assert 'href="#boundaries"' in page
    check_page(page)


def test_nothing_without_maps(result):
    assert boundary_section(dataclasses.replace(result, boundary_maps=()), Downloads()) == ""
