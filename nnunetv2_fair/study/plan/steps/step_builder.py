"""Makes steps one after the other, with names, fingerprints, resources, and what is there."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.study.plan.environment import FOLDERS
from nnunetv2_fair.study.plan.fingerprints import step_fingerprint
from nnunetv2_fair.study.plan.steps.commands import Command
from nnunetv2_fair.study.plan.steps.resources import ResourceBook
from nnunetv2_fair.study.record import Record, read_record
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
        most_cpus: Cores that there are; None if the cluster decides.

    Attributes:
        settings: The study's settings.
        environment: Variables that steps are run with.
        steps: By name, each behind those that it needs.
        python: Interpreter that runs the commands.
        problems: Mistakes that show only beside what was done before.
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
        # one look at the folder, not one for each of thousands of steps
        self._recorded = {path.name for path in done.iterdir()} if done.is_dir() else set()
        attempts = (folder / STATE / "attempts").glob("*.jsonl")
        self._tried = {path.name.removesuffix(".jsonl") for path in attempts}

    def add(
        self,
        name: str,
        kind: Kind,
        commands: Sequence[Command],
        *,
        needs: Iterable[str] = (),
        inputs: Iterable[str] = (),
        outputs: Iterable[str] = (),
        facts: Mapping[str, str],
        trainer: str = "",
        finished: str = "",
        resume: tuple[str, ...] = (),
        checkpoints: Sequence[str] = (),
    ) -> Step:
        """Add a step.

        Args:
            name: Its name.
            kind: Its kind.
            commands: What it runs.
            needs: Names of steps added before.
            inputs: Fingerprints of what it reads from outside the study.
            outputs: Files that it writes.
            facts: What tables show beside it.
            trainer: Whose resources a training asks for.
            finished: File whose existence means that it need not be done.
            resume: Arguments to go on with.
            checkpoints: Files any of which means that it can go on.
        """
        needs = tuple(dict.fromkeys(needs))
        fingerprint = step_fingerprint(
            kind,
            [command.fingerprinted for command in commands],
            inputs,
            [self.steps[needed].fingerprint for needed in needs],
            self._roots,
        )
        step = Step(
            name=name,
            kind=kind,
            commands=tuple(command.line(self.python) for command in commands),
            needs=needs,
            outputs=tuple(outputs),
            fingerprint=fingerprint,
            resources=self._resources.of(kind, trainer),
            attempts=self.settings.attempts,
            resume=resume,
            checkpoints=tuple(checkpoints),
            finished=finished,
            facts=facts,
        )
        self.steps[name] = step
        return step

    def cpus(self, kind: Kind) -> str:
        """Return the cores of a kind of step, as an argument for its processes."""
        return str(self._resources.of(kind).cpus)

    def gpus(self, kind: Kind, trainer: str) -> int:
        """Return the graphics cards of a step."""
        return self._resources.of(kind, trainer).gpus

    def was_done_otherwise(self, step: Step) -> bool:
        """Return whether the study has done a step, but never as it is planned now."""
        return step.name in self._recorded and not (self._folder / step.record).is_file()

    def is_known(self, name: str) -> bool:
        """Return whether the study has tried or done a step, or found it done, in whatever way."""
        return name in self._recorded or name in self._tried

    def records(self, name: str) -> list[Record]:
        """Return all records that the study has of a step, of whatever fingerprint."""
        if name not in self._recorded:
            return []
        return [read_record(path) for path in (self._folder / STATE / "done" / name).glob("*.json")]
