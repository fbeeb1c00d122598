import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.files.fingerprints import (
    content_mark,
    file_hash,
    files_hash,
    hash_of,
    text_hash,
)


@given(st.lists(st.binary(max_size=20), max_size=4))
def test_parts_are_hashed_as_one(parts: list[bytes]):
    assert hash_of(*parts) == hashlib.sha256(b"".join(parts)).hexdigest()


def test_known_values():
    # NIST's examples of SHA-256
    assert text_hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_of() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert text_hash("ä") == hash_of(b"\xc3\xa4")


def test_files_are_hashed_in_blocks(tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "second"
    data = bytes(range(256)) * 10_000  # more than two blocks
    first.write_bytes(data)
    second.write_bytes(b"x")
    assert file_hash(first) == hash_of(data)
    assert files_hash((first, second)) == hash_of(data, b"x") != files_hash((second, first))


@pytest.mark.parametrize("kind", ["case.nii.gz", "case.npz", "case.nii", "empty.gz", "fake.npz"])
def test_a_mark_changes_with_the_content_and_not_with_the_clock(tmp_path, kind):
    path = tmp_path / kind

    def write(number):
        if kind == "case.nii.gz":
            path.write_bytes(gzip.compress(bytes([number]) * 1000, mtime=number))
        elif kind == "case.npz":
            np.savez(path, mask=np.full(1000, number, np.uint8))
        else:
            path.write_bytes(b"" if kind == "empty.gz" and number == 1 else bytes([number]) * 8)
        os.utime(path, (10**9, 10**9))

    write(1)
    first = content_mark(path)
    os.utime(path)
    assert content_mark(path) == first
    write(2)
    assert content_mark(path) != first
    write(1)
    assert content_mark(path) == first


def test_a_mark_of_a_large_file_with_checksums_reads_little(tmp_path, monkeypatch):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(b"x" * 1000))
    monkeypatch.setattr(
        "nnunetv2_fair.files.fingerprints.file_hash", lambda path: pytest.fail("read")
    )
    assert content_mark(path).startswith(f"{path.stat().st_size}:")
