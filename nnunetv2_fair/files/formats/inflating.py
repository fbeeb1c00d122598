"""Whether compressed data (zlib or gzip) is whole: its checksum, and how long it is inflated.

Most readers stop inflating when they have as many bytes as they need. Then a checksum behind the
data is never compared, and a flipped bit goes unnoticed.
"""

from collections.abc import Iterable

from zlib_ng import zlib_ng

#: Inflated bytes that are held in memory at a time.
_BLOCK = 1 << 20
_GZIP_BEGIN = b"\x1f\x8b"
#: zlib or gzip, whichever the data begins like.
_EITHER = 32 + zlib_ng.MAX_WBITS


def fault_of_compressed(
    blocks: Iterable[bytes], lengths: tuple[int, ...] | None = None
) -> str | None:
    """Return in words what is wrong with compressed data; None if nothing is.

    Nothing is kept in memory, and no more is inflated than the largest of ``lengths``.

    Args:
        blocks: The data in pieces; of gzip perhaps several members. What follows is ignored.
        lengths: How many bytes it may inflate to; None: any number.
    """
    most = None if lengths is None else max(lengths)
    inflater = zlib_ng.decompressobj(_EITHER)
    found = 0
    try:
        for block in blocks:
            waiting = block
            while waiting:
                if inflater.eof:
                    if not _GZIP_BEGIN.startswith(waiting[:2]):
                        return _length_fault(found, lengths)
                    inflater = zlib_ng.decompressobj(_EITHER)
                found += len(inflater.decompress(waiting, _BLOCK))
                if most is not None and found > most:
                    return f"its compressed data inflates to more than {most} bytes"
                waiting = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        while not inflater.eof and (rest := inflater.decompress(b"", _BLOCK)):
            found += len(rest)
    except zlib_ng.error as error:  # type: ignore[misc]  # their stub declares it as an instance
        return f"its compressed data cannot be read ({error})"
    if not inflater.eof:
        return "its compressed data ends early"
    return _length_fault(found, lengths)


def _length_fault(found: int, lengths: tuple[int, ...] | None) -> str | None:
    if lengths is None or found in lengths:
        return None
    return f"its compressed data inflates to {found} bytes, its header announces {lengths[0]}"
