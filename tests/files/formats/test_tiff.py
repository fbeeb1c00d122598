import io
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from nnunetv2_fair.files.formats.tiff import fault_of_tiff, planes_of_tiff

ROWS, COLUMNS = np.mgrid[:61, :83]
LABELS = ((ROWS - 30) ** 2 + (COLUMNS - 40) ** 2 < 400).astype(np.uint8) * 2


def tiff(labels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, labels, **options)
    return file.getvalue()


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize(
    "options",
    [{}, {"rowsperstrip": 7}, {"tile": (16, 32)}, {"byteorder": ">"}, {"bigtiff": True},
     {"predictor": True}],
    ids=lambda options: ",".join(options) or "plain",
)  # fmt: skip
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_files_of_other_programs_have_no_fault(compression, options, kind):
    if "predictor" in options and (compression in (None, "packbits") or kind is np.float32):
        pytest.skip("not for this compression")
    labels = LABELS.astype(kind)
    assert fault_of_tiff(tiff(labels, compression=compression, **options)) is None
    pages = np.stack([labels, labels, labels])
    pages = tiff(pages, compression=compression, photometric="minisblack", **options)
    assert fault_of_tiff(pages) is None


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("compression", [None, "tiff_deflate", "tiff_lzw", "packbits", "jpeg"])
def test_pillows_files_have_no_fault(mode: str, compression: str | None):
    if compression == "jpeg" and mode not in ("L", "RGB", "CMYK"):
        pytest.skip("not for JPEG")
    deep = mode == "I;16"
    picture = Image.fromarray(LABELS.astype(np.uint16)) if deep else Image.fromarray(LABELS)
    file = io.BytesIO()
    (picture if deep else picture.convert(mode)).save(file, "TIFF", compression=compression)
    assert fault_of_tiff(file.getvalue()) is None


def test_channels_in_planes_of_their_own():
    channels = np.stack([LABELS] * 3)
    for compression in (None, "zlib"):
        data = tiff(channels, photometric="rgb", planarconfig="separate", compression=compression)
        assert fault_of_tiff(data) is None


def test_no_flipped_bit_of_deflated_pixels_is_accepted():
    data = tiff(LABELS, compression="zlib")
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        (page,) = file.pages
        start, count = page.dataoffsets[0], page.databytecounts[0]
    unnoticed = 0
    for at in range(start, start + count):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[at] ^= 1 << bit
            if fault_of_tiff(bytes(flipped)) is None:  # bits that fill the last byte
                inflated = zlib.decompress(bytes(flipped[start : start + count]))
                assert inflated == LABELS.tobytes()
                unnoticed += 1
    assert unnoticed < 8


@pytest.mark.parametrize("tag", ["ImageWidth", "ImageLength", "BitsPerSample", "StripByteCounts"])
@pytest.mark.parametrize("compression", [None, "zlib", "packbits"])
def test_header_that_contradicts_the_pixels(tag: str, compression: str | None):
    data = tiff(LABELS, compression=compression)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        at = file.pages[0].tags[tag].valueoffset
    flipped = bytearray(data)
    flipped[at] ^= 1
    assert fault_of_tiff(bytes(flipped)) is not None


def test_truncated_files_and_circles():
    data = tiff(np.stack([LABELS, LABELS]), photometric="minisblack")
    for length in range(8, len(data) - 1, 97):
        assert fault_of_tiff(data[:length]) == "it ends early", length
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        first, second = file.pages[0].offset, file.pages[1]
        end = second.offset + 2 + 12 * len(second.tags)
    circle = bytearray(data)
    circle[end : end + 4] = first.to_bytes(4, "little")
    assert fault_of_tiff(bytes(circle)) == "its pages follow each other in a circle"
    assert fault_of_tiff(b"") is None
    assert fault_of_tiff(b"II") == "it ends early"


def test_damage_never_raises():
    rng = np.random.default_rng(0)
    data = tiff(np.stack([LABELS, LABELS]), photometric="minisblack", compression="packbits")
    assert fault_of_tiff(data) is None
    for _ in range(3000):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            damaged[at] = rng.integers(256)
        fault_of_tiff(bytes(damaged))


@pytest.mark.parametrize("n", [3, 4])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("options", [{}, {"rowsperstrip": 7}, {"byteorder": ">"}])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.uint32])
def test_slices_stored_as_the_planes_of_a_colour_picture_are_read(n, compression, options, kind):
    volume = np.stack([(LABELS + i).astype(kind) for i in range(n)])
    data = tiff(volume, photometric="rgb", planarconfig="separate", compression=compression,
                **options)  # fmt: skip
    found = planes_of_tiff(data)
    assert found.dtype == kind
    assert np.array_equal(found, volume)
    assert planes_of_tiff(data[: len(data) // 2]) is None


@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "minisblack"},
        {"photometric": "rgb", "planarconfig": "separate", "compression": "lzw"},
        {"photometric": "rgb", "planarconfig": "separate", "tile": (16, 16)},
        {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib", "predictor": 2},
    ],
)
def test_other_forms_have_no_planes(options):
    assert planes_of_tiff(tiff(np.stack([LABELS] * 3), **options)) is None
    assert planes_of_tiff(b"no TIFF") is None
    assert planes_of_tiff(b"II*\0") is None


def test_a_colour_picture_has_no_planes():
    picture = np.dstack([LABELS] * 3)
    assert planes_of_tiff(tiff(picture, photometric="rgb")) is None
