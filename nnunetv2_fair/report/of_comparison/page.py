"""The page that compares models on the same cases: one self-contained HTML file."""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import clean, listed, shortened
from nnunetv2_fair.evaluation.results.comparison import DATASET, ModelComparison
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
    sections = [summary_section(result, terms)]
    sections += [
        attribute_section(result, attribute, f"attribute-{i}", terms)
        for i, attribute in enumerate(result.attributes)
    ]
    sections += [latent] if latent else []
    sections += [
        terms.section(),
        settings_section(_settings(result), result.versions, "", result.created),
    ]
    first = result.entries[0] if result.entries else None
    facts = [numbers.count(len(result.models), "model")]
    if first is not None:
        facts += [numbers.count(first.n_cases, "case"), numbers.count(first.n_patients, "patient")]
    facts.append(", ".join(metric.title for metric in result.metrics))
    if result.created:
        facts.append(f"created {clean(result.created)[:10]}")
    return document(
        title_of(result),
        "Fairness comparison",
        facts,
        navigation,
        sections,
        disclaimer("compared"),
    )


def title_of(result: ModelComparison) -> str:
    """Return what was compared: the dataset, the models, and by which attributes."""
    dataset = result.settings.get(DATASET, "")
    start = f"{shortened(str(dataset), 40)}: " if dataset else ""
    others = "".join(listed(shortened(model, 40) for model in result.others))
    attributes = "".join(listed(shortened(name, 24) for name in result.attributes))
    return f"{start}{others} against {shortened(result.baseline, 40)}, by {attributes}"


def _settings(result: ModelComparison) -> dict[str, Any]:
    """Return the settings as readers see them: names of folders, never where these are."""
    told: dict[str, Any] = {}
    for key, value in result.settings.items():
        if key == "models":
            for model, made in value.items():
                told[f"model {model}"] = _made(made)
        else:
            told[key] = value
    return told


def _made(made: Mapping[str, Any]) -> str:
    """Return of what a model's numbers were made."""
    parts = []
    if made.get("predictions"):
        parts.append(f"predictions in {PurePath(str(made['predictions'])).name}")
    if made.get("created"):
        parts.append(f"evaluated {str(made['created'])[:10]}")
    if made.get("inputs_sha256"):
        digest = str(made["inputs_sha256"])[:12]
        parts.append(f"SHA-256 of all inputs {digest}\N{HORIZONTAL ELLIPSIS}")
    return ", ".join(parts)
