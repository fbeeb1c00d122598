import gzip
import zlib

import pytest

from nnunetv2_fair.files.formats.inflating import fault_of_compressed

PLAIN = bytes(range(256)) * 50


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
@pytest.mark.parametrize(
    "data",
    [zlib.compress(PLAIN), gzip.compress(PLAIN),
     gzip.compress(PLAIN[:99]) + gzip.compress(PLAIN[99:]), zlib.compress(PLAIN) + b"what follows"],
    ids=["zlib", "gzip", "members", "trailing"],
)  # fmt: skip
def test_whole_data_has_no_fault(data: bytes, size: int):
    blocks = [data[i : i + size] for i in range(0, len(data), size)]
    assert fault_of_compressed(blocks) is None
    assert fault_of_compressed(blocks, (len(PLAIN),)) is None
    assert fault_of_compressed(blocks, (len(PLAIN) + 1, len(PLAIN))) is None


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress])
def test_a_flipped_bit_is_noticed_wherever_it_matters(compress):
    plain = b"labels 0 1 2 " * 40
    data = compress(plain)
    noticed = 0
    for at in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            if fault_of_compressed([bytes(flipped)], (len(plain),)) is not None:
                noticed += 1
            else:  # the time in gzip's header, bits that fill the last byte
                assert zlib.decompressobj(47).decompress(bytes(flipped)) == plain
    assert noticed > 0.7 * 8 * len(data)


def test_other_lengths_are_named():
    data = [zlib.compress(PLAIN)]
    assert fault_of_compressed(data, (5,)) == "its compressed data inflates to more than 5 bytes"
    fault = fault_of_compressed(data, (len(PLAIN) + 1,))
    assert fault == "its compressed data inflates to 12800 bytes, its header announces 12801"
    assert fault_of_compressed([data[0][:-1]]) == "its compressed data ends early"
    assert fault_of_compressed([]) == "its compressed data ends early"


def test_a_bomb_is_not_inflated():
    bomb = zlib.compress(bytes(1 << 28))
    fault = fault_of_compressed([bomb], (1000,))
    assert fault == "its compressed data inflates to more than 1000 bytes"
