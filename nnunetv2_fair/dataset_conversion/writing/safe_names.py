"""Names that nnU-Net, every file system and every shell accept."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from nnunetv2_fair.files.fingerprints import hash_of

_SAFE_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LONGEST = 150  # file systems allow 255 bytes; channel number, ending and prefixes need some


def is_safe_case(name: str) -> bool:
    """Return whether ``name`` can be part of a file name anywhere and leads out of no folder."""
    return bool(_SAFE_CASE.fullmatch(name)) and len(name) <= _LONGEST and not name.endswith(".")


def is_safe_dataset_name(name: str) -> bool:
    """Return whether ``name`` can follow ``DatasetXXX_``."""
    return bool(_SAFE_NAME.fullmatch(name)) and len(name) <= _LONGEST


def safe_case_name(name: str) -> str:
    """Return ``name`` itself if it is safe, else the nearest name that is.

    Accents are dropped, folders are joined by ``__``, and everything except letters, digits, dots,
    minus and underscore becomes an underscore. A name that loses letters or is too long gets six
    hex digits of its SHA-256, so that different names stay different.

    Args:
        name: Any text, such as a file name without its ending.
    """
    if is_safe_case(name):
        return name
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", plain.replace("\\", "/").replace("/", "__"))
    safe = safe.strip("._-")
    if any(ord(letter) > 127 for letter in plain) or len(safe) > _LONGEST or not safe:
        digits = hash_of(name.encode("utf-8", "surrogateescape"))[:6]
        safe = f"{safe[:100] or 'case'}_{digits}"
    return safe


def case_name_problems(safe_names: Mapping[str, str]) -> list[str]:
    """Return a sentence for every case name that two originals would share.

    Names that differ only in upper and lower case count as the same: they are one file on
    Windows and macOS.

    Args:
        safe_names: Safe name of each original.
    """
    originals: dict[str, list[str]] = {}
    for original, safe in safe_names.items():
        originals.setdefault(safe.casefold(), []).append(original)
    return [
        f"{' and '.join(map(repr, names))} would all become case '{safe_names[names[0]]}'; rename "
        "all but one of them (file and table row)"
        for names in originals.values()
        if len(names) > 1
    ]


def repeated(names: Iterable[str]) -> list[str]:
    """Return every name that occurs more than once, ignoring upper and lower case, sorted."""
    seen: set[str] = set()
    twice: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            twice.add(name)
        seen.add(name.casefold())
    return sorted(twice)
