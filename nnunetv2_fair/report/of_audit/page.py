"""The page of an audit of labels: one HTML file that needs no other file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair.audit.labels.wording import KINDS
from nnunetv2_fair.audit.labels.wording import headline as audit_headline
from nnunetv2_fair.audit.results.labels import COMMAND, AuditResult
from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.all_findings import headline, main_findings
from nnunetv2_fair.evaluation.findings.sentences import Sentence, clean, shortened
from nnunetv2_fair.evaluation.findings.wording import VERDICTS, confidence
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.output_folder import EVALUATE
from nnunetv2_fair.files.outputs import one_unit, write_manifest
from nnunetv2_fair.paths import (
    AUDIT_CASES_CSV,
    AUDIT_HTML,
    AUDIT_JSON,
    QUALITY_FOLDER,
    REPORT_HTML,
)
from nnunetv2_fair.report.html.document import disclaimer, document, page_bytes, put_files
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.settings import settings_section
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.of_audit.sections import further_sections
from nnunetv2_fair.report.of_audit.shown import shown_table
from nnunetv2_fair.report.of_audit.tables import coverage_table
from nnunetv2_fair.report.of_evaluation.attribute import attribute_section
from nnunetv2_fair.report.of_evaluation.cases.table import ANCHOR as CASES
from nnunetv2_fair.report.of_evaluation.cases.table import case_table
from nnunetv2_fair.report.of_evaluation.page import write_report


@dataclass(frozen=True)
class _Claim:
    kind: str
    verdict: str
    sentence: Sentence


@dataclass(frozen=True)
class _Topic:
    title: str
    claims: Sequence[_Claim]
    others: Sequence[_Claim]


@dataclass(frozen=True)
class _Card:
    attribute: str
    topics: Sequence[_Topic]


def write_audit(result: AuditResult, out: Path) -> tuple[Path, ...]:
    """Write all files of an audit and a manifest; all appear together or none does.

    The evaluation of the automated masks is written to ``quality`` as an evaluation of its own.

    Args:
        result: What the audit found.
        out: Output folder; it need not exist.

    Returns:
        The files that it holds itself, and the page of the evaluation.

    Raises:
        UsageError: If another process works in the folder.
        OSError: If they cannot be written.
    """
    text, downloads = rendered(result)
    pages = {AUDIT_HTML: page_bytes(text), **downloads.files()}
    with one_unit(out, COMMAND) as folder:
        result.put(folder)
        write_report(result.quality, (), folder / QUALITY_FOLDER / REPORT_HTML)
        write_manifest(folder / QUALITY_FOLDER, EVALUATE)
        put_files(folder, pages)
    names = (AUDIT_JSON, AUDIT_CASES_CSV, AUDIT_HTML, f"{QUALITY_FOLDER}/{REPORT_HTML}")
    return tuple(out / name for name in names)


def rendered(result: AuditResult) -> tuple[str, Downloads]:
    """Return the page as HTML, and its figures and tables."""
    downloads = Downloads()
    quality = result.quality
    terms = Terms(result.metrics, result.definitions)
    further = further_sections(result, terms, downloads)
    navigation = [("summary", "Summary")]
    navigation += [(f"attribute-{i}", clean(a)) for i, a in enumerate(result.attributes)]
    navigation += [(anchor, title) for anchor, title, _ in further]
    navigation += [(CASES, "All cases"), ("definitions", "Definitions"), ("settings", "Settings")]
    masks = shown_table(coverage_table(result), downloads)
    sections = [
        render(
            "report/of_audit/templates/summary.html",
            cards=[_card(result, attribute) for attribute in result.attributes],
            notes=result.notes,
            masks=masks,
            report=f"{QUALITY_FOLDER}/{REPORT_HTML}",
            level=numbers.percent(1 - confidence(result.settings)),
        )
    ]
    sections += [
        attribute_section(quality, attribute, f"attribute-{i}", terms, downloads)
        for i, attribute in enumerate(result.attributes)
    ]
    sections += [section for _, _, section in further]
    sections.append(case_table(quality, ()))
    sections += [
        terms.section(),
        settings_section(result.settings, result.versions, quality.inputs_sha256, result.created),
    ]
    rows = quality.per_case
    facts = [
        "private",
        numbers.count(rows["case"].nunique(), "case with expert masks", "cases with expert masks"),
        numbers.count(rows["patient"].nunique(), "patient"),
        f"created {clean(result.created)[:10]}",
    ]
    title = f"{shortened(result.name, 40)}: automated masks against expert masks"
    text = document(title, "Audit of labels", facts, navigation, sections, disclaimer("audited"))
    return text, downloads


def _card(result: AuditResult, attribute: str) -> _Card:
    """Return what is claimed of an attribute's headline label, and of any label what is shown."""
    label = result.headline_label
    told = [
        _Claim(
            f.verdict.replace("_", "-"),
            VERDICTS[f.verdict],
            headline(f, result.quality.metric(f.metric)),
        )
        for f in main_findings(result.quality, attribute, label)
    ]
    topics = {title: list[_Claim]() for title in KINDS.values()}
    topics[KINDS["label_quality"]] += told
    several = len(result.labels) > 1
    for found in result.findings:
        if found.attribute != attribute or found.kind not in KINDS:
            continue
        if found.label == label or not several or found.verdict == "shown" or _by_label(found):
            verdict = VERDICTS[found.verdict]
            words = audit_headline(found, result)
            kind = found.verdict.replace("_", "-")
            topics[KINDS[found.kind]].append(_Claim(kind, verdict, words))
    made = []
    for title, claims in topics.items():
        shown = [claim for claim in claims if claim.kind in ("shown", "signs")]
        others = [claim for claim in claims if claim not in shown]
        if claims:
            made.append(_Topic(title, shown, others))
    return _Card(attribute, made)


def _by_label(finding: Finding) -> bool:
    """Return whether a finding is never about the average, so that labels speak for it."""
    return finding.kind == "label_error"
