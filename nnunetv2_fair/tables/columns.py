"""Which column of a table is what: roles such as the patient, and attributes."""

import logging
import re
import shlex
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunetv2_fair.errors import (
    TableError,
    UsageError,
    bare_name,
    closest,
    did_you_mean,
    shorten,
)
from nnunetv2_fair.files.tabular import Table
from nnunetv2_fair.tables.case_names import named_like
from nnunetv2_fair.tables.numbers import ascii_number, is_date, like_numbers, plain_number
from nnunetv2_fair.tables.settings import TableSettings
from nnunetv2_fair.tables.words import is_sex, surely_unknown

logger = logging.getLogger(__name__)

#: Usual names of roles, compared without capitals and gaps.
_USUAL: Mapping[str, tuple[str, ...]] = {
    "case": ("case", "case_id", "case_name", "case_identifier"),
    "image": ("image", "filename", "file", "image_id", "image_name", "case"),
    "patient": (
        "patient", "patient_id", "pat_id", "patient_nr", "patient_no", "patient_number", "pat_nr",
        "subject", "subject_id", "participant", "participant_id", "patienten_id",
        "patientennummer", "patienten_nr", "mrn", "medical_record_number", "n_patient",
        "no_patient", "id_patient", "numéro_patient", "paziente", "id_paziente", "paciente",
        "id_paciente",
    ),
    "synthetic": ("synthetic",),
    "sampling_weight": ("sampling_weight",),
}  # fmt: skip
_WHAT = {
    "case": "names the nnU-Net case that a row describes",
    "image": "says which image a row describes",
    "patient": "says which patient it is",
}
#: Words that name a part of the data, and the part.
PARTS = {
    **dict.fromkeys(("train", "training", "tr", "val", "valid", "validation"), "train"),
    **dict.fromkeys(("test", "testing", "ts", "te"), "test"),
}
#: More levels than this and a column that nobody asked for is left out.
MOST_LEVELS = 12
#: More different numbers than this and a column of numbers is not one of codes.
MOST_CODES = 8
#: What may stand behind the name of a column: ``Age [years]``.
_UNIT = re.compile(r"\s*(\([^()]*\)|\[[^\[\]]*\])\s*$")
#: Joins attributes in an expression, so no attribute can have it in its name.
_JOINS = "+"


@dataclass(frozen=True)
class Columns:
    """Which column is what.

    Attributes:
        roles: Column of each role that the table has.
        attributes: Column of each attribute.
        notes: What was decided, and why other columns are left out.
        problems: Columns that are absent, where others seem to be meant.
        guessed: Those, by role or attribute. They are read only to say what else is wrong.
    """

    roles: Mapping[str, str]
    attributes: Mapping[str, str]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    guessed: Mapping[str, str] = field(default_factory=dict)


def find_columns(
    table: Table, path: Path, settings: TableSettings, described: Iterable[str] | None = None
) -> Columns:
    """Find the columns of roles and attributes.

    Args:
        table: The table.
        path: Its file, for messages.
        settings: How it is to be read.
        described: Attributes that a dictionary describes; None if there is none.

    Raises:
        TableError: If a column that is needed is absent, or no column can be an attribute.
        UsageError: If an option names an attribute that is not used.
    """
    roles, notes = _find_roles(table.header, path, settings)
    missing: list[str] = [settings.key] if settings.key not in roles else []
    problems: list[str] = []
    guessed: dict[str, str] = {}
    if described is not None:
        attributes, absent = _columns_of(table.header, list(described), settings)
        missing += absent
    else:
        attributes, absent = _columns_of(table.header, _named(settings), settings)
        attributes |= _columns_of(table.header, settings.optional, settings)[0]
        missing += absent
    if missing:
        guesses = _guesses(table, missing, {*roles.values(), *attributes.values()})
        text = _absent(table, guesses, settings, described=described is not None)
        guessed = {name: column for name, column in guesses.items() if column is not None}
        # --columns that the user gave cannot be repeated
        if len(guessed) < len(missing) or any(name in settings.columns for name in missing):
            raise TableError(f"{path} has {text}.")
        problems.append(f"{path.name} has {text}")
        roles |= {name: c for name, c in guessed.items() if name in settings.roles}
        attributes |= {name: c for name, c in guessed.items() if name not in settings.roles}
    if described is not None:
        left = [c for c in table.header if c not in {*roles.values(), *attributes.values(), ""}]
        if left:
            notes.append(f"columns without description are not used: {shorten(left, 20)}")
    if described is None and (settings.attributes is None or settings.others):
        fitting, left_out = _fitting(table, settings, attributes, roles)
        attributes |= fitting
        notes += left_out
    if not attributes and described is None:
        raise TableError(
            f"{path} has no column that could be an attribute such as sex or age. "
            f"{_listed(table.header)}. Name them: -a <column>."
        )
    _check_options(path, settings, attributes)
    unnamed = [i for i, name in enumerate(table.header) if not name]
    filled = [i + 1 for i in unnamed if any(row[i] for row in table.rows)]
    if filled:
        have = "column has" if len(filled) == 1 else "columns have"
        notes.append(
            f"{len(filled)} {have} no name and cannot be used: {shorten(filled)} (pandas writes "
            "its row numbers so, unless index=False)"
        )
    return Columns(roles, attributes, notes, problems, guessed)


def column_of_names(table: Table, settings: TableSettings, names: Collection[str]) -> TableSettings:
    """Return settings that say which column tells rows apart, where its cells show it.

    Nothing changes if the user named the column, or if the one of a usual name holds any of the
    names. Otherwise it is the column that holds most of them, and more than half.

    Args:
        table: The table.
        settings: How it is to be read.
        names: What there is: cases of a dataset, or images.
    """
    if settings.key in settings.columns or settings.key == "patient":
        return settings
    usual = [bare_name(name) for name in _USUAL[settings.key]]
    patients = [bare_name(name) for name in _USUAL["patient"]]
    held: dict[str, int] = {}
    for i, column in enumerate(table.header):
        cells = list(dict.fromkeys(row[i] for row in table.rows))
        found = len(set(cells) & set(names)) + len(named_like(cells, names)[0])
        if found and bare_name(column) in usual:
            return settings
        if column and column not in settings.columns.values():
            held[column] = found
    # where two hold the same names, one of them says who the patients are
    best = max(held, key=lambda c: (held[c], bare_name(c) not in patients), default=None)
    if best is None or 2 * held[best] <= len(names):
        return settings
    logger.info(
        "Note: column '%s' is taken for the %s: it holds the names of %d of %d",
        best, settings.key, held[best], len(names),
    )  # fmt: skip
    return replace(settings, columns={**settings.columns, settings.key: best})


def is_age(name: str) -> bool:
    """Return whether an attribute of that name is an age in years."""
    words = set(re.split(r"[\W\d_]+", name.casefold()))
    other_units = {
        "gestational", "weeks", "months", "days", "group", "class", "category", "bin", "wochen",
        "monate", "tage", "gruppe", "klasse",
    }  # fmt: skip
    return (
        bool(words & {"age", "alter", "âge", "edad", "età", "idade", "leeftijd"})
        and not words & other_units
    )


def is_numeric(name: str, known: Sequence[str], settings: TableSettings) -> bool:
    """Return whether a column holds numbers, even if all of them are written wrongly.

    Args:
        name: Of the attribute.
        known: Its cells that are not unknown.
        settings: What was said about it.
    """
    told = name in settings.bins or name in settings.dicom_age or name in settings.ranges
    meanings = settings.values.get(name)
    if meanings is not None and not (
        # 90+ may mean the number 90
        (told or is_age(name)) and all(plain_number(new) is not None for new in meanings.values())
    ):
        return False
    if told:
        return True
    # ages that are no numbers, a person each, are no groups either
    if is_age(name) and (
        any(ascii_number(text) is not None for text in known) or len(set(known)) > MOST_LEVELS
    ):
        return True
    like = like_numbers(known)
    # a few numbers may be codes
    return 2 * len(like) > len(known) and (is_age(name) or len(set(like)) > MOST_CODES)


def column_called(header: Iterable[str], name: str) -> str | None:
    """Return the column of that name, or the only one that is called almost like it.

    Capitals, gaps and what stands in brackets at its end, such as a unit, make no difference.
    """
    header = list(header)
    if name in header:
        return name
    for plain in (str.casefold, bare_name, _without_unit):
        alike = [column for column in header if column and plain(column) == plain(name)]
        if len(alike) == 1:
            return alike[0]
    return None


def _without_unit(name: str) -> str:
    return bare_name(_UNIT.sub("", name)) or bare_name(name)


def _listed(header: Iterable[str]) -> str:
    return f"Columns found: {shorten((name for name in header if name), 30)}"


def _find_roles(
    header: Sequence[str], path: Path, settings: TableSettings
) -> tuple[dict[str, str], list[str]]:
    roles: dict[str, str] = {}
    for role in settings.roles:
        if role in settings.columns:
            column = column_called(header, settings.columns[role])
            if column is None:
                wanted = settings.columns[role]
                flag = "--split-column" if role == "split" else f"--columns {role}"
                raise TableError(
                    f"{path} has no column '{wanted}' ({flag}).{did_you_mean(wanted, header)} "
                    f"{_listed(header)}."
                )
            roles[role] = column
    notes = []
    attributes = {c for name, c in settings.columns.items() if name not in settings.roles}
    for role in settings.roles:
        if role in roles or (role == "image" and settings.key == "patient"):
            continue
        names = [bare_name(name) for name in _USUAL.get(role, ())]
        found = next((c for name in names for c in header if bare_name(c) == name), None)
        if found is not None and found not in {*roles.values(), *attributes}:
            roles[role] = found
            if bare_name(found) != bare_name(role):
                notes.append(f"column '{found}' is taken for the {role}")
    return roles, notes


def _named(settings: TableSettings) -> list[str]:
    """Return the attributes that the user named."""
    mapped = [name for name in settings.columns if name not in settings.roles]
    if settings.attributes is None or settings.others:
        return list(dict.fromkeys([*(settings.attributes or ()), *mapped]))
    return list(settings.attributes)


def _columns_of(
    header: Sequence[str], names: Sequence[str], settings: TableSettings
) -> tuple[dict[str, str], list[str]]:
    """Return the column of each attribute, and those that have none."""
    found = {name: column_called(header, settings.columns.get(name, name)) for name in names}
    return (
        {name: column for name, column in found.items() if column is not None},
        [name for name, column in found.items() if column is None],
    )


def _guesses(table: Table, missing: Sequence[str], taken: Container[str]) -> dict[str, str | None]:
    """Return the column that each role or attribute probably is; None where none seems to be."""
    found: dict[str, str | None] = {}
    free = [column for column in table.header if column and column not in taken]
    for name in missing:
        found[name] = _guess(table, name, [c for c in free if c not in found.values()])
    return found


def _absent(
    table: Table,
    guesses: Mapping[str, str | None],
    settings: TableSettings,
    *,
    described: bool,
) -> str:
    """Return in words which columns are absent, and what they probably are called."""
    told: list[str] = []
    for name in guesses:
        wanted = settings.columns.get(name, name)
        if name == settings.key and name in settings.roles:
            told.append(f"no column '{wanted}' that {_WHAT[name]}")
        else:
            told.append(f"no column '{wanted}' for the attribute '{name}'")
    pairs = " ".join(
        f"{shlex.quote(name)}={'<column>' if guess is None else shlex.quote(guess)}"
        for name, guess in guesses.items()
    )
    names = "it" if len(guesses) == 1 else "them"
    end = f"Name {names}: --columns {pairs}"
    typed = [n for n, guess in guesses.items() if guess is not None and closest(n, [guess])]
    misspelt = [n for n in typed if n not in settings.roles and n not in settings.columns]
    if misspelt and not described:
        end += f". Or if you mean the column by its name: -a {_quoted(guesses, misspelt)}"
    if described:
        end += ". Or add the columns, or remove the attributes from the dictionary"
    return f"{', '.join(told)}. {_listed(table.header)}. {end}"


def _quoted(guesses: Mapping[str, str | None], names: Iterable[str]) -> str:
    return " ".join(shlex.quote(str(guesses[name])) for name in names)


def _guess(table: Table, name: str, free: Sequence[str]) -> str | None:
    """Return which of some columns probably is an attribute or role; None if none seems to be."""
    if name in _WHAT:
        for usual in _USUAL["image" if name == "case" else name]:
            found = column_called(free, usual)
            if found is not None:
                return found
        if name == "patient":
            return None
        columns = {c: [row[table.header.index(c)] for row in table.rows] for c in free}
        return next((c for c, texts in columns.items() if len(set(texts)) == len(texts) > 1), None)
    for column in free:
        if is_sex(name) and is_sex(column):
            return column
        if is_age(name) and is_age(column):
            return column
    return closest(name, free)


def _fitting(
    table: Table, settings: TableSettings, named: Mapping[str, str], roles: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return other columns that can be attributes, by name, and notes on those that cannot."""
    taken = {*named.values(), *roles.values()}
    fitting: dict[str, str] = {}
    notes = []
    for i, column in enumerate(table.header):
        if column in taken or not column:
            continue
        short, name = _as_attribute(_UNIT.sub("", column)), _as_attribute(column)
        if short and short not in {*named, *fitting, "case", *settings.roles}:
            name = short
        used = name in named or name in fitting
        texts = (row[i] for row in table.rows)
        known = [t for t in texts if not surely_unknown(t) and t not in settings.unknown]
        reason = _why_not(column, name, known, settings, used=used)
        if reason is None:
            fitting[name] = column
        else:
            notes.append(f"column '{column}' is not used: {reason}")
    return fitting, notes


def _as_attribute(column: str) -> str:
    return re.sub(r"[^\w.-]+", "_", column.replace(_JOINS, "_")).strip("_")


def _why_not(
    column: str, name: str, known: Sequence[str], settings: TableSettings, *, used: bool
) -> str | None:
    """Return why a column that nobody asked for cannot be an attribute; None if it can."""
    if not name or name in {"case", *settings.roles} or used:
        return "its name is reserved or in use"
    if not known:
        return "it has no values"
    if "split" in settings.roles and {value.casefold() for value in known} <= set(PARTS):
        return (
            "it seems to name the training and test part; to use it: --split-column "
            f"{shlex.quote(column)}"
        )
    if 2 * sum(map(is_date, known)) > len(known):
        return "it holds dates, which form no groups"
    if _are_row_numbers(known):
        return f"it numbers the rows; if it is more than that: -a {shlex.quote(column)}"
    if is_numeric(name, known, settings) or _has_few_levels(known):
        return None
    return f"{len(set(known))} different values; take it with -a {shlex.quote(column)}"


def _are_row_numbers(known: Sequence[str]) -> bool:
    """Return whether cells count from 0 or 1, as pandas and R number rows."""
    if len(known) <= MOST_CODES or known[0] not in ("0", "1"):
        return False
    return list(known) == [str(i) for i in range(int(known[0]), int(known[0]) + len(known))]


def _has_few_levels(known: Sequence[str]) -> bool:
    levels = len(set(known))
    return levels <= MOST_LEVELS and not (levels == len(known) and levels > 5)


def _check_options(path: Path, settings: TableSettings, attributes: Mapping[str, str]) -> None:
    """Raise if an option names an attribute that is not used."""
    for option, names in (
        ("--bins", settings.bins), ("--range", settings.ranges), ("--values", settings.values),
        ("--dicom-age", settings.dicom_age),
        ("--columns", [n for n in settings.columns if n not in settings.roles]),
    ):  # fmt: skip
        for name in names:
            if name not in attributes:
                raise UsageError(
                    f"{path}: {option} names the attribute '{name}', which is not used."
                    f"{did_you_mean(name, attributes)} Attributes: "
                    f"{shorten(attributes, 12) or 'none'}. Add it with -a {shlex.quote(name)}."
                )
    if settings.default is not None and settings.default not in attributes:
        raise UsageError(
            f"{path}: the default attribute '{settings.default}' (--default) is not among those "
            f"used: {shorten(attributes, 12) or 'none'}. Add it with -a {settings.default}."
        )
