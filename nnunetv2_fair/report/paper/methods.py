"""The methods section: what was evaluated, measured and compared, and how."""

import math
from collections.abc import Iterator, Mapping

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, listed
from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.failures import FailureCriterion
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE, EmptyDistance
from nnunetv2_fair.report.paper.design import Design, design_of
from nnunetv2_fair.report.paper.references import cite, of_test
from nnunetv2_fair.report.paper.words import Cite, Paragraph, ToWrite, joined, structure

#: More groups than this are counted instead of named.
_MOST_GROUPS = 8

#: Titles of the paragraphs, which the checklist refers to.
DATA, METRICS_USED, MISSING = "Evaluation data", "Segmentation metrics", "Missing data"
STATISTICS, CLAIMS, FURTHER = "Statistical analysis", "What is claimed", "Further analyses"
SOFTWARE, ROUNDING = "Software", "Disclosure control"

_INFINITE: Mapping[EmptyDistance, str] = {
    "diagonal": "An infinite distance (one mask empty) counts as the diagonal of the image.",
    "inf": "An infinite distance (one mask empty) stays infinite.",
    "nan": "An infinite distance (one mask empty) is left out.",
}

_IN_SEVERAL = " (and, of patients in several groups, their values between these)"


def methods(result: EvaluationResult) -> list[Paragraph]:
    """Return the paragraphs of the methods section.

    Args:
        result: The evaluation.
    """
    design = design_of(result)
    made = [
        Paragraph(DATA, [*_data(design), *_groups(design)]),
        Paragraph(METRICS_USED, list(_metrics(result, design)), list(_definitions(result, design))),
        Paragraph(MISSING, list(_missing(result, design))),
        Paragraph(
            STATISTICS, [*_counting(result, design), *_intervals(design), *_tests(result, design)]
        ),
        Paragraph(CLAIMS, list(_claims(design))),
    ]
    further = [
        *_failures(result, design), *_margins(result, design), *_adjusted(result, design),
        *_searched(result, design), *_mapped(result, design), *_downstream(result, design),
        *_trainings(design),
    ]  # fmt: skip
    if further:
        made.append(Paragraph(FURTHER, further))
    if result.shareable:
        made.append(Paragraph(ROUNDING, list(_rounding(design))))
    made.append(Paragraph(SOFTWARE, list(_software(result, design))))
    return made


def _data(design: Design) -> Iterator[Sentence]:
    yield [f"The evaluation covered {design.people}."]
    yield [
        ToWrite(
            "where the images come from, who was eligible, who drew the reference masks and "
            "whether that was done in the same way for every group, and that no patient of the "
            "test set was used for training"
        ),
    ]
    if design.trainings > 1:
        how = "in the part of the training data that was left out (folds)" if design.folds else (
            "in their random seed alone"
        )  # fmt: skip
        yield [
            f"The method was trained {design.trainings} times; the trainings differ {how}. The "
            "value of an image is the mean over the trainings."
        ]
    else:
        yield ["One trained model was evaluated, so the results are about this model."]


def _groups(design: Design) -> Iterator[Sentence]:
    for attribute, names in design.groups.items():
        words: list[str] = ["Groups by ", Data(attribute), ": "]
        few = len(names) <= _MOST_GROUPS
        # names of joint groups have commas of their own
        comma = "; " if any("," in name for name in names) else ", "
        named = joined([[Data(name)] for name in names], between=comma)
        words += named if few else [f"{len(names)} groups"]
        if design.references.get(attribute):
            words += ["; reference group: ", Data(design.references[attribute])]
        yield [*words, "."]
        if attribute in design.chosen:
            chosen = joined([[Data(name)] for name in design.chosen[attribute]], between=comma)
            yield ["Of these, ", *chosen, " were compared; the others are shown only."]
    yield [ToWrite("who recorded these attributes and how, and which comparisons were planned "
                   "before the results were seen")]  # fmt: skip
    yield [
        f"Groups of fewer than {numbers.count(design.min_patients, 'patient')} with a value are "
        "not compared."
    ]


def _metrics(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    words: list[str] = ["Every image was scored for ", *_structures(design)]
    if design.averaged:
        words.append("; their average over an image is given where each of them has a value in it")
    yield [*words, "."]
    if not design.measured:
        yield [
            "The scores were measured by another program and are compared here as they are. ",
            ToWrite("which program, how each score is defined, and what it gives for empty masks"),
        ]
        return
    yield [
        "Masks were measured in their own grid; reference and prediction have the same geometry."
    ]
    units = {metric.unit for metric in result.metrics if metric.unit}
    if "px" in units:
        yield ["The images have no physical spacing, so distances are in pixels."]
    if "mm" in units:
        yield ["Distances are in millimetres, by the spacing of the image files."]
    ignored = result.settings.get("ignore_label")
    if ignored is not None:
        yield [f"Voxels with the label {ignored} in the reference were ignored."]


def _structures(design: Design) -> list[str]:
    named = joined([structure(label) for label in design.labels])
    many = len(design.labels) > 1
    return [*(["the structures (labels) "] if many else []), *named]


def _definitions(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    if not design.measured:
        return
    for metric in result.metrics:
        known = METRICS.get(metric.name)
        source = [Cite(known.source)] if known is not None and known.source else []
        yield [Data(metric.title), *source, f": {metric.definition}"]


def _missing(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    yield ["Images without a predicted mask were excluded from all statistics, and images of "
           "unknown group from the comparison by that attribute; nothing was imputed."]  # fmt: skip
    yield ["An image in which a metric is undefined is left out of its statistics."]
    if design.measured:
        yield ["What holds for empty masks stands with each metric."]
    elif any(metric.unit for metric in result.metrics):
        yield [_INFINITE[result.settings.get("empty_distance", "diagonal")]]


def _counting(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    if design.by_case and design.several:
        yield [
            "Every image counted by itself, although patients have several images; as images of "
            "one patient resemble each other, intervals are too narrow and p-values too small."
        ]
    elif design.by_case:
        yield ["Every image counted once; there is one per patient."]
    elif design.several:
        yield [
            "The patient was the unit of analysis: the value of a patient in a group is the mean "
            "over this patient's images in it."
        ]
    else:
        yield ["The patient was the unit of analysis, with one image each."]
    weighted = dict.fromkeys(c.attribute for c in result.comparisons if c.by_image)
    if weighted:
        yield [
            "As patients of one group have more images than those of another by ",
            *listed(weighted),
            ", the medians, quartiles, standard deviations, Cliff's delta and tests there are "
            "those of images, each weighted by one over the number of images of its patient in "
            "the group",
            cite("clustered"),
            ".",
        ]
    yield [
        "For every group the median, the quartiles, the mean and the standard deviation are given, "
        "and for every other group its difference from the reference group (median of the "
        "reference group minus median of the other: the gap) and Cliff's delta",
        cite("dominance"),
        ".",
    ]


def _intervals(design: Design) -> Iterator[Sentence]:
    if not design.resamples:
        yield ["No intervals were computed."]
        return
    level = design.confidence
    yield [
        f"Intervals are {level} confidence intervals. Those of medians, of their differences and "
        "of Cliff's delta are percentile bootstrap intervals of "
        f"{design.resamples:,} resamples of whole {design.unit}s within each group (seed "
        f"{design.seed}), expanded for small groups",
        cite("bootstrap"),
        "; for large groups the limiting distribution of the resamples was used, and the interval "
        "of Cliff's delta is at least as wide as Newcombe's score interval",
        cite("dominance_interval"),
        ".",
    ]
    yield [
        "Intervals of means are made of two parts, the share of outright failures and the mean of "
        "the other values (Student's t, stretched by their skewness)."
    ]
    if any(len(names) > 2 for names in design.groups.values()):
        yield ["Where several groups are compared with the reference group, the intervals of the "
               "differences of medians hold together (Bonferroni)."]  # fmt: skip


def _tests(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    used: dict[str, set[str]] = {}
    for made in result.comparisons:
        if made.test is not None:
            used.setdefault(_plain_test(made.test.name), set()).add(made.attribute)
    if not used:
        yield ["No test was computed, as there are not two groups that are large enough."]
        return
    parts = []
    for name, attributes in used.items():
        by = [a for a in result.attributes if a in attributes]
        where = [] if len(used) == 1 else [" (by ", *listed(by), ")"]
        parts.append([_test_words(name), *of_test(name), *where])
    yield ["Groups were compared by two-sided tests: ", *joined(parts), "."]
    sizes = sorted(
        {c.test.family_size for c in result.comparisons if c.test and c.test.family_size > 1}
    )
    if sizes:
        many, average = " or ".join(map(str, sizes)), AVERAGE in result.labels
        yield [
            "p-values were corrected by Holm's method over all attributes and structures"
            f"{', the average included,' if average else ''} of the same metric ({many} tests)",
            cite("holm"),
            "; not over metrics, which are views of the same masks.",
        ]
    pairs = sorted({p.test.family_size for c in result.comparisons for p in c.pairs} - {1})
    if pairs:
        yield [
            "Where more than two groups are compared, every two of them were tested in the same "
            "way, corrected by Holm's method over all pairs, attributes and structures of the same "
            f"metric ({' or '.join(map(str, pairs))} tests); a pair is called different only if "
            "the test of all groups rejects as well."
        ]
    within = {"Wilcoxon signed-rank", "Stratified rank permutation"} & set(used)
    if any(not math.isnan(g.p_value) for c in result.comparisons for g in c.gaps):
        yield [
            "Means were compared by a permutation test of the largest minus the smallest mean of a "
            f"group, with {design.unit}s exchanged between the groups"
            f"{_IN_SEVERAL if within else ''}",
            cite("permutation"),
            " and the same correction" if sizes else "",
            ".",
        ]


def _plain_test(name: str) -> str:
    """Return the name of a test without how many trainings it allows for."""
    return name.partition(" over ")[0]


def _test_words(name: str) -> str:
    return {
        "Mann-Whitney U": "the Mann-Whitney U test",
        "Kruskal-Wallis": "the Kruskal-Wallis test",
        "Wilcoxon signed-rank": "Wilcoxon's signed-rank test, as the same patients are in both "
        "groups",
        "Stratified rank permutation": "a permutation test of ranks, stratified by patients who "
        "are in several groups and those who are in one",
        "Clustered rank-sum": "a rank-sum test of images clustered in patients",
        "Clustered Kruskal-Wallis": "a Kruskal-Wallis test of images clustered in patients",
    }.get(name, f"{name[:1].lower()}{name[1:]}")


def _claims(design: Design) -> Iterator[Sentence]:
    level = f"{1 - float(design.confidence.rstrip('%')) / 100:.2g}"
    if design.resamples:
        yield [
            f"A difference of medians is called shown if the corrected p-value is below {level} "
            "and the interval of a difference excludes zero. If only one of the two holds, or p is "
            f"below {level} before correction only, we speak of signs of a difference."
        ]
    else:
        yield [
            f"If p is below {level}, we speak of signs of a difference; without intervals no "
            "difference of medians is called shown."
        ]
    yield [
        f"A difference of means is called shown if its corrected p-value is below {level}. That no "
        "difference is shown does not mean that there is none."
    ]
    if design.resamples:
        yield [
            "Where possible, the difference is given that these data would have shown with "
            "80% and with 50% probability (detectable difference)."
        ]


def _failures(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    if not design.failures:
        return
    parts = [_criterion(result, criterion) for criterion in design.failures]
    yield ["A segmentation counted as failed at ", *joined(parts, last=", or at "), "."]
    if result.shareable:
        return
    names = dict.fromkeys(_plain_test(f.test.name) for f in result.failures if f.test is not None)
    tests = joined([[_failure_test(name), *of_test(name)] for name in names])
    yield [
        "Failure rates are given with Wilson's interval",
        cite("wilson"),
        ", and their differences with Newcombe's",
        cite("newcombe"),
        *([", and were compared by ", *tests] if names else []),
        *(["; p-values were corrected by Holm's method over all failure rates"] if names else []),
        ".",
    ]


def _failure_test(name: str) -> str:
    return f"the {name}" if name.startswith("Fisher-") else name


def _criterion(result: EvaluationResult, criterion: FailureCriterion) -> Sentence:
    metric = result.metric(criterion.metric)
    limit = f"{criterion.threshold:g}{' ' if metric.unit else ''}{metric.unit}"
    worse = "less" if metric.better == "higher" else "more"
    of = [" of ", Data(criterion.label)] if criterion.label else []
    return ["a ", Data(metric.title), *of, f" of {limit} or {worse}"]


def _margins(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    if not design.margins:
        return
    parts = []
    for name, margin in design.margins.items():
        metric = result.metric(name)
        parts.append([numbers.with_unit(float(margin), metric.unit), " in ", Data(metric.title)])
    yield [
        "Whether a difference of means beyond a margin is excluded was judged by two one-sided "
        "tests",
        cite("tost"),
        "; the margin was ",
        *joined(parts),
        ". ",
        ToWrite("why a difference within the margin does not matter, and when it was set"),
    ]


def _adjusted(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    sized = any(gap.confounders != tuple(design.adjusted_for) for gap in result.adjusted_gaps)
    if not design.adjusted_for and not sized:
        return
    what: list[Sentence] = []
    if sized:
        what.append(["for the size of the structure in the reference (logarithm of its voxels)"])
    if design.adjusted_for:
        what.append(
            [
                "for ",
                *listed(design.adjusted_for),
                *([" together"] * (len(design.adjusted_for) > 1)),
            ]
        )
    yield [
        "Differences of means were also adjusted ",
        *joined(what, last=" and, separately, "),
        ", by overlap weights",
        cite("overlap_weights"),
        ", with van Elteren's test within strata",
        cite("van_elteren"),
        ". What is not adjusted for may still differ between the groups.",
    ]


def _searched(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    if not design.searched:
        return
    words: list[str] = [
        "All combinations of the groups of all attributes were searched for subgroups that diverge "
        "from the others",
        cite("divergence"),
    ]
    found = result.discovery
    if found is None:
        yield [*words, "."]
        return
    words += [
        f"; subgroups of at least {found.min_support:.1%} of the {design.unit}s were tested by "
        f"{found.permutations:,} permutations of patients, with p-values corrected for all of them "
        "at once (maxT)",
        cite("max_t"),
    ]
    if found.n_held_out:
        words.append(
            f". {numbers.count(found.n_held_out, design.unit)} were held out, in which the "
            "strongest subgroups were tested again, one-sided, corrected by Holm's method; this "
            "second test decides"
        )
    yield [*words, "."]


def _mapped(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    if not result.boundary_maps:
        return
    parts = " and by the part of its slices" if result.boundary_maps[0].slices else ""
    yield [
        "Where errors lie along an outline was compared by the distance of each point of the "
        "reference's outline to the nearest point of the predicted outline, positive where the "
        "prediction reaches beyond the reference, negative where it stays inside, averaged by "
        f"clock hour around the centre of each slice of the reference{parts}, then by "
        f"{design.unit}. Every group was compared with the reference group by a permutation test, "
        f"with {design.unit}s exchanged between the two, of the smallest of Welch's p-values of "
        "all places (minP)",
        cite("max_t"),
        ", corrected by Holm's method over all structures and pairs of groups of an attribute",
        cite("holm"),
        ".",
    ]


def _downstream(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    if not result.downstream:
        return
    measures = {found.measure.name: found.measure for found in result.downstream}
    listed = "; ".join(
        f"{m.title}{f' in {m.unit}' if m.unit else ''}: {m.definition[:-1].lower()}"
        for m in measures.values()
    )
    words = [
        "Measures were taken from the reference and from the predicted masks, and their absolute "
        f"difference was compared between groups (of several images of a {design.unit} the mean; "
        f"{listed}). Every group was compared with the reference group by the Jensen-Shannon "
        "divergence (base 2) of the distributions of absolute errors in the same bins, nine equal "
        "ones up to the 95th percentile of the errors of all groups and one above, with a "
        f"permutation test in which {design.unit}s are exchanged between the two groups, corrected "
        "by Holm's method over all measures, structures and pairs of groups of an attribute",
        cite("holm"),
    ]
    thresholds = result.settings.get("downstream", {}).get("thresholds", ())
    if thresholds:
        words.append(
            f". A decision changes where reference and prediction lie on two sides of a threshold "
            f"({', '.join(thresholds)}); how often was compared by exact tests, corrected by "
            "Holm's method over all thresholds of the evaluation"
        )
    yield [*words, "."]


def _trainings(design: Design) -> Iterator[Sentence]:
    if design.trainings < 2:
        return
    words: list[str] = [
        "Intervals, tests and verdicts allow for the patients and for what another training would "
        "change: an interval reaches as far as both together move a value, the latter by the "
        "standard deviation over the trainings with Student's quantile of "
        f"{numbers.count(design.trainings - 1, 'degree')} of freedom",
    ]
    if design.folds:
        words += [" and the correction for folds that share training data", cite("folds")]
    yield [*words, "."]


def _rounding(design: Design) -> Iterator[Sentence]:
    yield [
        "To protect patients in small groups, neither counts nor values are given of groups of "
        "fewer than five patients, nor numbers from which they could be worked out, and every "
        "number is rounded until it says nothing about fewer than five patients. What is claimed "
        "was decided before rounding; a number that rounding would make misleading is left out. "
        "Ends of intervals are rounded outward; zeros at the end of a number do not say how exact "
        "it is."
    ]
    left = []
    if design.failures:
        left.append(["failure rates"])
    if design.adjusted_for or design.measured:
        left.append(["adjusted differences"])
    if design.margins:
        left.append(["equivalence within margins"])
    if design.searched:
        left.append(["the search for subgroups"])
    if design.mapped:
        left.append(["maps of where along the outline errors lie"])
    if design.downstream:
        left.append(["measures taken from the masks"])
    if left:
        yield ["For the same reason the results of these analyses are not reported: ",
               *joined(left), "."]  # fmt: skip


def _software(result: EvaluationResult, design: Design) -> Iterator[Sentence]:
    versions = dict(result.versions)
    own = versions.pop("nnunetv2_fair", "")
    names = {"python": "Python"}
    # scores that were read needed no image reader
    used = [k for k in versions if design.measured or k != "SimpleITK"]
    others = joined([[f"{names.get(k, k)} {versions[k]}"] for k in used])
    yield [
        f"The evaluation was done with nnunetv2_fair{' ' if own else ''}{own}",
        *([" on ", *others] if others else []),
        ".",
    ]
    yield [ToWrite("which model was evaluated, how it was trained, and with what software")]
