"""The first section of the index page: who gains and loses, what is done, what failed."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from nnunetv2_fair.evaluation.findings.of_models.gains_and_losses import answer
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence
from nnunetv2_fair.evaluation.results.trainings import TRAININGS, subjects
from nnunetv2_fair.paths import COMPARISON_HTML, DIAGNOSIS_FOLDER, DIAGNOSIS_HTML
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.study.index.costs import COSTS_CSV
from nnunetv2_fair.study.index.links import link_to
from nnunetv2_fair.study.index.per_test_set import title_of, why_no_comparison
from nnunetv2_fair.study.index.progress import INDEX, Progress, State
from nnunetv2_fair.study.index.provenance import PROVENANCE_JSON
from nnunetv2_fair.study.index.rankings_csv import RANKINGS_CSV
from nnunetv2_fair.study.index.results import OnTestSet
from nnunetv2_fair.study.index.trainings.pages import SHAREABLE_HTML, TRAINING_HTML

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


@dataclass(frozen=True)
class _Answer:
    """Who gains and who loses on one test set.

    Attributes:
        place: Where; empty if there is only one test set.
        words: In sentences.
        comparison: Address of the page that shows it; empty if there is none.
    """

    place: Sentence
    words: Sentence
    comparison: str


def summary_section(folder: Path, progress: Progress, results: Sequence[OnTestSet]) -> Html:
    """Return the section with id ``summary``.

    Args:
        folder: The study's folder, where the page will be.
        progress: State of each step.
        results: Evaluations and comparisons.
    """
    kinds = dict.fromkeys(step.step.kind for step in progress.steps)
    found = Counter((step.step.kind, step.state) for step in progress.steps)
    if progress.index_state is not None:
        kinds[INDEX], found[INDEX, progress.index_state] = None, 1
    states = [state for state in STATES if progress.count().get(state)]
    return render(
        "study/index/templates/summary.html",
        answers=[_answer(folder, result, several=len(results) > 1) for result in results],
        n_missing=sum(
            count
            for state, count in progress.count().items()
            if state not in ("done", "taken over")
        ),
        n_steps=len(progress.plan.steps),
        failures=_failures(folder, progress),
        states=[STATES[state] for state in states],
        kinds={kind: [found[kind, state] for state in states] for kind in kinds},
        training=link_to(folder, PurePath(TRAINING_HTML)),
        training_shareable=link_to(folder, PurePath(SHAREABLE_HTML)),
        rankings=link_to(folder, PurePath(RANKINGS_CSV)),
        rankings_csv=RANKINGS_CSV,
        costs=link_to(folder, PurePath(COSTS_CSV)),
        costs_csv=COSTS_CSV,
        provenance=link_to(folder, PurePath(PROVENANCE_JSON)),
        provenance_json=PROVENANCE_JSON,
        papers=_papers(folder, progress),
        diagnosis=_diagnosis(folder, progress),
    )


def _diagnosis(folder: Path, progress: Progress) -> str | None:
    """Return the address of the diagnosis, empty before it is made; None if none is asked for."""
    if progress.plan.of_kind("diagnose") is None:
        return None
    return link_to(folder, PurePath(DIAGNOSIS_FOLDER, DIAGNOSIS_HTML))


def _papers(folder: Path, progress: Progress) -> list[str]:
    """Return the addresses of what lists tables and figures; empty if there are none to make."""
    steps = [step.step for step in progress.steps if step.step.kind == "paper"]
    return [link_to(folder, PurePath(output)) for step in steps for output in step.outputs]


def _answer(folder: Path, on_test: OnTestSet, *, several: bool) -> _Answer:
    place = (Data(", ".join(title_of(on_test))),) if several else ()
    compared = on_test.compared
    if compared is None:
        return _Answer(place, ("Nothing can be told yet: ", *why_no_comparison(on_test), "."), "")
    against: Sentence = ("All against ", Data(compared.baseline), ".")
    trainings: Mapping[str, int] = compared.settings.get(TRAININGS, {})
    if any(number > 1 for number in trainings.values()):
        against = (*against, " ", subjects(trainings))
    address = link_to(folder, on_test.comparison_folder / COMPARISON_HTML)
    return _Answer(place, (*answer(compared), *against), address)


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
