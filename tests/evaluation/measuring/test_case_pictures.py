import logging
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.measuring.case_pictures import MAX_PIXELS, image_folder, make_pictures
from nnunetv2_fair.evaluation.measuring.plan import plan_evaluation
from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.run import EvaluationSettings, run_evaluation
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.subgroups.table import read_table
from tests.evaluation.factories import (
    SPACING_3D,
    Dataset,
    make_dataset,
    write_dataset_json,
    write_mask,
)


def pictures_of(
    dataset: Dataset, images: Path | None = None, typical: bool = False, **options
) -> list[CasePicture]:
    table = read_table(dataset.table)
    plan = plan_evaluation(
        dataset.references, dataset.predictions, table, ("sex",), allow_missing=True
    )
    statistics = StatisticsSettings(n_bootstrap=5, min_patients=options.pop("min_patients", 3))
    result = run_evaluation(plan, EvaluationSettings(statistics=statistics))
    pictures = make_pictures(plan, result, images, **options)
    return [picture for picture in pictures if picture.typical == typical]


def test_worst_cases_and_worst_of_each_group(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=6, cases_per_patient=2)
    missed = dataset.cases[4]
    write_mask(dataset.predictions / f"{missed}.png", np.zeros((40, 57), np.uint8))
    shown = pictures_of(dataset, n_worst=3)
    assert [picture.label for picture in shown] == ["organ"] * 2 + ["lesion"] * 2
    for label in ("organ", "lesion"):
        of_label = [picture for picture in shown if picture.label == label]
        assert of_label[0].case == missed
        assert of_label[0].caption == "Dice 0.00, group male, nothing predicted"
        assert not of_label[0].prediction.any()
        # men's worst is the missed case, already shown
        assert "group female" in of_label[1].caption
    for picture in shown:
        assert picture.image is None
        assert picture.reference.shape == picture.prediction.shape
        assert picture.aspect == 1


def test_each_group_is_shown_and_small_groups_are_not_named(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=6, cases_per_patient=2)
    captions = [picture.caption for picture in pictures_of(dataset, n_worst=2)]
    assert len(captions) == 4
    for of_label in (captions[:2], captions[2:]):
        assert {"group female" in caption for caption in of_label} == {True, False}
    captions = [p.caption for p in pictures_of(dataset, n_worst=2, min_patients=4)]
    assert len(captions) == 2
    assert not any("group" in caption for caption in captions)


def test_the_middle_case_of_each_group_is_typical(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=10, cases_per_patient=1)
    scores = {}
    for number, case in enumerate(dataset.cases):
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(dataset.references / f"{case}.png")))
        shifted = np.roll(labels, 1 + (7 * number) % 10, -1)
        write_mask(dataset.predictions / f"{case}.png", shifted)
        scores.setdefault("female" if number % 2 else "male", []).append((-(7 * number % 10), case))
    shown = pictures_of(dataset, typical=True, n_worst=1)
    middle = [sorted(scores[group])[2][1] for group in ("female", "male")]
    assert [picture.case for picture in shown] == middle
    assert ["group female" in p.caption for p in shown] == [True, False]
    for picture in shown:
        assert picture.label == ""
        assert picture.reference.shape[0] == picture.prediction.shape[0] == 2
        assert picture.caption.startswith("Dice 0.")
        assert " on average, organ Dice 0." in picture.caption
        assert ", lesion Dice 0." in picture.caption
    assert pictures_of(dataset, typical=True, min_patients=6) == []


def test_images_are_shown_in_register_with_the_masks(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=4, cases_per_patient=1)
    images = tmp_path / "imagesTs"
    for case in dataset.cases:
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(dataset.references / f"{case}.png")))
        write_mask(images / f"{case}_0000.png", labels * 60 + 20)
    for picture in pictures_of(dataset, images, min_patients=1):
        assert picture.image is not None
        assert (picture.image.min(), picture.image.max()) == (0, 1)
        grey = {"organ": 0.5, "lesion": 1.0}[picture.label]
        assert np.array_equal(np.isclose(picture.image, grey), picture.reference)


def test_volumes_show_the_slice_of_largest_disagreement(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=4, cases_per_patient=1, volumes=True)
    write_dataset_json(dataset.root, {"background": 0, "organ": 1})
    case = dataset.cases[0]
    reference = np.zeros((7, 24, 31), np.uint8)
    reference[1:6, 5:20, 6:25] = 1
    prediction = reference.copy()
    prediction[4, 5:20, 10:25] = 0
    image = np.arange(7)[:, None, None] * 1000.0 + np.indices((7, 24, 31))[2]
    for name in dataset.cases:
        write_mask(dataset.references / f"{name}.nii.gz", reference, SPACING_3D)
        write_mask(dataset.predictions / f"{name}.nii.gz", reference, SPACING_3D)
    write_mask(dataset.predictions / f"{case}.nii.gz", prediction, SPACING_3D)
    write_mask(tmp_path / "imagesTs" / f"{case}_0000.nii.gz", image, SPACING_3D)
    shown = pictures_of(dataset, tmp_path / "imagesTs", n_worst=1)[0]
    assert shown.case == case
    assert np.array_equal(shown.reference, reference[4] == 1)
    assert np.array_equal(shown.prediction, prediction[4] == 1)
    assert shown.aspect == pytest.approx(SPACING_3D[1] / SPACING_3D[0])
    # grey values rise from left to right, as they do in the slice
    assert (np.diff(shown.image[0]) >= 0).all()


def test_thick_slices_along_another_axis_put_the_head_at_the_top(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=2, cases_per_patient=1, volumes=True)
    write_dataset_json(dataset.root, {"background": 0, "organ": 1})
    reference = np.zeros((30, 8, 21), np.uint8)
    reference[20:28, 2:6, 5:9] = 1  # high slice numbers are towards the head
    for folder in (dataset.references, dataset.predictions):
        for case in dataset.cases:
            write_mask(folder / f"{case}.nii.gz", reference, (1.0, 4.0, 1.0))
    shown = pictures_of(dataset, min_patients=1)[0]
    rows = np.flatnonzero(shown.reference.any(axis=1))
    assert shown.reference.shape == (30, 21)
    assert (rows.min(), rows.max()) == (2, 9)


def test_large_pictures_are_shrunk(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=2, cases_per_patient=1)
    write_dataset_json(dataset.root, {"background": 0, "organ": 1})
    reference = np.zeros((700, 1501), np.uint8)
    reference[20:680, 30:1450] = 1
    for case in dataset.cases:
        write_mask(dataset.references / f"{case}.png", reference)
        write_mask(dataset.predictions / f"{case}.png", np.roll(reference, 9, 0))
        write_mask(tmp_path / "images" / f"{case}_0000.png", reference * 100)
    for picture in pictures_of(dataset, tmp_path / "images", min_patients=1):
        assert max(picture.reference.shape) <= MAX_PIXELS
        assert min(picture.reference.shape) > 100
        assert picture.reference.shape == picture.prediction.shape == picture.image.shape
        assert picture.reference.mean() == pytest.approx(reference.mean(), abs=0.02)


def test_small_structures_are_shown_large(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=2, cases_per_patient=1)
    write_dataset_json(dataset.root, {"background": 0, "organ": 1})
    reference = np.zeros((500, 400), np.uint8)
    reference[2:12, 380:390] = 1
    for case in dataset.cases:
        write_mask(dataset.references / f"{case}.png", reference)
        write_mask(dataset.predictions / f"{case}.png", reference)
    shown = pictures_of(dataset, min_patients=1)[0]
    assert shown.reference.shape == (64, 64)
    assert shown.reference.sum() == 100


@pytest.mark.parametrize("problem", ["absent", "other size", "unreadable"])
def test_images_that_do_not_fit_leave_the_masks(
    tmp_path: Path, problem: str, caplog: pytest.LogCaptureFixture
):
    dataset = make_dataset(tmp_path, n_patients=2, cases_per_patient=1)
    images = tmp_path / "images"
    images.mkdir()
    for case in dataset.cases:
        if problem == "other size":
            write_mask(images / f"{case}_0000.png", np.zeros((9, 9), np.uint8))
        elif problem == "unreadable":
            (images / f"{case}_0000.png").write_text("nothing")
    with caplog.at_level(logging.WARNING):
        shown = pictures_of(dataset, images, min_patients=1)
    assert [picture.image for picture in shown] == [None] * 4
    assert "masks alone" in caplog.text


def test_colour_images_become_grey(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=2, cases_per_patient=1)
    for case in dataset.cases:
        colour = sitk.GetImageFromArray(np.ones((40, 57, 3), np.uint8), isVector=True)
        (tmp_path / "images").mkdir(exist_ok=True)
        sitk.WriteImage(colour, str(tmp_path / "images" / f"{case}_0000.png"))
    shown = pictures_of(dataset, tmp_path / "images", min_patients=1)
    assert shown[0].image is not None
    assert shown[0].image.shape == shown[0].reference.shape


def test_images_beside_labels_are_found(tmp_path: Path):
    labels = tmp_path / "labelsTs"
    labels.mkdir()
    assert image_folder(None, labels) is None
    (tmp_path / "imagesTs").mkdir()
    assert image_folder(None, labels) == (tmp_path / "imagesTs").resolve()
    assert image_folder(None, tmp_path) is None
    with pytest.raises(EvaluationError, match=r"nowhere does not exist .*--images"):
        image_folder(tmp_path / "nowhere", labels)
