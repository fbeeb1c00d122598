"""Tables of all methods."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nnunetv2_fair import paths
from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.evaluation.papers.cohorts import Against, Cohort, cohort_table
from nnunetv2_fair.evaluation.papers.side_by_side import (
    Method,
    challenge_table_of,
    equity_table,
    fairness_table,
    made_of,
    medians_table,
)
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.files.json_files import read_json
from nnunetv2_fair.report.drawing.numbers_table import Numbers
from nnunetv2_fair.study.asked import Asked, Place
from nnunetv2_fair.study.papers.made import Made, NotMadeError, made_table
from nnunetv2_fair.study.papers.sources import Sources, reasons
from nnunetv2_fair.subgroups.table import read_dataset_table

_ENDS = {"training": "Tr", "test": "Ts"}


def table_at(asked: Asked, sources: Sources, place: Place) -> Made:
    """Return a table of the methods evaluated at a place.

    Raises:
        NotMadeError: If nothing is there to show.
        EvaluationError: If the evaluations lack what it shows.
    """
    methods = sources.methods(asked, place)
    found = made_of(methods)
    if not found:
        raise NotMadeError(reasons(methods))
    table = _KINDS[asked.kind](asked, methods)
    title = asked.title or f"{table.title} ({place.words})"
    return made_table(replace(table, title=title))


def stacked_table(asked: Asked, sources: Sources) -> Made:
    """Return one table of the methods at several places, whose first column says where.

    Raises:
        NotMadeError: If nothing is there to show.
        EvaluationError: If the evaluations lack what it shows.
    """
    tables, why = [], []
    for place in asked.places:
        methods = sources.methods(asked, place)
        if made_of(methods):
            tables.append((place, _KINDS[asked.kind](asked, methods)))
        else:
            why.append(f"{place.words}: {reasons(methods)}")
    if not tables:
        raise NotMadeError("; ".join(why))
    first = tables[0][1]
    rows = [(place.words, *row) for place, table in tables for row in table.rows]
    notes = dict.fromkeys(note for _, table in tables for note in table.notes)
    told = tuple(f"Not there: {reason}." for reason in why)
    return made_table(
        replace(
            first,
            title=asked.title or first.title,
            columns=("", *first.columns),
            rows=tuple(rows),
            notes=(*notes, *told),
        )
    )


def _medians(asked: Asked, methods: Sequence[Method]) -> TextTable:
    return medians_table(methods, asked.by, label_of(asked, methods), asked.groups)


def _fairness(asked: Asked, methods: Sequence[Method]) -> TextTable:
    return fairness_table(methods, asked.by, label_of(asked, methods))


def _equity(asked: Asked, methods: Sequence[Method]) -> TextTable:
    labels = [label for label in made_of(methods)[0][1].labels if label != AVERAGE]
    return equity_table(methods, asked.by, labels)


def _challenge(asked: Asked, methods: Sequence[Method]) -> TextTable:
    if any(result.shareable for _, result in made_of(methods)):
        raise NotMadeError("not shared, because scores of the challenge are exact")
    return challenge_table_of(methods)


_KINDS: Mapping[str, Callable[[Asked, Sequence[Method]], TextTable]] = {
    "medians": _medians,
    "fairness": _fairness,
    "equity": _equity,
    "challenge": _challenge,
}


#: Kinds whose tables of several places become one.
STACKED = frozenset({"fairness", "challenge"})


def label_of(asked: Asked, methods: Sequence[Method]) -> str:
    """Return the label asked for, or the one that represents the results."""
    return asked.label or made_of(methods)[0][1].headline_label


def cohort_made(asked: Asked, *, share: bool) -> Made:
    """Return the table of the people of a dataset.

    Args:
        asked: What is asked for.
        share: Whether it is to be shown to others.

    Raises:
        NotMadeError: If it is to be shown to others: its numbers are exact.
        FairError: If the dataset or its table cannot be read.
    """
    if share:
        raise NotMadeError("not shared, because it has exact numbers of people and their means")
    folder = paths.raw_dataset(asked.cohort)
    table = read_dataset_table(folder)
    ending = read_json(folder / paths.DATASET_JSON, DatasetError, "Convert it again.")[
        "file_ending"
    ]
    masks = folder / f"labels{_ENDS[asked.part]}"
    cases = [case for case in table.cases if (masks / f"{case}{ending}").is_file()]
    if not cases:
        raise NotMadeError(f"{folder.name} has no {asked.part} cases")
    against: Against = "overall" if asked.compare == "overall" else "groups"
    title = asked.title or f"People of the {asked.part} cases of {folder.name} by {asked.by}"
    found = cohort_table(table, cases, asked.by, asked.columns, against, title, asked.groups)
    return made_table(found.table, _numbers(found))


def _numbers(cohort: Cohort) -> Numbers:
    columns = ("column", "level", "group", "people", "mean_or_share", "sd", "p")
    return Numbers(
        columns,
        tuple(
            (c.column, c.level, c.group, c.n_patients, c.value, c.std, c.p_value)
            for c in cohort.characteristics
        ),
    )
