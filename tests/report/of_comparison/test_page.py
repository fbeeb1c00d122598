import dataclasses
import functools
import math

import pytest

from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.report.of_comparison.page import render_comparison, write_comparison
from tests.report import factories
from tests.report.html_check import check_page
from tests.report.of_evaluation.test_page import HOSTILE


@functools.cache
def three_models() -> ModelComparison:
    base = factories.full()
    better = factories.improved(base, {"female": 0.05}, "b")
    worse = factories.improved(base, {"male": -0.05}, "c")
    return factories.models([base, better, worse], ["baseline", "oversampling", "levelled"])


def test_page_is_sound_and_has_all_models_groups_and_measures():
    result = three_models()
    page = check_page(render_comparison(result))
    for text in (
        *result.models, "female, 50-64", "no cases", "Fairness gap", "SER", "higher is fairer",
        "smaller gap by levelling down", "With oversampling, the gap", "45 patients",
        "Every label", "left lung", "Right and up are better in both",
    ):  # fmt: skip
        assert text in page.text
    for definition in result.definitions.values():
        assert " ".join(definition.split()) in page.text
    # two planes per attribute, every model in each
    assert len(page.having("svg", "plane")) == 6
    assert len(page.having("circle", "spot")) == 18


def test_the_summary_says_who_loses_first_and_how_often_such_words_are_wrong():
    result = three_models()
    page = check_page(render_comparison(result))
    for text in (
        "male loses 0.050", "Also worse: male in IoU, HD and HD95",
        "corrected p < 0.001", "no other group is shown to gain or lose",
        f"({result.entries[0].family_size} comparisons: all models, attributes, labels, groups",
    ):  # fmt: skip
        assert text in page.text


def test_page_holds_the_numbers_of_the_result():
    result = three_models()
    entry = result.entry("sex", "dice", "average")
    page = check_page(render_comparison(result))
    for model, scores in entry.per_model.items():
        for amount in (scores.overall_mean, *scores.group_means.values(), scores.gaps["delta"][0]):
            assert f"{amount:.3f}" in page.text, model
    texts = page.texts
    rows = [i for i, text in enumerate(texts) if text == "the worst group's mean"]
    for row, model in zip(rows, ("oversampling", "levelled"), strict=False):
        shown = texts[row + 1]
        amount = entry.differences[model].worst_group.value
        assert shown.replace("\N{MINUS SIGN}", "-") == f"{amount:+.3f}"
    assert len(rows) == 6
    for found in entry.differences.values():
        assert f"{abs(found.gaps['ser'].value):.3f}" in page.text


def test_two_groups_one_label_and_two_models():
    base = factories.two_groups(metrics=(factories.DICE, factories.HD95))
    frame = base.per_case
    other = dataclasses.replace(
        base, name="other", per_case=frame.assign(dice=frame["dice"] + 0.01)
    )
    page = check_page(render_comparison(factories.models([base, other], ["one", "two"], 50)))
    assert "one (baseline)" in page.text
    assert "Every label" not in page.text


@pytest.mark.parametrize("sizes", [{"f": 3, "m": 2}, {"f": 9, "m": 2}, {"f": 9}])
def test_small_groups_are_named_and_not_drawn(sizes):
    base = factories.make_result({"sex": ("f", "m")}, sizes)
    result = factories.models([base, dataclasses.replace(base, name="y")], ["x", "y"], 20)
    page = check_page(render_comparison(result))
    assert not page.having("svg", "plane")
    assert "Nothing to draw: fewer than two groups" in page.text
    assert "cannot be compared" in page.text
    assert "m is not compared" in page.text


def test_undefined_values_are_dashes():
    base = factories.make_result({"sex": ("f", "m")}, 8, undefined={"dice": ("f",)})
    result = factories.models([base, dataclasses.replace(base, name="y")], ["x", "y"], 20)
    page = check_page(render_comparison(result))
    assert "\N{EN DASH}" in page.text
    assert not {"nan", "inf"} & set(page.text.replace("(", " ").split())


def test_infinite_values_are_symbols():
    base = factories.two_groups(size=8)
    frame = base.per_case.assign(hd95_mm=math.inf)
    base = dataclasses.replace(
        base, per_case=frame, settings={**base.settings, "empty_distance": "inf"}
    )
    result = factories.models([base, dataclasses.replace(base, name="y")], ["x", "y"], 20)
    assert "nan" not in check_page(render_comparison(result)).text


def test_hostile_names_stay_text():
    base = factories.make_result({"sex": HOSTILE}, 6)
    names = [HOSTILE[0], HOSTILE[1], HOSTILE[3]]
    result = factories.models([base] * 3, names, 20)
    text = render_comparison(result)
    page = check_page(text)
    assert HOSTILE[0] in page.text
    assert "\u202e" not in text
    assert "x" * 300 not in text.split("</head>")[1].split('id="settings"')[0]


def test_page_of_a_comparison_read_back_is_the_same(tmp_path):
    result = three_models()
    result.write(tmp_path)
    write_comparison(ModelComparison.read(tmp_path), tmp_path / "c.html")
    assert (tmp_path / "c.html").read_text(encoding="utf-8") == render_comparison(result)
