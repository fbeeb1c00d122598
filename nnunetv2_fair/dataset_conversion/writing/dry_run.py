"""What a conversion would do, found out without writing a byte."""

from pathlib import Path

from nnunetv2_fair.dataset_conversion.writing.case_files import check_case
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.log import LOG_TXT
from nnunetv2_fair.dataset_conversion.writing.plan_problems import plan_problems
from nnunetv2_fair.dataset_conversion.writing.writer import write_orders
from nnunetv2_fair.errors import counted, shorten
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.paths import (
    CONVERSION_LOG_JSON,
    DATASET_JSON,
    DEMOGRAPHICS_CSV,
    DEMOGRAPHICS_JSON,
)


def dry_run_problems(
    plan: DatasetPlan, raw: Path, *, processes: int = 1, overwrite: bool = False
) -> list[str]:
    """Return everything that would stop the conversion, in words: the plan's and every case's.

    Args:
        plan: What would be written.
        raw: Folder of the datasets (``nnUNet_raw``); it need not exist.
        processes: How many processes read cases.
        overwrite: Whether a dataset of the same name may be replaced.
    """
    orders = write_orders(plan, raw / plan.description.folder_name, raw)
    found = [problem for _, problem in map_unordered(check_case, orders, processes, "checking")]
    return [
        *plan_problems(plan, raw, overwrite=overwrite),
        *sorted(problem for problem in found if problem is not None),
    ]


def files_to_write(plan: DatasetPlan) -> list[str]:
    """Return one line per folder of the dataset that says which files it would get."""
    ending = plan.description.file_ending
    # a picture in colour holds three channels in one file, so files are counted by case
    lines = []
    for part, suffix in (("train", "Tr"), ("test", "Ts")):
        cases = plan.cases(part)
        if cases:
            folders = ", ".join(f"{n}{suffix}" for n in ("images", "labels", *plan.further_masks))
            lines.append(f"{folders}: {counted(len(cases), 'case')} as {ending}: {shorten(cases)}")
    files = (
        DATASET_JSON,
        DEMOGRAPHICS_CSV,
        DEMOGRAPHICS_JSON,
        *plan.files,
        CONVERSION_LOG_JSON,
        LOG_TXT,
    )
    return [*lines, ", ".join(files)]
