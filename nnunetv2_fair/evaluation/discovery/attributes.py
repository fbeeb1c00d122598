"""Which attributes are searched."""

import re

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.subgroups.divergence import attributes_with_groups
from nnunetv2_fair.subgroups.schema import Attribute
from nnunetv2_fair.subgroups.table import DemographicsTable

#: Columns that organise the data and say nothing about people, in lower case.
_BOOKKEEPING = frozenset({
    "split", "data_split", "fold", "cv_fold", "folds", "partition", "subset", "train_test",
    "id", "patient", "patient_id", "subject", "subject_id", "participant", "participant_id",
    "case_id", "image", "image_id", "study_id", "series_id", "study_uid", "series_uid",
    "file", "file_name", "filename", "path",
})  # fmt: skip


def searched_attributes(
    table: DemographicsTable,
) -> tuple[tuple[Attribute, ...], tuple[str, ...]]:
    """Return the attributes to search, and the columns that were left out as bookkeeping.

    Raises:
        EvaluationError: If no attribute can form groups.
    """
    found = attributes_with_groups(table)
    left_out = tuple(attribute.name for attribute in found if _is_bookkeeping(attribute.name))
    kept = tuple(attribute for attribute in found if attribute.name not in left_out)
    if not kept:
        besides = f" besides {', '.join(left_out)}" if left_out else ""
        raise EvaluationError(
            f"{table.source} has no attribute with groups{besides}, so there is nothing to "
            "discover. Add columns, or bin numeric ones with --bins."
        )
    return kept, left_out


def _is_bookkeeping(name: str) -> bool:
    return re.sub(r"[\s.-]+", "_", name.strip().lower()) in _BOOKKEEPING
