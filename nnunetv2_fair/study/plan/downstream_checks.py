"""Whether the downstream measures that a study asks for can be taken of its test sets."""

from dataclasses import replace
from typing import TYPE_CHECKING

from nnunetv2_fair.errors import FairError
from nnunetv2_fair.paths import DATASET_JSON
from nnunetv2_fair.study.plan.check_results import Findings
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.subgroups.schema import INTERSECTION

if TYPE_CHECKING:
    from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings
    from nnunetv2_fair.study.plan.datasets import TestSet


def check_downstream(found: Findings) -> None:
    """Refuse measures without the labels, frames or millimetres that they need.

    Args:
        found: Mistakes are added there.
    """
    settings, options = found.settings, found.settings.evaluation
    if not options.downstream:
        for key in ("frames", "threshold"):
            if getattr(options, key):
                found.add(
                    settings.line("evaluation", key),
                    f"evaluation, {key} is about downstream measures: add downstream, such as "
                    f"downstream: [cardiac], or leave out {key}",
                )
        return
    from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings, parse_thresholds

    line = settings.line("evaluation", "downstream")
    found.twice([(name, line, "set of downstream measures") for name in options.downstream])
    limits = [f"{name}={x:.15g}" for name, of in options.threshold.items() for x in of]
    given = "threshold" if options.threshold else "frames"
    try:
        asked = DownstreamSettings(options.downstream, options.frames, parse_thresholds(limits))
        asked.check()
    except FairError as error:
        found.add(settings.line("evaluation", given), _in_one_line(error))
        return
    for on in found.datasets:
        for test in on.tests:
            try:
                _check_test(found, asked, on, test)
            except FairError as error:
                found.add(line, f"test set '{test.name}': {_in_one_line(error)}")


def _in_one_line(error: FairError) -> str:
    """Return a message as one line: mistakes of a file are listed one to a line."""
    return " ".join(part.strip() for part in str(error).splitlines()).rstrip(".")


def _check_test(
    found: Findings, asked: "DownstreamSettings", on: StudyDataset, test: "TestSet"
) -> None:
    from nnunetv2_fair.evaluation.downstream.all_measures import check_references
    from nnunetv2_fair.evaluation.masks.label_maps import has_physical_spacing
    from nnunetv2_fair.evaluation.measuring.labels import read_label_set
    from nnunetv2_fair.subgroups.table import read_table

    ending = on.dataset.ending
    references = {p.name.removesuffix(ending): p for p in sorted(test.labels.glob(f"*{ending}"))}
    parts = [part for expression in on.attributes for part in expression.split(INTERSECTION)]
    reading = replace(
        test.reading,
        attributes=tuple(dict.fromkeys([*parts, *test.reading.values, *test.reading.dicom_age])),
        bins=found.settings.evaluation.bins,
        optional=() if asked.frames is None else (asked.frames,),
    )
    table = read_table(test.table, test.schema, reading).named_like(set(references))
    check_references(
        asked,
        read_label_set(on.dataset.raw / DATASET_JSON),
        references,
        table,
        in_mm=has_physical_spacing(next(iter(references.values()))),
    )
