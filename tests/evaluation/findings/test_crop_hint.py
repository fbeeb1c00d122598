"""A crop is proposed where a gap is shown, and only there."""

import dataclasses

import pytest

from nnunetv2_fair.evaluation import evaluate
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.findings.crop_hint import crop_hint
from nnunetv2_fair.report.of_evaluation.page import render_report
from tests.evaluation.downstream.hearts import make_hearts
from tests.evaluation.model_comparison.test_downstream import SETTINGS
from tests.report.html_check import check_page


@pytest.fixture(scope="module")
def unequal(tmp_path_factory):
    dataset = make_hearts(tmp_path_factory.mktemp("hearts"), lost=(500, 5))
    return evaluate(dataset.references, dataset.predictions, dataset.table, settings=SETTINGS)


@pytest.fixture(scope="module")
def equal(tmp_path_factory):
    dataset = make_hearts(tmp_path_factory.mktemp("equal"), lost=(20, 20))
    return evaluate(dataset.references, dataset.predictions, dataset.table, settings=SETTINGS)


def told(result, **settings):
    return dataclasses.replace(result, settings={**result.settings, **settings})


def test_commands_name_the_dataset_and_the_model(unequal):
    model = {"trainer": "nnUNetTrainer", "configuration": "2d"}
    hint = crop_hint(told(unequal, dataset="Dataset042_Hearts", **model))
    assert hint.attributes == ("sex",)
    assert hint.commands[0] == "nnUNetv2_fair_crop -d 42 -o NEW_ID"
    assert hint.commands[-1].endswith(
        "--localizer -d 42 -tr nnUNetTrainer -c 2d --segmenter -d NEW_ID -tr nnUNetTrainer -c 2d"
    )
    assert crop_hint(unequal).commands[0] == "nnUNetv2_fair_crop -d ID -o NEW_ID"


def test_only_where_a_gap_is_shown(unequal, equal):
    assert crop_hint(equal) is None
    signs = [dataclasses.replace(f, verdict="signs") for f in unequal.findings]
    assert crop_hint(dataclasses.replace(unequal, findings=tuple(signs))) is None


@pytest.mark.parametrize("how", ["crops", "cascade"])
def test_not_where_images_are_cropped_already(unequal, how):
    assert crop_hint(told(unequal, cropped=how)) is None


def test_not_in_a_page_to_share_nor_without_masks(unequal):
    assert crop_hint(shareable(unequal)) is None
    assert crop_hint(told(unequal, references="")) is None


def test_the_page_says_that_it_is_a_possibility(unequal, equal):
    page = render_report(unequal, [])
    check_page(page)
    assert "Possible, not found: what lies outside the organ" in page
    assert "nnUNetv2_fair_predict_cascade -i IMAGES" in page
    assert "Possible, not found" not in render_report(equal, [])
    hostile = told(unequal, trainer="<script>alert(1)</script>")
    assert "<script>alert" not in render_report(hostile, [])
