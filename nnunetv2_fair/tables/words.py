"""Words whose meaning in a cell is known: for unknown, for sex, for yes and no."""

from collections.abc import Mapping

#: Words, in lower case, that can only mean unknown. They are read so, with a note.
UNKNOWN_WORDS = frozenset(
    {
        "?", "n/a", "#n/a", "#na", "<na>", "nan", "null", "(null)", "unknown", "unk",
        "not available", "not known", "not recorded", "not reported", "not specified",
        "unspecified", "unavailable", "not stated", "not given", "not provided", "not disclosed",
        "prefer not to say", "prefer not to answer", "do not know", "don't know", "unbekannt",
        "nicht bekannt", "keine angabe", "inconnu", "inconnue", "desconocido", "desconocida",
        "sconosciuto", "不明", "未知",
    }
)  # fmt: skip

#: Words, in lower case, that often mean unknown but can mean something else: North America, a
#: negative finding, a tooth that is missing. They are refused until somebody says which.
DOUBTFUL_WORDS = frozenset(
    {
        "-", "--", ".", "na", "n.a.", "k.a.", "k. a.", "none", "missing", "fehlt",
        "not applicable", "not done", "tbd",
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
        "masculino",
        "uomo",
        "maschio",
        "男",
        "男性",
    ),
}
_YES_NO: Mapping[str, tuple[str, ...]] = {
    "yes": ("y", "yes", "ja", "oui", "sí", "true"),
    "no": ("n", "no", "nein", "non", "false"),
}
VOCABULARIES: tuple[Mapping[str, str], ...] = tuple(
    {word: level for level, words in vocabulary.items() for word in words}
    for vocabulary in (_SEX, _YES_NO)
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
