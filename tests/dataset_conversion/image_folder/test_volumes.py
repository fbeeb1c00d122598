"""Volumes: layouts, channels, geometry, and what is refused before anything is written."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray

from nnunetv2_fair.dataset_conversion.image_folder.layout import Channel, find_originals
from nnunetv2_fair.dataset_conversion.image_folder.volumes import dataset_ending
from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.folders import json_of, write_csv
from tests.dataset_conversion.image_folder.running import convert, refused

SHAPE = (5, 12, 16)  # no two lengths are equal: swapped axes must fail
SPACING = (0.8, 0.9, 2.5)
ORIGIN = (-12.0, 3.5, 40.0)
# not the identity, and exact in the 32 bits of NIfTI
DIRECTION = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
N = 6


def volume(seed: int, dtype: Any = np.int16) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 1000, SHAPE).astype(dtype)


def labels(seed: int, value: int = 1, dtype: Any = np.uint8) -> NDArray[Any]:
    mask = np.zeros(SHAPE, dtype)
    mask[1:3, 2 : 5 + seed, 3:9] = value
    return mask


def write(
    path: Path,
    pixels: NDArray[Any],
    spacing: tuple[float, ...] = SPACING,
    origin: tuple[float, ...] = ORIGIN,
    direction: tuple[float, ...] = DIRECTION,
    vector: bool = False,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(pixels, isVector=vector)
    if image.GetDimension() == 3:
        image.SetSpacing(spacing)
        image.SetOrigin(origin)
        image.SetDirection(direction)
    SimpleITK.WriteImage(image, str(path))


def people(folder: Path, name: str = "image") -> None:
    rows = [(f"v{i}", "fm"[i % 2], 40 + i) for i in range(N)]
    write_csv(folder / "people.csv", (name, "sex", "age"), rows)


def two_folders(folder: Path, image: str = "{}.nii.gz", mask: str = "{}.nii.gz") -> Path:
    for i in range(N):
        write(folder / "images" / image.format(f"v{i}"), volume(i))
        write(folder / "masks" / mask.format(f"v{i}"), labels(i))
    people(folder)
    return folder


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def written(raw: Path) -> dict[str, Path]:
    target = raw / "Dataset042_Tiny"
    found = {}
    for folder in ("imagesTr", "imagesTs", "labelsTr", "labelsTs"):
        for path in (target / folder).glob("*"):
            found[f"{folder[:-2]}/{path.name}"] = path
    return found


@pytest.mark.parametrize("ending", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_volumes_of_one_kind_are_copied_as_they_are(tmp_path: Path, raw: Path, ending: str):
    folder = two_folders(tmp_path / "data", f"{{}}{ending}", f"{{}}{ending}")
    assert convert(folder) == 0
    content = json_of(raw / "Dataset042_Tiny/dataset.json")
    assert content["file_ending"] == ending
    assert content["channel_names"] == {"0": "image"}
    files = written(raw)
    assert len(files) == 2 * N
    for i in range(N):
        assert sha(files[f"images/v{i}_0000{ending}"]) == sha(folder / f"images/v{i}{ending}")
        assert sha(files[f"labels/v{i}{ending}"]) == sha(folder / f"masks/v{i}{ending}")
    assert list(read_dataset_table(raw / "Dataset042_Tiny").frame["sex"]) == list("fmfmfm")


@pytest.mark.parametrize(
    ("image", "mask"),
    [("{}.mhd", "{}_seg.mhd"), ("{}.nrrd", "{}.seg.nrrd"), ("{}.nii", "{}_mask.nii.gz")],
)
def test_other_kinds_and_mixtures_become_nifti(tmp_path: Path, raw: Path, image: str, mask: str):
    folder = two_folders(tmp_path / "data", image, mask)
    assert convert(folder) == 0
    ending = json_of(raw / "Dataset042_Tiny/dataset.json")["file_ending"]
    assert ending == (".nrrd" if image.endswith("nrrd") else ".nii.gz")
    for i in range(N):
        for name, pixels in (
            (f"images/v{i}_0000{ending}", volume(i)),
            (f"labels/v{i}{ending}", labels(i)),
        ):
            found = SimpleITK.ReadImage(str(written(raw)[name]))
            np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(found), pixels)
            np.testing.assert_allclose(found.GetSpacing(), SPACING, rtol=1e-6)
            np.testing.assert_allclose(found.GetOrigin(), ORIGIN, rtol=1e-6)
            np.testing.assert_allclose(found.GetDirection(), DIRECTION, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int8, np.float64, np.uint32])
def test_types_that_are_rare_keep_their_numbers(tmp_path: Path, raw: Path, dtype: Any):
    folder = tmp_path / "data"
    for i in range(N):
        write(folder / "images" / f"v{i}.mha", (volume(i) % 100).astype(dtype))
        write(folder / "masks" / f"v{i}.nii.gz", labels(i, 1, np.float32))
    people(folder)
    assert convert(folder) == 0
    files = written(raw)
    found = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(files["images/v3_0000.nii.gz"])))
    np.testing.assert_array_equal(found, volume(3) % 100)
    mask = SimpleITK.ReadImage(str(files["labels/v3.nii.gz"]))
    assert mask.GetPixelID() == SimpleITK.sitkUInt8


def test_masks_of_floats_become_integers(tmp_path: Path, raw: Path):
    folder = two_folders(tmp_path / "data")
    write(folder / "masks/v3.nii.gz", labels(3, 1, np.float32))
    assert convert(folder) == 0
    mask = SimpleITK.ReadImage(str(written(raw)["labels/v3.nii.gz"]))
    assert mask.GetPixelID() == SimpleITK.sitkUInt8
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(mask), labels(3))


def flat(folder: Path) -> None:
    for i in range(N):
        for j in range(2):
            write(folder / f"v{i}_{j:04d}.nii.gz", volume(10 * i + j))
        write(folder / f"v{i}_seg.nii.gz", labels(i))


def per_case(folder: Path) -> None:
    for i in range(N):
        for j, name in enumerate(("t1", "t2")):
            write(folder / f"v{i}" / f"v{i}_{name}.nii.gz", volume(10 * i + j))
        write(folder / f"v{i}" / f"v{i}_seg.nii.gz", labels(i))


def per_case_plain_names(folder: Path) -> None:
    for i in range(N):
        for j, name in enumerate(("t1", "t2")):
            write(folder / f"v{i}" / f"{name}.nii.gz", volume(10 * i + j))
        write(folder / f"v{i}" / "mask.nii.gz", labels(i))


def two_folders_with_channels(folder: Path) -> None:
    for i in range(N):
        for j in range(2):
            write(folder / "images" / f"v{i}_{j:04d}.nii.gz", volume(10 * i + j))
        write(folder / "masks" / f"v{i}.nii.gz", labels(i))


def two_folders_with_words(folder: Path) -> None:
    for i in range(N):
        for j, name in enumerate(("t1", "t2")):
            write(folder / "images" / f"v{i}_{name}.nii.gz", volume(10 * i + j))
        write(folder / "masks" / f"v{i}.nii.gz", labels(i))


@pytest.mark.parametrize(
    ("layout", "more", "names"),
    [
        (flat, (), ["channel_0", "channel_1"]),
        (flat, ("--channels", "T1", "T2"), ["T1", "T2"]),
        (per_case, (), ["t1", "t2"]),
        (per_case, ("--channels", "t2=T2w", "t1=T1w"), ["T2w", "T1w"]),
        (per_case, ("--channels", "T2"), ["T2"]),
        (per_case_plain_names, (), ["t1", "t2"]),
        (two_folders_with_channels, (), ["channel_0", "channel_1"]),
        (two_folders_with_words, ("--channels", "T1", "T2"), ["T1", "T2"]),
    ],
)
def test_channels_in_every_layout(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str], layout, more, names
):
    layout(tmp_path / "data")
    people(tmp_path / "data", "ID")
    assert convert(tmp_path / "data", *more) == 0
    assert "column 'ID' is taken for the image" in capsys.readouterr().out
    content = json_of(raw / "Dataset042_Tiny/dataset.json")
    assert list(content["channel_names"].values()) == names
    files = written(raw)
    for i in range(N):
        for number, name in enumerate(names):
            found = SimpleITK.GetArrayFromImage(
                SimpleITK.ReadImage(str(files[f"images/v{i}_{number:04d}.nii.gz"]))
            )
            channel = 1 if "2" in name or name.endswith("_1") else 0
            np.testing.assert_array_equal(found, volume(10 * i + channel))
    assert len(files) == N * (len(names) + 1)


def test_images_that_end_in_four_digits_and_have_masks_are_no_channels(tmp_path: Path, raw: Path):
    folder = tmp_path / "data"
    for i in range(N):
        write(folder / "images" / f"scan_{i:04d}.nii.gz", volume(i))
        write(folder / "masks" / f"scan_{i:04d}_mask.nii.gz", labels(i))
    write_csv(
        folder / "people.csv",
        ("image", "sex"),
        [(f"scan_{i:04d}.nii.gz", "fm"[i % 2]) for i in range(N)],
    )
    assert convert(folder) == 0
    assert "images/scan_0003_0000.nii.gz" in written(raw)


def test_an_image_with_a_mask_of_its_own_is_no_channel_of_another(tmp_path: Path):
    for folder in ("images", "masks"):
        for name in ("scan", "scan_0001"):
            write(tmp_path / folder / f"{name}.nii.gz", volume(0))
    found = find_originals(tmp_path, ("images",), ("masks",), None)
    assert {key: len(paths) for key, paths in found.images.items()} == {"scan": 1, "scan_0001": 1}


def moved(folder: Path) -> None:
    write(folder / "masks/v2.nii.gz", labels(2), origin=(-12.0, 3.5, 45.0))


def turned(folder: Path) -> None:
    write(folder / "masks/v2.nii.gz", labels(2), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))


def coarser(folder: Path) -> None:
    write(folder / "masks/v2.nii.gz", labels(2), spacing=(0.8, 0.9, 5.0))


def shorter(folder: Path) -> None:
    write(folder / "masks/v2.nii.gz", labels(2)[:-1])


def series(folder: Path) -> None:
    image = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(volume(i)) for i in range(3)])
    SimpleITK.WriteImage(image, str(folder / "images/v2.nii.gz"))


def colours(folder: Path) -> None:
    write(
        folder / "images/v2.nii.gz",
        np.stack([volume(i, np.uint8) for i in range(3)], -1),
        vector=True,
    )


def probabilities(folder: Path) -> None:
    write(folder / "masks/v2.nii.gz", labels(2, 1, np.float32) * 0.4)


def truncated(folder: Path) -> None:
    path = folder / "images/v2.nii.gz"
    path.write_bytes(path.read_bytes()[:-60])


def not_finite(folder: Path) -> None:
    pixels = volume(2, np.float32)
    pixels[0, 0, 0] = np.nan
    write(folder / "images/v2.nii.gz", pixels)


def a_picture(folder: Path) -> None:
    from PIL import Image

    Image.fromarray(volume(0, np.uint8)[0]).save(folder / "images/v9.png")


def dicom(folder: Path) -> None:
    for path in (folder / "images").iterdir():
        path.rename(path.with_name(path.name.replace(".nii.gz", ".dcm")))


def a_strange_name(folder: Path) -> None:
    (folder / "masks/v2.nii.gz").rename(folder / "masks/v2_drawing.nii.gz")


def two_masks(folder: Path) -> None:
    write(folder / "masks/v2_seg.nii.gz", labels(2))


@pytest.mark.parametrize(
    ("damage", "more", "messages"),
    [
        (moved, (), ["masks/v2.nii.gz differs from images/v2.nii.gz in position: found (-12, 3.5, "
                     "45) mm, expected origins (-12, 3.5, 40) mm. Resample the mask to its image"]),
        (turned, (), ["differs from images/v2.nii.gz in orientation: found (1, 0, 0"]),
        (coarser, (), ["in spacing: found 5 x 12 x 16 voxels of 5 x 0.9 x 0.8 mm"]),
        (shorter, (), ["in size: found 4 x 12 x 16 voxels", "expected 5 x 12 x 16 voxels"]),
        (series, (), ["images/v2.nii.gz has 4 dimensions (3 x 5 x 12 x 16)",
                      "expected a volume per file"]),
        (colours, (), ["images/v2.nii.gz has 3 values per voxel; expected one. Colours"]),
        (probabilities, (), ["masks/v2.nii.gz holds values that are not label numbers, such as"]),
        (truncated, (), ["images/v2.nii.gz is damaged: its compressed data ends early"]),
        (not_finite, (), ["images/v2.nii.gz holds 1 NaN or infinite voxels"]),
        (a_picture, (), ["12 volumes (v0.nii.gz, v1.nii.gz", "1 pictures (v9.png)",
                         "convert them one by one"]),
        (dicom, (), ["has no images (files: 6 .dcm)", "dcm2niix"]),
        (a_strange_name, (), ["image without mask: v2.nii.gz. The mask of v0 is called v0 or "
                              "v0_mask, v0_seg and the like (other ends: --suffix-mask)",
                              "mask without image: v2_drawing.nii.gz"]),
        (two_masks, (), ["image 'v2.nii.gz' has 2 masks: v2.nii.gz, v2_seg.nii.gz", "--suffix"]),
        (lambda folder: None, ("--resize", "9", "9"), ["--resize is for pictures"]),
        (lambda folder: None, ("--color", "rgb"), ["--color rgb is for pictures"]),
        (lambda folder: None, ("--channels", "a", "b"), ["--channels names 2 channels, but every "
                                                        "image is one file"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_anything_is_written(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str], damage, more, messages
):
    folder = two_folders(tmp_path / "data")
    damage(folder)
    error = refused(folder, raw, capsys, *more)
    for message in messages:
        assert message in error


def test_a_grid_that_differs_by_rounding_is_made_the_same(tmp_path: Path, raw: Path):
    folder = two_folders(tmp_path / "data")
    write(folder / "masks/v2.nii.gz", labels(2), spacing=(0.8, 0.9, 2.5001))
    assert convert(folder) == 0
    found = SimpleITK.ReadImage(str(written(raw)["labels/v2.nii.gz"]))
    assert found.GetSpacing() == SimpleITK.ReadImage(str(folder / "images/v2.nii.gz")).GetSpacing()


def test_values_of_masks_are_mapped(tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "data"
    for i in range(N):
        write(folder / "images" / f"v{i}.nii.gz", volume(i))
        write(folder / "masks" / f"v{i}.nii.gz", labels(i, 255))
    people(folder)
    assert "--label-map 255=1" in refused(folder, raw, capsys)
    assert convert(folder, "--label-map", "255=1", "--labels", "organ=1") == 0
    mask = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(written(raw)["labels/v1.nii.gz"])))
    np.testing.assert_array_equal(mask, labels(1))


def test_a_missing_channel_is_named(tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "data"
    per_case(folder)
    people(folder)
    (folder / "v3/v3_t2.nii.gz").unlink()
    error = refused(folder, raw, capsys)
    assert "channel t2 is missing for 1 of 6 images: v3" in error
    assert "found: t1, t2" in error
    error = refused(folder, raw, capsys, "--channels", "flair")
    assert "channels found: t1, t2; --channels names flair" in error
    assert "--channels t1=<name> t2=<name>" in error


def test_channels_told_by_words_are_offered(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "data"
    two_folders_with_words(folder)
    people(folder)
    assert "If they are channels: --channels t1 t2" in refused(folder, raw, capsys)


def test_a_folder_per_case_without_a_row_is_named_by_its_folder(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "data"
    per_case_plain_names(folder)
    people(folder)
    (folder / "v1").rename(folder / "other")
    assert "image without row in the table: other." in refused(folder, raw, capsys)


def test_a_folder_per_case_without_a_mask_and_with_several(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "data"
    per_case_plain_names(folder)
    people(folder)
    for i in range(N):
        (folder / f"v{i}/mask.nii.gz").rename(folder / f"v{i}/tumour.nii.gz")
    error = refused(folder, raw, capsys)
    assert "no folder has a mask: v0 holds t1.nii.gz, t2.nii.gz, tumour.nii.gz" in error
    assert convert(folder, "--suffix-mask", "tumour", "--dry-run") == 0
    for i in range(N):
        for name in ("liver_seg", "spleen_seg"):
            write(folder / f"v{i}/{name}.nii.gz", labels(i))
    error = refused(folder, raw, capsys)
    assert "6 folders have more than one mask: v0 (liver_seg.nii.gz, spleen_seg.nii.gz)" in error


def test_layouts_that_are_not_understood_are_named(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tmp_path / "data"
    write(folder / "v1/visit1/t1.nii.gz", volume(0))
    people(folder)
    error = refused(folder, raw, capsys)
    assert "has no images" in error
    assert "images/ and masks/" in error
    assert "Folders found: v1" in error


def test_an_interrupted_file_is_written_again(tmp_path: Path, raw: Path):
    folder = two_folders(tmp_path / "data")
    assert convert(folder) == 0
    write(folder / "masks/v1.nii.gz", labels(1))
    assert convert(folder, "--overwrite") == 0
    mask = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(written(raw)["labels/v1.nii.gz"])))
    np.testing.assert_array_equal(mask, labels(1))


def test_endings():
    def ending(*names: str) -> str:
        return dataset_ending([Path(name) for name in names])

    assert ending("a.NRRD", "b.seg.nrrd") == ".nrrd"
    assert ending("a.nii", "b.nii.gz") == ending("a.mhd", "b.mhd") == ".nii.gz"


def test_pictures_may_have_channels_too(tmp_path: Path):
    for name in ("images/a_0000.png", "images/a_0001.png", "masks/a.png", "images/.hidden.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_originals(
        tmp_path, ("images",), ("masks",), None, (Channel(None, "x"), Channel(None, "y"))
    )
    assert [p.name for p in found.images["a"]] == ["a_0000.png", "a_0001.png"]
    assert list(found.channels) == ["x", "y"]


@pytest.mark.parametrize(("ending", "data"), [(".mhd", ".raw"), (".nhdr", ".raw")])
def test_conversion_again_after_the_data_of_a_header_has_changed(
    tmp_path: Path, raw: Path, ending: str, data: str
) -> None:
    folder = two_folders(tmp_path / "in", "{}" + ending, "{}" + ending)
    assert convert(folder, "--labels", "lesion=1") == 0
    path = folder / "masks" / f"v2{data}"
    path.write_bytes(path.read_bytes()[::-1])
    assert convert(folder, "--labels", "lesion=1", "--overwrite") == 0
    found = SimpleITK.ReadImage(str(written(raw)["labels/v2.nii.gz"]))
    assert SimpleITK.GetArrayFromImage(found).tobytes() == labels(2).tobytes()[::-1]


def test_a_header_that_leads_elsewhere_is_refused(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = two_folders(tmp_path / "in", "{}.mhd", "{}.mhd")
    header = folder / "images" / "v3.mhd"
    header.write_text(header.read_text().replace("v3.raw", "../masks/v3.raw"))
    message = refused(folder, raw, capsys)
    assert "v3.mhd takes its voxels from outside its folder ('../masks/v3.raw'" in message
