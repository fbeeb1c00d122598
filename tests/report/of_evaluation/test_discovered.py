import dataclasses
import math

import pytest

from nnunetv2_fair.evaluation.findings.all_findings import with_findings
from nnunetv2_fair.evaluation.results.discovery import (
    Confirmation,
    Discovery,
    PairHeatmap,
    Subgroup,
)
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.report.of_evaluation.page import render_report
from tests.report import factories
from tests.report.html_check import check_page
from tests.report.of_evaluation.test_page import HOSTILE

NAN = math.nan


def discovery(**changes) -> Discovery:
    women = Subgroup(
        {"sex": "female", "age": ">=65"}, 14, 12, 0.118, 0.61, -0.213, -0.181, -5.26, 1e-5, 4e-4,
        {"sex": -0.173, "age": -0.04},
    )  # fmt: skip
    men = Subgroup(
        {"sex": "male"}, 56, 56, 0.55, 0.87, 0.047, 0.011, 1.61, 0.11, 0.62, {"sex": 0.047}
    )
    one = Subgroup({"site": "C"}, 1, 1, 0.01, 0.4, -0.42, NAN, NAN, NAN, NAN, {"site": -0.42})
    pair = PairHeatmap(
        "sex", "age", ("female", "male"), ("<50", ">=65"),
        ((0.81, 0.61), (0.88, NAN)), ((24, 14), (26, 2)), ((24, 12), (26, 0)),
    )  # fmt: skip
    found = Discovery(
        "dice", "average", ("sex", "age", "site"), ("split",), 0.05, 999, 101, 0, 37, 35, 9, 0.823,
        NAN, (women, men, one), (pair,),
    )  # fmt: skip
    return dataclasses.replace(found, **changes)


def page(found: Discovery, **changes):
    result = with_findings(dataclasses.replace(factories.full(), discovery=found, **changes))
    return check_page(render_report(result, []))


def test_subgroups_are_shown_with_what_makes_them():
    shown = page(discovery())
    for text in (
        "All combinations of the groups of 3 attributes (sex, age, site) with at least 5% of the "
        "101 patients were searched: 37 subgroups.",
        "A patient whose groups change between cases counts once for each combination.",
        "minus that of all, 0.823 (mean of all labels).",
        "Segmented worse than allsex: femaleage: >=651412 11.8%",
        "0.6100.213 worse0.181 worse\N{MINUS SIGN}5.26p < 0.001",
        "0.173 worse sex 0.040 worse age", "0.047 better sex", "p = 0.620",
        "Segmented better than allsex: male",
        "Segmentation, averaged over all labels, is worse where sex is female and age is >=65: "
        "mean Dice 0.610 in 12 patients, 0.823 in all (difference \N{MINUS SIGN}0.213, "
        "\N{MINUS SIGN}0.181 after shrinkage; p < 0.001, corrected for 35 subgroups).",
        "If no subgroup differed from the others, a search like this would name one in about 5% of "
        "studies.",
        "9 subgroups left out because stronger ones account for what they show.",
        "Discovered",
    ):  # fmt: skip
        assert text in shown.text, text
    bars = [a for t, a in shown.tags if t == "span" and "--share" in (a.get("style") or "")]
    assert [(a["class"], a["style"]) for a in bars] == [
        ("bar worse", "--share:0.41"), ("bar worse", "--share:0.10"),
        ("bar worse", "--share:1.00"), ("bar better", "--share:0.11"),
    ]  # fmt: skip


def test_what_chance_explains_is_not_emphasised():
    shown = page(discovery())
    rows = [a for t, a in shown.tags if t == "tr" and a.get("class") == "small"]
    emphasised = page(discovery(subgroups=discovery().subgroups[:1]))
    fewer = [a for t, a in emphasised.tags if t == "tr" and a.get("class") == "small"]
    assert len(rows) == len(fewer) + 2
    none = page(discovery(subgroups=discovery().subgroups[1:]))
    words = (
        "In segmentation, averaged over all labels, no subgroup is shown to differ from the others:"
    )
    assert words in none.text
    assert "corrected for 35 subgroups, is 0.620. This does not prove that there is none" in (
        none.text
    )


def test_what_was_found_here_is_confirmed_there():
    held_out = Confirmation(13, 11, 0.64, -0.19, -4.1, 0.001, 0.002)
    women, men, _ = discovery().subgroups
    found = discovery(
        subgroups=(
            dataclasses.replace(women, confirmation=held_out),
            dataclasses.replace(men, confirmation=dataclasses.replace(held_out, n_patients=3,
                                                                      z=NAN, corrected_p=NAN)),
        ),
        n_held_out=100, held_out_overall=0.83,
    )  # fmt: skip
    shown = page(found)
    for text in (
        "5% of the 101 patients of one half of the patients were searched: 37 subgroups.",
        "tested in the other half, 100 patients that played no part in the search; means and "
        "divergences are from that half alone, where the mean of all is 0.830.",
        "is worse where sex is female and age is >=65: mean Dice 0.640 in 11 "
        "patients, 0.830 in all (difference \N{MINUS SIGN}0.190; p = 0.002, corrected for "
        "1 subgroup tested in the held-out half).",
        "sex: femaleage: >=65\N{MINUS SIGN}5.26110.6400.190 worsep = 0.002",
        "sex: male+1.6130.640",
    ):
        assert text in shown.text, text
    # no value of the half that was searched
    assert "0.213" not in shown.text


def test_of_distances_more_is_worse():
    shown = page(discovery(metric="hd95"))
    bars = [a for t, a in shown.tags if t == "span" and "--share" in (a.get("style") or "")]
    assert [a["class"] for a in bars] == ["bar worse", "bar better", "bar better", "bar better"]


def test_heatmaps_of_pairs():
    shown = page(discovery(), attributes=("sex",))
    assert "Rows sex, columns age. Mean Dice; n counts patients." in shown.text
    heats = shown.having("table", "heat")
    assert heats
    cells = [a for t, a in shown.tags if t == "td" and "--share" in (a.get("style") or "")]
    assert [a["style"] for a in cells[-3:]] == ["--share:0.15", "--share:0.26", "--share:0.11"]
    assert "no cases" in shown.text


@pytest.mark.parametrize("found", [discovery(subgroups=(), heatmaps=())])
def test_nothing_found_is_said(found):
    text = "Subgroups were searched for, but no subgroup is large enough."
    assert text in page(found).text


def test_no_search_no_section():
    shown = check_page(render_report(factories.full(), []))
    assert "Discovered" not in shown.text
    assert "As in the paper" not in shown.text


def test_hostile_names_stay_text():
    items = dict(zip(HOSTILE, HOSTILE[::-1], strict=True))
    strange = dataclasses.replace(
        discovery().subgroups[0], items=items, contributions=dict.fromkeys(HOSTILE, 0.1)
    )
    pair = PairHeatmap(HOSTILE[0], HOSTILE[1], HOSTILE[:2], HOSTILE[2:4],
                       ((0.1, 0.2), (0.3, 0.4)), ((9, 9), (9, 9)), ((9, 9), (9, 9)))  # fmt: skip
    shown = page(discovery(subgroups=(strange,), heatmaps=(pair,), attributes=HOSTILE))
    assert "<script>alert(1)</script>: &amp; &lt;" in shown.text


def test_tables_of_papers():
    table = TextTable(
        "lee", "Table 2 of Lee et al.", ("Group", "DSC \u2191", HOSTILE[0]),
        (("female", "0.81 (0.05)", HOSTILE[2]), ("male", "0.84 (0.04)", "x" * 5000)),
        ("The paper's SER uses medians.",),
    )  # fmt: skip
    result = dataclasses.replace(factories.full(), preset_tables=(table, table))
    shown = check_page(render_report(result, []))
    for text in ("Table 2 of Lee et al.", "DSC \u2191", "0.81 (0.05)",
                 "The paper's SER uses medians.", "<script>alert(1)</script>"):  # fmt: skip
        assert shown.text.count(text) >= 2
    assert "As in the paper" in shown.text
    assert "x" * 100 not in shown.text
