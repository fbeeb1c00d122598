"""One reference group per attribute, chosen before any value is known."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.request import Request, ScoresFile, answer
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings, reference_index
from nnunetv2_fair.evaluation.statistics.groupings import make_vocabularies
from nnunetv2_fair.subgroups.groups import Group, Grouping

SETTINGS = StatisticsSettings(n_bootstrap=0)
SIZES = {"A": 30, "B": 26, "C": 22}


def grouping(groups: str, reference: str | None = None) -> Grouping:
    """Case 0 is in the first group, case 1 in the second, and so on."""
    names = sorted(set(groups))
    return Grouping(
        "site",
        tuple(Group((name,)) for name in names),
        {f"c{i}": group for i, group in enumerate(groups)},
        reference,
    )


def chosen(groups: str, patients: str, reference: str | None = None, **asked: str) -> str | None:
    of = {f"c{i}": patient for i, patient in enumerate(patients)}
    [found] = make_vocabularies([grouping(groups, reference)], asked, list(of), of, {}, 1)
    return found.reference


def test_patients_count_not_their_images():
    assert chosen("aaabb", "11123") == "b"
    assert chosen("aaabb", "12345") == "a"


def test_of_equal_groups_the_first():
    assert chosen("bbaa", "1234") == "a"


def test_the_dictionary_and_the_user_come_first():
    assert chosen("aaab", "1234", reference="b") == "b"
    assert chosen("aaabc", "12345", reference="b", site="c") == "c"


def test_patients_who_are_not_evaluated_do_not_count():
    everybody = grouping("aaabb")
    patients = {f"c{i}": str(i) for i in range(5)}
    [found] = make_vocabularies([everybody], {}, ["c2", "c3", "c4"], patients, {}, 1)
    assert found.reference == "b"


def test_without_the_chosen_one_the_largest_that_is_compared():
    names = ("a", "b", "c")
    assert reference_index(names, [0, 1, 2], [3, 9, 9], "a") == 0
    assert reference_index(names, [1, 2], [30, 9, 9], "a") == 1
    assert reference_index(names, [0, 2], [3, 9, 8], None) == 2
    assert reference_index(names, [], [3, 9, 8], "a") is None


def scores(seed: int = 0) -> pd.DataFrame:
    """The largest site has the fewest values of the second metric and of the second label."""
    rng = np.random.default_rng(seed)
    rows = []
    for site, size in SIZES.items():
        for patient in range(size):
            for label in ("organ", "lesion"):
                few = site == "A" and patient >= 10
                dice = "" if few and label == "lesion" else round(rng.uniform(0.6, 1), 4)
                hd95 = "" if few or label == "lesion" else round(rng.uniform(1, 9), 3)
                rows.append((f"{site}{patient}", label, site, dice, hd95, patient % 3))
    return pd.DataFrame(rows, columns=["case", "label", "site", "dice", "hd95_mm", "scanner"])


def evaluated(path: Path, frame: pd.DataFrame, **options) -> EvaluationResult:
    frame.to_csv(path, index=False)
    request = Request(ScoresFile(path, "csv"), ("site",), statistics=SETTINGS, **options)
    return answer(request).result


def starts(result: EvaluationResult) -> set[str]:
    """All groups that anything of a result is measured from."""
    gaps = [gap for c in result.comparisons for gap in c.gaps if gap.name == "fairness_gap"]
    effects = [effect for c in result.comparisons for effect in c.effects]
    differences = [found for failures in result.failures for found in failures.differences]
    everything = [*gaps, *effects, *differences, *result.adjusted_gaps]
    return {found.between[0] for found in everything if len(found.between) == 2}


def test_every_metric_and_label_is_measured_from_the_same_group(tmp_path):
    frame = scores()
    result = evaluated(tmp_path / "s.csv", frame, adjust=("scanner",))
    assert starts(result) == {"A"}
    assert result.settings["reference_groups"] == {"site": "A"}
    assert not any("reference group" in note for note in result.notes)
    assert starts(evaluated(tmp_path / "s.csv", frame, reference_groups={"site": "C"})) == {"C"}


def test_a_reference_without_values_is_named(tmp_path):
    frame = scores()
    lacking = (frame["site"] == "A") & (frame["label"] == "lesion")
    frame.loc[lacking, "dice"] = ""
    result = evaluated(tmp_path / "s.csv", frame)
    by_label = {
        c.label: c.effects[0].between[0]
        for c in result.comparisons
        if c.metric == "dice" and c.effects
    }
    assert by_label["organ"] == "A"
    assert by_label["lesion"] == "B"
    [note] = [note for note in result.notes if "reference group" in note]
    assert re.fullmatch(
        r"'site': too few patients of the reference group 'A' have a value \(Dice of lesion.*\), "
        r"so gaps there are measured from 'B'\.",
        note,
    )
    alone = evaluated(tmp_path / "s.csv", frame[frame["label"] == "lesion"].drop(columns="hd95_mm"))
    assert (
        "'site': too few patients of the reference group 'A' have a value, so gaps are measured "
        "from 'B'."
    ) in alone.notes


def test_models_are_compared_from_the_same_group(tmp_path):
    frame = scores()
    results = [evaluated(tmp_path / f"{name}.csv", frame) for name in ("one", "two")]
    compared = compare_models(results)
    pairs = {
        name.partition(":")[2].strip()
        for entry in compared.entries
        for scores_of in entry.per_model.values()
        for name in scores_of.gaps
        if name.startswith("fairness_gap:")
    }
    assert pairs == {"A - B", "A - C"}


def test_models_with_other_cases_and_another_largest_group_are_refused(tmp_path):
    frame = scores()
    fewer = frame[~((frame["site"] == "A") & frame["case"].str.contains(r"A1\d"))]
    results = [evaluated(tmp_path / f"{i}.csv", f) for i, f in enumerate((frame, fewer))]
    assert [r.settings["reference_groups"]["site"] for r in results] == ["A", "B"]
    message = r"reference_groups is .*'A'.* against .*'B'.* \(without --reference it is the largest"
    with pytest.raises(EvaluationError, match=message):
        compare_models(results, common_cases=True)
