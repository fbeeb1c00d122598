"""The page that compares models on the same cases: one self-contained HTML file."""

from pathlib import Path

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import clean, shortened
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.report.html.document import disclaimer, document
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.settings import settings_section
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.of_comparison.attribute import attribute_section
from nnunetv2_fair.report.of_comparison.summary import summary_section


def write_comparison(result: ModelComparison, path: Path, latent: Html | None = None) -> None:
    """Write the page of a comparison.

    Args:
        result: What the comparison found.
        path: HTML file to write; its folder must exist. It appears whole or not at all.
        latent: Section on the latent space (:mod:`nnunetv2_fair.report.of_comparison.latent`).

    Raises:
        OSError: If the file cannot be written.
    """
    write_text(path, render_comparison(result, latent), errors="replace")


def render_comparison(result: ModelComparison, latent: Html | None = None) -> str:
    """Return the page as HTML (see :func:`write_comparison`)."""
    terms = Terms(result.metrics, result.definitions)
    navigation = [("summary", "Summary")]
    navigation += [(f"attribute-{i}", clean(a)) for i, a in enumerate(result.attributes)]
    navigation += [("latent", "Latent space")] if latent else []
    navigation += [("definitions", "Definitions"), ("settings", "Settings")]
    sections = [summary_section(result)]
    sections += [
        attribute_section(result, attribute, f"attribute-{i}", terms)
        for i, attribute in enumerate(result.attributes)
    ]
    sections += [latent] if latent else []
    sections += [
        terms.section(),
        settings_section(result.settings, result.versions, "", result.created),
    ]
    first = result.entries[0] if result.entries else None
    facts = [numbers.count(len(result.models), "model")]
    if first is not None:
        facts += [numbers.count(first.n_cases, "case"), numbers.count(first.n_patients, "patient")]
    if result.created:
        facts.append(f"created {clean(result.created)[:10]}")
    others = ", ".join(shortened(model, 40) for model in result.others)
    return document(
        f"{others} against {shortened(result.baseline, 40)}",
        "Fairness comparison",
        facts,
        navigation,
        sections,
        disclaimer("compared"),
    )
