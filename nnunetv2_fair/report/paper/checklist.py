"""Which items of reporting guidelines touch on fairness, and where their answer stands.

Topics are in our own words; numbers are those of the published statements.

Source: Tejani et al., Radiology: Artificial Intelligence 2024;6(4):e240300 (CLAIM 2024 update);
STARD-AI Steering Committee, Nature Medicine 2025;31:3283-3289 (STARD-AI); Collins et al., BMJ
2024;385:e078378 (TRIPOD+AI).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, listed
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.report.paper import methods
from nnunetv2_fair.report.paper.design import Design, design_of
from nnunetv2_fair.report.paper.results_text import LEFT_OUT, PARTICIPANTS
from nnunetv2_fair.report.paper.words import ToWrite, joined

LIMITATIONS = "Limitations"


@dataclass(frozen=True)
class Guideline:
    """A reporting guideline.

    Attributes:
        name: Its name.
        citation: Where it was published.
        scope: What it is for, where that differs from segmentation.
        items: Number of an item -> what it asks for, in our words, and the key of its answer.
    """

    name: str
    citation: str
    scope: str
    items: Mapping[str, tuple[str, str]]


GUIDELINES = (
    Guideline(
        "CLAIM 2024",
        "Tejani AS, Klontzas ME, Gatti AA, et al. Checklist for Artificial Intelligence in Medical "
        "Imaging (CLAIM): 2024 update. Radiology: Artificial Intelligence 2024;6(4):e240300. "
        "doi:10.1148/ryai.240300",
        "Studies of artificial intelligence in medical imaging, segmentation included.",
        {
            "7": ("sources of the data", "sources"),
            "8": ("who and what was included and excluded", "eligibility"),
            "12": ("how missing data were handled", "missing"),
            "14 to 16": ("reference standard, why it was chosen, who annotated", "reference"),
            "18": ("variability between and within annotators", "annotators"),
            "20": ("level at which training and test data are disjoint", "disjoint"),
            "21": ("intended size of the sample", "size"),
            "23": ("software with versions", "software"),
            "28": ("metrics of performance", "metrics"),
            "29": ("uncertainty and tests", "statistics"),
            "30": ("robustness or sensitivity", "sensitivity"),
            "32 and 33": ("internal and external test data", "external"),
            "35": ("numbers included and excluded", "numbers"),
            "36": ("demographic and clinical characteristics of each partition", "demographics"),
            "37": ("performance, also in subgroups", "performance"),
            "38": ("estimates with their precision", "estimates"),
            "39": ("analysis of failures", "failures"),
            "40": ("limitations", "limitations"),
            "43": ("availability of software, model and data", "availability"),
        },
    ),
    Guideline(
        "STARD-AI",
        "STARD-AI Steering Committee, STARD-AI Consensus Group, Sounderajah V, et al. The STARD-AI "
        "reporting guideline for diagnostic accuracy studies using artificial intelligence. Nature "
        "Medicine 2025;31:3283-3289. doi:10.1038/s41591-025-03953-8",
        "Studies of diagnostic accuracy. Segmentation alone is none: use it if masks lead to a "
        "diagnosis that you evaluate, and the items below for the fairness of that.",
        {
            "7": ("eligibility of participants and of data", "eligibility"),
            "11": ("source of the data and why they were collected", "sources"),
            "12": ("who annotated, and how", "reference"),
            "18": ("methods of estimation and comparison", "statistics"),
            "20": ("how missing data were handled", "missing"),
            "21": ("analyses of variability, planned or exploratory", "planned"),
            "22": ("size of the sample", "size"),
            "23": ("analysis of errors, of algorithmic bias and of fairness", "fairness_methods"),
            "24": ("flow of participants", "numbers"),
            "25": ("characteristics of training, validation and test sets", "demographics"),
            "28": ("whether the data represent the intended patients", "representative"),
            "29": ("how an external test set differs", "external"),
            "31": ("estimates with their precision", "estimates"),
            "33": ("limitations: bias, uncertainty, generalisability", "limitations"),
            "35": ("ethical considerations and fairness", "discussion"),
            "40a": ("availability of data and code", "availability"),
        },
    ),
    Guideline(
        "TRIPOD+AI",
        "Collins GS, Moons KGM, Dhiman P, et al. TRIPOD+AI statement: updated guidance for "
        "reporting clinical prediction models that use regression or machine learning methods. BMJ "
        "2024;385:e078378. doi:10.1136/bmj-2023-078378",
        "Prediction models. A segmentation model is none by itself: the items below carry over, "
        "with masks in the place of predictors or outcomes.",
        {
            "3c": ("known health inequalities between groups", "inequalities"),
            "5a": ("sources of the data and whether they are representative", "sources"),
            "7": ("preprocessing and quality checks, alike for all groups", "preprocessing"),
            "8a": ("definition of the outcome, assessed alike in all groups", "reference"),
            "8b": ("who assessed the outcome", "annotators"),
            "10": ("size of the sample", "size"),
            "11": ("missing data, and why any were left out", "missing"),
            "12d": ("differences of performance between clusters, such as sites", "clusters"),
            "12e": ("measures of performance and why", "metrics"),
            "14": ("what was done about fairness, and why", "mitigation"),
            "16": ("differences between training and test data", "external"),
            "18f": ("availability of the code", "availability"),
            "20a": ("flow of participants", "numbers"),
            "20b": ("characteristics, missing data, differences between groups", "demographics"),
            "20c": ("test data compared with training data", "training_data"),
            "21": ("participants in every analysis", "in_each_analysis"),
            "23a": ("performance with intervals, also of key subgroups", "performance"),
            "23b": ("results on differences between clusters", "clusters"),
            "25": ("interpretation, fairness included", "discussion"),
            "26": ("limitations", "limitations"),
        },
    ),
)


def answers(result: EvaluationResult, tables: Mapping[str, int]) -> dict[str, Sentence]:
    """Return what an evaluation answers of every item, and what its authors have to write.

    Args:
        result: The evaluation.
        tables: Name of a table -> its number.
    """
    design = design_of(result)
    by = [*listed(result.attributes)]
    left_out = _left_out(result, tables)
    performance = _tables(tables, "performance", "differences", "pairs")
    return {
        "sources": [ToWrite("the sources of the images, with dates, sites and devices")],
        "eligibility": [
            *left_out,
            ToWrite("who and which images were eligible before that"),
        ],
        "missing": [f"Methods, {methods.MISSING}; Results, {LEFT_OUT}. ", *left_out],
        "reference": [
            ToWrite(
                "how the reference masks were made, by whom, and whether in the same way for "
                "every group: a group with poorer references looks worse"
            )
        ],
        "annotators": [ToWrite("how far annotators agree, in each group if possible")],
        "disjoint": [ToWrite("that training and test data share no patient")],
        "size": list(_size(tables)),
        "software": [f"Methods, {methods.SOFTWARE}. ", ToWrite("the software of the training")],
        "metrics": [f"Methods, {methods.METRICS_USED}: ",
                    *joined([[Data(m.title)] for m in result.metrics]), "."],
        "statistics": [f"Methods, {methods.STATISTICS} and {methods.CLAIMS}: {design.confidence} "
                       "confidence intervals, tests corrected for multiple testing."],
        "sensitivity": list(_sensitivity(design, tables)),
        "external": [ToWrite("whether the test data are from elsewhere than the training data, and "
                             "how they differ")],
        "numbers": [f"Results, {PARTICIPANTS} and {LEFT_OUT}: {design.people} were evaluated. ",
                    *left_out,
                    ToWrite("a flow diagram from all eligible patients to these")],
        "demographics": [
            f"Of the test data: Table {tables['participants']}, by ", *by, ". ",
            ToWrite("further characteristics, and those of the training data"),
        ],
        "training_data": [ToWrite("the groups of the training data beside those of "
                                  f"Table {tables['participants']}")],
        "performance": [*performance, *_verdicts(result)],
        "estimates": [*_tables(tables, "performance"), f"{design.confidence} intervals."]
        if design.resamples
        else [*_tables(tables, "performance"), "No intervals were computed (--bootstrap 0)."],
        "failures": list(_failures(result, design, tables)),
        "limitations": [f"{LIMITATIONS}, drafted. ", ToWrite("what limits the data and the model")],
        "availability": [
            "The evaluation is free software (nnunetv2_fair, Apache-2.0). ",
            ToWrite("whether model, data and training code can be had, and where"),
        ],
        "planned": [
            f"Methods, {methods.DATA}. ",
            ToWrite("which comparisons were planned and which are exploratory"),
            *([" The search for subgroups is exploratory."] if design.searched else []),
        ],
        "fairness_methods": [
            f"Methods, {methods.STATISTICS} and {methods.CLAIMS}: groups by ", *by,
            " were compared. ", *_further(design),
        ],
        "representative": [
            f"Table {tables['participants']} gives the groups of the test data. ",
            ToWrite("how they compare with the patients the model is meant for"),
        ],
        "discussion": [
            "Not in this evaluation, which measures differences and does not weigh them. ",
            ToWrite("what the differences, or not having shown any, mean for patients of each "
                    "group, and what follows from it"),
        ],
        "inequalities": [ToWrite("what is known about unequal care or imaging of these groups")],
        "preprocessing": [ToWrite("preprocessing and quality checks, and whether they exclude "
                                  "one group more often")],
        "clusters": [
            "Groups were compared by ", *by, ". ",
            ToWrite("which of these are sites or devices; if none is, evaluate by such a column "
                    "too (-a)"),
        ],
        "mitigation": [
            "This evaluation measures and changes nothing. ",
            ToWrite("whether training was changed for fairness, such as by oversampling, how and "
                    "why; or that it was not"),
        ],
        "in_each_analysis": [
            *_tables(tables, "performance"), "column 'With a value', for every structure, metric "
            "and group.",
        ],
    }  # fmt: skip


def _tables(tables: Mapping[str, int], *names: str) -> list[str]:
    found = [str(tables[name]) for name in names if name in tables]
    if not found:
        return []
    return [f"Table{'s' if len(found) > 1 else ''} ", *joined([[n] for n in found]), ": "]


def _left_out(result: EvaluationResult, tables: Mapping[str, int]) -> list[str]:
    if "left_out" in tables:
        return [f"Images that were left out, and empty masks: Table {tables['left_out']}. "]
    if result.shareable:
        return ["The shareable result tells of no image that was left out. "]
    return ["No image was left out of the evaluation. "]


def _size(tables: Mapping[str, int]) -> Iterator[str]:
    if "differences" in tables:
        yield (
            f"Table {tables['differences']} gives, where it can be said, the difference that these "
            "data would have shown. "
        )
    yield ToWrite("how the size of the sample was chosen")


def _sensitivity(design: Design, tables: Mapping[str, int]) -> Iterator[str]:
    if "adjusted" in tables:
        yield f"Differences adjusted for what differs between groups: Table {tables['adjusted']}. "
    if design.trainings > 1:
        yield f"{design.trainings} trainings were evaluated together. "
    else:
        yield "One training was evaluated. "
    yield ToWrite("further analyses of robustness, or that there are none")


def _failures(result: EvaluationResult, design: Design, tables: Mapping[str, int]) -> Iterator[str]:
    if "failures" in tables:
        yield f"Table {tables['failures']}: share of failed segmentations by group. "
        yield ToWrite("what failed segmentations have in common (the report shows the worst cases)")
    elif result.shareable and design.failures:
        yield "Failure rates are not reported, to protect patients in small groups. "
        yield ToWrite("an analysis of failures that reveals no patient")
    else:
        yield ToWrite("an analysis of failures")


def _further(design: Design) -> Iterator[str]:
    if any((design.failures, design.margins, design.adjusted_for, design.searched)):
        yield f"Methods, {methods.FURTHER}. "
    yield ToWrite("why these attributes, and why others are missing")


def _verdicts(result: EvaluationResult) -> Iterator[str]:
    """Say what is found of each attribute, for the label and metric that represent it."""
    for attribute in result.attributes:
        for found in result.findings_on(
            "group_difference", "median", attribute, result.headline_label
        )[:1]:
            yield found.sentence + " "
