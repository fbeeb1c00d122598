"""The report of one evaluation: one HTML file that needs no other file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.all_findings import main_findings
from nnunetv2_fair.evaluation.findings.sentences import clean
from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.output_folder import (
    EVALUATE,
    names_of_trainings,
    output_names,
)
from nnunetv2_fair.evaluation.results.tables.of_trainings import trainings_table
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.tables.printed_tables import tables_of
from nnunetv2_fair.evaluation.results.tables.text_table import files_of
from nnunetv2_fair.files.outputs import one_unit, write_manifest
from nnunetv2_fair.paths import DOWNSTREAM_CSV, REPORT_HTML, TRAININGS_FOLDER
from nnunetv2_fair.report.html.document import (
    disclaimer,
    document,
    page_bytes,
    put_files,
    write_page,
)
from nnunetv2_fair.report.html.downloads import FIGURES, TABLES, Downloads
from nnunetv2_fair.report.html.settings import settings_section
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.of_evaluation.attribute import attribute_section
from nnunetv2_fair.report.of_evaluation.boundaries.section import ANCHOR as BOUNDARIES
from nnunetv2_fair.report.of_evaluation.boundaries.section import boundary_section
from nnunetv2_fair.report.of_evaluation.cases.pictures import excluded_section, pictures_section
from nnunetv2_fair.report.of_evaluation.cases.table import ANCHOR, case_table
from nnunetv2_fair.report.of_evaluation.discovered import ANCHOR as DISCOVERY
from nnunetv2_fair.report.of_evaluation.discovered import discovery_section
from nnunetv2_fair.report.of_evaluation.downstream.section import ANCHOR as DOWNSTREAM
from nnunetv2_fair.report.of_evaluation.downstream.section import downstream_section
from nnunetv2_fair.report.of_evaluation.overview import counts, title_of
from nnunetv2_fair.report.of_evaluation.summary import summary_section
from nnunetv2_fair.report.of_evaluation.text_tables import (
    PAPER,
    TRAININGS,
    paper_section,
    trainings_section,
)

#: Pictures that would make the page larger than this are left out, and the page says so.
MOST_BYTES = 4700 * 1000


def write_evaluation(
    result: EvaluationResult,
    pictures: Sequence[CasePicture],
    out: Path,
    formats: Sequence[str] = (),
    of_trainings: Mapping[str, Sequence[CasePicture]] | None = None,
    further: Mapping[str, str] | None = None,
    once_moved: Callable[[], None] | None = None,
) -> tuple[Path, ...]:
    """Write all files of an evaluation and a manifest; all appear together or none does.

    They replace all that an earlier evaluation wrote into the folder.

    Of a method each training is written to ``trainings/NAME`` as an evaluation of its own.

    Args:
        result: What the evaluation found.
        pictures: Cases to show, worst first; may be empty.
        out: Output folder; it need not exist.
        formats: Formats to write every table in as well: ``csv``, ``md`` or ``tex``.
        of_trainings: Name of a training -> its cases to show.
        further: More files of text in the folder: path -> content.
        once_moved: Called when the files are in place, to remove what was kept for continuing.

    Returns:
        The files, and the folders of figures and tables.

    Raises:
        UsageError: If another process works in the folder.
        OSError: If they cannot be written.
    """
    of_all = [trainings_table(result, result.labels)] if result.trainings else []
    tables = files_of((*tables_of(result), *of_all), formats)
    trainings = [training.name for training in result.trainings]
    pages = _pages(result, pictures)
    for training in result.trainings:
        shown = (of_trainings or {}).get(training.name, ())
        inside = f"{TRAININGS_FOLDER}/{training.name}"
        pages |= {f"{inside}/{name}": made for name, made in _pages(training, shown).items()}
    always = output_names(shareable=result.shareable), names_of_trainings(trainings)
    texts = {**tables, **(further or {})}
    measured = (DOWNSTREAM_CSV,) if result.downstream else ()
    names = tuple(dict.fromkeys((*always[0], *measured, *tables, *always[1], *pages, *texts)))
    with one_unit(out, EVALUATE, once_moved=once_moved) as folder:
        result.put(folder)
        put_files(folder, pages)
        put_files(folder, {name: text.encode("utf-8", "replace") for name, text in texts.items()})
        for name in trainings:  # each is an evaluation of its own
            write_manifest(folder / TRAININGS_FOLDER / name, EVALUATE)
    beside = (FIGURES, TABLES)
    told = [path for path in names if not {*Path(path).parts[:-1]} & {*beside}]
    folders = [folder for folder in beside if any(p.startswith(f"{folder}/") for p in names)]
    return tuple(out / path for path in (*told, *folders))


def _pages(result: EvaluationResult, pictures: Sequence[CasePicture]) -> dict[str, bytes]:
    """Return the report with its figures and tables: path -> content."""
    text, downloads = _rendered(result, pictures)
    return {REPORT_HTML: page_bytes(text), **downloads.files()}


def write_report(result: EvaluationResult, pictures: Sequence[CasePicture], path: Path) -> None:
    """Write the report of an evaluation, with its figures and tables beside it.

    Args:
        result: What the evaluation found.
        pictures: Cases to show, worst first; may be empty.
        path: HTML file to write; its folder must exist. All appear together or none does.

    Raises:
        OSError: If a file cannot be written.
    """
    write_page(path, *_rendered(result, pictures))


def render_report(result: EvaluationResult, pictures: Sequence[CasePicture]) -> str:
    """Return the report as HTML, under 5 MB (see :func:`write_report`)."""
    return _rendered(result, pictures)[0]


def _rendered(result: EvaluationResult, pictures: Sequence[CasePicture]) -> tuple[str, Downloads]:
    downloads = Downloads()
    terms = Terms(result.metrics, result.definitions)
    headlines = _headlines(result)
    navigation = [("summary", "Summary")]
    navigation += [(f"attribute-{i}", clean(a)) for i, a in enumerate(headlines)]
    if result.boundary_maps:
        navigation.append((BOUNDARIES, "Where errors lie"))
    if result.downstream:
        navigation.append((DOWNSTREAM, "Downstream"))
    if result.trainings:
        navigation.append((TRAININGS, "Trainings"))
    if result.discovery is not None:
        navigation.append((DISCOVERY, "Discovered"))
    if result.preset_tables:
        navigation.append((PAPER, "As in the paper"))
    if pictures:
        navigation.append(("cases", "Worst cases"))
    cases = case_table(result, pictures)
    if cases:
        navigation.append((ANCHOR, "All cases"))
    navigation += [("excluded", "Left out"), ("definitions", "Definitions"),
                   ("settings", "Settings")]  # fmt: skip
    before = [summary_section(result, headlines, downloads)]
    before += [
        attribute_section(result, a, f"attribute-{i}", terms, downloads)
        for i, a in enumerate(headlines)
    ]
    before += [
        boundary_section(result, downloads),
        downstream_section(result, downloads),
        trainings_section(result, downloads),
        discovery_section(result, terms, downloads),
        paper_section(result.preset_tables, downloads),
    ]
    after = [
        cases,
        excluded_section(result.exclusions),
        terms.section(),
        settings_section(result.settings, result.versions, result.inputs_sha256, result.created),
    ]
    used = sum(len(section.encode("utf-8", "replace")) for section in (*before, *after))
    shown = pictures_section(pictures, MOST_BYTES - used)
    text = document(
        title_of(result),
        "Fairness assessment",
        _facts(result),
        navigation,
        [*before, shown, *after],
        disclaimer("evaluated"),
    )
    return text, downloads


def _headlines(result: EvaluationResult) -> Mapping[str, Comparison]:
    """Return what represents each attribute: the first metric of the headline label.

    An attribute of which all groups are hidden is not among them.
    """
    found: dict[str, Comparison] = {}
    for attribute in result.attributes:
        if not main_findings(result, attribute, result.headline_label):
            continue
        for comparison in result.comparisons:
            if (comparison.attribute, comparison.label) == (attribute, result.headline_label):
                found.setdefault(attribute, comparison)
    return found


def _facts(result: EvaluationResult) -> list[str]:
    cases, patients = counts(result)
    labels = [label for label in result.labels if label != AVERAGE]
    facts = [numbers.count(cases, "case"), numbers.count(patients, "patient"),
                           numbers.count(len(labels), "label")]  # fmt: skip
    if result.created:
        facts.append(f"created {clean(result.created)[:10]}")
    return facts
