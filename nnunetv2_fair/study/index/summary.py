"""The first section of the index page: what is done, what failed, and how to rerun it."""

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.study.index.costs import COSTS_CSV
from nnunetv2_fair.study.index.links import link_to
from nnunetv2_fair.study.index.progress import Progress, State
from nnunetv2_fair.study.index.provenance import PROVENANCE_JSON
from nnunetv2_fair.study.index.rankings_csv import RANKINGS_CSV

#: States of a step in the order in which they are shown, with their names on the page.
STATES: Mapping[State, str] = {
    "done": "done",
    "taken over": "reused",
    "failed": "failed",
    "waiting": "waiting",
    "running": "running",
    "to do": "to do",
}


@dataclass(frozen=True)
class _Failure:
    """A failed step: how it failed, the address of its log, and the command that reruns it."""

    step: str
    how: str
    log: str
    command: str


def summary_section(folder: Path, progress: Progress) -> Html:
    """Return the section with id ``summary``.

    Args:
        folder: The study's folder, where the page will be.
        progress: State of each step.
    """
    kinds = dict.fromkeys(step.step.kind for step in progress.steps)
    found = Counter((step.step.kind, step.state) for step in progress.steps)
    states = [state for state in STATES if progress.count().get(state)]
    return render(
        "study/index/templates/summary.html",
        n_missing=sum(not step.is_done for step in progress.steps),
        n_steps=len(progress.steps),
        failures=_failures(folder, progress),
        states=[STATES[state] for state in states],
        kinds={kind: [found[kind, state] for state in states] for kind in kinds},
        rankings=link_to(folder, PurePath(RANKINGS_CSV)),
        rankings_csv=RANKINGS_CSV,
        costs=link_to(folder, PurePath(COSTS_CSV)),
        costs_csv=COSTS_CSV,
        provenance=link_to(folder, PurePath(PROVENANCE_JSON)),
        provenance_json=PROVENANCE_JSON,
    )


def _failures(folder: Path, progress: Progress) -> list[_Failure]:
    source = PurePath(progress.plan.source or "study.yaml")
    command = shlex.join(["nnUNetv2_fair_study", str(source)])
    if len(source.parts) > 1:
        command += " -o ."
    failures = []
    for step in progress.steps:
        if step.state == "failed":
            job = f", job {step.attempts[-1].job}" if step.attempts[-1].job else ""
            log = link_to(folder, PurePath(step.step.log))
            again = f"{command} --only {shlex.quote(step.step.name)}"
            failures.append(_Failure(step.step.name, f"{step.how}{job}", log, again))
    return failures
