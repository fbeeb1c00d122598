"""The page that compares models on the same cases: one HTML file that needs no other file."""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import clean, listed, shortened
from nnunetv2_fair.evaluation.results.comparison import DATASET, TRAINERS, ModelComparison
from nnunetv2_fair.paths import COMPARISON_HTML
from nnunetv2_fair.report.html.document import disclaimer, document, page_bytes, write_page
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.settings import settings_section
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.of_comparison.attribute import attribute_section
from nnunetv2_fair.report.of_comparison.downstream import ANCHOR as DOWNSTREAM
from nnunetv2_fair.report.of_comparison.downstream import downstream_section
from nnunetv2_fair.report.of_comparison.summary import summary_section


def comparison_files(result: ModelComparison, latent: Html | None = None) -> dict[str, bytes]:
    """Return the page of a comparison with its figures and tables: path -> content.

    Args:
        result: What the comparison found.
        latent: Section on the latent space (:mod:`nnunetv2_fair.report.of_comparison.latent`).
    """
    text, downloads = _rendered(result, latent)
    return {COMPARISON_HTML: page_bytes(text), **downloads.files()}


def write_comparison(result: ModelComparison, path: Path, latent: Html | None = None) -> None:
    """Write the page of a comparison, with its figures and tables beside it.

    Args:
        result: What the comparison found.
        path: HTML file to write; its folder must exist. All appear together or none does.
        latent: Section on the latent space.

    Raises:
        OSError: If a file cannot be written.
    """
    write_page(path, *_rendered(result, latent))


def render_comparison(result: ModelComparison, latent: Html | None = None) -> str:
    """Return the page as HTML (see :func:`write_comparison`)."""
    return _rendered(result, latent)[0]


def _rendered(result: ModelComparison, latent: Html | None) -> tuple[str, Downloads]:
    downloads = Downloads()
    terms = Terms(result.metrics, result.definitions)
    navigation = [("summary", "Summary")]
    navigation += [(f"attribute-{i}", clean(a)) for i, a in enumerate(result.attributes)]
    navigation += [(DOWNSTREAM, "Downstream")] if result.downstream else []
    navigation += [("latent", "Latent space")] if latent else []
    navigation += [("definitions", "Definitions"), ("settings", "Settings")]
    sections = [summary_section(result, terms, downloads)]
    sections += [
        attribute_section(result, attribute, f"attribute-{i}", terms, downloads)
        for i, attribute in enumerate(result.attributes)
    ]
    sections += [downstream_section(result, downloads)] if result.downstream else []
    sections += [latent] if latent else []
    sections += [
        terms.section(),
        settings_section(_settings(result), result.versions, "", result.created),
    ]
    facts = [numbers.count(len(result.models), "model")]
    if result.entries:
        facts.append(numbers.count(_most(entry.n_cases for entry in result.entries), "case"))
        facts.append(numbers.count(_most(entry.n_patients for entry in result.entries), "patient"))
    facts.append(", ".join(metric.title for metric in result.metrics))
    if result.created:
        facts.append(f"created {clean(result.created)[:10]}")
    text = document(
        title_of(result),
        "Fairness comparison",
        facts,
        navigation,
        sections,
        disclaimer("compared"),
    )
    return text, downloads


def _most(numbers_of: Iterable[int | None]) -> int | None:
    """Return the largest number: cases of unknown group are missing from some attributes."""
    return max((number for number in numbers_of if number is not None), default=None)


def title_of(result: ModelComparison) -> str:
    """Return what was compared: the dataset, the models, and by which attributes."""
    dataset = result.settings.get(DATASET, "")
    start = f"{shortened(str(dataset), 40)}: " if dataset else ""
    others = "".join(listed(_named(result, model) for model in result.others))
    attributes = "".join(listed(shortened(name, 24) for name in result.attributes))
    return f"{start}{others} against {_named(result, result.baseline)}, by {attributes}"


def _named(result: ModelComparison, model: str) -> str:
    """Return a model's name, with its trainer if the name is silent about it."""
    trainer = str(result.settings.get(TRAINERS, {}).get(model, ""))
    silent = trainer and trainer not in model
    return f"{shortened(model, 40)} ({shortened(trainer, 40)})" if silent else shortened(model, 40)


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
