"""Tables of people against pandas, scipy and a printed table."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.papers.cohorts import cohort_table
from nnunetv2_fair.subgroups.table import DemographicsTable, read_dataset_table

GROUPS = ("White", "Black", "Asian")
COLUMNS = ("age", "weight", "sex")


def make_table(folder: Path, n: int = 90, seed: int = 0) -> DemographicsTable:
    """Two cases per patient; some ages and sexes, and the group of a few, are unknown."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(n):
        group = rng.choice([*GROUPS, ""], p=[0.5, 0.25, 0.2, 0.05])
        age = "" if rng.random() < 0.1 else f"{rng.normal(60 - 4 * (group == 'Black'), 7):.1f}"
        weight, sex = (
            f"{rng.normal(80, 12):.1f}",
            rng.choice(["female", "male", ""], p=[0.5, 0.4, 0.1]),
        )
        rows += [(f"p{patient}_{f}", f"p{patient}", group, age, weight, sex) for f in ("ED", "ES")]
    columns = ["case", "patient", "ethnicity", *COLUMNS]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "demographics.csv", index=False)
    about = {
        "attributes": {
            "ethnicity": {"type": "categorical", "levels": list(GROUPS)},
            "age": {"type": "numeric", "unit": "years"},
            "weight": {"type": "numeric", "unit": "kg"},
            "sex": {"type": "categorical", "levels": ["female", "male"]},
        },
        "default": "ethnicity",
    }
    (folder / "demographics.json").write_text(json.dumps(about))
    return read_dataset_table(folder)


@pytest.fixture
def table(tmp_path) -> DemographicsTable:
    return make_table(tmp_path)


def people_of(folder: Path) -> pd.DataFrame:
    """One row per person of known group, read by pandas alone."""
    frame = pd.read_csv(folder / "demographics.csv").drop_duplicates("patient")
    return frame[frame["ethnicity"].notna()]


def test_numbers_are_those_of_pandas(table, tmp_path):
    cohort = cohort_table(table, table.cases, "ethnicity", COLUMNS, "groups", "People")
    people = people_of(tmp_path)
    found = {(c.column, c.level, c.group): c for c in cohort.characteristics}
    for group in GROUPS:
        own = people[people["ethnicity"] == group]
        for column in ("age", "weight"):
            one = found[column, "", group]
            assert one.n_patients == own[column].count()
            assert one.value == pytest.approx(own[column].mean())
            assert one.std == pytest.approx(own[column].std())
        assert found["sex", "male", group].value == pytest.approx(
            (own["sex"].dropna() == "male").mean()
        )
    assert found["age", "", "Overall"].value == pytest.approx(people["age"].mean())
    assert cohort.table.rows[0] == (
        "People", str(len(people)), *(str((people["ethnicity"] == g).sum()) for g in GROUPS),
    )  # fmt: skip


def test_groups_are_tested_with_each_other(table, tmp_path):
    cohort = cohort_table(table, table.cases, "ethnicity", COLUMNS, "groups", "People")
    people = people_of(tmp_path)
    found = {(c.column, c.level): c.p_value for c in cohort.characteristics if c.group == "Overall"}
    for column in ("age", "weight"):
        samples = [people[people["ethnicity"] == g][column].dropna() for g in GROUPS]
        assert found[column, ""] == pytest.approx(stats.f_oneway(*samples).pvalue)
    counts = pd.crosstab(people["ethnicity"], people["sex"])
    expected = stats.chi2_contingency(counts, correction=False).pvalue
    assert found["sex", "female"] == pytest.approx(expected)
    assert math.isnan(found["sex", "male"])  # one test of all levels


def test_each_group_is_tested_against_everybody(table, tmp_path):
    cohort = cohort_table(table, table.cases, "ethnicity", ("age", "sex"), "overall", "People")
    people = people_of(tmp_path)
    for group in GROUPS:
        own = people[people["ethnicity"] == group]
        found = {c.column: c.p_value for c in cohort.characteristics
                 if c.group == group and c.level in ("", "female")}  # fmt: skip
        expected = stats.ttest_ind(own["age"].dropna(), people["age"].dropna()).pvalue
        assert found["age"] == pytest.approx(expected)
        counts = [own["sex"].value_counts().sort_index(), people["sex"].value_counts().sort_index()]
        assert found["sex"] == pytest.approx(stats.chi2_contingency(counts, False).pvalue)


def test_chosen_groups_are_everybody(table, tmp_path):
    asked = ("Black", "White")
    cohort = cohort_table(table, table.cases, "ethnicity", ("age",), "groups", "T", asked)
    people = people_of(tmp_path)
    chosen = people[people["ethnicity"].isin(asked)]
    assert cohort.table.columns == ("", "Overall", *asked)
    assert cohort.characteristics[0].value == pytest.approx(chosen["age"].mean())


def test_stars_stand_where_papers_print_them(tmp_path):
    table = make_table(tmp_path, n=400)
    rows = cohort_table(table, table.cases, "ethnicity", ("age",), "groups", "T").table.rows
    assert rows[1][0] == "age (years) *"
    own = cohort_table(table, table.cases, "ethnicity", ("age",), "overall", "T").table.rows[1]
    assert own[0] == "age (years)"
    assert own[3].endswith("*")  # Black, 4 years younger
    assert not own[1].endswith("*")


def test_the_cautious_test_is_cautious():
    """Of groups that do not differ, at most 5% are found to differ from everybody."""
    rng = np.random.default_rng(3)
    small, others = rng.normal(size=(2000, 15)), rng.normal(size=(2000, 60))
    everybody = np.concatenate([small, others], axis=1)
    p_values = stats.ttest_ind(small, everybody, axis=1).pvalue
    assert (p_values < 0.05).mean() < 0.05


def test_printed_stars_do_not_follow_from_printed_numbers():
    """Lee et al., Table 1: 74.8 (11.9) kg of 15 people, 77.0 (15.0) of 4,236, starred."""
    age = stats.ttest_ind_from_stats(57.0, 4.9, 15, 64.6, 7.7, 4236).pvalue
    weight = stats.ttest_ind_from_stats(74.8, 11.9, 15, 77.0, 15.0, 4236).pvalue
    height = stats.ttest_ind_from_stats(168.8, 6.9, 15, 169.5, 9.2, 4236).pvalue
    assert age < 0.05
    assert weight > 0.5
    assert height > 0.5


@pytest.mark.parametrize(
    ("columns", "groups", "message"),
    [
        (("wieght",), (), "no column 'wieght'. Did you mean 'weight'?"),
        (("age",), ("Green",), "nobody here is in group 'Green' of 'ethnicity'"),
    ],
)
def test_refused(table, columns, groups, message):
    with pytest.raises(EvaluationError, match=message.replace("?", r"\?")):
        cohort_table(table, table.cases, "ethnicity", columns, "groups", "T", groups)


def test_too_few_to_test_are_not_tested(table):
    two = [case for case in table.cases if table.frame.loc[case, "age"]][:2]
    cohort = cohort_table(table, two[:1], "ethnicity", ("age", "sex"), "groups", "T")
    assert all(math.isnan(c.p_value) for c in cohort.characteristics)
    assert "nan" not in str(cohort.table.rows)
