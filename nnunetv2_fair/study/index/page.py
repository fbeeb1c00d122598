"""The index page of a study: one HTML file that links to everything the study has made."""

import math
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.cells import undefined
from nnunetv2_fair.report.html.document import Terms, document
from nnunetv2_fair.report.html.markup import Html, element, join, link_to, name
from nnunetv2_fair.study.index.costs import COSTS_CSV, Cost, total
from nnunetv2_fair.study.index.per_test_set import section_of, title_of
from nnunetv2_fair.study.index.progress import Progress, State
from nnunetv2_fair.study.index.provenance import PROVENANCE_JSON, distinct, distinct_versions
from nnunetv2_fair.study.index.rankings_csv import RANKINGS_CSV
from nnunetv2_fair.study.index.results import OnTestSet

_STATES: tuple[State, ...] = ("done", "taken over", "failed", "waiting", "running", "to do")


def render_index(
    folder: Path,
    progress: Progress,
    results: Sequence[OnTestSet],
    costs: Sequence[Cost],
    created: str,
) -> str:
    """Return the page as HTML.

    Args:
        folder: The study's folder, where the page will lie.
        progress: What became of each step.
        results: Evaluations and comparisons.
        costs: What each method has cost.
        created: ISO 8601 time.
    """
    terms = _terms(results)
    defined = any(on_test.shown for on_test in results)
    navigation = [("summary", "Summary")]
    navigation += [(f"test-{i}", ", ".join(title_of(r))) for i, r in enumerate(results)]
    navigation += [("costs", "Costs"), ("provenance", "Where it ran")]
    navigation += [("definitions", "Definitions")] if defined else []
    sections = [_summary(folder, progress)]
    sections += [section_of(folder, r, f"test-{i}", terms) for i, r in enumerate(results)]
    sections += [_costs(folder, costs), _provenance(folder, progress)]
    sections += [terms.section()] if defined else []
    counts = progress.count()
    facts = [numbers.count(len(progress.steps), "step")]
    facts += [f"{counts[state]:,} {state}" for state in _STATES if counts.get(state)]
    return document(
        progress.plan.title,
        "Fairness study",
        [*facts, f"created {created[:10]}"],
        navigation,
        sections,
        "Made by nnunetv2_fair to help assess segmentation models. It describes the cases that "
        "were evaluated; it is no medical device and no proof of fairness elsewhere.",
    )


def _terms(results: Sequence[OnTestSet]) -> Terms:
    definitions: dict[str, str] = {}
    metrics: dict[str, MetricInfo] = {}
    for on_test in results:
        for result in on_test.shown.values():
            metrics |= {metric.name: metric for metric in result.metrics}
            definitions |= result.definitions
        if on_test.compared is not None:
            definitions |= on_test.compared.definitions
    return Terms(tuple(metrics.values()), definitions)


def _summary(folder: Path, progress: Progress) -> Html:
    kinds = list(dict.fromkeys(step.step.kind for step in progress.steps))
    found = Counter((step.step.kind, step.state) for step in progress.steps)
    states = [state for state in _STATES if progress.count().get(state)]
    head = element(
        "tr",
        element("th", "Step", scope="col"),
        *[element("th", state.capitalize(), scope="col", class_="count") for state in states],
    )
    rows = [
        element(
            "tr",
            element("th", kind, scope="row"),
            *[element("td", f"{found[kind, state]:,}", class_="count") for state in states],
        )
        for kind in kinds
    ]
    table = element("table", element("thead", head), element("tbody", *rows))
    missing = sum(not step.is_done for step in progress.steps)
    lead = (
        f"{numbers.count(missing, 'step')} of {len(progress.steps):,} are missing. Starting the "
        "study again does what is missing, and nothing twice."
        if missing
        else "Everything is done."
    )
    return element(
        "section",
        element("h2", "Summary"),
        element("p", lead, class_="lead"),
        _failures(folder, progress),
        element("div", _scrolled(table, "Steps by kind"), class_="card"),
        element(
            "p",
            "As tables: ",
            link_to(folder, PurePath(RANKINGS_CSV), RANKINGS_CSV),
            " (every value, interval and rank), ",
            link_to(folder, PurePath(COSTS_CSV), COSTS_CSV),
            ", ",
            link_to(folder, PurePath(PROVENANCE_JSON), PROVENANCE_JSON),
            ".",
            class_="lead",
        ),
        id="summary",
    )


def _scrolled(table: Html, words: str) -> Html:
    return element("div", table, class_="scroll", tabindex="0", role="region", aria_label=words)


def _failures(folder: Path, progress: Progress) -> Html:
    failed = [step for step in progress.steps if step.state == "failed"]
    if not failed:
        return Html("")
    source = PurePath(progress.plan.source or "study.yaml")
    command = shlex.join(["nnUNetv2_fair_study", str(source)])
    if len(source.parts) > 1:
        command += " -o ."
    items = []
    for step in failed:
        job = f", job {step.attempts[-1].job}" if step.attempts[-1].job else ""
        items.append(
            element(
                "li",
                name(step.step.name),
                f": {step.how}{job}; ",
                link_to(folder, PurePath(step.step.log), "log"),
                ". Again, in the study's folder: ",
                element("code", f"{command} --only {shlex.quote(step.step.name)}"),
            )
        )
    return element(
        "div",
        element(
            "div",
            element("h3", "What failed"),
            element("span", numbers.count(len(failed), "failed step"), class_="badge"),
            class_="finding-head",
        ),
        element("ul", *items, class_="notes"),
        class_="card finding larger",
    )


def _costs(folder: Path, costs: Sequence[Cost]) -> Html:
    columns = (
        "Steps done", "GPU hours", "CPU hours", "Wall hours", "Most memory", "Attempts", "Failed",
        "Continued",
    )  # fmt: skip
    several = len({(c.dataset, c.configuration, c.plans) for c in costs if c.trainer}) > 1
    head = element(
        "tr",
        element("th", "Method", scope="col"),
        *[element("th", column, scope="col", class_="count") for column in columns],
    )
    rows = [_cost_row(cost, several=several) for cost in costs]
    summed = [f"{total(costs, h):,.1f}" for h in ("gpu_hours", "cpu_hours", "wall_hours")]
    counted = [f"{int(total(costs, c)):,}" for c in ("attempts", "failed", "continued")]
    done = int(total(costs, "done") + total(costs, "taken_over"))
    cells = [f"{done:,} of {int(total(costs, 'steps')):,}", *summed, "", *counted]
    rows.append(
        element(
            "tr",
            element("th", "All", scope="row"),
            *[element("td", cell, class_="count") for cell in cells],
            class_="overall",
        )
    )
    table = element("table", element("thead", head), element("tbody", *rows))
    hint = (
        "All attempts count, failed ones too. CPU hours: wall time times reserved cores. A method "
        "that starts from another one's model does not pay for that model. What was there before "
        "the study counts as done and costs nothing here. All columns: "
    )
    return element(
        "section",
        element("h2", "Costs"),
        element(
            "div",
            _scrolled(table, "Costs of each method"),
            element("p", hint, link_to(folder, PurePath(COSTS_CSV), COSTS_CSV), ".", class_="hint"),
            class_="card",
        ),
        id="costs",
    )


def _cost_row(cost: Cost, *, several: bool) -> Html:
    if cost.trainer:
        place = [cost.dataset, cost.configuration, cost.plans] if several else []
        title = join([name(cost.trainer)])
    else:
        place = [cost.dataset]
        title = join(["shared by all methods"])
    small = element("small", name(", ".join(part for part in place if part))) if any(place) else ""
    memory: object = f"{cost.peak_memory_mb / 1000:,.1f} GB"
    if math.isnan(cost.peak_memory_mb):
        memory = undefined("not measured")
    cells = (
        f"{cost.done + cost.taken_over:,} of {cost.steps:,}",
        *(f"{hours:,.1f}" for hours in (cost.gpu_hours, cost.cpu_hours, cost.wall_hours)),
        memory,
        *(f"{count:,}" for count in (cost.attempts, cost.failed, cost.continued)),
    )
    return element(
        "tr",
        element("th", title, small, scope="row"),
        *[element("td", cell, class_="count") for cell in cells],
    )


def _provenance(folder: Path, progress: Progress) -> Html:
    rows = [
        (title, ", ".join(distinct(progress, field)) or "none")
        for title, field in (("Graphics cards", "gpu"), ("Machines", "host"))
    ]
    if progress.plan.container:
        rows.append(("Container", PurePath(progress.plan.container[-1]).name))
    rows += [
        (package, ", ".join(versions)) for package, versions in distinct_versions(progress).items()
    ]
    terms = []
    for title, text in rows:
        terms += [element("dt", name(title)), element("dd", name(text, 300))]
    mixed = [p for p, versions in distinct_versions(progress).items() if len(versions) > 1]
    warning = (
        element(
            "p",
            "Not all steps ran with the same versions: ",
            name(", ".join(mixed), 300),
            ". The file says which ran with which.",
        )
        if mixed
        else ""
    )
    return element(
        "section",
        element("h2", "Where it ran"),
        element(
            "div",
            warning,
            element("dl", *terms, class_="terms"),
            element(
                "p",
                "Each step with its versions, machine, job, graphics card, time and memory: ",
                link_to(folder, PurePath(PROVENANCE_JSON), PROVENANCE_JSON),
                ".",
                class_="hint",
            ),
            class_="card",
        ),
        id="provenance",
    )
