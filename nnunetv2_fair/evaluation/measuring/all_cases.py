"""All cases of an evaluation measured once: resumed, in shards, and merged."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tqdm import tqdm

from nnunetv2_fair.errors import EvaluationError, shorten, shorten_lines
from nnunetv2_fair.evaluation.measuring.one_case import (
    CaseMeasures,
    CasePair,
    CaseTask,
    Further,
    measure_case,
)
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
from nnunetv2_fair.evaluation.measuring.resuming import CaseStore, number_of_shards, shard_of
from nnunetv2_fair.files.pool import map_unordered

_NO_RESULTS = "No results were written"
_MOST_PROBLEMS = 1000


@dataclass(frozen=True)
class Part:
    """Which cases to measure, and where measured ones are kept.

    Attributes:
        folder: Where measured cases are kept until the evaluation is done; None keeps none.
        shard: (number from 1, number of shards); None for all cases.
        merge: Measure nothing: all cases must have been measured by shards.
    """

    folder: Path | None = None
    shard: tuple[int, int] | None = None
    merge: bool = False


def case_task(
    plan: EvaluationPlan,
    metrics: Sequence[str],
    tolerance: float,
    further: Further | None = None,
) -> CaseTask:
    """Return what to measure in every case of a plan."""
    labels = plan.labels
    if labels is None:
        return CaseTask(tuple(metrics), tolerance, None, further=further)
    return CaseTask(
        tuple(metrics),
        tolerance,
        labels.regions,
        labels.ignore,
        labels.known,
        labels.source,
        further,
    )


def measure_all(
    plan: EvaluationPlan, task: CaseTask, processes: int, part: Part
) -> list[CaseMeasures]:
    """Return the measures of every case, in the order of the plan.

    Args:
        plan: Which files make a case.
        task: What to measure.
        processes: Number of worker processes; 1 measures in this process.
        part: Which cases to measure; with a shard only these are returned.

    Raises:
        EvaluationError: If a mask is unreadable or holds wrong values, or a worker died; all cases
            at once, and all others are measured first.
    """
    pairs = plan.pairs if part.shard is None else shard_of(plan.pairs, part.shard)
    if part.folder is None:
        return _measure(pairs, {}, task, processes, None)
    with CaseStore(part.folder, task, part.shard) as store:
        known = {}
        for pair in tqdm(pairs, "Looking for measured cases", unit="case", disable=store.is_empty):
            found = store.find(pair)
            if found is not None:
                known[pair.case] = found
        if part.merge:
            _check_complete(pairs, known, part.folder)
        return _measure(pairs, known, task, processes, store)


def measure_cases(
    pairs: Sequence[CasePair], task: CaseTask, processes: int
) -> Iterator[CaseMeasures]:
    """Yield the measures of every case, in the order in which they are done.

    Args:
        pairs: Cases to measure.
        task: What to measure.
        processes: Number of worker processes; 1 measures in this process. If one dies,
            only its case is lost, and its measures say so.

    Raises:
        WorkerError: If workers cannot be started.
    """
    results = map_unordered(
        partial(measure_case, task=task), pairs, processes, lost=_lost, fewest_per_process=1
    )
    with closing(results):
        for _, measured in results:
            yield measured


def _lost(pair: CasePair, ending: str) -> CaseMeasures:
    files = " and ".join(str(f) for f in (pair.reference, pair.prediction) if f is not None)
    problem = (
        f"case '{pair.case}': the process that measured {files} {ending}; cases already measured "
        "are not measured again"
    )
    return CaseMeasures(pair.case, problems=(problem,))


def _measure(
    pairs: Sequence[CasePair],
    known: dict[str, CaseMeasures],
    task: CaseTask,
    processes: int,
    store: CaseStore | None,
) -> list[CaseMeasures]:
    measured = dict(known)
    missing = [pair for pair in pairs if pair.case not in known]
    with tqdm(total=len(pairs), initial=len(known), desc="Measuring", unit="case") as progress:
        for case in measure_cases(missing, task, processes):
            measured[case.case] = case
            if store is not None:
                store.add(case)
            progress.update()
    problems = [problem for case in sorted(measured) for problem in measured[case].problems]
    if problems:
        raise EvaluationError(f"{_NO_RESULTS}:\n{shorten_lines(problems, _MOST_PROBLEMS)}")
    return [measured[pair.case] for pair in pairs]


def _check_complete(
    pairs: Sequence[CasePair], known: dict[str, CaseMeasures], folder: Path
) -> None:
    missing = [pair.case for pair in pairs if pair.case not in known]
    if not missing:
        return
    total = number_of_shards(folder)
    remedy = "Run the shards again with the options of this command"
    if total is not None:
        shards = sorted(
            number
            for number in range(1, total + 1)
            if any(pair.case not in known for pair in shard_of(pairs, (number, total)))
        )
        remedy = "Run with the same options: " + shorten(f"--shard {n}/{total}" for n in shards)
    raise EvaluationError(
        f"{_NO_RESULTS}: {len(missing)} of {len(pairs)} cases have not been measured by shards in "
        f"{folder}, or their masks or the options have changed since: "
        f"{shorten(missing)}. {remedy}"
    )
