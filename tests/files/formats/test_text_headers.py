from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.errors import ConversionError, DamagedFileError, EvaluationError
from nnunetv2_fair.evaluation.masks.label_maps import read_geometry, read_label_map
from nnunetv2_fair.files.formats.text_headers import voxels_of
from nnunetv2_fair.files.integrity import check_file, files_of_image, image_hash
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.files.volumes import read_header, read_labels

SHAPE = (4, 11, 13)
LABELS = (np.arange(4 * 11 * 13).reshape(SHAPE) % 7 == 0).astype(np.uint8) * 2
META = "ObjectType = Image\nNDims = 3\nDimSize = 13 11 4\nElementType = MET_UCHAR\n"
NRRD = "NRRD0004\ntype: unsigned char\ndimension: 3\nsizes: 13 11 4\nencoding: raw\n"


def write(folder: Path, name: str, source: str) -> Path:
    """Write a header that names its data."""
    field = f"{META}ElementDataFile = {source}\n"
    if name.endswith(("nrrd", "nhdr")):
        field = f"{NRRD}data file: {source}\n"
    path = folder / name
    path.write_text(field)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "masks"
    (inside / "deeper").mkdir(parents=True)
    for name in ("secret.raw", "masks/voxels.raw", "masks/deeper/voxels.raw", "masks/s0.raw"):
        (tmp_path / name).write_bytes(LABELS.tobytes())
    return inside


@pytest.mark.parametrize("name", ["case.mhd", "case.mha", "case.nhdr", "case.nrrd"])
@pytest.mark.parametrize("source", ["voxels.raw", "deeper/voxels.raw", "./voxels.raw"])
def test_data_beside_the_header_is_read_and_hashed(folder: Path, name: str, source: str):
    path = write(folder, name, source)
    assert np.array_equal(read_label_map(path).labels, LABELS)
    assert np.array_equal(read_labels(path), LABELS)
    assert [file.resolve() for file in files_of_image(path)] == [path, (folder / source).resolve()]
    before = image_hash(path), check_file(path).sha256, read_label_map(path).sha256
    assert len(set(before)) == 1
    (folder / source).write_bytes(LABELS[::-1].tobytes())
    assert image_hash(path) != before[0]


@pytest.mark.parametrize("name", ["case.mhd", "case.mha", "case.nhdr", "case.nrrd"])
@pytest.mark.parametrize(
    ("source", "message"),
    [("/etc/hostname", "outside its folder"), ("../secret.raw", "outside its folder"),
     ("deeper/../../secret.raw", "outside its folder"), ("C:\\secret.raw", "outside its folder"),
     ("..\\secret.raw", "outside its folder"), ("link.raw", "outside its folder"),
     ("LIST", "from several files"), ("s%d.raw 0 3 1", "from several files"),
     ("%s%s%s%n.raw 0 5 1", "from several files")],
)  # fmt: skip
def test_other_places_are_refused_before_itk_opens_them(
    folder: Path, name: str, source: str, message: str
):
    (folder / "link.raw").symlink_to(folder.parent / "secret.raw")
    path = write(folder, name, source)
    for read, error in (
        (read_geometry, EvaluationError),
        (read_label_map, EvaluationError),
        (read_header, ConversionError),
        (read_labels, ConversionError),
        (check_file, DamagedFileError),
        (image_hash, DamagedFileError),
    ):
        with pytest.raises(error, match=message) as caught:
            read(path)
        assert "ave the image as one file, such as .nrrd or .nii.gz." in str(caught.value)


def test_folders_of_links_are_read(folder: Path):
    # as git-annex and many people arrange them
    for name in ("case.mhd", "voxels.raw"):
        write(folder, "case.mhd", "voxels.raw")
        link = folder.parent / "links" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(folder / name)
    assert np.array_equal(read_label_map(folder.parent / "links/case.mhd").labels, LABELS)


@pytest.mark.parametrize("name", ["case.mha", "case.mhd", "case.nrrd", "case.nhdr"])
def test_no_flipped_bit_of_compressed_voxels_gives_other_labels(tmp_path: Path, name: str):
    path = tmp_path / name
    sitk.WriteImage(sitk.GetImageFromArray(LABELS), str(path), useCompression=True)
    rng = np.random.default_rng(0)
    damaged = files_of_image(path)[-1]
    whole = damaged.read_bytes()
    refused = 0
    for _ in range(150):
        flipped = bytearray(whole)
        flipped[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        damaged.write_bytes(flipped)
        try:
            with quiet_itk():
                found = read_label_map(path).labels
        except EvaluationError:
            refused += 1
        else:
            assert np.array_equal(found, LABELS), bytes(flipped)
    assert refused > 30


def test_fields_that_contradict_the_voxels(tmp_path: Path):
    path = tmp_path / "case.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(LABELS), str(path), useCompression=True)
    whole = path.read_bytes()
    for old, new, message in (
        (b"sizes: 13", b"sizes: 12", "inflates to more than 528 bytes"),
        (b"sizes: 13", b"sizes: 14", "inflates to 572 bytes, its header announces 616"),
        (b"sizes: 13", b"sizes: 1!", "is no whole number"),
    ):
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(DamagedFileError, match=message):
            check_file(path)


def test_metaimage_that_does_not_say_how_much_is_compressed(tmp_path: Path):
    # ITK reads random bytes of memory then
    path = tmp_path / "case.mha"
    sitk.WriteImage(sitk.GetImageFromArray(LABELS), str(path), useCompression=True)
    path.write_bytes(path.read_bytes().replace(b"CompressedDataSize", b"compressedDataSize"))
    with pytest.raises(DamagedFileError, match="how many bytes they take"):
        check_file(path)


def test_header_without_data(tmp_path: Path):
    path = tmp_path / "case.mhd"
    path.write_text(META)
    with pytest.raises(DamagedFileError, match="names no ElementDataFile"):
        voxels_of(path)
    assert voxels_of(tmp_path / "case.nii.gz") is None


def test_files_of_tiff_volumes_and_pairs(tmp_path: Path):
    for name in ("a.tif", "a.json", "b.hdr", "b.img", "c.tif"):
        (tmp_path / name).write_text(name)
    assert [p.name for p in files_of_image(tmp_path / "a.tif")] == ["a.tif", "a.json"]
    assert [p.name for p in files_of_image(tmp_path / "b.hdr")] == ["b.hdr", "b.img"]
    assert [p.name for p in files_of_image(tmp_path / "c.tif")] == ["c.tif"]


@pytest.mark.parametrize("content", [".hdf5", ".tif", ".png", ".nii"])
@pytest.mark.parametrize("ending", [".nrrd", ".nhdr", ".gipl", ".tif", ".nii.gz"])
def test_files_are_read_as_what_their_names_say(tmp_path: Path, content: str, ending: str):
    # HDF5 can name other files
    image = sitk.GetImageFromArray(LABELS)
    sitk.WriteImage(image[:, :, 0] if content == ".png" else image, str(tmp_path / f"a{content}"))
    path = (tmp_path / f"a{content}").rename(tmp_path / f"case{ending}")
    if (content, ending) in ((".nii", ".nii.gz"), (".tif", ".tif")):
        assert np.array_equal(read_label_map(path).labels, LABELS)
        return
    with quiet_itk(), pytest.raises(EvaluationError, match=rf"case\{ending} cannot be read"):
        read_label_map(path)
    with quiet_itk(), pytest.raises(ConversionError, match=rf"case\{ending} cannot be read"):
        read_labels(path)
