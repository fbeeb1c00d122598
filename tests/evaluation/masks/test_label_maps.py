import hashlib
import json
import math
import re
import shutil
import struct
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import tifffile
from PIL import Image

from nnunetv2_fair.errors import ConversionError, EvaluationError
from nnunetv2_fair.evaluation.masks.foreground import crop
from nnunetv2_fair.evaluation.masks.geometry import geometry_difference
from nnunetv2_fair.evaluation.masks.label_maps import (
    find_masks,
    has_physical_spacing,
    mask_ending,
    read_geometry,
    read_label_map,
)
from nnunetv2_fair.evaluation.masks.picture_files import read_picture, read_picture_geometry
from nnunetv2_fair.evaluation.measuring.one_case import CasePair, CaseTask, measure_case
from nnunetv2_fair.files.volumes import read_header, read_labels
from tests.evaluation.factories import write_mask

VOLUME = (np.arange(5 * 8 * 11).reshape(5, 8, 11) % 7 == 0).astype(np.uint8) * 3
PLANE = (np.arange(8 * 11).reshape(8, 11) % 5).astype(np.uint8)


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mha", ".nrrd", ".mhd"])
def test_volumes_keep_labels_and_spacing(tmp_path: Path, ending: str):
    path = write_mask(tmp_path / f"case{ending}", VOLUME, (0.5, 0.75, 2.5), (1.0, -2.0, 3.0))
    found = read_label_map(path)
    assert np.array_equal(found.labels, VOLUME)
    assert found.geometry.shape == (5, 8, 11)
    assert found.geometry.spacing == pytest.approx((2.5, 0.75, 0.5))
    assert found.geometry.unit == "mm"
    expected = math.sqrt((5 * 2.5) ** 2 + (8 * 0.75) ** 2 + (11 * 0.5) ** 2)
    assert found.geometry.diagonal == pytest.approx(expected)
    files = (path, path.with_suffix(".raw")) if ending == ".mhd" else (path,)
    whole = b"".join(file.read_bytes() for file in files)
    assert found.sha256 == hashlib.sha256(whole).hexdigest()


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".tiff", ".PNG"])
def test_pictures_are_in_pixels(tmp_path: Path, ending: str):
    path = tmp_path / f"case{ending}"
    Image.fromarray(PLANE).save(path, dpi=(300, 300))  # print resolution is no pixel size
    found = read_label_map(path)
    assert np.array_equal(found.labels, PLANE)
    assert (found.geometry.unit, found.geometry.spacing) == ("px", (1.0, 1.0))
    assert not has_physical_spacing(path)


def test_tiff_volume_with_nnunets_spacing_file(tmp_path: Path):
    path = tmp_path / "case.tif"
    tifffile.imwrite(path, data=VOLUME, compression="zlib")
    assert read_geometry(path).unit == "px"
    (tmp_path / "case.json").write_text(json.dumps({"spacing": [2.5, 0.75, 0.5]}))
    found = read_label_map(path)
    assert np.array_equal(found.labels, VOLUME)
    assert (found.geometry.unit, found.geometry.spacing) == ("mm", (2.5, 0.75, 0.5))
    (tmp_path / "case.json").write_text(json.dumps({"spacing": [2.5, 0.75]}))
    with pytest.raises(EvaluationError, match=r"case\.json has the spacing .* expected 3 positive"):
        read_geometry(path)
    (tmp_path / "case.json").write_text("{}")
    with pytest.raises(EvaluationError, match=r'Expected \{"spacing": \[z, y, x\]\}'):
        read_geometry(path)
    for text, message in (
        ('{"spacing": [1, 1, 1], "spacing": [2, 2, 2]}', "two entries 'spacing'"),
        ('{"spacing": [1, 1, "5_4"]}', "expected 3 positive"),
        ("[" * 100_000, "nested too deeply"),
    ):
        (tmp_path / "case.json").write_text(text)
        with pytest.raises(EvaluationError, match=message):
            read_geometry(path)


def test_volume_of_one_slice_is_a_plane(tmp_path: Path):
    path = write_mask(tmp_path / "case.nii.gz", PLANE[None], (0.5, 0.75, 999.0))
    found = read_label_map(path)
    assert found.labels.shape == (8, 11)
    assert found.geometry.spacing == pytest.approx((0.75, 0.5))
    flat = write_mask(tmp_path / "flat.nii.gz", PLANE, (0.5, 0.75))
    assert geometry_difference(found.geometry, read_geometry(flat)) is None


def test_four_dimensions_are_refused(tmp_path: Path):
    image = sitk.JoinSeries([sitk.GetImageFromArray(VOLUME)] * 2)
    sitk.WriteImage(image, str(tmp_path / "case.nii.gz"))
    with pytest.raises(EvaluationError, match=r"case\.nii\.gz has 4 dimensions"):
        read_geometry(tmp_path / "case.nii.gz")


def test_whole_floats_are_labels(tmp_path: Path):
    path = write_mask(tmp_path / "case.nii.gz", VOLUME.astype(np.float32), (1, 1, 1))
    found = read_label_map(path)
    assert found.labels.dtype.kind in "iu"
    assert np.array_equal(found.labels, VOLUME)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, r"case\.nii\.gz holds values that are not label numbers, such as 0\.5.*nearest"),
        (math.nan, r"case\.nii\.gz holds 1 NaN or infinite values; expected whole label numbers"),
        (math.inf, r"holds 1 NaN or infinite values"),
    ],
)
@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mha"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_are_no_labels(
    tmp_path: Path, value: float, message: str, ending: str, dtype: type
):
    labels = VOLUME.astype(dtype)
    labels[-1, -1, -1] = value
    path = write_mask(tmp_path / f"case{ending}", labels, (1, 1, 1))
    with pytest.raises(EvaluationError, match=message.replace(r"\.nii\.gz", re.escape(ending))):
        read_label_map(path)


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif"])
def test_colour_pictures_are_refused(tmp_path: Path, ending: str):
    path = tmp_path / f"case{ending}"
    colours = np.stack([PLANE, PLANE, PLANE.max() - PLANE], axis=-1)
    Image.fromarray(colours).save(path)
    with pytest.raises(EvaluationError, match=r"case\.\w+ has .*single-channel picture of label"):
        read_label_map(path)
    with pytest.raises(EvaluationError, match="expected one label number per pixel"):
        read_geometry(path)


def test_palette_indices_and_bits_are_labels(tmp_path: Path):
    palette = Image.frombytes("P", PLANE.shape[::-1], PLANE.tobytes())
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 90, 90, 90])
    palette.save(tmp_path / "palette.png")
    assert np.array_equal(read_label_map(tmp_path / "palette.png").labels, PLANE)
    Image.fromarray(PLANE > 2).save(tmp_path / "bits.png")
    found = read_label_map(tmp_path / "bits.png").labels
    assert found.dtype == np.uint8
    assert np.array_equal(found, PLANE > 2)
    deep = PLANE.astype(np.uint16) * 300
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert np.array_equal(read_label_map(tmp_path / "deep.png").labels, deep)


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16"])
def test_pictures_are_cropped_to_what_is_not_zero(tmp_path: Path, mode: str):
    pixels = np.zeros((21, 34), dtype=np.uint16 if mode == "I;16" else np.uint8)
    for rows, columns in ((slice(0), slice(0)), (slice(3, 9), slice(20, 34)), (20, 0)):
        pixels[rows, columns] = 256 if mode == "I;16" else 1
        picture = Image.fromarray(pixels > 0 if mode == "1" else pixels)
        if mode == "P":
            picture.putpalette([9, 9, 9, 255, 0, 0])
        assert picture.mode == mode
        picture.save(tmp_path / "case.png")
        found = read_label_map(tmp_path / "case.png").foreground
        assert np.array_equal(found.whole, pixels)
        expected = crop(pixels)
        assert (found.offset, found.shape) == (expected.offset, expected.shape)
        assert found.labels.shape == expected.labels.shape


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".mha", ".nrrd", ".png", ".tif"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path: Path, ending: str, kept: float):
    labels = (np.random.default_rng(0).random((6, 60, 70)) * 3).astype(np.uint8)
    picture = ending in (".png", ".tif")
    path = write_mask(tmp_path / f"case{ending}", labels[0] if picture else labels)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(EvaluationError, match=r"case\.\w+.*Copy or create the file again"):
        read_label_map(path)


def test_cut_in_the_checksum_is_noticed(tmp_path: Path):
    path = write_mask(tmp_path / "case.nii.gz", VOLUME)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(EvaluationError, match="compressed data ends early"):
        read_label_map(path)


def test_text_is_no_image(tmp_path: Path):
    (tmp_path / "case.png").write_text("not a picture")
    with pytest.raises(EvaluationError, match=r"case\.png cannot be read as an image"):
        read_label_map(tmp_path / "case.png")


def test_geometry_differences_are_named(tmp_path: Path):
    def geometry(name: str, labels: np.ndarray = VOLUME, **header):
        return read_geometry(write_mask(tmp_path / f"{name}.nii.gz", labels, **header))

    base = geometry("base", spacing=(0.5, 0.75, 2.5), origin=(10, 20, 30))
    near = geometry("near", spacing=(0.5001, 0.75, 2.5), origin=(10.01, 20, 30))
    assert geometry_difference(base, near) is None
    size = geometry("size", VOLUME[:, :, :-1], spacing=(0.5, 0.75, 2.5), origin=(10, 20, 30))
    assert "5 x 8 x 11 voxels" in str(geometry_difference(base, size))
    assert "5 x 8 x 10 voxels" in str(geometry_difference(base, size))
    spacing = geometry("spacing", spacing=(0.5, 0.8, 2.5), origin=(10, 20, 30))
    assert str(geometry_difference(base, spacing)).startswith("spacing: ")
    origin = geometry("origin", spacing=(0.5, 0.75, 2.5), origin=(11, 20, 30))
    assert str(geometry_difference(base, origin)).startswith("position: ")
    flipped = sitk.ReadImage(str(tmp_path / "base.nii.gz"))
    flipped.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(flipped, str(tmp_path / "flipped.nii.gz"))
    turned = read_geometry(tmp_path / "flipped.nii.gz")
    assert str(geometry_difference(base, turned)).startswith("orientation: ")


def test_find_masks_passes_over_other_files(tmp_path: Path):
    for name in ("b 2.nii.gz", "ä_1.NII.GZ", "a.1.png", "c.mha"):
        (tmp_path / name).touch()
    for name in ("dataset.json", "plans.json", ".hidden.png", "table.csv", "x.npz", ".png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = find_masks(tmp_path, "masks")
    assert found == {
        "a.1": tmp_path / "a.1.png",
        "b 2": tmp_path / "b 2.nii.gz",
        "c": tmp_path / "c.mha",
        "ä_1": tmp_path / "ä_1.NII.GZ",
    }
    assert list(found) == sorted(found)
    assert mask_ending(Path("x.nii.gz")) == ".nii.gz"
    assert mask_ending(Path("x.gz")) is None


def test_two_files_of_one_case_are_refused(tmp_path: Path):
    (tmp_path / "case_1.png").touch()
    (tmp_path / "case_1.nii.gz").touch()
    with pytest.raises(
        EvaluationError, match=r"case_1 \(case_1\.nii\.gz, case_1\.png\)\. Remove all but one"
    ):
        find_masks(tmp_path, "masks")


def test_folder_without_masks(tmp_path: Path):
    with pytest.raises(EvaluationError, match="nowhere does not exist"):
        find_masks(tmp_path / "nowhere", "reference masks")
    with pytest.raises(EvaluationError, match="has no reference masks: found nothing"):
        find_masks(tmp_path, "reference masks")
    (tmp_path / "dataset.json").touch()
    with pytest.raises(EvaluationError, match=r"found only dataset\.json.*such as case_001\.nii"):
        find_masks(tmp_path, "reference masks")


def test_unreadable_file_is_named(tmp_path: Path):
    path = write_mask(tmp_path / "case.nii.gz", VOLUME)
    shutil.copy(path, tmp_path / "wrong.nrrd")
    with pytest.raises(EvaluationError, match=r"wrong\.nrrd cannot be read as an image"):
        read_geometry(tmp_path / "wrong.nrrd")


@pytest.mark.parametrize("shown", [True, False])
def test_warnings_of_itk_are_hidden_while_a_case_is_measured_and_not_longer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], shown: bool
):
    path = write_mask(tmp_path / "case.nii", VOLUME, (0.5, 0.75, 2.5))
    content = bytearray(path.read_bytes())
    content[80:84] = struct.pack("<f", 0.25)  # pixdim says another spacing than the affine
    path.write_bytes(content)
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(shown)
    try:
        found = measure_case(CasePair("case", path, path), CaseTask(("dice",), 1.0, None))
        assert not found.problems
        assert capfd.readouterr().err == ""
        assert sitk.ProcessObject.GetGlobalWarningDisplay() is shown
        sitk.ReadImage(str(path))
        assert ("WARNING" in capfd.readouterr().err) is shown
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def test_grey_pictures_with_several_channels_are_read_like_grey_ones(tmp_path: Path):
    pixels = np.zeros((6, 9), np.uint8)
    pixels[2:4, 3:7] = 2
    grey = Image.fromarray(pixels)
    for mode in ("RGB", "RGBA", "LA"):
        path = tmp_path / f"{mode}.png"
        grey.convert(mode).save(path)
        found, geometry, _ = read_picture(path)
        assert geometry == read_picture_geometry(path)
        assert found.shape == geometry.shape == (6, 9)
        assert int((found.labels == 2).sum()) == 8
    colours = np.stack([pixels, pixels, pixels + 1], axis=-1)
    Image.fromarray(colours).save(tmp_path / "c.png")
    with pytest.raises(EvaluationError, match=r"colours \(mode RGB\)"):
        read_picture_geometry(tmp_path / "c.png")


def test_folders_are_named_where_no_mask_is(tmp_path: Path):
    for i in range(3):
        (tmp_path / f"case_{i}").mkdir()
        (tmp_path / f"case_{i}/liver.nii.gz").touch()
    with pytest.raises(EvaluationError, match=r"found 3 folders \(case_0/liver.nii.gz\), expected"):
        find_masks(tmp_path, "predicted masks")


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_no_flipped_bit_of_a_picture_gives_other_labels(tmp_path: Path, ending: str):
    rows, columns = np.mgrid[:61, :83]
    labels = ((rows - 30) ** 2 + (columns - 40) ** 2 < 400).astype(np.uint8) * 2
    path = tmp_path / f"case{ending}"
    options = {"compression": "tiff_deflate"} if ending == ".tif" else {}
    Image.fromarray(labels).save(path, **options)
    whole = path.read_bytes()
    # a header of TIFF has no checksum: only its pixels are protected
    first, last = (8, whole.index(b"IEND") + 8) if ending == ".png" else (8, len(whole) - 140)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        flipped = bytearray(whole)
        flipped[rng.integers(first, last)] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        try:
            found = read_label_map(path).labels
        except EvaluationError as error:
            refused += "cannot be read" in str(error)
        else:
            assert np.array_equal(found, labels)
    assert refused > 150


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
@pytest.mark.filterwarnings("ignore:.*stored as RGB:DeprecationWarning")
def test_tiff_volumes_of_any_number_of_slices(tmp_path: Path, n: int):
    volume = VOLUME[np.arange(n) % len(VOLUME)]
    path = tmp_path / "case.tif"
    tifffile.imwrite(path, data=volume, compression="zlib")  # as nnU-Net writes them
    path.with_suffix(".json").write_text(json.dumps({"spacing": [2.5, 0.75, 0.5]}))
    found = read_label_map(path)
    assert np.array_equal(found.labels, volume.squeeze())
    assert found.geometry == read_geometry(path)
    assert found.geometry.spacing == ((2.5, 0.75, 0.5) if n > 1 else (0.75, 0.5))


@pytest.mark.filterwarnings("ignore:.*stored as RGB:DeprecationWarning")
def test_three_slices_without_a_spacing_file_are_refused_with_what_to_do(tmp_path: Path):
    path = tmp_path / "case.tif"
    tifffile.imwrite(path, data=VOLUME[:3])
    expected = r"slices of a volume, write their spacing into case.json beside it: \{.spacing.: \[z"
    with pytest.raises(EvaluationError, match=expected):
        read_label_map(path)
    path.with_suffix(".json").write_text(json.dumps({"spacing": [1, 1]}))
    with pytest.raises(EvaluationError, match=r"expected 3 positive numbers.*\(3 x 8 x 11\)"):
        read_label_map(path)
    picture = tmp_path / "colour.tif"
    tifffile.imwrite(picture, data=np.dstack([PLANE, PLANE, PLANE + 1]), photometric="rgb")
    with pytest.raises(EvaluationError, match=r"colours \(mode RGB\).*of label numbers\.$"):
        read_label_map(picture)


@pytest.mark.parametrize(("slope", "zero"), [(1 / 255, 0), (0.1, -1024), (2.0, 0)])
def test_labels_stored_with_scale_and_intercept(tmp_path: Path, slope: float, zero: float):
    path = tmp_path / "case.nii.gz"
    expected = np.where(VOLUME > 0, 2, 0)
    stored = np.rint((expected.T - zero) / slope).astype(np.int16)
    image = nibabel.Nifti1Image(stored, np.eye(4))
    image.header.set_slope_inter(slope, zero)
    nibabel.save(image, path)
    assert np.array_equal(read_label_map(path).labels, expected)
    assert np.array_equal(read_labels(path), expected)


def test_segmentations_of_slicer_are_named_like_their_cases(tmp_path: Path):
    for name in ("a.seg.nrrd", "b.SEG.nrrd", "c.nrrd", ".seg.nrrd", "d.seg.nii.gz"):
        (tmp_path / name).touch()
    found = find_masks(tmp_path, "predicted masks")
    assert list(found) == ["a", "b.SEG", "c", "d.seg"]
    assert list(find_masks(tmp_path, "predicted masks", ".seg")) == ["a", "d"]
    (tmp_path / "a.nrrd").touch()
    with pytest.raises(EvaluationError, match=r"a \(a.nrrd, a.seg.nrrd\). Remove all but one of "
                       r"each, or take the segmentations alone: --suffix-gt .seg"):  # fmt: skip
        find_masks(tmp_path, "predicted masks")


def test_sheared_axes_are_named_and_the_remedy_works(tmp_path: Path):
    sheared = np.array([[1, 0.01, 0, 0], [0, 1, 0.002, 0], [0, 0, 2, 0], [0, 0, 0, 1.0]])
    path = tmp_path / "case.nii.gz"
    image = nibabel.Nifti1Image(VOLUME.T, None)
    image.set_sform(sheared, 1)
    nibabel.save(image, path)
    with pytest.raises(EvaluationError, match="axes in its header that are not perpen") as caught:
        read_label_map(path)
    remedy = str(caught.value).split("with nibabel: ")[1].rstrip(".")
    image = nibabel.Nifti1Image(VOLUME.T, None)
    image.set_sform(sheared, 1)
    exec(remedy, {"image": image})  # what the message says
    nibabel.save(image, path)
    found = read_label_map(path)
    assert np.array_equal(found.labels, VOLUME)
    assert found.geometry.spacing == pytest.approx((2, 1, 1), abs=1e-3)


def test_headers_without_axes_are_refused(tmp_path: Path):
    path = write_mask(tmp_path / "case.mhd", VOLUME)
    header = path.read_text()
    path.write_text(header.replace("NDims = 3", "NDims = 0"))
    with pytest.raises(EvaluationError, match="its header announces no voxels"):
        read_label_map(path)
    with pytest.raises(ConversionError, match="its header announces no voxels"):
        read_header(path)
