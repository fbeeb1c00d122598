"""Every value of every method as one table: ``rankings.csv``."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.results.tables.safe_csv import csv_text
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.study.index.results import OnTestSet, scores_of

RANKINGS_CSV = "rankings.csv"
_COLUMNS = (
    "dataset", "configuration", "plans", "test", "predicted", "trainer", "attribute", "label",
    "metric", "unit", "measure", "group", "value", "low", "high", "first_rank", "last_rank",
    "ranked",
)  # fmt: skip


def write_rankings(results: Sequence[OnTestSet], folder: Path) -> Path:
    """Write ``rankings.csv``, and return its path.

    One row per method, attribute, label, metric and measure: the value with the bootstrap interval
    of its evaluation (empty if not computable), and the ranks that the method can have among
    ``ranked`` methods (empty without a comparison).
    """
    frame = pd.DataFrame(list(_rows(results)), columns=list(_COLUMNS))
    counts = ["first_rank", "last_rank", "ranked"]
    frame[counts] = frame[counts].astype("Int64")
    path = folder / RANKINGS_CSV
    write_text(path, csv_text(frame))
    return path


def _rows(results: Sequence[OnTestSet]) -> Iterator[dict[str, object]]:
    for on_test in results:
        place = {
            "dataset": on_test.dataset,
            "configuration": on_test.configuration,
            "plans": on_test.plans,
            "test": on_test.test,
            "predicted": on_test.predicted or "ensemble",
        }
        for trainer, result in on_test.shown.items():
            for made in result.comparisons:
                metric = result.metric(made.metric)
                for score in scores_of(on_test, trainer, made.attribute, made.label, metric):
                    yield place | {
                        "trainer": trainer,
                        "attribute": made.attribute,
                        "label": made.label,
                        "metric": made.metric,
                        "unit": numbers.measure_unit(score.measure, metric),
                        "measure": score.measure,
                        "group": score.group,
                        "value": score.value,
                        "low": score.interval.low,
                        "high": score.interval.high,
                        "first_rank": score.ranks.first if score.ranks else None,
                        "last_rank": score.ranks.last if score.ranks else None,
                        "ranked": score.n_ranked or None,
                    }
