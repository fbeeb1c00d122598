"""A shareable comparison tells no more than a shareable evaluation of the same patients."""

import dataclasses
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.disclosure.of_comparison import shareable_comparison
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.results.comparison import (
    Difference,
    ModelComparison,
    ModelDifferences,
    ModelScores,
    PairedComparison,
    RankRange,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.json_file import to_json
from nnunetv2_fair.evaluation.results.tables.printed_tables import comparison_tables_of
from nnunetv2_fair.report.of_comparison.page import render_comparison
from tests.evaluation.disclosure import attack
from tests.evaluation.disclosure.test_of_evaluation import TABLES, make, persons
from tests.evaluation.trainings.factories import evaluated, scores_of_trainings


def models(
    people: Sequence[Mapping[str, str]], expressions: Sequence[str], **options: object
) -> list[EvaluationResult]:
    """Return evaluations of two models that segmented the same people."""
    first = make(people, expressions, **options)
    frame = first.per_case.copy()
    frame["dice"] = frame["dice"] ** np.linspace(0.5, 1, len(frame))
    return [first, dataclasses.replace(first, name="other", per_case=frame)]


def shared(results: Sequence[EvaluationResult]) -> ModelComparison:
    return shareable_comparison(compare_models(results, n_bootstrap=20), results)


def of_medians(measures: Iterable[str]) -> bool:
    return {measure.partition(":")[0] for measure in measures} <= {"fairness_gap", "ser"}


@pytest.mark.parametrize("table", list(TABLES))
def test_no_count_and_no_mean_is_told_that_the_evaluation_hides(table: str):
    cells, attributes, expressions = TABLES[table]
    results = models(persons(cells, attributes), expressions)
    evaluation, whole = shareable(results[0]), compare_models(results, n_bootstrap=20)
    hidden = 0
    for entry in shared(results).entries:
        alone = evaluation.comparison(entry.attribute, entry.metric, entry.label)
        complete = whole.entry(entry.attribute, entry.metric, entry.label)
        for group, found in alone.groups.items():
            assert entry.group_patients[group] == found.n_patients
            assert entry.group_cases[group] == found.n_cases
            for scores in entry.per_model.values():
                assert math.isnan(scores.group_means[group]) == math.isnan(found.mean)
                limits = scores.group_intervals[group]
                assert math.isnan(limits.low) or not math.isnan(found.mean)
            (differences,) = entry.differences.values()
            if math.isnan(found.mean):
                hidden += 1
                assert math.isnan(differences.groups[group].value)
                assert differences.groups[group].p_value is None
        for scores in entry.per_model.values():
            assert math.isnan(scores.overall_mean) == math.isnan(alone.overall.mean)
        if any(math.isnan(alone.groups[g].mean) for g in entry.per_model["model"].group_means
               if g not in complete.left_out):  # fmt: skip
            for scores in entry.per_model.values():
                assert of_medians(scores.gaps)
                assert (scores.worst_group, math.isnan(scores.worst_group_mean)) == ("", True)
            (differences,) = entry.differences.values()
            assert of_medians(differences.gaps)
            assert math.isnan(differences.worst_group.value)
            assert not {"worst_group_mean", "delta", "es_std", "skew"} & set(entry.ranks)
        if math.isnan(alone.overall.mean):
            assert "overall_mean" not in entry.ranks
            assert entry.n_patients is None
    assert hidden


def test_little_but_decimals_is_lost_where_all_groups_are_large():
    results = models(persons({("f",): 21, ("m",): 33}, ["sex"]), ["sex"])
    whole, told = compare_models(results, n_bootstrap=20), shared(results)
    assert told.shareable
    assert ModelComparison.shareable is False
    for before, after in zip(whole.entries, told.entries, strict=True):
        assert after.group_patients == {"f": 21, "m": 33}
        assert (after.n_cases, after.n_patients) == (54, 54)
        assert after.ranks == before.ranks
        for model in whole.models:
            ours, theirs = before.per_model[model], after.per_model[model]
            # half a standard error
            assert theirs.overall_mean == pytest.approx(ours.overall_mean, rel=0.05)
            assert theirs.worst_group == ours.worst_group
            # gaps of medians, and ratios, are left to the evaluations
            assert set(ours.gaps) - set(theirs.gaps) <= {"fairness_gap", "ser", "skew"}
            means = theirs.group_means.values()
            assert theirs.gaps["delta"][0] == pytest.approx(max(means) - min(means))


def test_undefined_values_of_any_model_take_all_counts_away():
    people = persons({("f",): 21, ("m",): 33}, ["sex"])
    results = models(people, ["sex"])
    frame = results[1].per_case.copy()
    frame.loc[[3], "dice"] = math.nan
    results[1] = dataclasses.replace(results[1], per_case=frame)
    told = shared(results)
    for metric, counts in (("dice", (None, None)), ("hd95", (21, 33))):
        entry = told.entry("sex", metric, "organ")
        assert (entry.group_patients["f"], entry.group_patients["m"]) == counts
        assert (entry.n_cases is None) == (counts[0] is None)
        assert not math.isnan(entry.per_model["other"].group_means["f"])


def test_page_and_file_tell_of_no_person_and_no_file(tmp_path):
    cells, attributes, expressions = TABLES["one small group"]
    told = shared(models(persons(cells, attributes), expressions))
    page = render_comparison(told)
    told.write(tmp_path)
    text = page + (tmp_path / "comparison.json").read_text(encoding="utf-8")
    for private in ("case_0", "Jane", "/home", "0" * 64, "3 patients", "25 patients"):
        assert private not in text
    assert "This is a shareable comparison" in page
    assert "numbers hidden" in (tmp_path / "comparison.json").read_text(encoding="utf-8")
    again = ModelComparison.read(tmp_path)
    assert again.shareable
    assert repr(again.entries) == repr(told.entries)


def test_different_cases_are_not_shared():
    results = models(persons({("f",): 21, ("m",): 33}, ["sex"]), ["sex"])
    fewer = results[1].per_case[results[1].per_case["case"] != "case_004x"]
    results[1] = dataclasses.replace(results[1], per_case=fewer)
    compared = compare_models(results, common_cases=True, n_bootstrap=20)
    with pytest.raises(EvaluationError, match=r"other: other cases than those of model\. Who is"):
        shareable_comparison(compared, results)


def test_fewer_than_five_patients_are_not_shared():
    results = models(persons({("f",): 2, ("m",): 2}, ["sex"]), ["sex"])
    with pytest.raises(EvaluationError, match="Only 4 patients were evaluated"):
        shared(results)


def test_findings_on_hidden_groups_are_left_out_and_verdicts_stay():
    cells, attributes, expressions = TABLES["one small group"]
    results = models(persons(cells, attributes), expressions)
    whole, told = compare_models(results, n_bootstrap=20), shared(results)
    kept = {finding.subject: finding for finding in told.findings}
    assert 0 < len(kept) < len(whole.findings)
    for before in whole.findings:
        after = kept.get(before.subject)
        entry = told.entry(before.attribute, before.metric, before.label)
        if before.quantity == "group_mean":
            small = "fewer than 5" in entry.left_out.get(before.who[0], "")
            assert (after is None) == small, before.subject
        if after is None:
            continue
        # decided before rounding
        assert (after.verdict, after.direction, after.reason) == (
            before.verdict, before.direction, before.reason,
        )  # fmt: skip
        assert after.family_size == 0
        for group, count in after.n.items():
            assert count == entry.group_patients[group]
        if before.kind == "model_change" and before.verdict != "not_comparable":
            change = entry.differences["other"]
            place = {
                "overall_mean": change.overall,
                "worst_group_mean": change.worst_group,
                "group_mean": change.groups.get(before.who[0]) if before.who else None,
            }.get(before.quantity, change.between_groups)
            assert repr((after.value, after.interval)) == repr((place.value, place.simultaneous))
            means = entry.per_model["other"].group_means
            if any(math.isnan(means[group]) for group in before.who):
                assert math.isnan(after.value)
                assert repr(before.value)[:7] not in after.sentence


def unknown_sex() -> list[EvaluationResult]:
    """Return models of 21 women, 33 men and a patient of unknown sex; the women gain."""
    results = models(persons({("f",): 21, ("m",): 33, ("",): 1}, ["sex"]), ["sex"])
    frame = results[1].per_case.copy()
    women = frame["sex"] == "f"
    frame["dice"] = results[0].per_case["dice"] + np.where(women, 0.05, 0.0)
    frame["dice"] += np.linspace(-0.004, 0.004, len(frame))
    return [results[0], dataclasses.replace(results[1], per_case=frame)]


def test_a_patient_of_unknown_group_hides_numbers_but_not_what_is_claimed():
    results = unknown_sex()
    whole, told = compare_models(results, n_bootstrap=20), shared(results)
    kept = {found.subject: found for found in told.findings}
    changes = [found for found in whole.findings if found.kind == "model_change"]
    assert {found.verdict for found in changes} >= {"shown"}
    for before in changes:
        after = kept[before.subject]
        assert (after.verdict, after.direction) == (before.verdict, before.direction)
    entry = told.entry("sex", "dice", "organ")
    hidden = [g for g, mean in entry.per_model["other"].group_means.items() if math.isnan(mean)]
    assert len(hidden) == 1
    (cause,) = (note for note in told.notes if "unknown" in note)
    assert f"By sex, numbers of '{hidden[0]}' and of all groups together are hidden" in cause
    assert "sex is unknown for fewer than 5 patients" in cause
    page = render_comparison(told)
    assert cause.split(":")[1] in page.replace("&#39;", "'")
    assert "nobody is shown to lose; better: " in page
    assert "cannot be compared" not in page


def test_of_values_that_tell_of_few_patients_not_even_verdicts_are_told():
    results = unknown_sex()
    frames = []
    for result, changed in zip(results, (0, 2), strict=True):
        frame = result.per_case.copy()
        frame["dice"] = (np.arange(len(frame)) % 3 > 0).astype(float)
        frame.loc[frame.index[:changed], "dice"] = 1 - frame["dice"][:changed]
        frames.append(dataclasses.replace(result, per_case=frame))
    told = shared(frames)
    of_dice = [f for f in told.findings if (f.kind, f.metric) == ("model_change", "dice")]
    assert [f.who for f in of_dice] == [("m",)]


def test_verdicts_are_those_of_the_private_comparison():
    results = models(persons({("f",): 21, ("m",): 33}, ["sex"]), ["sex"])
    whole, told = compare_models(results, n_bootstrap=20), shared(results)
    kept = {found.subject: found for found in told.findings}
    assert len(kept) == len(whole.findings) > 4
    assert any(found.verdict == "shown" for found in whole.findings)
    for before in whole.findings:
        after = kept[before.subject]
        assert (after.verdict, after.direction) == (before.verdict, before.direction)
        if before.kind == "model_change" and before.verdict != "not_comparable" and before.value:
            # the sentence tells the numbers that are shown
            assert repr(before.value)[:7] not in after.sentence


def test_of_five_patients_nothing_but_a_coarse_mean_is_told():
    people = persons({("f",): 30, ("m",): 5}, ["sex"])
    results = models(people, ["sex"])
    entry = shared(results).entry("sex", "dice", "organ")
    for scores in entry.per_model.values():
        mean = scores.group_means["m"]
        assert mean == round(mean, 1) or math.isnan(mean)
        assert math.isnan(scores.group_intervals["m"].low)
        assert math.isnan(scores.gaps["delta"][1].low) if scores.gaps else True
    (changes,) = entry.differences.values()
    assert math.isnan(changes.groups["m"].interval.low)
    assert math.isnan(changes.groups["m"].simultaneous.low)
    assert not math.isnan(changes.groups["f"].interval.low)


def test_how_many_changed_is_not_told():
    """Detection of one model differs in one to four patients: what changes is not shown."""
    people = persons({("f",): 30, ("m",): 25}, ["sex"])
    first = models(people, ["sex"])[0]
    frame = first.per_case.copy()
    frame["dice"] = (np.arange(55) % 3 > 0).astype(float)
    first = dataclasses.replace(first, per_case=frame)
    told = []
    for changed in (1, 2, 3, 4):
        other = frame.copy()
        other.loc[other.index[:changed], "dice"] = 1 - other["dice"][:changed]
        second = dataclasses.replace(first, name="other", per_case=other)
        entry = shared([first, second]).entry("sex", "dice", "organ")
        told.append(repr(entry.differences["other"].groups["f"]))
        assert math.isnan(entry.differences["other"].groups["f"].value)
    assert len(set(told)) == 1


@pytest.mark.parametrize("table", ["one small group", "small intersections"])
def test_the_page_tells_no_number_that_the_file_does_not(table):
    cells, attributes, expressions = TABLES[table]
    told = shared(models(persons(cells, attributes), expressions))
    page = render_comparison(told)
    assert attack.told_otherwise(page, to_json(told)) == []
    # nor do the numbers to take along; the sentences among them are those of the findings
    known = np.array(sorted(attack.numbers_in(to_json(told))))
    sentences = {finding.sentence for finding in told.findings}
    assert attack.scripts_of(page)
    for script in attack.scripts_of(page):
        rows = pd.read_csv(io.StringIO(json.loads(script)))
        assert set(rows.pop("finding")) <= sentences if "finding" in rows else True
        for number in rows.select_dtypes("number").to_numpy().ravel():
            assert math.isnan(number) or np.abs(known - number).min() < 1e-9, number


def test_every_field_was_thought_of():
    """A new field of a comparison is not shared by mistake: decide in the room, then add it."""
    fields = {
        ModelComparison: "models baseline metrics labels attributes entries notes definitions "
        "settings versions created shareable group_parts findings downstream",
        PairedComparison: "attribute metric label per_model differences n_cases n_patients "
        "group_cases group_patients left_out ranks gap_measure family_size",
        ModelScores: "overall_mean overall_interval group_means group_intervals worst_group "
        "worst_group_mean gaps between_groups overall_std group_stds",
        ModelDifferences: "overall groups worst_group gaps between_groups",
        Difference: "value interval p_value corrected_p simultaneous",
        RankRange: "first last",
        Finding: "kind verdict attribute metric label quantity who values between direction value "
        "interval confidence test p_value corrected_p family_size n numbers items chosen model "
        "baseline reason sentence",
    }
    for kind, names in fields.items():
        assert [f.name for f in dataclasses.fields(kind)] == names.split(), kind


def of_trainings(folder, n_rare: int) -> list[EvaluationResult]:
    """Return two methods of three trainings, with a group of few patients."""
    made = []
    for seed in (1, 2):
        table = scores_of_trainings(seed=seed, n=90, by_group=0.02)
        rare = [f"c{i:03d}" for i in range(n_rare)]
        table.loc[table["case"].isin(rare), "sex"] = "x"
        made.append(evaluated(table, folder, name=f"method_{seed}"))
    return made


@pytest.mark.parametrize(("n_rare", "told"), [(4, False), (12, False), (30, True)])
def test_deviations_over_trainings_are_of_groups_with_enough_patients(tmp_path, n_rare, told):
    results = of_trainings(tmp_path, n_rare)
    whole = compare_models(results, n_bootstrap=100)
    shown = shareable_comparison(whole, results)
    for entry in shown.entries:
        exact = whole.entry(entry.attribute, entry.metric, entry.label)
        for model, scores in entry.per_model.items():
            stds = scores.group_stds
            assert math.isnan(stds["x"]) is not told
            for group, std in stds.items():
                assert math.isnan(std) or not math.isnan(scores.group_means[group])
                if not math.isnan(std):
                    assert len(f"{std:g}".strip("0.")) == 1, "one digit"
                    size = exact.per_model[model].group_stds[group]
                    assert std == pytest.approx(size, rel=0.5, abs=0.0006)
            assert math.isnan(scores.overall_std) == math.isnan(scores.overall_mean)


def test_deviations_over_trainings_are_printed(tmp_path):
    results = of_trainings(tmp_path, 30)
    whole = compare_models(results, n_bootstrap=100)
    (table, *_) = comparison_tables_of(whole)
    assert table.columns[-1] == "SD of trainings"
    entry = whole.entries[0]
    model = whole.models[0]
    means = [
        training.comparison(entry.attribute, entry.metric, entry.label).groups["x"].mean
        for training in results[0].trainings
    ]
    assert entry.per_model[model].group_stds["x"] == pytest.approx(np.std(means, ddof=1))
    (row,) = [row for row in table.rows if row[3:5] == (model, "x")]
    assert row[-1] == f"{np.std(means, ddof=1):.4f}"
    alone = [result.trainings[0] for result in results]
    (table, *_) = comparison_tables_of(compare_models(alone, ["a", "b"], n_bootstrap=100))
    assert table.columns[-1] == "Interval"
