from pathlib import Path

import numpy as np
import pytest

from nnunetv2_fair.evaluation.measuring.one_case import CasePair, CaseTask, measure_case
from nnunetv2_fair.evaluation.metrics.surface_distances import surface_metrics
from tests.evaluation.factories import write_mask

SPACING = (0.5, 0.8, 2.5)
TASK = CaseTask(("dice", "hd", "assd"), 1.0, {"lesion": (1,)})


def pair(folder: Path, reference: np.ndarray, prediction: np.ndarray) -> CasePair:
    return CasePair(
        "case",
        write_mask(folder / "labelsTs" / "case.nii.gz", reference, SPACING),
        write_mask(folder / "predictions" / "case.nii.gz", prediction, SPACING),
    )


@pytest.mark.parametrize("at", [0, 2, 4])
def test_cropping_changes_nothing_for_masks_in_one_slice(tmp_path: Path, at: int):
    reference = np.zeros((5, 14, 11), np.uint8)
    reference[at, 2:9, 2:9] = 1
    prediction = np.zeros_like(reference)
    prediction[at, 5:8, 4:6] = 1
    found = measure_case(pair(tmp_path, reference, prediction), TASK)
    whole = surface_metrics(reference == 1, prediction == 1, SPACING[::-1])
    assert not found.problems
    assert found.labels["lesion"].values[1:] == pytest.approx((whole.hd, whole.assd))


def test_problems_are_returned_and_files_hashed(tmp_path: Path):
    labels = np.ones((3, 4, 5), np.uint8)
    both = pair(tmp_path, labels, labels)
    assert len(measure_case(both, TASK).sha256) == 2
    missing = CasePair("case", both.reference, None)
    found = measure_case(missing, TASK)
    assert (len(found.sha256), found.problems, dict(found.labels)) == (1, (), {})
    both.reference.unlink()
    (problem,) = measure_case(both, TASK).problems
    assert str(both.reference) in problem
