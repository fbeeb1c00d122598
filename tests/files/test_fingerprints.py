import hashlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.files.fingerprints import file_hash, files_hash, hash_of, text_hash


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
