"""The index page of a study: one HTML file that links to everything the study has made."""

from collections.abc import Sequence
from pathlib import Path, PurePath

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.document import disclaimer, document
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.study.index.cost_table import costs_section
from nnunetv2_fair.study.index.costs import Cost
from nnunetv2_fair.study.index.links import link_to
from nnunetv2_fair.study.index.per_test_set import section_of, title_of
from nnunetv2_fair.study.index.progress import Progress
from nnunetv2_fair.study.index.provenance import PROVENANCE_JSON, distinct, distinct_versions
from nnunetv2_fair.study.index.results import OnTestSet
from nnunetv2_fair.study.index.summary import STATES, summary_section
from nnunetv2_fair.study.index.synthetic.section import synthetic_datasets, synthetic_section


def render_index(
    folder: Path,
    progress: Progress,
    results: Sequence[OnTestSet],
    costs: Sequence[Cost],
    created: str,
) -> tuple[str, Downloads]:
    """Return the page as HTML, and its figures and tables.

    Args:
        folder: The study's folder, which will hold the page.
        progress: State of each step.
        results: Evaluations and comparisons.
        costs: What each method has cost.
        created: ISO 8601 time.
    """
    terms, downloads = _terms(results), Downloads()
    defined = any(on_test.shown for on_test in results)
    navigation = [("summary", "Summary")]
    navigation += [(f"test-{i}", ", ".join(title_of(r))) for i, r in enumerate(results)]
    synthetic = synthetic_datasets(progress)
    navigation += [(f"synthetic-{i}", f"Synthetic cases, {d}") for i, d in enumerate(synthetic)]
    navigation += [("costs", "Costs"), ("provenance", "Where it ran")]
    navigation += [("definitions", "Definitions")] if defined else []
    sections = [summary_section(folder, progress, results)]
    sections += [
        section_of(folder, r, f"test-{i}", terms, downloads) for i, r in enumerate(results)
    ]
    sections += [
        synthetic_section(folder, progress, dataset, f"synthetic-{i}", downloads)
        for i, dataset in enumerate(synthetic)
    ]
    sections += [
        costs_section(folder, costs, has_index=progress.index_state is not None),
        _provenance(folder, progress),
    ]
    sections += [terms.section()] if defined else []
    counts = progress.count()
    facts = [numbers.count(len(progress.plan.steps), "step")]
    facts += [f"{counts[state]:,} {words}" for state, words in STATES.items() if counts.get(state)]
    text = document(
        _title(progress, results),
        "Fairness study",
        [*facts, f"created {created[:10]}"],
        navigation,
        sections,
        disclaimer("evaluated"),
    )
    return text, downloads


def _title(progress: Progress, results: Sequence[OnTestSet]) -> str:
    """Return the study's title with its datasets, unless it names them itself."""
    title = progress.plan.title
    datasets = [d for d in dict.fromkeys(r.dataset for r in results) if d and d not in title]
    return f"{title}: {', '.join(datasets)}" if datasets else title


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


def _provenance(folder: Path, progress: Progress) -> Html:
    versions = distinct_versions(progress)
    rows = [
        (title, ", ".join(distinct(progress, field)) or "none")
        for title, field in (("GPUs", "gpu"), ("Machines", "host"))
    ]
    if progress.plan.container:
        rows.append(("Container", PurePath(progress.plan.container[-1]).name))
    rows += [(package, ", ".join(found)) for package, found in versions.items()]
    return render(
        "study/index/templates/provenance.html",
        rows=rows,
        mixed=[package for package, found in versions.items() if len(found) > 1],
        file=link_to(folder, PurePath(PROVENANCE_JSON)),
        provenance_json=PROVENANCE_JSON,
    )
