"""Which levels of a column are one level in several spellings."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from decimal import Decimal

from nnunetv2_fair.tables.numbers import plain_number
from nnunetv2_fair.tables.words import SEX_BY_LANGUAGE, VOCABULARIES

#: Cyrillic and Greek letters that look like Latin ones, in lower case.
_LOOK_ALIKES = str.maketrans("аеорсухіјѕԁһԛԝαικνορτυ", "aeopcyxijsdhqwaikvoptu")
#: Typographic dashes and quotation marks, and the plain ones.
_PLAIN_SIGNS = str.maketrans(
    dict.fromkeys("\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}", "-")
    | dict.fromkeys("\N{MINUS SIGN}", "-")
    | dict.fromkeys("\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}`", "'")
    | dict.fromkeys("\N{MODIFIER LETTER APOSTROPHE}\N{ACUTE ACCENT}", "'")
    | dict.fromkeys("\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}", '"')
    | dict.fromkeys("\N{DOUBLE LOW-9 QUOTATION MARK}", '"')
)
_ZEROS_BEHIND_COMMA = re.compile(r"([+-]?\d+),0{1,2}", re.ASCII)


def folded(text: str) -> str:
    """Return a text as it reads: the same for all spellings of a level.

    Capitals, Unicode forms, invisible signs, letters of other scripts that look Latin, the kind
    of gap between words, typographic dashes and quotation marks, gaps around ``/`` and ``&``, and
    the form of numbers (``1``, ``1.0``, ``1,0``, ``01``) make no difference.
    """
    number = _ZEROS_BEHIND_COMMA.sub(r"\1", text)
    if plain_number(number) is not None:
        return str(Decimal(number).normalize() + 0)
    plain = re.sub(r"\s*([/&])\s*", r"\1", as_seen(text).translate(_PLAIN_SIGNS))
    words = plain.replace("_", " ").replace("-", " ").split()
    return " ".join(words) or _visible(text)


def as_seen(text: str) -> str:
    """Return a text without what nobody sees, in lower case.

    That are Unicode forms, invisible signs, and letters of other scripts that look Latin.
    """
    return _visible(text).casefold().translate(_LOOK_ALIKES)


def control_signs(text: str) -> list[str]:
    """Return the control characters of a text as ``U+0000``, and those that turn its direction.

    Line ends and tabs are none.
    """
    return [
        f"U+{ord(sign):04X}"
        for sign in text
        if (unicodedata.category(sign) == "Cc" and sign not in "\t\r\n")
        or sign in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    ]


def one_spelling(counts: Mapping[str, int], levels: Sequence[str] = ()) -> dict[str, str]:
    """Return what to make of levels that are spelt in several ways.

    Args:
        counts: How many rows have each level.
        levels: Spellings that are right, where a dictionary says so.

    Returns:
        Spelling -> the one to use, for all spellings that should be replaced. Empty if every level
        is spelt in one way. The spelling to use is one of ``levels``; else, of words for sex or
        yes and no, the full English word; else the one that most rows have.
    """
    keys = {level: folded(level) for level in (*counts, *levels)}
    meanings = _meanings(counts, keys)
    meant = {level: meanings.get(key, key) for level, key in keys.items()}
    alike: dict[str, list[str]] = {}
    for level, key in meant.items():
        alike.setdefault(key, []).append(level)
    if all(len(spellings) == 1 for spellings in alike.values()):
        return {}
    right: dict[str, str] = {}
    for key, spellings in alike.items():
        told = next((level for level in levels if level in spellings), None)
        if told is None and key in meanings.values():
            told = key
        # of equally frequent spellings one without oddities, such as an invisible sign
        usual = min(spellings, key=lambda s: (-counts.get(s, 0), len(s), not s.isascii(), s))
        right.update(dict.fromkeys(spellings, told or usual))
    return {old: new for old, new in right.items() if old in counts and old != new}


def _meanings(counts: Mapping[str, int], keys: Mapping[str, str]) -> dict[str, str]:
    """Return the level that each word of a column means; none for words of two meanings."""
    speaking = [v for v in VOCABULARIES if _speaks(v, counts, keys)]
    # letters of one language count only beside a word of it
    words = set(keys.values())
    speaking += [
        language.vocabulary
        for language in SEX_BY_LANGUAGE
        if language.words & words and _speaks(language.vocabulary, counts, keys)
    ]
    known = [sum(counts[level] for level in counts if keys[level] in v) for v in speaking]
    best = [v for v, n in zip(speaking, known, strict=True) if n == max(known)]
    meant: dict[str, set[str]] = {}
    for vocabulary in best:
        for word, level in vocabulary.items():
            meant.setdefault(word, set()).add(level)
    return {word: found.pop() for word, found in meant.items() if len(found) == 1}


def _speaks(
    vocabulary: Mapping[str, str], counts: Mapping[str, int], keys: Mapping[str, str]
) -> bool:
    """Return whether levels are words of a vocabulary: all, or most, and one beyond doubt.

    ``F``, ``Female``, ``M`` and ``other`` are about sex; ``F``, ``f``, ``M`` and ``X`` need not be.
    """
    known = [level for level in counts if keys[level] in vocabulary]
    if len(known) == len(counts):
        return True
    plain = any(keys[level] == vocabulary[keys[level]] or len(level) > 3 for level in known)
    return plain and 2 * sum(counts[level] for level in known) > sum(counts.values())


def _visible(text: str) -> str:
    signs = unicodedata.normalize("NFKC", text)
    return "".join(sign for sign in signs if unicodedata.category(sign) != "Cf")
