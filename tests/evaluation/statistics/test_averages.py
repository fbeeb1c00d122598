"""The average over labels: the mean of the labels' means on the same cases, or none at all."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.request import Request, ScoresFile, answer
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.unit_values import unit_values
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings

QUICK = StatisticsSettings(n_bootstrap=50)


def write(path: Path, seed: int = 0, n: int = 200, rare: float = 0.5) -> Path:
    """Organ and lesion are segmented equally well in both sexes; women have fewer lesions."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        sex = "f" if i % 2 else "m"
        has_lesion = rng.random() < (0.95 if sex == "m" else rare)
        organ, lesion = rng.beta(95, 5), rng.beta(13, 7)
        rows += [
            {"case": f"c{i}", "label": "organ", "sex": sex, "dice": organ},
            {"case": f"c{i}", "label": "lesion", "sex": sex, "dice": lesion if has_lesion else ""},
        ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def evaluated(path: Path) -> EvaluationResult:
    return answer(Request(ScoresFile(path, "csv"), ["sex"], statistics=QUICK)).result


def test_a_rare_label_makes_no_gap(tmp_path):
    result = evaluated(write(tmp_path / "s.csv"))
    assert result.labels == ("organ", "lesion", "average")
    assert result.headline_label == "average"
    found = result.comparison("sex", "dice", "average")
    wide = result.per_case.pivot(index="case", columns="label", values="dice")
    sex = result.per_case.drop_duplicates("case").set_index("case")["sex"]
    complete = wide[["organ", "lesion"]].dropna()
    for group, statistics in found.groups.items():
        of_labels = complete[sex[complete.index] == group].mean()
        assert statistics.mean == pytest.approx(of_labels.mean())
        assert statistics.n_undefined == statistics.n_cases - (sex[complete.index] == group).sum()
        assert unit_values(result, "sex", "dice", "average")[group].mean() == pytest.approx(
            statistics.mean
        )
    # averages of what is defined were 0.802 against 0.911, p < 0.001
    assert abs(found.gap("fairness_gap").value) < 0.04
    assert found.test.corrected_p > 0.05
    [note] = [n for n in result.notes if n.startswith("The average over labels")]
    f, m = (found.groups[g] for g in "fm")
    assert f"'f' (sex): {f.n_undefined} of 100, 'm' (sex): {m.n_undefined} of 100" in note


def test_too_few_complete_cases_of_a_group_leave_no_average(tmp_path):
    result = evaluated(write(tmp_path / "s.csv", n=60, rare=0.1))
    assert result.labels == ("organ", "lesion")
    assert result.headline_label == "organ"
    assert set(result.per_case["label"]) == {"organ", "lesion"}
    [note] = [n for n in result.notes if n.startswith("There is no average")]
    assert "'f' (sex): 2 of 30" in note
    assert "it is the first, 'organ'" in note
    with pytest.raises(KeyError):
        result.comparison("sex", "dice", "average")
    result.write(tmp_path)
    assert EvaluationResult.read(tmp_path).headline_label == "organ"


def test_labels_that_never_occur_together_leave_no_average(tmp_path):
    path = tmp_path / "s.csv"
    rows = [f"c{i},{'ab'[i % 2]},{'fm'[i // 2 % 2]},0.{i + 10}" for i in range(40)]
    path.write_text("case,label,sex,dice\n" + "\n".join(rows) + "\n", encoding="utf-8")
    result = evaluated(path)
    assert result.labels == ("a", "b")
    assert any("as no case has a Dice of every label" in note for note in result.notes)


def test_models_are_compared_by_the_average_only_where_all_have_one(tmp_path):
    paths = [write(tmp_path / f"{rare}.csv", n=60, rare=rare) for rare in (0.9, 0.1)]
    results = [evaluated(path) for path in paths]
    for order in (results, results[::-1]):
        compared = compare_models(order, ["x", "y"], n_bootstrap=20)
        assert compared.labels == ("organ", "lesion")
        assert compared.headline_label == "organ"
    both = compare_models([results[0], results[0]], ["x", "y"], n_bootstrap=20)
    assert both.headline_label == "average"


def test_no_average_gap_on_null_data(tmp_path):
    """Labels equal in both groups: rejections of the average at most nominal (0.05 + 2 errors)."""
    path, rejected = tmp_path / "s.csv", 0
    quick = StatisticsSettings(n_bootstrap=0)
    for seed in range(60):
        request = Request(ScoresFile(write(path, seed, n=80), "csv"), ["sex"], statistics=quick)
        found = answer(request).result.comparison("sex", "dice", "average")
        rejected += found.test.p_value < 0.05
    assert rejected / 60 <= 0.05 + 2 * (0.05 * 0.95 / 60) ** 0.5
