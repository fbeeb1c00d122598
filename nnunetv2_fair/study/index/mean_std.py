"""Mean and standard deviation over the trainings of every method: on the page, and as files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from nnunetv2_fair.evaluation.findings.sentences import shortened
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.over_trainings import (
    mean_std_table,
    over_trainings,
    unit_of,
)
from nnunetv2_fair.evaluation.results.tables.safe_csv import csv_text
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable, to_latex, to_markdown
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.study.index.results import OnTestSet

MEAN_STD_CSV = "mean_std.csv"
_PLACE = ("dataset", "configuration", "plans", "test")
_HEADINGS = (*_PLACE, "predicted", "trainer")
_WHAT = ("attribute", "label", "metric", "unit", "quantity", "group", "trainings", "mean", "std")


def has_trainings(on_test: OnTestSet) -> bool:
    """Return whether some method was trained several times."""
    return any(result.trainings for result in on_test.shown.values())


def write_mean_std(results: Sequence[OnTestSet], folder: Path) -> None:
    """Write ``mean_std.csv``, or remove it where no method was trained several times.

    One row per method, attribute, label, metric and quantity: how many trainings, the mean over
    them, and their standard deviation (n - 1; empty of one training).
    """
    path = folder / MEAN_STD_CSV
    repeated = [on_test for on_test in results if has_trainings(on_test)]
    if not repeated:
        path.unlink(missing_ok=True)
        return
    frame = pd.DataFrame(list(_rows(repeated)), columns=[*_HEADINGS, *_WHAT])
    write_text(path, csv_text(frame))


def _rows(results: Sequence[OnTestSet]) -> Iterator[dict[str, object]]:
    for on_test in results:
        place = {name: getattr(on_test, name) for name in _PLACE}
        place["predicted"] = on_test.predicted or "ensemble"
        for trainer, result in on_test.shown.items():
            for made in result.comparisons:
                info = result.metric(made.metric)
                where = (made.attribute, made.label, made.metric)
                for values in _of(result, made.attribute, info, made.label):
                    yield (
                        place
                        | {"trainer": trainer}
                        | dict(zip(_WHAT, (*where, *values), strict=True))
                    )


def _of(
    result: EvaluationResult, attribute: str, info: MetricInfo, label: str
) -> Iterator[tuple[Cell, ...]]:
    """Yield unit, quantity, groups, number of trainings, mean and standard deviation."""
    for quantity, found in over_trainings(result, attribute, info.name, label).items():
        groups = " - ".join(quantity.groups)
        numbers = (len(found.values), found.mean, found.std)
        yield (unit_of(quantity, info), quantity.name, groups, *numbers)


def mean_std_section(
    on_test: OnTestSet, attribute: str, label: str, place: Sequence[str], downloads: Downloads
) -> Html | None:
    """Return the tables of an attribute, one per metric; None if there is nothing to tell.

    Args:
        on_test: All methods on a test set.
        attribute: Attribute expression.
        label: Label that represents the results.
        place: What identifies the test set.
        downloads: Receives them as CSV, Markdown and LaTeX.
    """
    if not has_trainings(on_test):
        return None
    first = next(iter(on_test.shown.values()))
    made = {
        metric: mean_std_table(on_test.shown, attribute, metric.name, label)
        for metric in first.metrics
    }
    tables = [
        _shown(table, on_test, attribute, label, metric, place, downloads)
        for metric, table in made.items()
        if len(table.columns) > 1
    ]
    if not tables:  # nothing that may be told of a single patient
        return None
    return render("study/index/templates/mean_std.html", tables=tables, file=MEAN_STD_CSV)


def _shown(
    table: TextTable,
    on_test: OnTestSet,
    attribute: str,
    label: str,
    metric: MetricInfo,
    place: Sequence[str],
    downloads: Downloads,
) -> Html:
    numbers = Numbers(
        ("method", *_WHAT[3:]),
        tuple(
            (method, *values)
            for method, result in on_test.shown.items()
            for values in _of(result, attribute, metric, label)
        ),
    )
    return downloads.table(
        ("mean", "std", metric.name, "by", attribute, *place),
        f"Mean (SD) over trainings by {shortened(attribute)}: {shortened(', '.join(place))}",
        render(
            "study/index/templates/mean_std_table.html",
            title=table.title,
            columns=table.columns[1:],
            rows=[(method, cells) for method, *cells in table.rows],
            notes=table.notes,
        ),
        numbers,
        {"md": to_markdown(table), "tex": to_latex(table)},
    )
