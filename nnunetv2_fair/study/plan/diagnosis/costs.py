"""What the interventions of a diagnosis cost, before anything runs."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from nnunetv2_fair.paths import SUMMARY_JSON
from nnunetv2_fair.study.diagnosis_asked import DiagnosisAsked, from_json
from nnunetv2_fair.study.plan.overview import state_of
from nnunetv2_fair.study.step import Plan, Step

#: Interventions in words; those that need no training first.
_TITLES: Mapping[str, str] = {
    "model": "the model itself",
    "difficulty": "difficulty: adjusted for size, contrast and noise",
    "labels": "labels: measured against expert masks",
    "shortcut": "shortcut: backgrounds edited",
    "representation": "representation: equal numbers of each group",
    "further": "further models",
}
_HEADER = ("what", "trainings", "there already", "predictions", "GPU hours at most")


@dataclass(frozen=True)
class InterventionCost:
    """What an intervention costs besides what it shares with those before it.

    Attributes:
        name: ``model``, a cause, or ``further``.
        steps: Names of all of its steps.
        trainings: Trainings to do.
        there: Trainings that exist.
        predictions: Predictions to do.
        gpu_hours: Time limits of what is to do, times its GPUs.
    """

    name: str
    steps: tuple[str, ...]
    trainings: int
    there: int
    predictions: int
    gpu_hours: float


def diagnosis_of(plan: Plan) -> tuple[Step, DiagnosisAsked] | None:
    """Return the step of a plan's diagnosis and what it asks; None if there is none."""
    step = plan.of_kind("diagnose")
    return None if step is None else (step, from_json(step.commands[-1][-1]))


def costs_of(plan: Plan, folder: Path) -> tuple[InterventionCost, ...]:
    """Return the costs of a plan's diagnosis, those without trainings first.

    Args:
        plan: With a diagnosis.
        folder: The study's folder, which knows what is done.
    """
    found = diagnosis_of(plan)
    assert found is not None
    asked = found[1]
    by_folder = {
        str(PurePath(output).parent): name
        for name, step in plan.steps.items()
        for output in step.outputs
        if PurePath(output).name == SUMMARY_JSON
    }
    folders = {"model": (asked.model,), "difficulty": (), **asked.folders()}
    made = []
    before: set[str] = set()
    for name in _TITLES:
        wanted = [by_folder[f] for f in folders[name] if f in by_folder]
        done_for = name == "difficulty" and asked.images
        if not wanted and not done_for:
            continue
        steps = [n for n in plan.steps if n in _closure(plan, wanted) and n not in before]
        before.update(steps)
        made.append(_cost(name, [plan.steps[n] for n in steps], folder))
    return tuple(made)


def _cost(name: str, steps: Collection[Step], folder: Path) -> InterventionCost:
    todo = [step for step in steps if state_of(step, folder) == "to do"]
    return InterventionCost(
        name,
        tuple(step.name for step in steps),
        sum(step.kind == "train" for step in todo),
        sum(step.kind == "train" for step in steps) - sum(step.kind == "train" for step in todo),
        sum(step.kind == "predict" for step in todo),
        sum(step.resources.gpus * step.resources.runtime_min for step in todo) / 60,
    )


def _closure(plan: Plan, names: Collection[str]) -> set[str]:
    found: set[str] = set()
    rest = list(names)
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            rest += plan.steps[name].needs
    return found


def cheap_steps(plan: Plan, folder: Path) -> tuple[str, ...]:
    """Return the steps of the model and of all interventions that need no further training."""
    costs = costs_of(plan, folder)
    cheap = [one for one in costs if one.name not in ("representation", "further")]
    return tuple(name for one in cheap for name in one.steps)


def costs_in_words(plan: Plan, folder: Path) -> str:
    """Return a table of the costs, and what is not examined and why."""
    found = diagnosis_of(plan)
    assert found is not None
    asked = found[1]
    rows: list[tuple[str, ...]] = [_HEADER]
    for one in costs_of(plan, folder):
        counts = (one.trainings, one.there, one.predictions)
        hours = f"{one.gpu_hours:g}" if one.gpu_hours else ""
        rows.append((_TITLES[one.name], *map(str, counts), hours))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    lines = [f"Diagnosis of {asked.name}, by {', '.join(asked.attributes)}", ""]
    for row in rows:
        cells = "  ".join(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))
        lines.append(f"  {row[0]:<{widths[0]}}  {cells}".rstrip())
    if asked.impossible:
        lines += ["", "Not examined:"]
        for one_of in asked.impossible:
            about = " of ".join(filter(None, (one_of.cause or "all causes", one_of.attribute)))
            lines.append(f"  {about}: {one_of.why}")
    return "\n".join(lines)
