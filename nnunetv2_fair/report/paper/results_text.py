"""The results section: the findings of each attribute, in the words that were decided for them."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.all_findings import (
    brief,
    further_findings,
    headline,
    main_findings,
)
from nnunetv2_fair.evaluation.findings.group_differences import left_out
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, listed
from nnunetv2_fair.evaluation.findings.wording import (
    VERDICTS,
    confidence,
    interval_words,
    test_words,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult, Exclusion
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.trainings import number_of_trainings
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.paper.design import design_of, headline_comparison
from nnunetv2_fair.report.paper.empty_masks import empty_masks, masks_are_known
from nnunetv2_fair.report.paper.words import Paragraph, joined, structure

PARTICIPANTS, LEFT_OUT = "Patients and images", "Missing predictions, unknown groups, empty masks"
TABLES = "Performance by group"

#: Table -> what it gives.
_CONTENT = {
    "performance": "the performance in every group",
    "differences": "all differences between groups with their tests",
    "pairs": "every group against the reference group",
    "pair_tests": "tests of every two groups",
    "measures": "measures of fairness",
    "failures": "failure rates",
    "adjusted": "adjusted differences",
    "margins": "differences beyond a margin",
    "subgroups": "the subgroups that stand out most",
    "trainings": "the values of every training",
}

#: Kinds that are told before others.
_FIRST = ("failure_rate", "size_explains")


def results(result: EvaluationResult, tables: Mapping[str, int]) -> list[Paragraph]:
    """Return the paragraphs of the results section.

    Args:
        result: The evaluation.
        tables: Name of a table -> its number.
    """
    made = [
        Paragraph(PARTICIPANTS, list(_participants(result, tables))),
        Paragraph(LEFT_OUT, list(_left_out(result, tables))),
        Paragraph(TABLES, [_all_tables(tables)]),
    ]
    for attribute in result.attributes:
        made.append(
            Paragraph(f"Groups by {attribute}", list(_attribute(result, attribute, tables)))
        )
    searched = [f for f in result.findings if f.kind == "subgroup"]
    if searched:
        told = [headline(f, result.metric(f.metric)) for f in searched]
        made.append(Paragraph("Subgroups", told))
    return made


def _participants(result: EvaluationResult, tables: Mapping[str, int]) -> Iterator[Sentence]:
    design = design_of(result)
    yield [f"We evaluated {design.people} (Table {tables['participants']})."]
    overlap = False
    for attribute in result.attributes:
        made = headline_comparison(result, attribute)
        parts: list[Sentence] = []
        for name, group in made.groups.items():
            if group.n_patients is None:
                parts.append([Data(name), " (number not shown)"])
                continue
            images = ""
            if design.several and group.n_cases is not None:
                images = f", {numbers.count(group.n_cases, 'image')}"
            parts.append([Data(name), f" ({numbers.count(group.n_patients, 'patient')}{images})"])
        yield ["By ", Data(attribute), ": ", *joined(parts, between="; ", last="; "), "."]
        sizes = [group.n_patients for group in made.groups.values()]
        total = made.overall.n_patients
        if total is not None and None not in sizes:
            overlap = overlap or sum(filter(None, sizes)) > total
    if overlap:
        yield ["A patient with images in several groups counts in each of them."]


def _all_tables(tables: Mapping[str, int]) -> Sentence:
    parts = [
        [f"Table {tables[name]} ({what})"] for name, what in _CONTENT.items() if name in tables
    ]
    return ["The results stand in ", *joined(parts), "."]


def _left_out(result: EvaluationResult, tables: Mapping[str, int]) -> Iterator[Sentence]:
    for exclusion in result.exclusions:
        yield _exclusion(exclusion)
    if not result.exclusions and not result.shareable:
        yield ["No image was left out, and the group of every image is known."]
    yield from _empty_masks(result)
    if "left_out" in tables:
        what = "the reasons" if result.shareable else "these numbers by group, where they are known"
        yield [f"Table {tables['left_out']} lists {what}."]
    if number_of_trainings(result.settings) > 1:
        # values are replaced before the mean over trainings is taken
        yield ["Which masks are empty may differ between trainings and is not told here."]
    elif result.shareable:
        yield from _hidden_values(result)
    else:
        yield from _undefined(result, tables)


def _exclusion(exclusion: Exclusion) -> Sentence:
    reason = exclusion.reason.rstrip(".")
    if not exclusion.cases:
        return [f"Some images were left out (number not shown): {reason[:1].lower()}{reason[1:]}."]
    counts: list[Sentence] = [
        [Data(group), f" {count}"]
        for by_group in exclusion.by_group.values()
        for group, count in by_group.items()
    ]
    several = len(exclusion.by_group) > 1
    if several:
        counts = [
            [Data(attribute), ": ", *joined([[Data(g), f" {n}"] for g, n in by_group.items()])]
            for attribute, by_group in exclusion.by_group.items()
        ]
    told = [] if set().union(*exclusion.by_group.values()) <= {"unknown"} else [
        " (", *joined(counts, between="; " if several else ", ", last="; " if several else " and "),
        ")",
    ]  # fmt: skip
    number = len(exclusion.cases)
    was = "was left out:" if number == 1 else "were left out, each for this reason:"
    start = f"Of all images, {numbers.whole(number)} {was} "
    return [f"{start}{reason[:1].lower()}{reason[1:]}", *told, "."]


def _empty_masks(result: EvaluationResult) -> Iterator[Sentence]:
    """Say how often a mask is empty, where that is known."""
    if not masks_are_known(result):
        return
    by_label: dict[str, list[Sentence]] = {}
    for found in empty_masks(result):
        images = numbers.count(found.images, "image")
        by_label.setdefault(found.label, []).append([f"in {images} {found.what}"])
    for label, clauses in by_label.items():
        yield ["For ", *structure(label), ", ", *joined(clauses), "."]
    if not by_label:
        yield ["No mask of any structure is empty, in reference or prediction."]


def _undefined(result: EvaluationResult, tables: Mapping[str, int]) -> Iterator[Sentence]:
    groups = [g for c in result.comparisons for g in c.groups.values()]
    undefined = any(group.n_undefined for group in groups)
    replaced = any(group.n_replaced for group in groups)
    if undefined or replaced:
        what = [["undefined values"]] * undefined + [["replaced distances"]] * replaced
        yield [f"Table {tables['performance']} gives the number of ", *joined(what),
               " of every group."]  # fmt: skip
    else:
        yield ["No value is undefined and no distance was replaced."]


def _hidden_values(result: EvaluationResult) -> Iterator[Sentence]:
    groups = [g for c in result.comparisons for g in (*c.groups.values(), c.overall)]
    if all(g.n_undefined == 0 and g.n_replaced == 0 for g in groups if g.n_patients is not None):
        yield ["No value is undefined and no distance was replaced, as far as is shown."]
    else:
        yield ["For some structures, how many values are undefined or were replaced is not shown."]


def _attribute(
    result: EvaluationResult, attribute: str, tables: Mapping[str, int]
) -> Iterator[Sentence]:
    label = result.headline_label
    main = main_findings(result, attribute, label)
    if not main:
        yield ["Nothing is reported, because small groups could be worked out from it."]
        return
    first, *others = main
    yield _told(first, result.metric(first.metric))
    if others:
        told: list[Sentence] = [
            [Data(metric.title), ", ", *_in_short(found, metric)]
            for found in others
            for metric in [result.metric(found.metric)]
        ]
        yield ["By the other metrics: ", *joined(told, between="; ", last="; "), "."]
    for found in sorted(_further(result, attribute, label), key=lambda f: f.kind not in _FIRST):
        yield _told(found, result.metric(found.metric))
    yield from _other_structures(result, attribute, tables)
    yield from _quiet_failures(result, attribute, tables)
    yield from _adjusted(result, attribute)
    left = left_out(headline_comparison(result, attribute))
    if left:
        yield left


def _told(found: Finding, metric: MetricInfo) -> Sentence:
    """Return a claim; without its numbers where all of them are hidden."""
    if not _is_hidden(found):
        return headline(found, metric)
    of = ["the average of all structures"] if found.label == AVERAGE else [Data(found.label)]
    start = ["For ", *of, f" by {found.quantity} ", Data(metric.title), ": "]
    return [*start, *_in_short(found, metric), "."]


def _in_short(found: Finding, metric: MetricInfo) -> Sentence:
    if not _is_hidden(found):
        return brief(found, metric)
    worst = [", worst for ", Data(found.who[0])] if found.claims else []
    test = test_words(found)
    return [VERDICTS[found.verdict], *worst, f" (numbers not shown{f'; {test}' if test else ''})"]


def _is_hidden(found: Finding) -> bool:
    """Return whether disclosure control leaves none of the numbers that a sentence tells."""
    if found.kind != "group_difference" or found.verdict == "not_comparable":
        return False
    ends = (found.values[found.who[0]], found.values[found.who[-1]])
    return all(map(math.isnan, (found.value, *ends)))


def _further(result: EvaluationResult, attribute: str, label: str) -> Iterator[Finding]:
    """Yield what is told besides differences of medians; of margins the overall ones."""
    for found in further_findings(result, attribute, label):
        of_margin = found.kind == "equivalence"
        if not of_margin or found.label == label or found.verdict == "shown":
            yield found


def _other_structures(
    result: EvaluationResult, attribute: str, tables: Mapping[str, int]
) -> Iterator[Sentence]:
    claims: list[Sentence] = []
    quiet: Counter[str] = Counter()
    for label in result.labels:
        if label == result.headline_label:
            continue
        for found in main_findings(result, attribute, label):
            metric = result.metric(found.metric)
            if found.claims:
                claims.append(
                    [*structure(label), " by ", Data(metric.title), ", ", *_in_short(found, metric)]
                )
            else:
                quiet[found.verdict] += 1
    where = f" (Table {tables['differences']})" if "differences" in tables else ""
    if claims:
        yield ["For single structures: ", *joined(claims, between="; ", last="; "), "."]
    number = quiet["not_shown"]
    if number:
        further = "further " if claims else ""
        what = numbers.count(number, f"{further}combination")
        yield [f"No difference of medians is shown in {what} of structure and metric{where}."]
    if quiet["not_comparable"]:
        what = numbers.count(quiet["not_comparable"], "combination")
        yield [f"In {what} of structure and metric the groups cannot be compared."]


def _quiet_failures(
    result: EvaluationResult, attribute: str, tables: Mapping[str, int]
) -> Iterator[Sentence]:
    """Say where failure rates are not shown to differ, and where nothing failed."""
    found = [f for f in result.failures if f.attribute == attribute]
    none = dict.fromkeys(f.label for f in found) if found else {}
    for comparison in found:
        if any(group.n_failed for group in comparison.groups.values()):
            none.pop(comparison.label, None)
    quiet = dict.fromkeys(
        f.label
        for f in result.findings
        if (f.kind, f.attribute, f.verdict) == ("failure_rate", attribute, "not_shown")
        # of the label that represents the result it has been told
        and f.label != result.headline_label
    )
    where = f" (Table {tables['failures']})" if "failures" in tables else ""
    if quiet:
        names = joined([structure(label) for label in quiet])
        yield ["No difference of failure rates is shown for ", *names, f"{where}."]
    if none:
        names = joined([structure(label) for label in none], last=" or ")
        yield ["No segmentation of ", *names, " failed."]


def _adjusted(result: EvaluationResult, attribute: str) -> Iterator[Sentence]:
    """Tell what adjusting for columns of the table changes, for what represents the result."""
    columns = tuple(result.settings.get("adjust", ()))
    metric = result.metrics[0]
    told = (attribute, metric.name, result.headline_label)
    for gap in result.adjusted_gaps:
        if (gap.attribute, gap.metric, gap.label) != told or gap.confounders != columns:
            continue
        reference, other = (Data(name) for name in gap.between)
        start = ["Adjusted for ", *listed(columns), ", the difference of means in "]
        start += [Data(metric.title), " (", reference, f" {numbers.MINUS} ", other, ")"]
        if math.isnan(gap.value):
            yield [*start, f" cannot be given: {gap.reason}."]
            continue
        value, crude = (
            numbers.with_unit(number, metric.unit) + interval_words(metric, limits, level)
            for level in [confidence(result.settings)]
            for number, limits in ((gap.value, gap.interval), (gap.crude, gap.crude_interval))
        )
        yield [*start, f" is {value}; as found it is {crude}."]
