"""The page of a diagnosis: which causes of a gap the evidence supports, excludes or leaves open."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair.audit.diagnosis.wording import CAUSES, VERDICTS
from nnunetv2_fair.audit.results.causes import COMMAND, DiagnosisResult, Question
from nnunetv2_fair.audit.results.labels import Estimate
from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, clean, plain, shortened
from nnunetv2_fair.evaluation.findings.wording import label_words
from nnunetv2_fair.files.outputs import one_unit
from nnunetv2_fair.paths import DIAGNOSIS_HTML, DIAGNOSIS_JSON
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers
from nnunetv2_fair.report.html.document import disclaimer, document, page_bytes, put_files
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.row_plots import Whisker, forest_plot
from nnunetv2_fair.report.html.settings import settings_section
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_audit.shown import shown_table
from nnunetv2_fair.report.of_audit.tables import Table

#: Verdict -> the look of its badge, that of a claim of an evaluation.
_LOOKS = {"supported": "shown", "mixed": "signs", "open": "not-comparable", "excluded": "not-shown"}
#: Verdicts in the order in which a page tells them: what is named first.
_ORDER = tuple(_LOOKS)
#: Settings that are long, and are in the file.
_HIDDEN = ("impossible", "balanced", "exchanged", "control", "further", "images", "masks")


@dataclass(frozen=True)
class _Claim:
    look: str
    verdict: str
    sentence: str
    decides: str


@dataclass(frozen=True)
class _Card:
    attribute: str
    between: tuple[str, str]
    answer: str
    facts: str
    claims: Sequence[_Claim]
    notes: Sequence[str]
    plot: Html
    tables: Sequence[Html]


def write_diagnosis(result: DiagnosisResult, out: Path) -> tuple[Path, ...]:
    """Write ``diagnosis.json``, the page with its figures and tables, and a manifest, or nothing.

    Args:
        result: What the diagnosis found.
        out: Output folder; it need not exist.

    Returns:
        The file and the page.

    Raises:
        UsageError: If another process works in the folder.
        OSError: If they cannot be written.
    """
    text, downloads = rendered_diagnosis(result)
    with one_unit(out, COMMAND) as folder:
        result.put(folder)
        put_files(folder, {DIAGNOSIS_HTML: page_bytes(text), **downloads.files()})
    return out / DIAGNOSIS_JSON, out / DIAGNOSIS_HTML


def rendered_diagnosis(result: DiagnosisResult) -> tuple[str, Downloads]:
    """Return the page as HTML, and its figures and tables."""
    downloads = Downloads()
    cards = [_card(result, one, downloads) for one in result.questions]
    summary = render(
        "report/of_audit/templates/diagnosis.html",
        cards=cards,
        impossible=result.impossible,
        notes=result.notes,
    )
    settings = {key: value for key, value in result.settings.items() if key not in _HIDDEN}
    sections = [summary, settings_section(settings, result.versions, "", result.created)]
    facts = [
        "private",
        numbers.count(len(result.questions), "gap"),
        f"{result.metric.title}, {plain(label_words(result.label))}",
        f"created {clean(result.created)[:10]}",
    ]
    text = document(
        f"{shortened(result.name, 60)}: causes of a gap",
        "Diagnosis",
        facts,
        [("summary", "Causes"), ("settings", "Settings")],
        sections,
        disclaimer("evaluated"),
    )
    return text, downloads


def _card(result: DiagnosisResult, one: Question, downloads: Downloads) -> _Card:
    claims = [
        _Claim(_LOOKS[c.verdict], VERDICTS[c.verdict], c.sentence, c.decides)
        for c in sorted(one.causes, key=lambda c: _ORDER.index(c.verdict))
    ]
    facts = (
        f"{one.n[0]:,} and {one.n[1]:,} patients; "
        f"{numbers.count(one.trainings, 'training')} of the model"
    )
    tables = [shown_table(table, downloads) for table in (_causes(result, one), _gaps(result, one))]
    return _Card(
        one.attribute, one.between, one.sentence, facts, claims, one.notes,
        _plot(result, one, downloads), tables,
    )  # fmt: skip


def _plot(result: DiagnosisResult, one: Question, downloads: Downloads) -> Html:
    """Return the figure of the gap under every condition."""
    unit = result.metric.unit
    rows = [
        Whisker(
            (Data(gap.name),) if gap.kind == "further" else (gap.name,),
            [f"{gap.n[0]:,} and {gap.n[1]:,} patients", numbers.count(gap.trainings, "training")],
            f"{numbers.with_unit(gap.gap.value, unit, signed=True)}\n"
            f"{numbers.interval(gap.gap.interval, unit, signed=True)}",
            gap.gap.value,
            gap.gap.interval,
            filled=gap.kind == "model",
        )
        for gap in one.gaps
    ]
    title = f"Gap in {metric_heading(result.metric)}, reference minus other group"
    description = f"{title}, {_who(one)}, after each intervention"
    table = Numbers(
        ("condition", "value", "interval_low", "interval_high"),
        tuple((g.name, g.gap.value, g.gap.interval.low, g.gap.interval.high) for g in one.gaps),
    )
    plot = forest_plot(rows, title, description)
    return downloads.figure(("gaps", *_name(one)), description, plot, table)


def _causes(result: DiagnosisResult, one: Question) -> Table:
    unit = result.metric.unit
    rows: list[tuple[Sentence, ...]] = []
    cells: list[tuple[Cell, ...]] = []
    for c in one.causes:
        share = "" if c.share != c.share else f"{100 * c.share:.0f}%"
        rows.append(
            (
                (CAUSES[c.cause],), (VERDICTS[c.verdict],), *_estimate(c.removed, unit), (share,),
                *_estimate(c.contrast, unit), (_p(c.contrast),),
            )
        )  # fmt: skip
        cells.append((c.cause, c.verdict, *_ends(c.removed), c.share, *_ends(c.contrast)))
    ends = ("value", "interval_low", "interval_high", "p_above_0", "corrected_p")
    return Table(
        ("causes", *_name(one)),
        f"Causes of the gap, {_who(one)}",
        ("Cause", "The evidence", "Removed", "Interval", "Of the gap",
         "Removed less half of the gap", "Interval", "Test of more than half"),
        tuple(rows),
        Numbers(
            ("cause", "verdict", *(f"removed_{e}" for e in ends), "share",
             *(f"contrast_{e}" for e in ends)),
            tuple(cells),
        ),
    )  # fmt: skip


def _gaps(result: DiagnosisResult, one: Question) -> Table:
    unit = result.metric.unit
    rows = [
        (
            (Data(g.name),) if g.kind == "further" else (g.name,), *_estimate(g.gap, unit),
            (numbers.p_value(g.gap.p_value),), (f"{g.n[0]:,} and {g.n[1]:,}",),
            (f"{g.trainings:,}",),
        )
        for g in one.gaps
    ]  # fmt: skip
    return Table(
        ("gap", "by", "condition", *_name(one)),
        f"The gap after each intervention, {_who(one)}",
        ("Condition", "Gap", "Interval", "Test", "Patients", "Trainings"),
        tuple(rows),
        Numbers(
            ("kind", "name", "value", "interval_low", "interval_high", "p", "patients_reference",
             "patients_other", "trainings"),
            tuple(
                (g.kind, g.name, g.gap.value, g.gap.interval.low, g.gap.interval.high,
                 g.gap.p_value, *g.n, g.trainings)
                for g in one.gaps
            ),
        ),
    )  # fmt: skip


def _estimate(of: Estimate, unit: str) -> tuple[Sentence, Sentence]:
    ends = numbers.interval(of.interval, unit, signed=True)
    return (numbers.with_unit(of.value, unit, signed=True),), (ends,)


def _ends(of: Estimate) -> tuple[float, ...]:
    return of.value, of.interval.low, of.interval.high, of.p_value, of.corrected_p


def _p(of: Estimate) -> str:
    return numbers.p_value(of.corrected_p)


def _who(one: Question) -> str:
    return plain((Data(one.between[1]), " against ", Data(one.between[0]), " (",
                  Data(one.attribute), ")"))  # fmt: skip


def _name(one: Question) -> tuple[str, ...]:
    return one.attribute, one.between[1]
