"""Words whose meaning in a cell is known: for unknown, for sex, for yes and no."""

import re
from collections.abc import Mapping

#: Words, in lower case, that can only mean unknown. They are read so, with a note.
UNKNOWN_WORDS = frozenset(
    {
        "?", "n/a", "#n/a", "#na", "<na>", "nan", "null", "(null)", "unknown", "unk",
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
        "-", "--", ".", "na", "n.a.", "k.a.", "k. a.", "none", "missing", "fehlt", "nr", "n.r.",
        "nd", "n.d.", "n/d", "s/d", "not applicable", "not done", "tbd",
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
#: Words for sex beside letters that mean something else in other languages: H is a man, and M may
#: be a woman.
SEX_BY_LANGUAGE: tuple[Mapping[str, str], ...] = (
    {**_FULL_WORDS, "h": "male", "f": "female"},  # homme, femme
    {**_FULL_WORDS, "h": "male", "m": "female"},  # hombre, mujer
    {**_FULL_WORDS, "u": "male", "d": "female"},  # uomo, donna
    {**_FULL_WORDS, "m": "male", "w": "female", "d": "diverse", "divers": "diverse"},
)

#: Spellings whose meaning is beyond doubt in a column that holds a person's sex.
SEX_LEVELS: Mapping[str, str] = {
    spelling: level
    for level, words in _SEX.items()
    for word in words
    if word != "w"  # also stands for words other than woman
    for spelling in (word, word.upper(), word.capitalize())
}


def surely_unknown(text: str) -> bool:
    """Return whether a cell's content can only mean unknown."""
    return text == "" or " ".join(text.split()).casefold() in UNKNOWN_WORDS


def perhaps_unknown(text: str) -> bool:
    """Return whether a cell's content may mean unknown, or something else."""
    return " ".join(text.split()).casefold() in DOUBTFUL_WORDS


def is_spreadsheet_error(text: str) -> bool:
    """Return whether a cell is what a spreadsheet shows where a formula failed, in any language.

    Such as ``#REF!``, ``#DIV/0!``, ``#WERT!``, ``#NV``, and ``Err:502`` of LibreOffice.
    """
    return re.fullmatch(r"#\S+[!?]|#N/?[AVD]|Err:\d{3}", text, re.IGNORECASE) is not None


def is_code_for_unknown(number: str) -> bool:
    """Return whether a number that is not plausible is one that people write for unknown."""
    return re.fullmatch(r"-?99+(\.0)?|-[19](\.0)?", number, re.ASCII) is not None
