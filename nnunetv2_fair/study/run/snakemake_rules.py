"""What the Snakefile asks about a plan: few rules, each with the resources of its jobs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nnunetv2_fair.study.step import Plan, Step


@dataclass(frozen=True)
class Rule:
    """Steps of one kind that ask for the same resources.

    Attributes:
        name: Name of the rule, and of the folder of its jobs' Slurm logs.
        pattern: Regular expression of its steps' names.
        threads: Cores.
        retries: How often a job is started again.
        resources: By Snakemake's and its Slurm plugin's names.
    """

    name: str
    pattern: str
    threads: int
    retries: int
    resources: Mapping[str, int | str]


def rules_of(plan: Plan, most: Mapping[str, int]) -> list[Rule]:
    """Return a rule for every kind of step and what its steps ask for.

    Args:
        plan: The study's plan.
        most: Resource -> what the machine has, when the study runs on one machine: a job that
            asks for more memory or cores than that gets all there is instead of never starting.
    """
    groups: dict[tuple[object, ...], list[Step]] = {}
    for step in plan.steps.values():
        asked = tuple(asdict(step.resources).values())
        groups.setdefault((step.kind, step.attempts, asked), []).append(step)
    rules = []
    numbers: dict[str, int] = {}
    for steps in groups.values():
        kind = steps[0].kind
        numbers[kind] = numbers.get(kind, 0) + 1
        rules.append(_rule(f"{kind}_{numbers[kind]}", steps, most))
    return rules


def _rule(name: str, steps: Sequence[Step], most: Mapping[str, int]) -> Rule:
    asked = steps[0].resources
    resources: dict[str, int | str] = {
        "mem_mb": min(asked.memory_mb, most.get("mem_mb", asked.memory_mb)),
        "runtime": asked.runtime_min,
        "job": 1,
    }
    # the plugin passes on even an empty text, so what is left to the cluster must be absent
    for key, value in (
        ("gpu", asked.gpus),
        ("slurm_partition", asked.partition),
        ("slurm_account", asked.account),
        ("constraint", asked.constraint),
    ):
        if value:
            resources[key] = value
    return Rule(
        name,
        "|".join(re.escape(step.name) for step in steps),
        min(asked.cpus, most.get("_cores", asked.cpus)),
        max(steps[0].attempts - 1, 0),
        resources,
    )


class Records:
    """Which records must be written, and which of them first.

    Finished steps are left out, so that Snakemake repeats nothing and has little to plan.

    Args:
        plan: The study's plan.
        folder: The study's folder.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._steps = plan.steps
        self._folder = folder

    def _is_done(self, step: Step) -> bool:
        return (self._folder / step.record).exists()

    def needed_by(self, step: str) -> list[str]:
        """Return the records that a step needs, none if it is done."""
        asked = self._steps[step]
        if self._is_done(asked):
            return []
        return [self._steps[name].record for name in asked.needs]

    def missing(self, steps: Sequence[str]) -> list[str]:
        """Return the missing records of some steps, or of all if none is named."""
        asked = [self._steps[name] for name in steps or self._steps]
        return [step.record for step in asked if not self._is_done(step)]
