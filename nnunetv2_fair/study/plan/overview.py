"""Overview of a plan as text: kinds of steps, how many, how many of them are done."""

from collections import Counter
from pathlib import Path

from nnunetv2_fair.errors import counted
from nnunetv2_fair.study.plan.steps.commands import shown
from nnunetv2_fair.study.plan.steps.resources import KINDS
from nnunetv2_fair.study.step import Plan, Step

_MOST_SHOWN = 5
_HEADER = ("kind", "steps", "done", "there already", "to do", "GPU hours at most")


def state_of(step: Step, folder: Path) -> str:
    """Return ``done``, ``there already`` (not made by this study) or ``to do``."""
    if (folder / step.record).is_file():
        return "done"
    if step.finished and Path(step.finished).exists():
        return "there already"
    return "to do"


def overview(plan: Plan, folder: Path) -> str:
    """Return a table of the plan's steps by kind, and the first commands that will run.

    GPU hours at most: the time limits of one attempt of each step to do, times its GPUs.
    """
    states = {name: state_of(step, folder) for name, step in plan.steps.items()}
    count: Counter[tuple[str, str]] = Counter(
        (step.kind, states[name]) for name, step in plan.steps.items()
    )
    minutes: Counter[str] = Counter()
    for name, step in plan.steps.items():
        if states[name] == "to do":
            minutes[step.kind] += step.resources.gpus * step.resources.runtime_min
    rows: list[tuple[str, ...]] = [_HEADER]
    for kind in KINDS:
        numbers = [count[kind, state] for state in ("done", "there already", "to do")]
        if any(numbers):
            rows.append(_row(kind, numbers, minutes[kind]))
    total = [sum(count[kind, s] for kind in KINDS) for s in ("done", "there already", "to do")]
    rows.append(_row("all", total, minutes.total()))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    lines = [f"Study '{plan.title}' in {folder}", ""]
    for row in rows:
        numbers_text = "  ".join(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))
        lines.append(f"  {row[0]:<{widths[0]}}  {numbers_text}")
    todo = [step for name, step in plan.steps.items() if states[name] == "to do"]
    if todo:
        lines += ["", f"The first commands (in {folder}):"]
        for step in todo[:_MOST_SHOWN]:
            lines += [f"  {step.name}", *(f"    {shown(command)}" for command in step.commands)]
        if len(todo) > _MOST_SHOWN:
            lines.append(f"  ... and {counted(len(todo) - _MOST_SHOWN, 'more step')}")
    return "\n".join(lines)


def _row(kind: str, numbers: list[int], minutes: int) -> tuple[str, ...]:
    return (kind, str(sum(numbers)), *map(str, numbers), f"{minutes / 60:g}" if minutes else "")
