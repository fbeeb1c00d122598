"""Progress of a study: steps that are done, failed, waiting or to do, and their costs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nnunetv2_fair.errors import StudyError, shorten_lines
from nnunetv2_fair.study.record import Attempt, Record, read_record
from nnunetv2_fair.study.run.attempts import read_attempts, read_marker
from nnunetv2_fair.study.run.outcome import failures
from nnunetv2_fair.study.step import PLAN_JSON, Kind, Plan, Step, read_plan

#: Kind of the step that writes the index page.
INDEX: Kind = "index"

State = Literal["done", "taken over", "failed", "waiting", "running", "to do"]


@dataclass(frozen=True)
class StepProgress:
    """One step and its state.

    Attributes:
        step: The step.
        state: ``done``; ``taken over`` (reused: its outcome existed before the study);
            ``failed`` (its last attempt failed); ``waiting`` (for a failed one); ``running`` (or
            killed without being able to record it); ``to do``.
        attempts: Every start since the study began, oldest first.
        record: Of the outcome; None unless done or reused.
        waits_for: The failed step that it waits for; empty otherwise.
        how: How a failed step ended, in words; empty otherwise.
    """

    step: Step
    state: State
    attempts: tuple[Attempt, ...] = ()
    record: Record | None = None
    waits_for: str = ""
    how: str = ""

    @property
    def is_done(self) -> bool:
        """Whether its outcome exists."""
        return self.record is not None

    def fact(self, name: str) -> str:
        """Return a fact of the step, such as its trainer; empty if it has none."""
        return self.step.facts.get(name, "")


@dataclass(frozen=True)
class Progress:
    """A study and the states of its steps.

    Attributes:
        plan: What is to be done.
        steps: All of its steps in the plan's order, except the index itself.
    """

    plan: Plan
    steps: tuple[StepProgress, ...]

    @property
    def index_state(self) -> State | None:
        """State of the step that writes the index page; None if the plan has none.

        The page is written whenever somebody asks for it. The step is done once no other is
        missing, which is when the console counts it too.
        """
        if not any(step.kind == INDEX for step in self.plan.steps.values()):
            return None
        if all(step.is_done for step in self.steps):
            return "done"
        return "waiting" if any(_stuck(step) for step in self.steps) else "to do"

    def count(self) -> Mapping[State, int]:
        """Return the number of steps in each state, the index included."""
        states = Counter(step.state for step in self.steps)
        if self.index_state is not None:
            states[self.index_state] += 1
        return states


def read_progress(folder: Path) -> Progress:
    """Read the progress of the study in a folder.

    Raises:
        StudyError: If the folder holds no study, or files of its state are damaged; all at once.
    """
    plan = _plan(folder)
    problems: list[str] = []
    found: dict[str, StepProgress] = {}
    for step in plan.steps.values():
        if step.kind == INDEX:
            continue
        record = _record(folder / step.record, problems)
        attempts = read_attempts(folder, step)
        if record is not None:
            state: State = "taken over" if record.taken_over else "done"
            found[step.name] = StepProgress(step, state, attempts or record.attempts, record)
            continue
        # after all that it needs, so that what those wait for is known
        needed = [found[name] for name in step.needs if name in found]
        waits_for = next((n.waits_for or n.step.name for n in needed if _stuck(n)), "")
        if waits_for:
            found[step.name] = StepProgress(step, "waiting", attempts, None, waits_for)
        elif read_marker(folder, step) is not None:
            found[step.name] = StepProgress(step, "running", attempts)
        elif how := _how_it_failed(folder, plan, step, attempts):
            found[step.name] = StepProgress(step, "failed", attempts, how=how)
        else:
            found[step.name] = StepProgress(step, "to do", attempts)
    if problems:
        raise StudyError(
            f"Records of finished steps are damaged:\n{shorten_lines(problems)}\n"
            "Delete these files and start the study again: the output of the steps is kept."
        )
    return Progress(plan, tuple(found.values()))


def _stuck(step: StepProgress) -> bool:
    return step.state in ("failed", "waiting")


def _how_it_failed(folder: Path, plan: Plan, step: Step, attempts: Sequence[Attempt]) -> str:
    if not attempts or attempts[-1].exit_code == 0:
        return ""
    if attempts[-1].fingerprint not in ("", step.fingerprint):
        return ""  # with options that have changed since
    return next((failure.how for failure in failures(folder, plan, [step], 0)), "")


def _plan(folder: Path) -> Plan:
    try:
        return read_plan(folder)
    except OSError as error:
        raise StudyError(
            f"{folder} has no {PLAN_JSON}: it is not the folder of a study. Plan one with "
            "nnUNetv2_fair_study study.yaml, or name the folder that holds study.yaml."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(
            f"{folder / PLAN_JSON} is damaged ({error!r}). Run nnUNetv2_fair_study again: it "
            "writes the plan again and keeps what is done."
        ) from error


def _record(path: Path, problems: list[str]) -> Record | None:
    try:
        return read_record(path)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problems.append(f"{path} ({error!r})")
        return None
