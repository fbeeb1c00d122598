import dataclasses
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.findings.all_findings import with_findings
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult, Exclusion
from nnunetv2_fair.evaluation.results.groups import (
    Comparison,
    Gap,
    GroupStatistics,
    GroupTest,
    PairEffect,
    PairTest,
)
from nnunetv2_fair.evaluation.results.tables import public_notes
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary, compare_all
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.report.of_evaluation.page import render_report
from nnunetv2_fair.subgroups.groups import Group
from tests.evaluation.disclosure.reader import Reader

METRICS = (
    MetricInfo("dice", "Dice", "", "higher", "Overlap.", True),
    MetricInfo("hd95", "HD95", "mm", "lower", "Distance."),
)


def make(
    people: Sequence[Mapping[str, str]],
    expressions: Sequence[str],
    labels: Sequence[str] = ("organ",),
    undefined: Mapping[tuple[str, str], set[int]] | None = None,
    min_patients: int = 5,
    n_bootstrap: int = 10,
) -> EvaluationResult:
    """Evaluate drawn people.

    Args:
        people: One per case: ``patient`` (optional) and attributes (empty: unknown).
        expressions: What to compare by.
        labels: Labels; more than one get an average.
        undefined: (metric, label) -> numbers of the cases without a value.
        min_patients: As the setting.
        n_bootstrap: As the setting.
    """
    random = np.random.default_rng(len(people))
    rows = []
    group_parts: dict[str, dict[str, tuple[str, ...]]] = {e: {} for e in expressions}
    all_labels = [*labels, *(["average"] if len(labels) > 1 else [])]
    for number, person in enumerate(people):
        case = f"case_{number:03d}x"
        groups = {}
        for expression in expressions:
            parts = [person[a] for a in expression.split("+")]
            known = None if "" in parts else Group(tuple(parts))
            groups[expression] = "" if known is None else known.name
            if known is not None:
                group_parts[expression][known.name] = known.parts
        for label in all_labels:
            dice = float(random.uniform(0.3, 0.95))
            row = {"case": case, "patient": person.get("patient", f"Jane Doe {number}"), **groups,
                   "label": label, "dice": dice, "hd95_mm": 40 * (1 - dice), "diagonal_mm": 99.0,
                   "reference_voxels": 9, "prediction_voxels": 8, "flags": ""}  # fmt: skip
            for metric in METRICS:
                if number in (undefined or {}).get((metric.name, label), ()):
                    row[metric.column] = math.nan
            rows.append(row)
    frame = pd.DataFrame(rows)
    names = {e: sorted(set(frame[e]) - {""}) for e in expressions}
    vocabularies = [GroupVocabulary(e, tuple(names[e]), None) for e in expressions]
    how = StatisticsSettings(min_patients=min_patients, n_bootstrap=n_bootstrap)
    return with_findings(EvaluationResult(
        name="model",
        per_case=frame,
        metrics=METRICS,
        labels=tuple(all_labels),
        attributes=tuple(expressions),
        comparisons=compare_all(frame, METRICS, all_labels, vocabularies, "diagonal", how),
        exclusions=(
            Exclusion(public_notes.MISSING_PREDICTION, ("case_900x",), {"sex": {"f": 1}}),
            Exclusion("The mask of Jane is odd.", ("case_901x",), {"sex": {"f": 1}}),
        ),
        notes=(public_notes.PIXELS, "3 cases are odd.", "See what Jane has."),
        settings={
            "predictions": "/home/jane/predictions", "min_patients": min_patients,
            "empty_distance": "diagonal", "confidence": 0.95, "groups": names,
        },
        inputs_sha256="0" * 64,
        group_parts=group_parts,
    ))  # fmt: skip


#: One small group, which no choice may reveal.
PEOPLE = {("White", "f"): 30, ("White", "m"): 25, ("Black", "f"): 24, ("Black", "m"): 12,
          ("Asian", "f"): 11, ("Asian", "m"): 9, ("Other", "m"): 3}  # fmt: skip
CHOICES = (None, ("White", "Black"), ("White", "Asian"), ("White", "Black", "Asian"))


def choosing(chosen: tuple[str, ...] | None) -> EvaluationResult:
    """Evaluate the same people by ethnicity, with some of the groups chosen."""
    made = make(persons(PEOPLE, ("ethnicity", "sex")), ("ethnicity", "sex"))
    names = made.settings["groups"]
    vocabularies = [
        GroupVocabulary("ethnicity", tuple(names["ethnicity"]), "White", chosen),
        GroupVocabulary("sex", tuple(names["sex"]), None),
    ]
    how = StatisticsSettings(n_bootstrap=50)
    compared = compare_all(made.per_case, METRICS, made.labels, vocabularies, "diagonal", how)
    choices = {} if chosen is None else {"ethnicity": list(chosen)}
    return with_findings(
        dataclasses.replace(
            made, comparisons=compared, settings={**made.settings, "chosen_groups": choices}
        )
    )


def persons(cells: Mapping[tuple[str, ...], int], attributes: Sequence[str]):
    return [dict(zip(attributes, key, strict=True)) for key, n in cells.items() for _ in range(n)]


def small_groups(result: EvaluationResult) -> list[tuple[str, str]]:
    frame = result.per_case
    return [
        (attribute, group)
        for attribute in result.attributes
        for group in result.settings["groups"][attribute]
        if frame.loc[frame[attribute] == group, "patient"].nunique() < 5
    ]


def published(result: EvaluationResult, folder) -> dict:
    """Write the shareable result and return what its readers get."""
    shareable(result).write(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "summary.json"]
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def check_nobody_can_tell(result: EvaluationResult, summary: dict) -> int:
    """Assert that no small group's count or sum follows; return how many there are."""
    reader = Reader(summary)
    small = small_groups(result)
    for expression, group in small:
        fewest, most, fewest_cases, most_cases = reader.possible(expression, group)
        what = (expression, group, fewest, most, fewest_cases, most_cases)
        assert fewest == 0, what
        assert most >= 4, what
        assert fewest_cases <= 1, what
        assert most_cases >= 4, what
        for metric in METRICS:
            for label in result.labels:
                assert not reader.sum_can_be_told(metric.name, label, expression, group), what
    return len(small)


TABLES = {
    "one small group": ({("f",): 30, ("m",): 25, ("d",): 3}, ("sex",), ("sex",)),
    "two small groups": ({("f",): 30, ("m",): 2, ("d",): 3}, ("sex",), ("sex",)),
    "small groups that add up": ({("f",): 20, ("m",): 4, ("d",): 4}, ("sex",), ("sex",)),
    "small intersections": (
        {("f", "y"): 12, ("f", "o"): 3, ("m", "y"): 11, ("m", "o"): 14},
        ("sex", "age"), ("sex", "age", "sex+age"),
    ),
    "intersections alone": (
        {("f", "y"): 12, ("f", "o"): 3, ("m", "y"): 11, ("m", "o"): 14},
        ("sex", "age"), ("sex+age",),
    ),
    "unknowns": (
        {("f", "y"): 12, ("f", "o"): 9, ("m", "y"): 11, ("m", "o"): 14, ("", "y"): 2, ("m", ""): 7},
        ("sex", "age"), ("sex", "age", "sex+age"),
    ),
    "three by three": (
        {("f", "y"): 8, ("f", "o"): 6, ("f", "e"): 5, ("m", "y"): 9, ("m", "o"): 2, ("m", "e"): 7,
         ("d", "y"): 6, ("d", "o"): 6, ("d", "e"): 5},
        ("sex", "age"), ("sex", "age", "sex+age"),
    ),
    "a group that is its intersection": (
        {("f", "y"): 12, ("m", "y"): 11, ("m", "o"): 4}, ("sex", "age"), ("age", "sex+age"),
    ),
    "three attributes": (
        {("f", "y", "A"): 9, ("f", "o", "A"): 3, ("m", "y", "A"): 8, ("m", "o", "B"): 7,
         ("f", "y", "B"): 6, ("m", "y", "B"): 5},
        ("sex", "age", "site"), ("sex", "sex+age", "age+site"),
    ),
    "all small": ({("f",): 3, ("m",): 3}, ("sex",), ("sex",)),
}  # fmt: skip


@pytest.mark.parametrize("table", list(TABLES))
def test_no_small_group_can_be_worked_out(table, tmp_path):
    cells, attributes, expressions = TABLES[table]
    result = make(persons(cells, attributes), expressions)
    summary = published(result, tmp_path)
    small = check_nobody_can_tell(result, summary)
    assert small or table == "unknowns"


def test_the_reader_would_find_a_count_that_is_only_left_away(tmp_path):
    """The attack works: it recovers a count that was hidden without further ones."""
    cells, attributes, expressions = TABLES["one small group"]
    result = make(persons(cells, attributes), expressions)
    summary = published(result, tmp_path)
    naive = json.loads(json.dumps(summary))
    for comparison in naive["comparisons"]:
        for group, true in (("f", 30), ("m", 25)):
            comparison["groups"][group].update(n_patients=true, n_cases=true, mean=0.5)
    reader = Reader(naive)
    assert reader.possible("sex", "d") == (3, 3, 3, 3)
    assert reader.sum_can_be_told("dice", "organ", "sex", "d")
    with pytest.raises(AssertionError):
        check_nobody_can_tell(result, naive)


def test_unknown_few_are_not_told_either(tmp_path):
    cells = {("f",): 20, ("m",): 18, ("",): 2}
    result = make(persons(cells, ("sex",)), ("sex",))
    reader = Reader(published(result, tmp_path))
    assert reader.overall["sex"]["n_patients"] is None
    unknown = np.array([p["sex"] is None for p in reader.profiles])
    told = sum(reader.published["sex", g]["n_patients"] or 0 for g in ("f", "m"))
    assert told == 20  # the smaller group is hidden, or 40 less 38 would be the unknown
    assert unknown.sum() == 1
    # many unknown are told
    result = make(persons({**cells, ("",): 6}, ("sex",)), ("sex",))
    folder = tmp_path / "many"
    folder.mkdir()
    reader = Reader(published(result, folder))
    assert reader.overall["sex"]["n_patients"] == 38
    assert {told["n_patients"] for told in reader.published.values()} == {18, 20}


people_strategy = st.lists(
    st.tuples(
        st.sampled_from(["f", "m", ""]), st.sampled_from(["y", "o", "e", ""]),
        st.integers(1, 9),
    ),
    min_size=2, max_size=9,
)  # fmt: skip


@given(people_strategy, st.sampled_from([("sex", "age"), ("sex", "sex+age"), ("age", "sex+age"),
                                         ("sex", "age", "sex+age")]))  # fmt: skip
# a solver once called a wrong optimum of these optimal
@example(
    [("", "y", 1), ("m", "", 7), ("f", "o", 1), ("f", "o", 5), ("f", "e", 5), ("f", "y", 1),
     ("f", "", 1), ("", "y", 1), ("m", "", 6)], ("sex", "age", "sex+age"),
)  # fmt: skip
@example(
    [("", "y", 1), ("m", "", 7), ("f", "y", 1), ("f", "o", 5), ("f", "e", 5), ("f", "e", 4),
     ("f", "", 1), ("", "y", 1), ("m", "", 6)], ("sex", "age", "sex+age"),
)  # fmt: skip
@example(
    [("f", "o", 1), ("f", "o", 5), ("f", "e", 4), ("f", "e", 5), ("m", "", 6), ("m", "", 7),
     ("", "y", 1), ("m", "y", 1)], ("sex", "age", "sex+age"),
)  # fmt: skip
@example(
    [("m", "", 7), ("f", "o", 5), ("f", "e", 5), ("f", "y", 1), ("f", "o", 1), ("f", "", 1),
     ("", "y", 1), ("", "y", 1), ("m", "", 6)], ("sex", "age", "sex+age"),
)  # fmt: skip
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_small_group_of_any_table_can_be_worked_out(tmp_path_factory, cells, expressions):
    people = [
        {"sex": sex, "age": age, "patient": f"p{index}_{i // 2}"}
        for index, (sex, age, n) in enumerate(cells)
        for i in range(n)
    ]
    for expression in expressions:
        attributes = expression.split("+")
        if not any(all(person[a] for a in attributes) for person in people):
            return
    if len({person["patient"] for person in people}) < 5:
        return
    result = make(people, expressions, n_bootstrap=0)
    check_nobody_can_tell(result, published(result, tmp_path_factory.mktemp("shared")))


def test_medians_and_gaps_of_hidden_groups_stay():
    result = make(persons({("f",): 30, ("m",): 25, ("d",): 3}, ("sex",)), ("sex",))
    told = shareable(result).comparison("sex", "dice", "organ")
    true = result.comparison("sex", "dice", "organ")
    assert told.groups["f"].n_patients == 30
    assert told.groups["f"].mean == pytest.approx(true.groups["f"].mean, abs=0.01)
    assert told.groups["m"].n_patients is None
    assert told.groups["m"].n_cases is None
    assert math.isnan(told.groups["m"].mean)
    assert math.isnan(told.groups["m"].std)
    assert told.groups["m"].median == pytest.approx(true.groups["m"].median, abs=0.05)
    assert told.groups["d"] == dataclasses.replace(
        told.groups["d"], n_patients=None, n_cases=None, n_undefined=None, n_replaced=None
    )
    assert math.isnan(told.groups["d"].median)
    assert [gap.name for gap in told.gaps] == ["fairness_gap", "ser"]
    assert told.left_out == {"d": "fewer than 5 patients"}
    assert told.test is not None
    assert math.isnan(told.test.statistic)
    assert told.test.p_value == pytest.approx(true.test.p_value, rel=0.3)
    assert told.effects == ()


def test_nothing_is_hidden_where_all_groups_are_large():
    result = make(persons({("f",): 30, ("m",): 25}, ("sex",)), ("sex",))
    told = shareable(result).comparison("sex", "dice", "organ")
    true = result.comparison("sex", "dice", "organ")
    assert {g: s.n_patients for g, s in told.groups.items()} == {"f": 30, "m": 25}
    assert [gap.name for gap in told.gaps] == [gap.name for gap in true.gaps]
    assert len(told.effects) == len(true.effects) == 1
    assert told.overall.n_undefined == 0
    # and no value is exact
    for number in (told.overall.mean, told.gaps[0].value, told.test.p_value):
        assert number == round(number, 3)


@pytest.mark.parametrize("n", [24, 40, 80])
def test_rounded_ratios_stay_at_one_or_above(n):
    result = make(persons({("f",): n, ("m",): n, ("d",): n}, ("sex",)), ("sex",))
    for comparison in shareable(result).comparisons:
        for gap in comparison.gaps:
            if gap.name in ("ser", "skew") and not math.isnan(gap.value):
                assert not gap.interval.low < 1  # may be hidden
                assert not gap.interval.high < gap.interval.low


def test_groups_below_the_evaluations_own_limit_do_not_slip_in():
    people = persons({("f",): 30, ("m",): 25, ("d",): 4}, ("sex",))
    result = make(people, ("sex",), min_patients=2)
    assert "d" not in result.comparison("sex", "dice", "organ").left_out
    told = shareable(result).comparison("sex", "dice", "organ")
    assert told.test is None
    assert all("d" not in gap.between for gap in told.gaps)
    assert math.isnan(told.groups["d"].median)


def test_a_label_that_few_of_a_group_have_is_hidden_for_it(tmp_path):
    people = persons({("f",): 12, ("m",): 15, ("d",): 20}, ("sex",))
    few = {("dice", "cyst"): set(range(12, 24)), ("hd95", "cyst"): set(range(12, 24))}
    result = make(people, ("sex",), labels=("organ", "cyst"), undefined=few)
    told = shareable(result)
    cyst = told.comparison("sex", "dice", "cyst")
    assert cyst.left_out == {"m": "fewer than 5 patients"}
    assert math.isnan(cyst.groups["m"].median)
    assert cyst.groups["m"].n_patients is None
    # one more mean is hidden, or that of the three men would be what is left of all
    assert sum(math.isnan(group.mean) for group in cyst.groups.values()) == 2
    assert {group.n_undefined for group in cyst.groups.values()} == {None}
    assert cyst.overall.n_undefined is None
    organ = told.comparison("sex", "dice", "organ")
    assert {g: s.n_patients for g, s in organ.groups.items()} == {"f": 12, "m": 15, "d": 20}
    assert {s.n_undefined for s in organ.groups.values()} == {0}


def test_a_label_that_few_have_at_all_is_hidden():
    people = persons({("f",): 12, ("m",): 15}, ("sex",))
    few = {("dice", "cyst"): set(range(3, 27))}
    told = shareable(make(people, ("sex",), labels=("organ", "cyst"), undefined=few))
    cyst = told.comparison("sex", "dice", "cyst")
    assert math.isnan(cyst.overall.median)
    assert all(math.isnan(group.median) for group in cyst.groups.values())
    assert cyst.gaps == ()


def test_levels_with_commas_are_protected_as_all_others(tmp_path):
    cells = {("a", "c"): 12, ("a", "b, c"): 3, ("a, b", "c"): 11, ("a, b", "b, c"): 24}
    result = make(persons(cells, ("x", "y")), ("x", "y", "x+y"))
    summary = published(result, tmp_path)
    assert check_nobody_can_tell(result, summary) == 1
    told = EvaluationResult.read(tmp_path).comparison("x+y", "dice", "organ")
    assert list(told.groups) == ['"a, b", "b, c"', '"a, b", c', 'a, "b, c"', "a, c"]
    assert told.left_out == {'a, "b, c"': "fewer than 5 patients"}
    assert told.groups['"a, b", "b, c"'].median > 0


def test_joint_groups_of_unknown_levels_are_not_told():
    cells = {("f", "y"): 12, ("f", "o"): 3, ("m", "y"): 11, ("m", "o"): 14}
    people = persons(cells, ("sex", "age"))
    old = dataclasses.replace(make(people, ("sex", "sex+age")), group_parts={})
    told = shareable(old)
    joint = told.comparison("sex+age", "dice", "organ")
    assert all(group.n_patients is None for group in joint.groups.values())
    assert all(math.isnan(group.median) for group in joint.groups.values())
    assert told.comparison("sex", "dice", "organ").groups["m"].n_patients == 25


def test_too_many_combinations_are_not_told():
    levels = [str(i) for i in range(60)]
    people = [{"a": levels[i % 60], "b": levels[(i * 7) % 60]} for i in range(600)]
    told = shareable(make(people, ("a", "a+b"), n_bootstrap=0))
    joint = told.comparison("a+b", "dice", "organ")
    assert all(group.n_patients is None for group in joint.groups.values())
    single = told.comparison("a", "dice", "organ")
    assert all(group.n_patients == 10 for group in single.groups.values())


def test_nothing_about_single_persons_is_left(tmp_path):
    people = persons({("f",): 30, ("m",): 25, ("d",): 3}, ("sex",))
    people[7] = {**people[7], "patient": "Jane"}
    told = shareable(make(people, ("sex",)))
    assert told.per_case.empty
    told.write(tmp_path)
    text = (tmp_path / "summary.json").read_text(encoding="utf-8")
    text += render_report(told, [])
    for secret in ("Jane", "case_9", "case_0", "/home", "3 cases are odd", "is odd", "0" * 64):
        assert secret not in text
    assert public_notes.PIXELS in text
    assert public_notes.MISSING_PREDICTION in text


def test_the_page_tells_no_more_than_the_summary(tmp_path):
    result = make(persons({("f",): 30, ("m",): 25, ("d",): 3}, ("sex",)), ("sex",))
    told = shareable(result)
    told.write(tmp_path)
    read = EvaluationResult.read(tmp_path)
    assert read.shareable
    assert render_report(read, []) == render_report(told, [])
    assert shareable(read) is read


def test_fewer_than_five_patients_are_not_shared():
    people = [{"sex": "f", "patient": f"p{i % 4}"} for i in range(12)]
    with pytest.raises(EvaluationError, match=r"Only 4 patients were evaluated.*--shareable"):
        shareable(make(people, ("sex",)))


def test_every_field_was_thought_of():
    """A new field of a result is not shared by mistake: decide in disclosure.py, then add it."""
    fields = {
        EvaluationResult: "name per_case metrics labels attributes comparisons exclusions notes "
        "definitions settings versions inputs_sha256 created discovery preset_tables shareable "
        "group_parts findings trainings failures adjusted_gaps boundary_maps "
        "downstream downstream_cases",
        Comparison: "attribute metric label overall groups left_out gaps test effects by_image "
        "pairs of_chosen",
        PairTest: "between cliffs_delta test",
        GroupStatistics: "n_cases n_patients n_undefined n_replaced mean median q1 q3 std "
        "mean_interval median_interval n_units shrunken_mean shrunken_interval worst_decile",
        Gap: "name value interval between simultaneous by_chance p_value corrected_p",
        GroupTest: "name statistic p_value corrected_p family_size reason",
        PairEffect: "between cliffs_delta interval detectable_gap detectable_gap_half "
        "mean_difference mean_difference_interval mean_difference_together",
        Exclusion: "reason cases by_group",
    }
    for kind, names in fields.items():
        assert [f.name for f in dataclasses.fields(kind)] == names.split(), kind


def test_values_of_few_patients_with_many_cases_are_not_told():
    """Three patients have a value, in six cases."""
    people = [{"patient": f"Jane {i // 2}", "sex": "fm"[i // 2 % 2]} for i in range(60)]
    result = make(people, ["sex"], undefined={("dice", "organ"): set(range(6, 60))})
    found = shareable(result).comparison("sex", "dice", "organ")
    for group in (found.overall, *found.groups.values()):
        assert group.n_patients is None
        assert math.isnan(group.mean)
        assert math.isnan(group.median)
    assert shareable(result).comparison("sex", "hd95", "organ").overall.n_patients == 30


def test_what_counts_hide_values_hide_too():
    """Two cases are of unknown sex, and have no Dice: its mean would be that of the known ones."""
    people = [{"patient": f"Jane {i}", "sex": "fm"[i % 2] if i < 40 else ""} for i in range(42)]
    found = shareable(make(people, ["sex"], undefined={("dice", "organ"): {40, 41}}))
    for metric in ("dice", "hd95"):
        overall = found.comparison("sex", metric, "organ").overall
        assert overall.n_patients is None
        assert math.isnan(overall.mean)


@pytest.mark.parametrize("count", ["n_undefined", "n_replaced"])
def test_numbers_of_undefined_and_replaced_values_are_not_told(count):
    result = make([{"sex": "fm"[i % 2]} for i in range(40)], ["sex"])
    made = result.comparison("sex", "hd95", "organ")
    changed = dataclasses.replace(made, overall=dataclasses.replace(made.overall, **{count: 1}))
    for comparison, told in ((made, 0), (changed, None)):
        found = shareable(dataclasses.replace(result, comparisons=(comparison,), findings=()))
        overall = found.comparison("sex", "hd95", "organ").overall
        assert (overall.n_undefined, overall.n_replaced) == (told, told)


def test_a_rounded_gap_lies_in_its_rounded_interval():
    people = persons({("f",): 40, ("m",): 41, ("d",): 42}, ("sex",))
    result = shareable(make(people, ("sex",), n_bootstrap=200))
    checked = 0
    for comparison in result.comparisons:
        for gap in comparison.gaps:
            for limits in (gap.interval, gap.simultaneous):
                if gap.name == "fairness_gap" and not math.isnan(limits.low):
                    assert limits.low <= gap.value <= limits.high
                    checked += 1
    assert checked


@pytest.mark.parametrize("chosen", CHOICES)
def test_a_choice_changes_nothing_that_is_told_of_groups(chosen):
    """What is hidden is decided on all groups, so that no choice of them can be subtracted."""
    told, without = shareable(choosing(chosen)), shareable(choosing(None))
    for ours, theirs in zip(told.comparisons, without.comparisons, strict=True):
        assert repr(ours.groups) == repr(theirs.groups)
        assert repr(ours.overall) == repr(theirs.overall)
        assert ours.by_image == theirs.by_image
        assert ours.of_chosen is None
    here = told.comparison("ethnicity", "dice", "organ")
    assert here.left_out["Other"] == "fewer than 5 patients"
    assert here.groups["Other"].n_patients is None
    about = [*here.gaps, *here.effects, *here.pairs]
    assert about
    assert all("Other" not in one.between for one in about)
    # the mean of the chosen groups together is not shown, so nothing is made of it
    scaled = [gap for gap in here.gaps if gap.name.startswith("es_")]
    assert not (chosen and scaled)


def test_tests_of_pairs_are_shared_only_if_no_compared_group_is_hidden():
    private = choosing(("White", "Black", "Asian"))
    told = shareable(private)
    assert len(told.comparison("ethnicity", "dice", "organ").pairs) <= 3
    assert told.comparison("ethnicity", "dice", "organ").pairs
    for pair in told.comparison("ethnicity", "dice", "organ").pairs:
        assert math.isnan(pair.test.statistic)
    hidden = shareable(choosing(None))
    assert choosing(None).comparison("ethnicity", "dice", "organ").pairs
    assert not any(c.pairs for c in hidden.comparisons)
    assert "Tests of pairs of groups are not shared, as groups are hidden." in hidden.notes


def test_which_groups_were_chosen_is_told():
    told = shareable(choosing(("White", "Black")))
    assert told.settings["chosen_groups"] == {"ethnicity": ["White", "Black"]}
    here = told.comparison("ethnicity", "dice", "organ")
    assert here.left_out["Asian"] == "not one of the groups chosen for the comparison"


def test_a_chosen_group_that_is_hidden_is_refused():
    private = choosing(("White", "Other"))
    with pytest.raises(EvaluationError, match="'Other' has fewer than 5 patients with a value"):
        shareable(private)
