"""A test set of hearts in two frames, whose predictions lose a known part of the cavity."""

import numpy as np

from tests.evaluation.factories import Dataset, write_dataset_json, write_mask

LABELS = {"background": 0, "LV_cavity": 1, "LV_myocardium": 2, "RV_cavity": 3}
SPACING = (1.5, 1.25, 8.0)  # x, y, z
#: Volume of a voxel in ml.
VOXEL = 1.5 * 1.25 * 8 / 1000


def heart(cavity, wall, right):
    """A label map with so many voxels of each label."""
    labels = np.zeros((6, 30, 40), np.uint8)
    values = [1] * cavity + [2] * wall + [3] * right
    labels.reshape(-1)[100 : 100 + len(values)] = values
    return labels


def make_hearts(root, n_patients=24, lost=(300, 20), names=("{}_ED", "{}_ES"), column=None):
    """Write hearts; predictions of women lose more of the cavity at ES than those of men."""
    generator = np.random.default_rng(3)
    rows, cases = [], []
    for patient in range(n_patients):
        sex = ("female", "male")[patient % 2]
        for phase, name in zip(("ED", "ES"), names, strict=True):
            case = name.format(f"P{patient:03d}")
            cases.append(case)
            rows.append({"case": case, "patient": f"P{patient:03d}", "sex": sex,
                         **({column: phase} if column else {})})  # fmt: skip
            cavity = int(generator.integers(1800, 2200)) if phase == "ED" else 800
            labels = heart(cavity, 900, 1500)
            less = lost[patient % 2] if phase == "ES" else 0
            less = int(less + generator.integers(0, 10))
            write_mask(root / "labelsTs" / f"{case}.nii.gz", labels, SPACING)
            predicted = heart(cavity - less, 900 + less, 1500)
            write_mask(root / "predictions" / f"{case}.nii.gz", predicted, SPACING)
    dataset = Dataset(root, tuple(cases))
    dataset.write_table(rows)
    write_dataset_json(root, LABELS)
    return dataset
