import gzip
import hashlib
import math
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.errors import DamagedFileError
from nnunetv2_fair.evaluation.masks.label_maps import _read_plain_nifti, read_label_map
from nnunetv2_fair.files.integrity import check_file
from nnunetv2_fair.files.nifti import NiftiStream, plain_voxels

VOLUME = (np.arange(5 * 8 * 11).reshape(5, 8, 11) % 7 == 0).astype(np.uint8) * 3
CODES = {
    "u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768,
    "i8": 1024, "u8": 1280,
}  # fmt: skip


def nifti1(labels: np.ndarray, order: str = "<", slope: float = 1.0, at: int = 352) -> bytes:
    """Return a NIfTI-1 file, written by hand."""
    header = bytearray(at)
    struct.pack_into(f"{order}i", header, 0, 348)
    dims = (labels.ndim, *labels.shape[::-1])
    struct.pack_into(f"{order}8h", header, 40, *dims, *(1,) * (8 - len(dims)))
    kind = labels.dtype.str[1:]
    struct.pack_into(f"{order}2h", header, 70, CODES[kind], 8 * labels.dtype.itemsize)
    struct.pack_into(f"{order}8f", header, 76, 1, 0.5, 0.75, 2.5, 1, 1, 1, 1)
    struct.pack_into(f"{order}3f", header, 108, at, slope, 0)
    header[344:348] = b"n+1\0"
    return bytes(header) + labels.astype(labels.dtype.newbyteorder(order)).tobytes()


@pytest.mark.parametrize("kind", list(CODES))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_streamed_labels_equal_simpleitks(tmp_path: Path, kind: str, order: str, ending: str):
    data = nifti1(VOLUME.astype(kind), order)
    path = tmp_path / f"case{ending}"
    path.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)
    found = _read_plain_nifti(path)
    assert found is not None, "the fast way was not taken"
    assert np.array_equal(found.labels, sitk.GetArrayFromImage(sitk.ReadImage(str(path))))
    assert np.array_equal(found.labels, VOLUME)
    assert found.geometry.spacing == pytest.approx((2.5, 0.75, 0.5))
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("shape", [(7, 5), (1, 7, 5), (7, 1, 5), (7, 5, 1), (1, 1, 4, 7, 5)])
def test_axes_of_length_one_are_left_out_as_by_simpleitk(tmp_path: Path, shape: tuple[int, ...]):
    labels = (np.arange(np.prod(shape)).reshape(shape) % 5 == 0).astype(np.uint8)
    path = tmp_path / "case.nii"
    path.write_bytes(nifti1(labels))
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    assert np.array_equal(read_label_map(path).labels, array.squeeze())


@pytest.mark.parametrize("kind", list(CODES))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "shape", [(7, 5), (1, 7, 5), (3, 7, 5), (2, 3, 7, 5), (1, 3, 7, 5), (1, 1, 1, 7, 5)]
)
def test_plain_voxels_equal_simpleitks(
    tmp_path: Path, kind: str, order: str, shape: tuple[int, ...]
) -> None:
    values = np.arange(np.prod(shape)).reshape(shape) % 120
    path = tmp_path / "case.nii.gz"
    path.write_bytes(gzip.compress(nifti1(values.astype(kind), order)))
    found = plain_voxels(path)
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    assert found is not None
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert np.array_equal(found, expected)


def test_voxels_that_are_not_plain_are_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "case.nii"
    path.write_bytes(nifti1(VOLUME, slope=2.0))
    assert plain_voxels(path) is None
    assert plain_voxels(tmp_path / "case.mha") is None
    path.write_bytes(nifti1(VOLUME)[:-3])
    with pytest.raises(DamagedFileError, match=r"case\.nii is truncated"):
        plain_voxels(path)


@pytest.mark.parametrize(
    "data",
    [
        nifti1(VOLUME, slope=2.0),  # scaled
        nifti1(VOLUME, at=400),  # an extension before the voxels
        nifti1(np.zeros((2, 3, 1, 1, 1), np.uint8)),
    ],
    ids=["scaled", "extension", "dimensions"],
)
def test_unusual_files_are_read_as_simpleitk_reads_them(tmp_path: Path, data: bytes):
    path = tmp_path / "case.nii.gz"
    path.write_bytes(gzip.compress(data))
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    assert np.array_equal(read_label_map(path).labels, array.squeeze())


def test_scaled_labels_do_not_take_the_fast_way(tmp_path: Path):
    path = tmp_path / "case.nii"
    path.write_bytes(nifti1(VOLUME, slope=2.0))
    assert _read_plain_nifti(path) is None
    assert np.array_equal(read_label_map(path).labels, VOLUME * 2)


@pytest.mark.parametrize("size", [1, 7, 440, 1 << 20])
@pytest.mark.parametrize("compressed_block", [1, 50, 1 << 16])
def test_blocks_are_whole_and_of_the_size_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, compressed_block: int
):
    monkeypatch.setattr("nnunetv2_fair.files.nifti._COMPRESSED_BLOCK", compressed_block)
    path = tmp_path / "case.nii.gz"
    data = nifti1(VOLUME)
    path.write_bytes(gzip.compress(data[:100]) + gzip.compress(data[100:]) + b"\0" * 9)
    with NiftiStream(path) as stream:
        blocks = list(stream.voxel_blocks(size))
        assert b"".join(blocks) == VOLUME.tobytes()
        assert {len(block) for block in blocks[:-1]} <= {size}
        assert stream.finish() == hashlib.sha256(path.read_bytes()).hexdigest()


def test_headers_that_make_no_sense_are_no_fast_files(tmp_path: Path):
    path = tmp_path / "case.nii"
    for position, form, value in (
        (40, "<h", 0), (40, "<h", 9), (42, "<h", -3), (72, "<h", 3), (70, "<h", 1),
        (112, "<f", float("nan")),
    ):  # fmt: skip
        data = bytearray(nifti1(VOLUME))
        struct.pack_into(form, data, position, value)
        path.write_bytes(data)
        with NiftiStream(path) as stream:
            assert stream.header is None or not stream.header.is_plain
            assert len(list(stream.voxel_blocks(100))) >= 0


@pytest.mark.parametrize("at", [0, 1, 348, 351, -1, math.nan, math.inf])
def test_voxels_inside_the_header_are_refused(tmp_path: Path, at: float):
    # SimpleITK would begin at 348, nibabel at 352: labels shifted by four voxels
    data = bytearray(nifti1(VOLUME))
    struct.pack_into("<f", data, 108, at)
    path = tmp_path / "case.nii"
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match=r"begin inside the header \(vox_offset\)"):
        check_file(path)


@pytest.mark.parametrize(("code", "bits"), [(4, 8), (512, 8), (16, 1)])
def test_length_follows_the_type_not_the_bits(tmp_path: Path, code: int, bits: int):
    # SimpleITK goes by the type, and fills what is missing with zeros
    data = bytearray(nifti1(VOLUME.astype(np.uint8)))
    struct.pack_into("<2h", data, 70, code, bits)
    path = tmp_path / "case.nii"
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match="is truncated"):
        check_file(path)


def test_endless_data_behind_the_voxels_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("nnunetv2_fair.files.nifti._MOST_BEHIND", 1 << 20)
    path = tmp_path / "case.nii.gz"
    path.write_bytes(gzip.compress(nifti1(VOLUME) + bytes(1 << 19)))
    check_file(path)
    path.write_bytes(gzip.compress(nifti1(VOLUME) + bytes(1 << 23)))
    with pytest.raises(DamagedFileError, match="more than 1 MiB behind its voxels"):
        check_file(path)


def test_huge_lengths_cost_no_memory(tmp_path: Path):
    data = bytearray(nifti1(VOLUME))
    struct.pack_into("<3h", data, 42, 32767, 32767, 32767)
    path = tmp_path / "case.nii.gz"
    path.write_bytes(gzip.compress(bytes(data)))
    with NiftiStream(path) as stream:
        assert sum(map(len, stream.voxel_blocks(32767**2))) == VOLUME.size
        with pytest.raises(DamagedFileError, match="its header announces 35181150962015"):
            stream.finish()


def test_a_header_of_no_known_length_is_refused(tmp_path: Path):
    content = bytearray(nifti1(VOLUME))
    struct.pack_into("<i", content, 0, -1)
    path = tmp_path / "case.nii"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="says that it has -1 bytes, expected 348 or 540"):
        check_file(path)
