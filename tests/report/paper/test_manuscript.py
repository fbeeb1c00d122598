"""The whole text and its tables, for every design: numbers, verdicts, English, privacy."""

import functools
import math
import re
from collections import Counter

import pytest

from nnunetv2_fair.evaluation import evaluate
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings, Threshold
from nnunetv2_fair.evaluation.findings.all_findings import brief, headline
from nnunetv2_fair.evaluation.findings.sentences import plain
from nnunetv2_fair.evaluation.findings.wording import VERDICTS
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.report.paper.document import checklist, manuscript
from nnunetv2_fair.report.paper.files import paper_files
from nnunetv2_fair.report.paper.tables import paper_tables
from tests.evaluation.downstream.hearts import make_hearts
from tests.evaluation.factories import make_dataset
from tests.report.factories import make_result
from tests.report.paper.designs import DESIGNS, evaluated

EVERY = [(design, hidden) for design in DESIGNS for hidden in (False, True)]

_NUMBER = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")


@functools.cache
def told(design: str, hidden: bool) -> EvaluationResult:
    result = evaluated(design)
    return shareable(result) if hidden else result


def text_of(result: EvaluationResult) -> str:
    return manuscript(result, paper_tables(result)).replace("\\", "")


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(("design", "hidden"), EVERY)
def test_every_number_of_the_results_is_in_a_table(design, hidden):
    result = told(design, hidden)
    tables = paper_tables(result)
    known = set()
    for table in tables:
        cells = (cell for row in table.rows for cell in row)
        for cell in (table.title, *table.columns, *table.notes, *cells):
            known |= set(_NUMBER.findall(cell))
    text = section(text_of(result), "Results")
    text = re.sub(r"\(Table \d+\)|Table \d+", "", text)
    # counted from the findings, which another test checks
    text = re.sub(r"[Ii]n \d+ (further )?combinations?", "", text)
    assert set(_NUMBER.findall(text)) <= known


def test_boundary_maps_are_described_where_they_are_told(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=16)
    settings = EvaluationSettings(metrics=("dice",), statistics=StatisticsSettings(n_bootstrap=0))
    result = evaluate(
        dataset.references, dataset.predictions, dataset.table, ["sex"], settings=settings,
        boundary_maps=True,
    )  # fmt: skip
    text = text_of(result)
    assert "smallest of Welch's p-values of all places (minP)" in section(text, "Methods")
    assert "along the outline of" in section(text, "Results")
    hidden = shareable(result)
    (tmp_path / "shared").mkdir()
    hidden.write(tmp_path / "shared")
    told = text_of(EvaluationResult.read(tmp_path / "shared"))
    assert "adjusted differences and maps of where along the outline errors lie." in told
    assert told.count("outline") == 1


def test_downstream_measures_are_described_where_they_are_told(tmp_path):
    dataset = make_hearts(tmp_path, 12)
    settings = EvaluationSettings(metrics=("dice",), statistics=StatisticsSettings(n_bootstrap=0))
    cardiac = DownstreamSettings(("cardiac",), thresholds=(Threshold("ef", 60),))
    result = evaluate(
        dataset.references, dataset.predictions, dataset.table, ["sex"], settings=settings,
        downstream=cardiac,
    )  # fmt: skip
    methods = section(text_of(result), "Methods")
    assert "Jensen-Shannon divergence (base 2)" in methods
    assert "two sides of a threshold (ef=60)" in methods
    assert "ejection fraction" in section(text_of(result), "Results")
    told = text_of(shareable(result))
    assert "measures taken from the masks." in told
    assert "ejection" not in told


@pytest.mark.parametrize(("design", "hidden"), EVERY)
def test_every_verdict_is_that_of_a_finding(design, hidden):
    result = told(design, hidden)
    text = section(text_of(result), "Results")
    for attribute in result.attributes:
        part = text.partition(f"### Groups by {attribute}\n")[2].partition("\n### ")[0]
        mains = [
            f
            for f in result.findings
            if (f.kind, f.quantity, f.attribute) == ("group_difference", "median", attribute)
        ]
        quiet = Counter()
        for found in mains:
            metric = result.metric(found.metric)
            first = found.metric == result.metrics[0].name
            ends = [found.values[name] for name in (*found.who[:1], *found.who[-1:])]
            if found.verdict != "not_comparable" and all(map(math.isnan, (found.value, *ends))):
                # nothing but the verdict is left, of the claims also who is worst
                worst = f", worst for {found.who[0]}" if found.claims else ""
                if found.claims or found.label == result.headline_label:
                    assert f"{VERDICTS[found.verdict]}{worst} (numbers not shown" in part
                else:
                    quiet[found.verdict] += 1
            elif found.label == result.headline_label:
                words = headline(found, metric) if first else brief(found, metric)
                assert plain(words) in part
            elif found.claims:
                assert f"{found.label} by {metric.title}, {plain(brief(found, metric))}" in part
            else:
                quiet[found.verdict] += 1
        stated = re.search(r"shown in (\d+) (?:further )?combinations? of", part)
        assert int(stated[1] if stated else 0) == quiet["not_shown"]
        # nothing but these claims that somebody is worse off
        claims = [f for f in result.findings if f.attribute == attribute and f.claims]
        assert ("worse" in part or "differs between" in part) <= bool(
            claims or [f for f in result.findings if f.kind == "equivalence"]
        )
    for found in result.findings:
        if found.kind == "subgroup":
            assert found.sentence in text


@pytest.mark.parametrize(("design", "hidden"), EVERY)
def test_it_reads_as_english(design, hidden):
    result = told(design, hidden)
    text = text_of(result)
    for wrong in (
        r"\b1 (patients|images|combinations|tests|resamples|degrees)\b",
        r"\b([02-9]|\d{2,}) (patient|image|combination|test)\b(?! of)",
        r"  +[a-z]", r" [.,;:]", r"\(\)", r"\[\]", r"\bnan\b", r"\bNone\b", r"\{|\}",
        r"\.\.(?!\.)", r",,", r";\.", r"\b(\w+) \1\b", r"(?<!nnunetv2)(?<!lesion)_",
    ):  # fmt: skip
        # names of files have underscores
        prose = text.partition("## References")[0]
        assert not re.search(wrong, prose), (wrong, re.search(f".{{0,60}}{wrong}.{{0,40}}", prose))
    for paragraph in text.partition("## References")[0].split("\n\n"):
        if paragraph.strip() and not paragraph.startswith(("#", ">", "- ")):
            assert paragraph.rstrip("\n").endswith((".", "]**")), paragraph[-80:]
            assert paragraph.count("(") == paragraph.count(")")


@pytest.mark.parametrize(("design", "hidden"), EVERY)
def test_citations_and_tables_are_numbered_in_order(design, hidden):
    result = told(design, hidden)
    text = text_of(result)
    body, _, end = text.partition("\n## References\n")
    cited = [int(n) for n in re.findall(r" \[(\d+)\]", body)]
    assert list(dict.fromkeys(cited)) == list(range(1, max(cited, default=0) + 1))
    assert len(re.findall(r"^\d+\. ", end, re.MULTILINE)) == max(cited, default=0)
    tables = paper_tables(result)
    named = {int(n) for n in re.findall(r"Table (\d+)", text + checklist(result, tables))}
    assert named <= set(range(1, len(tables) + 1))
    # the text refers to every table
    told_of = re.findall(r"Table (\d+)", section(text, "Results"))
    assert {int(n) for n in told_of} == set(range(1, len(tables) + 1))


@pytest.mark.parametrize("design", DESIGNS)
def test_a_shareable_text_tells_nothing_that_the_shareable_result_does_not(design, tmp_path):
    hidden = shareable(evaluated(design))
    hidden.write(tmp_path)
    # the published summary.json alone gives the same files, byte by byte
    assert paper_files(EvaluationResult.read(tmp_path)) == paper_files(hidden)


def test_small_groups_and_exclusions_are_hidden():
    result = evaluated("unknown and missing")
    exact, public = paper_files(result), paper_files(shareable(result))
    assert "rare (3 patients)" in exact["manuscript.md"]
    assert (
        "Of all images, 3 were left out, each for this reason: the prediction"
        in exact["manuscript.md"]
    )
    assert (
        "Of all images, 2 were left out, each for this reason: the table" in exact["manuscript.md"]
    )
    assert "rare (number not shown)" in public["manuscript.md"]
    assert "Some images were left out (number not shown): the prediction" in public["manuscript.md"]
    whole = "\n".join(public.values())
    assert not re.search(r"(?<![\d.,])[1-4] (patients?|images?|values?)\b", whole)
    rare = [line for line in public["table_1_participants.csv"].splitlines() if ",rare," in line]
    assert rare == ["site,rare,hidden,hidden,not compared: fewer than 5 patients"]
    for name in ("case1x0", "person7"):
        assert name not in whole


def test_head_says_whether_it_may_be_published():
    result = evaluated("plain")
    for name in ("manuscript.md", "checklist.md"):
        assert "\n> PRIVATE: made of the private result" in paper_files(result)[name]
        public = paper_files(shareable(result))[name]
        assert "\n> Made of the shareable result" in public
        assert "PRIVATE" not in public


def test_sections_and_files():
    files = paper_files(evaluated("failures"))
    headings = re.findall(r"^(##+ .*)$", files["manuscript.md"], re.MULTILINE)
    assert headings == [
        "## Methods", "### Evaluation data", "### Segmentation metrics", "### Missing data",
        "### Statistical analysis", "### What is claimed", "### Further analyses", "### Software",
        "## Results", "### Patients and images",
        "### Missing predictions, unknown groups, empty masks", "### Performance by group",
        "### Groups by sex",
        "## Discussion", "### Limitations", "## References", "## Tables",
    ]  # fmt: skip
    stems = ["1_participants", "2_performance", "3_differences", "4_pairs", "5_measures",
             "6_failures", "7_adjusted"]  # fmt: skip
    assert list(files) == [
        "manuscript.md", "checklist.md",
        *(f"table_{stem}.{ending}" for stem in stems for ending in ("csv", "md", "tex")),
    ]  # fmt: skip
    assert "\\toprule" in files["table_3_differences.tex"]
    assert "\N{MINUS SIGN}" not in "".join(t for n, t in files.items() if n.endswith(".tex"))


HOSTILE = "<script>al|ert</script> & [x](y) *b* _c_"


def test_names_from_the_data_change_nothing_around_them():
    result = make_result(
        {HOSTILE: ("<img src=x>", "a|b", "c")}, {"<img src=x>": 12, "a|b": 12, "c": 3},
        labels=("*lung*", "|"), name=HOSTILE,
    )  # fmt: skip
    files = paper_files(result)
    for name in ("manuscript.md", "checklist.md", "table_1_participants.md"):
        assert not re.search(r"(?<!\\)<(script|img)", files[name]), name
    for row in files["checklist.md"].splitlines():
        if row.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", row)) == 4, row
    assert (
        "### Groups by \\<script>al\\|ert\\</script> & \\[x\\](y) \\*b\\* \\_c\\_"
        in (files["manuscript.md"])
    )
