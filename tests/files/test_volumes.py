import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from nnunetv2_fair.dataset_conversion.writing.case_files import CaseData, CaseJob, fingerprint
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetDescription
from nnunetv2_fair.dataset_conversion.writing.writer import write_dataset
from nnunetv2_fair.errors import ConversionError
from nnunetv2_fair.files.volumes import (
    ImageGeometry,
    OriginalFile,
    geometry_difference,
    original_file,
    read_header,
    read_image,
    read_labels,
    verify_volume,
    write_volume,
)
from tests.dataset_conversion.folders import environment
from tests.dataset_conversion.writing.test_writer import plan_of, tree

OBLIQUE = ImageGeometry(
    (0.7, 1.3, 4.0), (-11.5, 7.123456789, 100.0), (0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0)
)
VOLUMES = DatasetDescription(8, "Vol", ("T1",), {"background": 0, "tumour": 1}, ".nii.gz")


def write(path: Path, array: np.ndarray, geometry: ImageGeometry = OBLIQUE) -> Path:
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin(geometry.origin_mm)
    image.SetDirection(geometry.direction)
    SimpleITK.WriteImage(image, str(path), useCompression=True)
    return path


@dataclass(frozen=True)
class Originals:
    """A case whose files are copied as they are; with `automatic`, a further mask."""

    image: Path
    mask: Path
    automatic: Path | None = None

    def __call__(self) -> CaseData:
        further = {}
        if self.automatic is not None:
            further["automatic"] = original_file(read_header(self.automatic))
        header = read_header(self.image)
        return CaseData(
            (original_file(header),),
            read_labels(self.mask),
            header.geometry,
            original_file(read_header(self.mask)),
            further,
        )


def job(load: Originals) -> CaseJob:
    return CaseJob("a", "train", load, fingerprint(files=(load.image, load.mask)), 1000, "a")


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def case(tmp_path: Path) -> Originals:
    """Numbers with scale and intercept in the header, which SimpleITK would write as floats."""
    generator = np.random.default_rng(0)
    image = write(tmp_path / "IMAGE.nii.gz", generator.normal(size=(4, 6, 9)))
    mask = write(tmp_path / "mask.nii.gz", (generator.random((4, 6, 9)) > 0.7).astype(np.uint8))
    return Originals(image, mask)


def test_originals_are_taken_over_byte_for_byte(raw: Path, case: Originals) -> None:
    target = write_dataset(plan_of([job(case)], VOLUMES), raw)
    assert (target / "imagesTr/a_0000.nii.gz").read_bytes() == case.image.read_bytes()
    assert (target / "labelsTr/a.nii.gz").read_bytes() == case.mask.read_bytes()


def test_further_masks_are_kept_alongside_and_survive_a_rerun(
    raw: Path, tmp_path: Path, case: Originals
) -> None:
    other = write(tmp_path / "other.nii.gz", np.zeros((4, 6, 9), np.uint8))
    whole = job(replace(case, automatic=other))
    broken = replace(whole, case="b", load=replace(case, mask=tmp_path / "absent.nii.gz"))
    plan = replace(plan_of([whole, broken], VOLUMES), further_masks=("automatic",))
    with pytest.raises(
        ConversionError, match=r"case 'b': the original cannot be read.*absent\.nii\.gz"
    ):
        write_dataset(plan, raw)
    written = raw / ".Dataset008_Vol.partial/dataset/automaticTr/a.nii.gz"
    before = written.stat().st_mtime_ns
    fixed = replace(plan, jobs=[whole, replace(broken, load=whole.load)])
    target = write_dataset(fixed, raw)
    assert (target / "automaticTr/a.nii.gz").read_bytes() == other.read_bytes()
    assert (target / "automaticTr/a.nii.gz").stat().st_mtime_ns == before
    assert sorted(p for p in tree(target) if p.startswith("automatic")) == [
        "automaticTr/a.nii.gz",
        "automaticTr/b.nii.gz",
    ]


def test_further_masks_are_checked(raw: Path, tmp_path: Path, case: Originals) -> None:
    small = write(tmp_path / "small.nii.gz", np.zeros((4, 6, 8), np.uint8))
    plan = plan_of([job(replace(case, automatic=small))], VOLUMES)
    with pytest.raises(ConversionError, match=r"the automatic mask has shape \(4, 6, 8\)"):
        write_dataset(plan, raw)


@dataclass(frozen=True)
class Given:
    data: CaseData

    def __call__(self) -> CaseData:
        return self.data


def test_a_file_that_changes_while_it_is_copied_is_noticed(raw: Path, case: Originals) -> None:
    data = case()
    stale = replace(data, channels=[replace(data.channels[0], sha256="0" * 64)])
    plan = plan_of([CaseJob("a", "train", Given(stale), "x", 1000)], VOLUMES)
    with pytest.raises(ConversionError, match=r"IMAGE\.nii\.gz changed while it was copied"):
        write_dataset(plan, raw)


def test_another_format_cannot_be_taken_over(raw: Path, tmp_path: Path, case: Originals) -> None:
    data = case()
    array = np.zeros((4, 6, 9), np.int16)
    plain = original_file(read_header(write(tmp_path / "plain.nii", array)))
    for changed in (replace(data, channels=[plain]), replace(data, mask_file=plain)):
        plan = plan_of([CaseJob("a", "train", Given(changed), "x", 1000)], VOLUMES)
        with pytest.raises(ConversionError, match=r"plain\.nii cannot be copied as.*\.nii\.gz"):
            write_dataset(plan, raw)


def test_header_is_that_of_simpleitk(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", np.zeros((3, 5, 7), np.int16))
    header, image = read_header(path), SimpleITK.ReadImage(str(path))
    assert header.shape == (3, 5, 7)
    assert header.geometry == ImageGeometry(
        image.GetSpacing(), image.GetOrigin(), image.GetDirection()
    )
    assert str(header) == "3 x 5 x 7 voxels of 4 x 1.3 x 0.7 mm"
    assert original_file(header) == OriginalFile(
        path, (3, 5, 7), hashlib.sha256(path.read_bytes()).hexdigest()
    )


@pytest.mark.parametrize("kept", [0.3, 0.95])
def test_truncated_volumes_are_refused(tmp_path: Path, kept: float) -> None:
    noise = np.random.default_rng(0).integers(0, 999, (4, 30, 40), np.int16)
    path = write(tmp_path / "a.nii.gz", noise)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    header = read_header(path)  # the header is whole; SimpleITK reads zeros for the rest
    assert SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))[-1, -1].max() == 0
    for read in (lambda: read_image(path), lambda: original_file(header)):
        with pytest.raises(ConversionError, match=r"a\.nii\.gz is damaged.*Copy or create"):
            read()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_voxels_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    array = np.ones((3, 5, 7), np.float32)
    array[1, 2, 3] = value
    path = write(tmp_path / "a.nii.gz", array)
    for read in (read_image, read_labels, lambda path: original_file(read_header(path))):
        with pytest.raises(ConversionError, match=r"a\.nii\.gz holds 1 NaN or infinite voxels"):
            read(path)


def test_labels_may_be_whole_floats(tmp_path: Path) -> None:
    array = np.zeros((3, 5, 7), np.float32)
    array[1, 2, 3] = 2
    found = read_labels(write(tmp_path / "a.nii.gz", array))
    assert found.dtype.kind == "i"
    assert np.array_equal(found, array)
    array[0] = 0.25
    with pytest.raises(ConversionError, match=r"not label numbers, such as 0\.25.*interpolated"):
        read_labels(write(tmp_path / "a.nii.gz", array))


@pytest.mark.parametrize("value", [2.0**32 + 1, 2.0**31, -(2.0**40)])
def test_floats_beyond_integers_are_no_labels(tmp_path: Path, value: float):
    array = np.zeros((3, 4, 5))
    array[1, 1, 1] = value
    with pytest.raises(ConversionError, match="expected small whole label numbers"):
        read_labels(write(tmp_path / "a.nii.gz", array))


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.nii.gz").write_text("not an image")
    with pytest.raises(ConversionError, match=r"text\.nii\.gz cannot be read as a volume"):
        read_header(tmp_path / "text.nii.gz")
    vectors = SimpleITK.GetImageFromArray(np.zeros((3, 5, 7, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(vectors, str(tmp_path / "vectors.nrrd"))
    with pytest.raises(ConversionError, match=r"vectors\.nrrd has 3 values per voxel"):
        read_header(tmp_path / "vectors.nrrd")


def test_skew_axes_come_with_the_lines_that_mend_them(tmp_path: Path) -> None:
    affine = np.diag([0.7, 1.3, 4.0, 1.0])
    affine[0, 2] = 0.02
    path = tmp_path / "skew.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.ones((7, 5, 3), np.uint8), affine), path)
    with pytest.raises(
        ConversionError, match=r"skew\.nii\.gz has axes .* that are not perp"
    ) as found:
        read_header(path)
    remedy = str(found.value).partition("with nibabel: ")[2]
    image = nibabel.load(path)
    exec(remedy, {"image": image})  # what the message offers has to work
    nibabel.save(image, path)
    assert read_header(path).shape == (3, 5, 7)


def test_differences_of_grids_are_named(tmp_path: Path) -> None:
    array = np.zeros((3, 5, 7), np.uint8)
    header = read_header(write(tmp_path / "a.nii.gz", array))

    def difference(**changes: tuple[float, ...]) -> str:
        geometry = replace(header.geometry, **changes)
        other = replace(header, geometry=geometry, path=tmp_path / "b.nii.gz")
        return str(geometry_difference(header, other))

    assert difference(origin_mm=(-11.45, 7.12, 100.0)) == "None"
    assert difference(origin_mm=(-11.5, 8.0, 100.0)).startswith(
        "a.nii.gz and b.nii.gz differ in position: origins (-11.5, 7.123, 100) mm"
    )
    assert "differ in spacing" in difference(spacing_mm=(0.7, 1.31, 4.0))
    assert "differ in orientation" in difference(direction=(1, 0, 0, 0, 1, 0, 0, 0, 1))
    other = replace(header, shape=(3, 5, 6), path=tmp_path / "b.nii.gz")
    assert "3 x 5 x 7 voxels of 4 x 1.3 x 0.7 mm and 3 x 5 x 6" in str(
        geometry_difference(header, other)
    )


def test_reading_back_finds_every_difference(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(3, 5, 7))
    path = tmp_path / "a.nii.gz"
    write_volume(path, array, OBLIQUE)
    verify_volume(path, array, OBLIQUE)
    for pixels, geometry in (
        (array + 1e-3, OBLIQUE),
        (array, replace(OBLIQUE, spacing_mm=(0.7, 1.301, 4.0))),
        (array, replace(OBLIQUE, origin_mm=(-11.5, 7.2, 100.0))),
        (array, replace(OBLIQUE, direction=(1.0, 0, 0, 0, 1, 0, 0, 0, 1))),
    ):
        with pytest.raises(ConversionError, match="read back, has other pixels, spacing"):
            verify_volume(path, pixels, geometry)
