"""Makes steps one after the other, with names, fingerprints, resources and existing files."""

from collections.abc import Mapping
from pathlib import Path

from nnunetv2_fair.study.plan.environment import FOLDERS
from nnunetv2_fair.study.plan.fingerprints import step_fingerprint
from nnunetv2_fair.study.plan.steps.resources import ResourceBook
from nnunetv2_fair.study.plan.steps.task import Task
from nnunetv2_fair.study.record import Record, find_record
from nnunetv2_fair.study.step import STATE, Kind, Step
from nnunetv2_fair.study.study_file.problems import Problem
from nnunetv2_fair.study.study_file.settings import Settings


class StepBuilder:
    """Collects the steps of a study.

    Args:
        settings: The study's settings.
        environment: Variables that steps are run with.
        folder: The study's folder.
        python: Interpreter that runs the commands.
        most_cpus: Cores available; None if the cluster decides.

    Attributes:
        settings: The study's settings.
        environment: Variables that steps are run with.
        steps: By name, each after those that it needs.
        python: Interpreter that runs the commands.
        problems: Mistakes that only appear given what was done before.
    """

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        folder: Path,
        python: str,
        most_cpus: int | None = None,
    ) -> None:
        self.settings = settings
        self.environment = environment
        self.steps: dict[str, Step] = {}
        self.problems: list[Problem] = []
        self.python = python
        self._folder = folder
        self._roots = {name: environment[name] for name in FOLDERS if name in environment}
        self._resources = ResourceBook(settings, most_cpus)
        done = folder / STATE / "done"
        # the folder is listed once, not for each of thousands of steps
        self._recorded = {path.name for path in done.iterdir()} if done.is_dir() else set()
        attempts = (folder / STATE / "attempts").glob("*.jsonl")
        self._tried = {path.name.removesuffix(".jsonl") for path in attempts}

    def add(self, task: Task) -> Step:
        """Add the step of a task, after the steps that it needs."""
        needs = tuple(dict.fromkeys(task.needs))
        fingerprint = step_fingerprint(
            task.kind,
            [command.fingerprinted for command in task.commands],
            task.inputs,
            [self.steps[needed].fingerprint for needed in needs],
            self._roots,
        )
        step = Step(
            name=task.name,
            kind=task.kind,
            commands=tuple(command.line(self.python) for command in task.commands),
            needs=needs,
            outputs=task.outputs,
            fingerprint=fingerprint,
            resources=self._resources.of(
                task.kind, task.facts.get("trainer", ""), task.facts.get("method", "")
            ),
            attempts=self.settings.attempts,
            resume=task.earlier.resume,
            checkpoints=task.earlier.checkpoints,
            finished=task.earlier.finished,
            facts=task.facts,
        )
        self.steps[task.name] = step
        return step

    def cpus(self, kind: Kind) -> str:
        """Return the cores of a kind of step, as an argument for its processes."""
        return str(self._resources.of(kind).cpus)

    def gpus(self, kind: Kind, *names: str) -> int:
        """Return the GPUs of a step of a trainer, by its name and that of its method."""
        return self._resources.of(kind, *names).gpus

    def was_done_otherwise(self, step: Step) -> bool:
        """Return whether the study has done a step, but never as it is planned now."""
        return step.name in self._recorded and not (self._folder / step.record).is_file()

    def is_known(self, name: str) -> bool:
        """Return whether the study has tried or done a step, or found it done, in any form."""
        return name in self._recorded or name in self._tried

    def records(self, name: str) -> list[Record]:
        """Return all records that the study has of a step, with any fingerprint."""
        if name not in self._recorded:
            return []
        paths = (self._folder / STATE / "done" / name).glob("*.json")
        return [record for record in map(find_record, paths) if record is not None]
