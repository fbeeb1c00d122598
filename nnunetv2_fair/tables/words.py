"""Words whose meaning in a cell is known: for unknown, for sex, for yes and no."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from nnunetv2_fair.errors import bare_name

#: Words, in lower case, that can only mean unknown. They are read so, with a note.
UNKNOWN_WORDS = frozenset(
    {
        "n/a", "#n/a", "#na", "<na>", "nan", "nat", "null", "(null)", "unknown", "unk",
        "unk.", "unkn", "unkn.", "(blank)", "no data", "no information", "no answer",
        "not available", "not known", "not recorded", "not reported", "not specified",
        "unspecified", "unavailable", "not stated", "not given", "not provided", "not disclosed",
        "prefer not to say", "prefer not to answer", "do not know", "don't know", "unbekannt",
        "nicht bekannt", "keine angabe", "inconnu", "inconnue", "non renseigné", "non précisé",
        "non disponible", "desconocido", "desconocida", "no consta", "no disponible", "sconosciuto",
        "non disponibile", "non noto", "不明", "未知",
    }
)  # fmt: skip

#: Words, in lower case, that often mean unknown but can mean something else: North America, a
#: negative finding, a tooth that is missing. They are refused until somebody says which.
DOUBTFUL_WORDS = frozenset(
    {
        "na", "n.a.", "n. a.", "k.a.", "k. a.", "none", "missing", "fehlt", "nr", "n.r.",
        "nd", "n.d.", "n/d", "s/d", "not applicable", "not done", "tbd",
        "nil", "empty", "blank", "undefined", "undetermined", "not determined", "refused",
        "declined", "ukn", "xxx",
    }
)  # fmt: skip

#: Levels by word, in lower case. A column whose words are all of one of these is understood.
_SEX: Mapping[str, tuple[str, ...]] = {
    "female": (
        "f",
        "w",
        "female",
        "fem",
        "woman",
        "women",
        "girl",
        "weiblich",
        "weibl.",
        "frau",
        "femme",
        "féminin",
        "mujer",
        "femenino",
        "donna",
        "femmina",
        "女",
        "女性",
    ),
    "male": (
        "m",
        "male",
        "man",
        "men",
        "boy",
        "männlich",
        "männl.",
        "mann",
        "homme",
        "masculin",
        "hombre",
        "varón",
        "masculino",
        "uomo",
        "maschio",
        "男",
        "男性",
    ),
}
_YES_NO: Mapping[str, tuple[str, ...]] = {
    "yes": ("y", "yes", "ja", "oui", "sí", "sì", "si", "sim", "true"),
    "no": ("n", "no", "nein", "non", "não", "nee", "false"),
}
VOCABULARIES: tuple[Mapping[str, str], ...] = tuple(
    {word: level for level, words in vocabulary.items() for word in words}
    for vocabulary in (_SEX, _YES_NO)
)
_FULL_WORDS = {word: level for word, level in VOCABULARIES[0].items() if len(word) > 3}


class _Language(NamedTuple):
    """Letters for sex in a language, which mean something else in others.

    Attributes:
        words: Some of its words; the letters mean what they mean only beside one of them.
        vocabulary: Level by letter, and by full word of any language.
    """

    words: frozenset[str]
    vocabulary: Mapping[str, str]


#: H is a man, and M may be a woman; U is unknown in English.
SEX_BY_LANGUAGE: tuple[_Language, ...] = (
    _Language(
        frozenset({"homme", "femme", "masculin", "féminin"}),
        {**_FULL_WORDS, "h": "male", "f": "female"},
    ),
    _Language(
        frozenset({"hombre", "mujer", "masculino", "femenino", "varón"}),
        {**_FULL_WORDS, "h": "male", "m": "female"},
    ),
    _Language(
        frozenset({"uomo", "donna", "maschio", "femmina"}),
        {**_FULL_WORDS, "u": "male", "d": "female"},
    ),
    _Language(
        frozenset({"mann", "frau", "männlich", "weiblich", "männl.", "weibl.", "divers"}),
        {**_FULL_WORDS, "m": "male", "w": "female", "d": "diverse", "divers": "diverse"},
    ),
)

#: What columns with the sex of people are called.
_SEX_COLUMNS = (
    "sex", "gender", "geschlecht", "sexe", "sexo", "sesso", "patientsex", "patsex", "patientgender",
)  # fmt: skip
#: Spellings whose meaning is beyond doubt in a column that holds a person's sex.
SEX_LEVELS: Mapping[str, str] = {
    spelling: level
    for level, words in _SEX.items()
    for word in words
    if word != "w"  # also stands for words other than woman
    for spelling in (word, word.upper(), word.capitalize())
}


@lru_cache(maxsize=1 << 16)  # a table has half a million cells, and few different ones
def surely_unknown(text: str) -> bool:
    """Return whether a cell's content can only mean unknown."""
    plain = _plain(text)
    if plain in ("", "?"):
        return True
    plain = plain.replace("_", " ")
    parts = re.split(r"\s*/\s*|\s*,\s*|\s+or\s+", plain)
    return UNKNOWN_WORDS.issuperset([plain]) or UNKNOWN_WORDS.issuperset(parts)


def perhaps_unknown(text: str) -> bool:
    """Return whether a cell's content may mean unknown, or something else.

    So may signs alone: dashes, dots, a stroke; not those with a plus, which are findings.
    """
    plain = _plain(text)
    return plain.replace("_", " ") in DOUBTFUL_WORDS or not any(
        s.isalnum() or s in "+<>=" for s in plain
    )


def _plain(text: str) -> str:
    """Return a text in lower case, without Unicode forms, invisible signs and long gaps."""
    signs = unicodedata.normalize("NFKC", text).replace("\u2215", "/")
    seen = "".join(sign for sign in signs if unicodedata.category(sign) != "Cf")
    return " ".join(seen.split()).casefold()


def is_sex(name: str) -> bool:
    """Return whether a column of that name holds the sex of people."""
    return name.casefold() in _SEX_COLUMNS or bare_name(name) in _SEX_COLUMNS


def is_spreadsheet_error(text: str) -> bool:
    """Return whether a cell is what a spreadsheet shows where a formula failed, in any language.

    Such as ``#REF!``, ``#DIV/0!``, ``#WERT!``, ``#NV``, and ``Err:502`` of LibreOffice.
    """
    return re.fullmatch(r"#\S+[!?]|#N/?[AVD]|Err:\d{3}", text, re.IGNORECASE) is not None


def is_code_for_unknown(number: str) -> bool:
    """Return whether a number that is not plausible is one that people write for unknown."""
    return re.fullmatch(r"-?99+(\.0)?|-[19](\.0)?", number, re.ASCII) is not None
