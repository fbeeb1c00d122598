import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from nnunetv2_fair.cropping.boxes import read_boxes
from tests.dataset_conversion.factories.mama_mia import (
    MiniDownload,
)
from tests.dataset_conversion.folders import json_of
from tests.dataset_conversion.mama_mia.running import array_of, convert, refused, target_of


def test_pooled_zscore_is_over_all_phases(download: MiniDownload, raw: Path) -> None:
    assert convert(download, "--pooled-zscore", "--phases", "0,2") == 0
    target = target_of(raw)
    # nnU-Net must not normalise again
    assert json_of(target / "dataset.json")["channel_names"] == {"0": "noNorm", "1": "noNorm"}
    for name in ("ISPY1_1002", "ISPY2_125003"):  # 4 phases of 16 bits, 5 phases of floats
        phases = [
            array_of(download.image(name, p)).astype(np.float64)
            for p in range(download.patients[name].n_phases)
        ]
        pooled = np.concatenate([phase.ravel() for phase in phases])
        for channel, phase in ((0, 0), (1, 2)):
            path = target / "imagesTr" / f"{name}_{channel:04d}.nii.gz"
            expected = (phases[phase] - pooled.mean()) / pooled.std()
            assert np.allclose(array_of(path), expected, atol=1e-5)
            image = SimpleITK.ReadImage(str(path))
            original = SimpleITK.ReadImage(str(download.image(name, phase)))
            assert image.GetOrigin() == pytest.approx(original.GetOrigin())
            assert image.GetDirection() == pytest.approx(original.GetDirection())
        assert (target / "labelsTr" / f"{name}.nii.gz").read_bytes() == download.expert(
            name
        ).read_bytes()


@pytest.mark.parametrize("pooled", [False, True])
def test_isotropic_keeps_everything_in_its_place(
    download: MiniDownload, raw: Path, pooled: bool
) -> None:
    assert convert(download, "--isotropic", *(["--pooled-zscore"] if pooled else [])) == 0
    target = target_of(raw)
    boxes = read_boxes(target / "breast_boxes.json")
    for name in ("DUKE_001", "ISPY1_1002"):  # axial and sagittal
        image = SimpleITK.ReadImage(str(target / "imagesTr" / f"{name}_0001.nii.gz"))
        mask = SimpleITK.ReadImage(str(target / "labelsTr" / f"{name}.nii.gz"))
        assert image.GetSpacing() == (1.0, 1.0, 1.0)
        assert image.GetSize() == mask.GetSize()
        assert image.GetDirection() == pytest.approx((-1, 0, 0, 0, -1, 0, 0, 0, 1))
        # the tumour's centre of mass in the patient stays where it was
        before = SimpleITK.ReadImage(str(download.expert(name)))
        centres = []
        for one in (before, mask):
            shape = SimpleITK.LabelShapeStatisticsImageFilter()
            shape.Execute(SimpleITK.Cast(one, SimpleITK.sitkUInt8))
            centres.append(shape.GetCentroid(1))
        assert np.allclose(*centres, atol=0.5)
        labels = SimpleITK.GetArrayFromImage(mask)
        assert set(np.unique(labels)) == {0, 1}
        # contrast enters the tumour, not its surroundings: image and mask still match
        values = SimpleITK.GetArrayFromImage(image)
        assert values[labels == 1].mean() - values[labels == 0].mean() > (1 if pooled else 100)
        box, shape = boxes[name]
        assert shape == labels.shape
        assert box.outside(labels) == 0
        automatic = array_of(target / "automaticTr" / f"{name}.nii.gz")
        assert automatic.shape == labels.shape
        assert automatic.any()


def test_pooled_zscore_needs_all_phases(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download.image("ISPY2_125003", 4).unlink()
    assert convert(download, "--dry-run") == 0
    out = refused(download, raw, capsys, "--pooled-zscore")
    assert "a phase that the table counts is not there: ISPY2_125003" in out


def test_grids_that_differ(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(path: Path, **header: tuple[float, ...]) -> None:
        image = SimpleITK.ReadImage(str(path))
        if "origin" in header:
            image.SetOrigin(header["origin"])
        if "spacing" in header:
            image.SetSpacing(header["spacing"])
        SimpleITK.WriteImage(image, str(path))

    change(download.expert("DUKE_001"), origin=(0, 0, 0))
    change(download.image("ISPY1_1002", 2), spacing=(1, 1, 1))
    mask = SimpleITK.ReadImage(str(download.automatic("NACT_04")))
    SimpleITK.WriteImage(mask[:-1], str(download.automatic("NACT_04")))
    SimpleITK.WriteImage(SimpleITK.JoinSeries([mask, mask]), str(download.expert("DUKE_005")))
    out = refused(download, raw, capsys)
    assert "DUKE_001: duke_001_0000.nii.gz and DUKE_001.nii.gz differ in position" in out
    assert "ispy1_1002_0000.nii.gz and ispy1_1002_0002.nii.gz differ in spacing" in out
    assert "nact_04_0000.nii.gz and nact_04.nii.gz differ in size: 9 x 20 x 29 voxels" in out
    assert "DUKE_005.nii.gz has 4 dimensions; expected 3" in out
    assert "download both again, or leave the patient out" in out


def test_a_grid_that_differs_by_rounding_becomes_the_images(
    download: MiniDownload, raw: Path
) -> None:
    files = [download.image("DUKE_001", 2), download.expert("DUKE_001")]
    arrays = []
    for path in files:
        image = SimpleITK.ReadImage(str(path))
        arrays.append(SimpleITK.GetArrayFromImage(image))
        image.SetSpacing([s * (1 + 1e-5) for s in image.GetSpacing()])
        SimpleITK.WriteImage(image, str(path))
    assert convert(download) == 0
    target = target_of(raw)
    first = SimpleITK.ReadImage(str(target / "imagesTr/DUKE_001_0000.nii.gz"))
    for path, array in zip(
        (target / "imagesTr/DUKE_001_0002.nii.gz", target / "labelsTr/DUKE_001.nii.gz"),
        arrays,
        strict=True,
    ):
        image = SimpleITK.ReadImage(str(path))
        assert image.GetSpacing() == first.GetSpacing()  # nnU-Net compares to the last bit
        assert image.GetOrigin() == first.GetOrigin()
        assert np.array_equal(SimpleITK.GetArrayFromImage(image), array)


def test_masks_that_are_none(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.expert("DUKE_001")
    image = SimpleITK.ReadImage(str(path))
    SimpleITK.WriteImage(image * 255, str(path))
    truncated = download.expert("ISPY1_1002")
    truncated.write_bytes(truncated.read_bytes()[:-15])
    out = refused(download, raw, capsys)
    assert "DUKE_001.nii.gz holds 255; expected 0 and 1 (tumour) only" in out
    assert "ISPY1_1002.nii.gz is damaged: its compressed data ends early" in out


def test_a_mask_on_another_grid_comes_with_its_folder(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.automatic("ISPY1_1002")
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(path))[:, :, :-1], str(path))
    out = refused(download, raw, capsys)
    assert "ISPY1_1002: ispy1_1002_0000.nii.gz and ispy1_1002.nii.gz differ in size" in out
    assert "(the second from the folder automatic); download both again" in out


def test_masks_all_empty(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in download.patients:
        image = SimpleITK.ReadImage(str(download.expert(name)))
        SimpleITK.WriteImage(image * 0, str(download.expert(name)))
    out = refused(download, raw, capsys)
    assert "all 8 expert masks hold nothing but 0: there is nothing to learn" in out


def test_truncated_images_are_not_taken_for_done(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.image("ISPY2_125003", 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert convert(download) == 1
    out = capsys.readouterr().err
    assert "case 'ISPY2_125003': " in out
    assert "ispy2_125003_0001.nii.gz is damaged" in out
    assert not target_of(raw).exists()
    path.write_bytes(whole)
    assert convert(download) == 0
    written = target_of(raw) / "imagesTr/ISPY2_125003_0001.nii.gz"
    assert written.read_bytes() == whole


def test_boxes_with_exchanged_axes_are_noticed(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.info("DUKE_001")
    content = json.loads(path.read_text())
    box = content["primary_lesion"]["breast_coordinates"]
    box["x_max"], box["z_max"] = box["z_max"], box["x_max"]
    box["x_min"], box["z_min"] = box["z_min"], box["x_min"]
    path.write_text(json.dumps(content))
    download.info("NACT_04").write_text("{")
    broken = json.loads(download.info("ISPY1_1002").read_text())
    del broken["primary_lesion"]["breast_coordinates"]["y_min"]
    download.info("ISPY1_1002").write_text(json.dumps(broken))
    out = refused(download, raw, capsys)
    assert "DUKE_001: its breast box ends at (26, 18, 8), the image has 9 x 20 x 26 voxels" in out
    assert "With x and z exchanged it would fit: x must count along the first axis" in out
    assert "patient_info_files/nact_04.json is not JSON" in out
    assert "ispy1_1002.json: breast_coordinates: y_min is None, expected an index" in out


def test_boxes_that_cut_the_tumour_are_counted(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(download.info("DUKE_001").read_text())
    content["primary_lesion"]["breast_coordinates"]["z_max"] = 16
    download.info("DUKE_001").write_text(json.dumps(content))
    download.info("NACT_04").unlink()
    download.automatic("DUKE_005").unlink()
    assert convert(download) == 0
    out = capsys.readouterr().out
    assert "leaves out part of the expert mask in 1 of 7 patients: DUKE_001" in out
    assert "1 patient has no breast box: NACT_04" in out
    assert "1 patient has no automatic mask: DUKE_005" in out
    assert set(read_boxes(target_of(raw) / "breast_boxes.json")) == set(download.patients) - {
        "NACT_04"
    }
    assert not (target_of(raw) / "automaticTr/DUKE_005.nii.gz").exists()
