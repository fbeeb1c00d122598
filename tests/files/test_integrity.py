import gzip
import hashlib
import math
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.errors import DamagedFileError
from nnunetv2_fair.files.integrity import check_file
from nnunetv2_fair.files.nifti import plain_voxels
from tests.evaluation.factories import write_mask

VOLUME = (np.arange(5 * 8 * 11).reshape(5, 8, 11) % 7 == 0).astype(np.uint8) * 3


def test_nan_is_found_wherever_blocks_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    labels = np.zeros((4, 9, 13), dtype=np.float64)
    labels[0, 0, 0] = labels[3, 8, 12] = math.nan
    path = write_mask(tmp_path / "case.nii.gz", labels)
    for size in (8, 16, 352, 1000):
        monkeypatch.setattr("nnunetv2_fair.files.integrity._BLOCK", size)
        for compressed in (1, 7, 349):
            monkeypatch.setattr("nnunetv2_fair.files.nifti._COMPRESSED_BLOCK", compressed)
            assert check_file(path).not_finite == 2


def test_file_smaller_than_the_larger_header(tmp_path: Path):
    path = write_mask(tmp_path / "case.nii", np.array([[1, math.nan, 2]], np.float32))
    assert path.stat().st_size < 540
    assert check_file(path).not_finite == 1
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFileError, match="is truncated"):
        check_file(path)


@pytest.mark.parametrize("compress", [False, True])
def test_truncated_metaimages_are_refused_by_our_own_check(tmp_path: Path, compress: bool):
    # old versions of SimpleITK fill the missing part with zeros
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 9, (5, 8, 11), np.int16))
    for name in ("case.mha", "case.mhd"):
        sitk.WriteImage(image, str(tmp_path / name), compress)
        check_file(tmp_path / name)
        (data,) = [p for p in tmp_path.iterdir() if p.suffix in (".mha", ".raw", ".zraw")]
        data.write_bytes(data.read_bytes()[:-1])
        with pytest.raises(
            DamagedFileError, match=rf"{data.name} is truncated: it holds \d+ bytes"
        ):
            check_file(tmp_path / name)
        data.unlink()


def test_flipped_byte_is_noticed(tmp_path: Path):
    path = write_mask(tmp_path / "case.nii.gz", VOLUME)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match="compressed data cannot be read"):
        check_file(path)


def test_gzip_of_several_members_and_padding_is_whole(tmp_path: Path):
    plain = write_mask(tmp_path / "plain.nii", VOLUME).read_bytes()
    path = tmp_path / "case.nii.gz"
    path.write_bytes(gzip.compress(plain[:400]) + gzip.compress(plain[400:]) + b"\0" * 7)
    assert check_file(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(gzip.compress(plain[:400]))
    with pytest.raises(
        DamagedFileError, match=f"holds 400 bytes, its header announces {len(plain)}"
    ):
        check_file(path)


def test_bytes_behind_gzip_data_are_ignored_as_gunzip_does(tmp_path: Path):
    plain = write_mask(tmp_path / "plain.nii", VOLUME).read_bytes()
    path = tmp_path / "case.nii.gz"
    for behind in (b"<html>", b"\x00\x00x" * 50_000):
        path.write_bytes(gzip.compress(plain) + behind)
        assert check_file(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        np.testing.assert_array_equal(plain_voxels(path), VOLUME)


def test_what_is_called_gz_but_is_not_compressed_is_read(tmp_path: Path):
    plain = write_mask(tmp_path / "plain.nii", VOLUME).read_bytes()
    path = tmp_path / "case.nii.gz"
    path.write_bytes(plain)
    np.testing.assert_array_equal(plain_voxels(path), VOLUME)
    path.write_bytes(plain[:-1])
    with pytest.raises(DamagedFileError, match="is truncated"):
        check_file(path)


def test_well_compressed_volume_is_checked_in_blocks(tmp_path: Path):
    # 40 MB of zeros fit into 40 KB
    path = write_mask(tmp_path / "case.nii.gz", np.zeros((40, 1000, 1000), np.uint8))
    assert path.stat().st_size < 100_000
    check_file(path)


def test_header_is_not_taken_for_voxels(tmp_path: Path):
    path = write_mask(tmp_path / "case.nii", VOLUME.astype(np.float32))
    data = bytearray(path.read_bytes())
    data[148:152] = b"\xff" * 4  # the description, which would be NaN as a number
    path.write_bytes(data)
    check_file(path)


def test_big_endian_and_nifti2_headers(tmp_path: Path):
    header = bytearray(540)
    struct.pack_into(">i", header, 0, 348)
    struct.pack_into(">8h", header, 40, 3, 4, 5, 6, 1, 1, 1, 1)
    struct.pack_into(">h", header, 72, 16)
    struct.pack_into(">f", header, 108, 352.0)
    path = tmp_path / "case.nii"
    path.write_bytes(bytes(header[:352]) + b"\0" * 240)
    check_file(path)
    path.write_bytes(bytes(header[:352]) + b"\0" * 239)
    with pytest.raises(DamagedFileError, match="holds 591 bytes, its header announces 592"):
        check_file(path)
    header = bytearray(544)
    struct.pack_into("<i", header, 0, 540)
    struct.pack_into("<h", header, 14, 8)
    struct.pack_into("<8q", header, 16, 3, 4, 5, 6, 1, 1, 1, 1)
    struct.pack_into("<q", header, 168, 544)
    path.write_bytes(bytes(header) + b"\0" * 119)
    with pytest.raises(DamagedFileError, match="holds 663 bytes, its header announces 664"):
        check_file(path)
