import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nnunetv2_fair.files.formats.png import SIGNATURE, fault_of_png

ROWS, COLUMNS = np.mgrid[:13, :21]
LABELS = ((ROWS - 6) ** 2 + (COLUMNS - 9) ** 2 < 25).astype(np.uint8) * 2


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def part(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content)
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 9), (13, 21)])
def test_pillows_files_have_no_fault(mode: str, shape: tuple[int, int]):
    picture = Image.fromarray(np.resize(LABELS, shape))
    if mode == "I;16":
        picture = Image.fromarray(np.resize(LABELS, shape).astype(np.uint16))
    else:
        picture = picture.convert(mode)
    assert fault_of_png(png(picture)) is None
    assert fault_of_png(png(picture) + b"what follows") is None


@given(width=st.integers(1, 20), height=st.integers(1, 20), depth=st.sampled_from([1, 2, 4, 8]))
@settings(max_examples=60, deadline=None)
def test_length_of_interlaced_pixels(width: int, height: int, depth: int):
    """Independent count: which pixels each pass takes, pixel by pixel."""
    pattern = ("16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656",
               "77777777")  # fmt: skip
    columns: dict[str, dict[int, int]] = {}
    for y in range(height):
        for x in range(width):
            of_pass = columns.setdefault(pattern[y % 8][x % 8], {})
            of_pass[y] = of_pass.get(y, 0) + 1
    length = sum(1 + -(-n * depth // 8) for rows in columns.values() for n in rows.values())
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 1)

    def file(pixels: int) -> bytes:
        parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(pixels))), (b"IEND", b"")]
        return SIGNATURE + b"".join(part(*each) for each in parts)

    assert fault_of_png(file(length)) is None
    assert "announces" in str(fault_of_png(file(length - 1)))
    assert "more than" in str(fault_of_png(file(length + 1)))


def test_every_flipped_bit_is_noticed():
    data = png(Image.fromarray(LABELS))
    for at in range(len(SIGNATURE), len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            assert fault_of_png(bytes(flipped)) is not None, (at, bit)


def test_missing_end_and_other_files():
    data = png(Image.fromarray(LABELS))
    for length in range(len(SIGNATURE), len(data)):
        assert fault_of_png(data[:length]) == "it ends early"
    assert fault_of_png(b"") is None
    assert fault_of_png(b"II*\0") is None
