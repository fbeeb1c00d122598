import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from tests.dataset_conversion.factories.ukbb_cmr import (
    AFFINE,
    Person,
    cycle,
    heart,
    save,
    save_cycle,
    save_frames,
)
from tests.dataset_conversion.folders import json_of
from tests.dataset_conversion.ukbb_cmr.running import (
    PEOPLE,
    TARGET,
    cases,
    convert,
    leaks,
    patients,
)


def test_a_whole_cycle_gives_the_same_two_frames(root: Path, raw: Path) -> None:
    shutil.rmtree(root / "images")
    for seed, person in enumerate(PEOPLE):
        save_cycle(root / "images" / person.eid, person.eid, seed)
    assert convert(root, "--test-ratio", "0") == 0
    number = patients(root)[PEOPLE[3].eid]
    image, label = cycle(3)
    for frame, t in (("ED", 0), ("ES", 4)):
        written = SimpleITK.ReadImage(str(raw / TARGET / f"imagesTr/{number}_{frame}_0000.nii.gz"))
        assert written.GetDimension() == 3
        assert written.GetSpacing() == pytest.approx((1.8, 1.8, 10))
        assert written.GetOrigin() == pytest.approx((60.5, -42.25, 13))  # LPS
        assert np.array_equal(SimpleITK.GetArrayFromImage(written), image[t])
        mask = SimpleITK.ReadImage(str(raw / TARGET / f"labelsTr/{number}_{frame}.nii.gz"))
        assert np.array_equal(SimpleITK.GetArrayFromImage(mask), label[t])


def test_a_cycle_whose_label_lacks_the_duration_of_frames(root: Path, raw: Path) -> None:
    shutil.rmtree(root / "images")
    for seed, person in enumerate(PEOPLE):
        folder = root / "images" / person.eid
        save_cycle(folder, person.eid, seed)
        label = nibabel.load(folder / "label_sa.nii.gz")
        plain = nibabel.Nifti1Image(np.asanyarray(label.dataobj), AFFINE)
        plain.header["pixdim"][4] = 0
        nibabel.save(plain, folder / "label_sa.nii.gz")
    # rounding of a hundredth of a millimetre is none of a hundredth of a second
    moved = AFFINE.copy()
    moved[0, 3] += 0.01
    save(folder / "label_sa.nii.gz", cycle(seed)[1], person.eid, moved)
    assert convert(root, "--test-ratio", "0") == 0
    assert len(list((raw / TARGET / "imagesTr").iterdir())) == 24
    moved[0, 3] += 1
    save(folder / "label_sa.nii.gz", cycle(seed)[1], person.eid, moved)
    assert convert(root, "--test-ratio", "0", "--overwrite") == 1


def test_an_external_set_with_end_diastole_only(root: Path, raw: Path) -> None:
    persons = [Person(f"STH_{i:03d}", {}) for i in range(6)]
    for seed, person in enumerate(persons):
        save_frames(root / "clinic" / person.eid, person.eid, seed, ("ED",))
        image, label = heart(seed, True)
        label[label == 2] = 0  # the myocardium is not drawn at end systole
        save(root / "clinic" / person.eid / "sa_ES.nii.gz", image, person.eid)
        save(root / "clinic" / person.eid / "label_sa_ES.nii.gz", label, person.eid)
    rows = "".join(f"STH_{i:03d},{('White', 'Black')[i % 2]},{40 + i}\n" for i in range(6))
    (root / "table.csv").write_text(f"patient,ethnicity,age\n{rows}")
    assert convert(root, "--test-ratio", "0", "--frames", "ED", images="clinic") == 0
    assert len(cases(raw / TARGET / "imagesTr")) == 6
    assert not list(leaks(raw, [person.eid for person in persons]))
    assert convert(root, "--test-ratio", "0", "--overwrite", images="clinic") == 0
    log = json_of(raw / TARGET / "conversion_log.json")
    assert log["skipped_by_group"] == {
        "labels 1, 2 and 3 are not all drawn": {
            "ethnicity": {"Black": 3, "White": 3}, "age": {"<50": 6},
        }
    }  # fmt: skip
    assert len(cases(raw / TARGET / "imagesTr")) == 6
