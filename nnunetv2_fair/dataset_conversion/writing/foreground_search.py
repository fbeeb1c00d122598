"""Whether any mask of a download marks something."""

from collections.abc import Sequence

from tqdm import tqdm

from nnunetv2_fair.dataset_conversion.writing.case_files import CaseJob
from nnunetv2_fair.errors import ConversionError


def all_masks_empty(jobs: Sequence[CaseJob], what: str) -> bool:
    """Read masks until one marks something.

    A case that cannot be read ends the search: it is reported with all others when written.

    Args:
        jobs: Cases to read, in this order.
        what: What is looked for, for the progress bar.
    """
    for job in tqdm(jobs, desc=f"looking for {what}", unit="case", delay=2, leave=False):
        try:
            if job.load().mask.any():
                return False
        except ConversionError:
            return False
    return True
