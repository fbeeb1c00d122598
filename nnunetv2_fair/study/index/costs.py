"""What each method of a study has cost: hours, memory, failed and resumed attempts."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from nnunetv2_fair.evaluation.results.tables.safe_csv import csv_text
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.study.index.progress import Progress, StepProgress

COSTS_CSV = "costs.csv"
_SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Cost:
    """What one method has cost so far, all attempts included, failed ones too.

    A trainer that starts from another one's model (APPLE, InD, Decoder) does not pay for that
    model; InD pays for the models of all its groups, and a repeated method for all its runs.

    Attributes:
        dataset: Dataset that it was trained on.
        configuration: nnU-Net configuration; empty for what all methods share.
        plans: nnU-Net plans; empty for what all methods share.
        trainer: The method; empty for what all methods of the dataset share (preparing,
            preprocessing, comparing).
        steps: Number of steps.
        done: Of these, finished by the study.
        taken_over: Of these, there before the study: their cost is not known.
        gpu_hours: Wall time times GPUs.
        cpu_hours: Wall time times reserved cores.
        wall_hours: Wall time of all attempts, one after the other.
        peak_memory_mb: Most main memory of a single attempt; NaN if none was measured.
        attempts: Number of starts.
        failed: Starts that failed or were interrupted, including those that were resumed later.
        continued: Starts from a checkpoint.
        gpu: Names of the GPUs; empty for none.
    """

    dataset: str
    configuration: str
    plans: str
    trainer: str
    steps: int
    done: int
    taken_over: int
    gpu_hours: float
    cpu_hours: float
    wall_hours: float
    peak_memory_mb: float
    attempts: int
    failed: int
    continued: int
    gpu: str


def costs_of(progress: Progress) -> tuple[Cost, ...]:
    """Return the costs per method in the plan's order; within a dataset what is shared first."""
    by_method: dict[tuple[str, str, str, str], list[StepProgress]] = {}
    owners = _owners(progress)
    for step in progress.steps:
        dataset = step.fact("dataset")
        trainer = owners.get(step.step.name) or _method(step)
        shared = (dataset, "", "", "")
        method = (dataset, step.fact("configuration"), step.fact("plans"), trainer)
        by_method.setdefault(shared, [])
        by_method.setdefault(method if trainer else shared, []).append(step)
    return tuple(_cost(*method, steps) for method, steps in by_method.items() if steps)


def total(costs: Iterable[Cost], name: str) -> float:
    """Return the sum of a column."""
    return float(sum(getattr(cost, name) for cost in costs))


def write_costs(costs: Sequence[Cost], folder: Path) -> Path:
    """Write ``costs.csv`` with a row per method, and return its path."""
    frame = pd.DataFrame([asdict(cost) for cost in costs], columns=list(Cost.__annotations__))
    path = folder / COSTS_CSV
    write_text(path, csv_text(frame.round(6)))
    return path


def _owners(progress: Progress) -> dict[str, str]:
    """Return step -> method, of trainings that are only part of a method: a model per group."""
    methods = {step.fact("trainer") for step in progress.steps if step.fact("test")}
    steps = {step.step.name: step for step in progress.steps}
    return {
        needed: _method(step)
        for step in progress.steps
        if step.step.kind == "predict"
        for needed in step.step.needs
        if needed in steps
        and steps[needed].step.kind == "train"
        and steps[needed].fact("trainer") not in methods
        # a cascade needs trainings of another dataset, which are methods there
        and steps[needed].fact("dataset") == step.fact("dataset")
    }


def _method(step: StepProgress) -> str:
    """Return the method of a step: of a run, what it is a run of."""
    return step.fact("method") or step.fact("trainer")


def _cost(
    dataset: str, configuration: str, plans: str, trainer: str, steps: Sequence[StepProgress]
) -> Cost:
    started = [(step, attempt) for step in steps for attempt in step.attempts]
    memory = max((attempt.peak_memory_mb for _, attempt in started), default=0.0)
    gpus = dict.fromkeys(attempt.gpu for _, attempt in started if attempt.gpu)
    return Cost(
        dataset=dataset,
        configuration=configuration,
        plans=plans,
        trainer=trainer,
        steps=len(steps),
        done=sum(step.state == "done" for step in steps),
        taken_over=sum(step.state == "taken over" for step in steps),
        gpu_hours=sum(a.seconds * a.gpus for _, a in started) / _SECONDS_PER_HOUR,
        cpu_hours=sum(a.seconds * s.step.resources.cpus for s, a in started) / _SECONDS_PER_HOUR,
        wall_hours=sum(a.seconds for _, a in started) / _SECONDS_PER_HOUR,
        peak_memory_mb=memory if memory > 0 else float("nan"),
        attempts=len(started),
        failed=sum(attempt.exit_code != 0 for _, attempt in started),
        continued=sum(attempt.continued for _, attempt in started),
        gpu="; ".join(gpus),
    )
