"""Whether a PNG file is whole: checksums of all its parts, and the length of its pixels.

Pillow compares no checksum of the pixels, so a flipped bit would become other labels.

Source: W3C, Portable Network Graphics, third edition, sections 5, 7 and 8.
"""

import struct
from collections.abc import Iterator

from zlib_ng import zlib_ng

from nnunetv2_fair.files.formats.inflating import fault_of_compressed

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Colour type -> numbers per pixel.
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
#: Adam7: first column, first row, steps along both, of each of the seven passes.
_PASSES = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # fmt: skip


def fault_of_png(data: bytes) -> str | None:
    """Return in words what is wrong with a PNG file; None if nothing is.

    What a file has behind its end is ignored.

    Args:
        data: All its bytes. They need not be a PNG file's: then there is nothing to compare.
    """
    if not data.startswith(SIGNATURE):
        return None
    pixels: list[bytes] = []
    header = b""
    for kind, content, checksum in _parts(data):
        if zlib_ng.crc32(content, zlib_ng.crc32(kind)) != checksum:
            return f"the checksum of its part {kind.decode('latin-1')!r} is wrong"
        if kind == b"IHDR":
            header = content
        elif kind == b"IDAT":
            pixels.append(content)
        elif kind == b"IEND":
            return _fault_of_pixels(header, pixels)
    return "it ends early"


def _parts(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield kind, content and stated checksum of each part that is there as a whole."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            return
        yield data[at + 4 : at + 8], data[at + 8 : end], struct.unpack_from(">I", data, end)[0]
        at = end + 4


def _fault_of_pixels(header: bytes, pixels: list[bytes]) -> str | None:
    if len(header) != 13:
        return "it has no header"
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if colour not in _SAMPLES:
        return f"its header names the colour type {colour}, which does not exist"
    bits = depth * _SAMPLES[colour]
    sizes = [(width, height)]
    if interlaced:
        sizes = [
            (-(-(width - left) // across), -(-(height - top) // down))
            for left, top, across, down in _PASSES
        ]
    # a byte in front of each row says how it is filtered
    expected = sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes
                   if columns > 0 and rows > 0)  # fmt: skip
    return fault_of_compressed(pixels, (expected,))
