"""Cases that a table calls otherwise: with an ending, in capitals, without their leading zeros."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence

from nnunetv2_fair.errors import shorten
from nnunetv2_fair.paths import last_name

_ENDING = re.compile(
    r"(_\d{4})?\.(nii(\.gz)?|mha|mhd|(seg\.)?nrrd|nhdr|gipl(\.gz)?|png|bmp|tiff?|jpe?g|gif|dcm)",
    re.IGNORECASE,
)


def without_ending(name: str) -> str:
    """Return ``case`` for ``folder/case_0000.nii.gz`` and ``case.png``."""
    name = last_name(name)
    match = _ENDING.search(name)
    return name[: match.start()] if match and match.end() == len(name) else name


def without_capitals(name: str) -> str:
    """Return ``case 1`` for ``folder/CASE_1.png``: no ending, capitals and kinds of gaps."""
    return re.sub(r"[\s_-]+", " ", without_ending(name).casefold()).strip()


def without_zeros(name: str) -> str:
    """Return ``7`` for ``007``, ``7.0`` and ``007.png``; others as :func:`without_capitals`."""
    plain = without_capitals(name)
    # 7.0: numbers become so in a column with an empty cell
    match = re.fullmatch(r"(\d+)(\.0+)?", plain, re.ASCII)
    return (match[1].lstrip("0") or "0") if match else plain


#: What may differ between a table's names and those of cases, and how to say so; each rule
#: includes those before it.
_RULES: Sequence[tuple[Callable[[str], str], str]] = (
    (without_ending, "names of files are read as those of their cases"),
    (without_capitals, "names of cases are found without regard to capitals and gaps"),
    (without_zeros, "leading zeros that the table has lost are restored"),
)


def named_like(names: Sequence[str], cases: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Return how cases are called that a table calls otherwise.

    Args:
        names: Names in the table.
        cases: Names of the cases.

    Returns:
        Name in the table -> name of the case, for those that differ and can be only one case; and
        a note per kind of difference.
    """
    found: dict[str, str] = {}
    notes = []
    for plain, note in _RULES:
        free = [name for name in names if name not in cases and name not in found]
        taken = {*names, *found.values()}
        open_cases = [case for case in cases if case not in taken]
        by_case = _one_to_one(open_cases, plain)
        by_name = _one_to_one(free, plain)
        fitting = {name: by_case[key] for key, name in by_name.items() if key in by_case}
        if fitting:
            examples = shorten((f"{old} -> {new}" for old, new in fitting.items()), 2)
            notes.append(f"{note} ({examples})")
            found |= fitting
    return found, notes


def _one_to_one(names: Collection[str], plain: Callable[[str], str]) -> dict[str, str]:
    """Return the name of each plain form that only one of the names has."""
    counts = Counter(map(plain, names))
    return {plain(name): name for name in names if counts[plain(name)] == 1}


def guess_suffix(names: Iterable[str], longer: Iterable[str]) -> str | None:
    """Return what all of the longer names seem to have behind a name, for a hint.

    Args:
        names: Names of images, or of cases.
        longer: Names such as those of masks: ``a_mask`` for ``a``.

    Returns:
        Such as ``_mask``; None if it is unclear.
    """
    known = set(names)
    endings = set()
    for name in longer:
        # the longest name that it begins with
        end = next((i for i in range(len(name), 0, -1) if name[:i] in known), None)
        if end is None:
            return None
        endings.add(name[end:])
    return endings.pop() if len(endings) == 1 else None
