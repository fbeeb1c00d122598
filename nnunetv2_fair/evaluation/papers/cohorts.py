"""Who the people of a dataset are, by group, with the tests that papers print beside it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError, did_you_mean, shorten
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.schema import PATIENT
from nnunetv2_fair.subgroups.table import DemographicsTable

#: How groups are tested: each against all people together, or all with each other.
Against = Literal["overall", "groups"]

OVERALL = "Overall"
_LEVEL = 0.05
_NOTES = {
    "overall": "* p < 0.05, not corrected: Student's t-test (of levels, chi-squared test) of a "
    "group against all people together. Those include the group, which makes the test cautious.",
    "groups": "* p < 0.05, not corrected: one-way analysis of variance (of levels, chi-squared "
    "test) between the groups.",
}
_SHOWN = "Mean (standard deviation) over people; of levels, people (percent)."
_GROUP = "\0group"


@dataclass(frozen=True)
class Characteristic:
    """One number of the table: of a column (and level) in a group, or in everybody.

    Attributes:
        column: Column of the demographics table.
        level: Level whose people are counted; empty for a mean.
        group: Group; ``Overall`` for everybody.
        n_patients: People with a value.
        value: Mean, or share of the people, 0 to 1; NaN without people.
        std: Sample standard deviation (ddof 1); NaN of shares, and of fewer than two people.
        p_value: Of the test, uncorrected; NaN if there is none.
    """

    column: str
    level: str
    group: str
    n_patients: int
    value: float
    std: float
    p_value: float


@dataclass(frozen=True)
class Cohort:
    """The table as it is printed, and its numbers."""

    table: TextTable
    characteristics: tuple[Characteristic, ...]


def cohort_table(
    table: DemographicsTable,
    cases: Sequence[str],
    by: str,
    columns: Sequence[str],
    against: Against,
    title: str,
    groups: Sequence[str] = (),
) -> Cohort:
    """Describe the people of some cases.

    Args:
        table: Demographics.
        cases: Cases of the part to describe; each person counts once.
        by: Attribute expression.
        columns: Columns to describe: numbers by mean and standard deviation, levels by people.
        against: What groups are tested against.
        title: Title.
        groups: Groups to show; empty for all that have people. Everybody means these.

    Raises:
        EvaluationError: If a column or group does not exist, or nobody has a known group.

    Source: Lee et al., MELBA 2025, Tables 1 and 3 (``overall``) and 2 (``groups``).
    """
    known = table.schema.attributes
    for column in columns:
        if column not in known:
            raise EvaluationError(
                f"{table.source} has no column '{column}'.{did_you_mean(column, known)} Columns: "
                f"{shorten(known, 20)}"
            )
    people = _people(table, cases, by)
    present = [name for name in group_cases(table, by).names if (people[_GROUP] == name).any()]
    absent = [name for name in groups if name not in present]
    if absent or not present:
        raise EvaluationError(
            f"{table.source}: nobody here is in group '{(absent or ['?'])[0]}' of '{by}'. Groups "
            f"with people: {shorten(present, 12) or 'none'}"
        )
    names = list(groups) or present
    people = people[people[_GROUP].isin(names)]
    sizes = [str(len(people)), *(str((people[_GROUP] == name).sum()) for name in names)]
    rows = [("People", *sizes)]
    found: list[Characteristic] = []
    for column in columns:
        attribute = known[column]
        heading = f"{column} ({attribute.unit})" if attribute.unit else column
        if attribute.type == "numeric":
            made = _numeric(people, column, names, against)
            rows.append((heading + _star(made, against), *(_mean(c, against) for c in made)))
        else:
            made = []
            levels = [level for level in attribute.levels if (people[column] == level).any()]
            for level in levels:
                made += _level(people, column, level, names)
            made = _with_tests(made, people, column, names, against)
            for position, level in enumerate(levels):
                part = made[position * (len(names) + 1) : (position + 1) * (len(names) + 1)]
                start = f"{heading}: {level}" + ("" if position else _star(made, against))
                rows.append((start, *(_share(c, against, first=not position) for c in part)))
        found += made
    return Cohort(
        TextTable("cohort", title, ("", OVERALL, *names), tuple(rows), (_SHOWN, _NOTES[against])),
        tuple(found),
    )


def _people(table: DemographicsTable, cases: Sequence[str], by: str) -> pd.DataFrame:
    """Return one row per person and group, numbers averaged over the person's cases."""
    grouping = group_cases(table, by)
    frame = table.frame.loc[list(cases)].copy()
    frame[_GROUP] = [grouping.group_of[case] for case in cases]
    frame = frame[frame[_GROUP].notna()]
    known = table.schema.attributes
    for name in known:
        if known[name].type == "numeric":
            frame[name] = pd.to_numeric(frame[name].replace("", np.nan))
    how = {
        name: "mean" if known[name].type == "numeric" else "first"
        for name in known
        if name in frame.columns
    }
    return frame.groupby([PATIENT, _GROUP], sort=False).agg(how).reset_index()


def _numeric(
    people: pd.DataFrame, column: str, names: Sequence[str], against: Against
) -> list[Characteristic]:
    values = people[column].to_numpy(dtype=float)
    known = ~np.isnan(values)
    everybody = values[known]
    samples = [values[known & (people[_GROUP] == name).to_numpy()] for name in names]
    if against == "overall":
        p_values = [math.nan, *(_student(sample, everybody) for sample in samples)]
    else:
        p_values = [_anova(samples), *([math.nan] * len(names))]
    return [
        Characteristic(
            column,
            "",
            group,
            len(sample),
            float(sample.mean()) if len(sample) else math.nan,
            float(sample.std(ddof=1)) if len(sample) > 1 else math.nan,
            p_value,
        )
        for group, sample, p_value in zip(
            (OVERALL, *names), (everybody, *samples), p_values, strict=True
        )
    ]


def _student(sample: np.ndarray, everybody: np.ndarray) -> float:
    from scipy.stats import ttest_ind

    if len(sample) < 2 or not everybody.std() or len(sample) == len(everybody):
        return math.nan
    return float(ttest_ind(sample, everybody).pvalue)


def _anova(samples: Sequence[np.ndarray]) -> float:
    from scipy.stats import f_oneway

    enough = [sample for sample in samples if len(sample) > 1]
    if len(enough) < 2 or not np.concatenate(enough).std():
        return math.nan
    return float(f_oneway(*enough).pvalue)


def _level(
    people: pd.DataFrame, column: str, level: str, names: Sequence[str]
) -> list[Characteristic]:
    made = []
    for group in (OVERALL, *names):
        chosen = people if group == OVERALL else people[people[_GROUP] == group]
        known = chosen[column][chosen[column] != ""]
        share = float((known == level).mean()) if len(known) else math.nan
        made.append(Characteristic(column, level, group, len(known), share, math.nan, math.nan))
    return made


def _with_tests(
    made: Sequence[Characteristic],
    people: pd.DataFrame,
    column: str,
    names: Sequence[str],
    against: Against,
) -> list[Characteristic]:
    """Add the p-value of all levels together to each number of the first level."""
    counts = pd.crosstab(people[_GROUP], people[column])
    counts = counts.reindex(list(names), fill_value=0).drop(columns="", errors="ignore")
    table = counts.to_numpy()
    if against == "groups":
        p_values = {OVERALL: _chi_squared(table)}
    else:
        total = table.sum(axis=0)
        p_values = {
            name: _chi_squared(np.stack([row, total]))
            for name, row in zip(names, table, strict=True)
            if not (row == total).all()
        }
    first = made[0].level if made else ""
    return [
        Characteristic(
            c.column, c.level, c.group, c.n_patients, c.value, c.std,
            p_values.get(c.group, math.nan) if c.level == first else math.nan,
        )
        for c in made
    ]  # fmt: skip


def _chi_squared(counts: np.ndarray) -> float:
    from scipy.stats import chi2_contingency

    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:
        return math.nan
    return float(chi2_contingency(counts, correction=False).pvalue)


def _star(made: Sequence[Characteristic], against: Against) -> str:
    """Return the star of a whole row, where groups are tested with each other."""
    return " *" if against == "groups" and made and made[0].p_value < _LEVEL else ""


def _mean(found: Characteristic, against: Against) -> str:
    if math.isnan(found.value):
        return ""
    spread = "" if math.isnan(found.std) else f" ({found.std:.1f})"
    star = "*" if against == "overall" and found.p_value < _LEVEL else ""
    return f"{found.value:.1f}{spread}{star}"


def _share(found: Characteristic, against: Against, *, first: bool) -> str:
    if math.isnan(found.value):
        return ""
    star = "*" if first and against == "overall" and found.p_value < _LEVEL else ""
    return f"{round(found.value * found.n_patients)} ({found.value * 100:.1f}){star}"
