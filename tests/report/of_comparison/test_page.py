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
        "oversampling and levelled against baseline, by sex, age and sex+age",
    ):  # fmt: skip
        assert text in page.text
    for definition in result.definitions.values():
        assert " ".join(definition.split()) in page.text
    # two planes per attribute, every model in each
    assert len(page.having("svg", "plane")) == 6
    assert len(page.having("circle", "spot")) == 18


def test_the_title_counts_the_patients_of_the_attribute_with_fewest_unknown():
    result = three_models()
    first, *others = result.entries
    fewer = dataclasses.replace(first, n_cases=first.n_cases - 3, n_patients=first.n_patients - 2)
    page = check_page(render_comparison(dataclasses.replace(result, entries=(fewer, *others))))
    for number, word in ((first.n_cases, "cases"), (first.n_patients, "patients")):
        assert f"{number} {word}" in page.text[:600]


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
    gain = entry.differences["oversampling"].worst_group.value
    assert f"better by {gain:.3f}" in page.text
    loss = entry.differences["levelled"].groups["male"]
    low, high = -loss.simultaneous.high, -loss.simultaneous.low
    assert f"male by {-loss.value:.3f} ({low:.3f} to {high:.3f})" in page.text
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


def test_the_first_sentence_names_those_who_lose_before_those_who_gain():
    page = check_page(render_comparison(three_models()))
    answer = page.text[page.text.index("With levelled, some are worse off: male") :]
    assert (
        "; nobody is shown to gain. With oversampling, nobody is shown to lose; better:"
        in (answer[:200])
    )
    assert page.text.index(answer[:30]) < page.text.index("By sex")


def test_the_matrix_has_every_model_and_metric_by_every_attribute():
    result = three_models()
    page = check_page(render_comparison(result))
    assert len(page.having("table", "matrix")) == len(result.attributes)
    blocks = len(result.attributes) * len(result.metrics)
    dividers = page.having("tr", "divider")
    assert len(dividers) == blocks
    told = [attributes for tag, attributes in page.tags if attributes.get("data-title") == "Gap"]
    assert len(told) == blocks * len(result.models)


def test_gaps_have_no_sign_and_say_who_is_worse_off():
    result = three_models()
    gap = result.entry("sex", "dice", "average").per_model["baseline"].gaps["fairness_gap"][0]
    for reference, other in (("female", "male"), ("male", "female")):
        settings = {**result.settings, "reference_groups": {"sex": reference}}
        page = check_page(render_comparison(dataclasses.replace(result, settings=settings)))
        worse = other if gap > 0 else reference
        assert f"{abs(gap):.3f}worse for {worse}" in page.text


def test_attributes_share_the_axis_of_a_metric():
    page = check_page(render_comparison(three_models()))
    forests = [
        attributes["aria-label"]
        for tag, attributes in page.tags
        if tag == "div" and "forest" in (attributes.get("class") or "").split()
    ]
    assert len(forests) == 3
    text = render_comparison(three_models())
    ticks = [part.split("</div>")[0] for part in text.split('<div class="ticks">')[1:]]
    assert len(set(ticks)) == 1


def test_settings_tell_names_of_folders_and_no_paths():
    result = three_models()
    settings = {
        **result.settings,
        "dataset": "Dataset042_Lungs",
        "models": {
            "baseline": {
                "predictions": "/home/jane/predictions_b",
                "inputs_sha256": "0123456789abcdef",
                "created": "2026-11-20T10:00:00+00:00",
            }
        },
    }
    page = check_page(render_comparison(dataclasses.replace(result, settings=settings)))
    assert "predictions in predictions_b, evaluated 2026-11-20, SHA-256" in page.text
    assert "/home" not in page.text
    assert "{'" not in page.text
    assert "Dataset042_Lungs: oversampling and levelled against baseline" in page.text
