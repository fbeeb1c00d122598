"""Fresh numbers in place of participant identifiers, and the one file that holds both.

Identifiers of participants are in no output but this file: not in case names, tables, logs or
messages. Numbers are drawn at random, so that not even the order of identifiers can be seen.
"""

import csv
import io
import os
import random
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from nnunetv2_fair.errors import ConversionError, TableError, shorten
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.files.tabular import Row, read_rows
from nnunetv2_fair.paths import PREPROCESSED, RAW, RESULTS

_HEADER = ("participant", "patient")
_PATIENT = re.compile(r"p(\d{5,6})")
#: Looks like an identifier of UK Biobank: seven digits on their own.
_IDENTIFIER = re.compile(r"(?<!\d)\d{7}(?!\d)")
_HIDDEN = "<participant>"


def without_identifiers(text: str, identifiers: Iterable[str] = ()) -> str:
    """Return a text without anything that looks like a participant's identifier.

    Args:
        text: A message or a path.
        identifiers: Further texts to hide, such as the participant being processed.
    """
    for identifier in identifiers:
        text = re.sub(rf"(?<![^\W_]){re.escape(identifier)}(?![^\W_])", _HIDDEN, text)
    return _IDENTIFIER.sub(_HIDDEN, text)


def map_problems(path: Path, raw: Path) -> list[str]:
    """Return the reasons why the map cannot be written to a place, in words.

    Args:
        path: Where the user wants it.
        raw: Folder of the datasets.
    """
    shown = without_identifiers(str(path))
    if path.is_dir():
        return [f"{shown} is a folder; --participant-map needs the name of a file"]
    problems = []
    if not path.parent.is_dir():
        problems.append(f"the folder of {shown} (--participant-map) does not exist; make it first")
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        problems.append(f"the folder of {shown} (--participant-map) is read-only for this user")
    folders = {"the folder of the datasets": raw}
    for variable in (RAW, PREPROCESSED, RESULTS):
        if os.environ.get(variable, "").strip():
            folders[variable] = Path(os.environ[variable].strip())
    place = path.resolve()
    inside = [name for name, folder in folders.items() if place.is_relative_to(folder.resolve())]
    if inside:
        problems.append(
            f"{shown} (--participant-map) is inside {inside[0]}. The map names participants, so it "
            "must be where no dataset, model or log is shared from; name a file elsewhere"
        )
    return problems


def read_map(path: Path) -> dict[str, str]:
    """Return the patient of each participant of an earlier conversion; empty if there is none.

    Raises:
        ConversionError: If the file is something else. It is then never replaced.
    """
    shown = without_identifiers(str(path))
    if not path.exists():
        return {}
    try:
        rows = list(read_rows(path, delimiter=","))
    except (OSError, TableError) as error:
        problem = type(error.__cause__ or error).__name__  # its message may name participants
    else:
        problem = _map_problem(rows)
        if not problem:
            return {cells[0]: cells[1] for _, cells in rows[1:]}
    # raised outside of the handler: the cause may show lines of the file
    raise ConversionError(
        f"{shown} exists and is not a map of an earlier conversion ({problem}); it is unchanged. "
        "Name another file with --participant-map."
    )


def _map_problem(rows: list[Row]) -> str:
    if not rows or tuple(rows[0].cells) != _HEADER:
        return f"the first line is not {','.join(_HEADER)}"
    wrong = [
        line
        for line, cells in rows[1:]
        if len(cells) != 2 or not cells[0] or not _PATIENT.fullmatch(cells[1])
    ]
    if wrong:
        return f"line {shorten(wrong)}: expected an identifier and a number such as p00001"
    for column, what in enumerate(_HEADER):
        if len({cells[column] for _, cells in rows[1:]}) < len(rows) - 1:
            return f"a {what} occurs twice"
    return ""


def number_participants(participants: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return a patient (``p00001``) for each participant.

    Args:
        participants: Identifiers.
        known: Those of an earlier conversion, which keep their number.
    """
    wanted = list(dict.fromkeys(participants))
    new = [participant for participant in wanted if participant not in known]
    used = {int(patient[1:]) for patient in known.values()}
    free = [n for n in range(1, len(used) + len(new) + 1) if n not in used][: len(new)]
    random.SystemRandom().shuffle(free)
    fresh = {participant: f"p{n:05d}" for participant, n in zip(new, free, strict=True)}
    return {participant: known.get(participant) or fresh[participant] for participant in wanted}


def write_map(path: Path, patients: Mapping[str, str]) -> None:
    """Write the map so that only its owner can read it; it appears whole or not at all.

    Args:
        path: Where to.
        patients: Patient of each participant.

    Raises:
        ConversionError: If it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    by_number = sorted((patient, participant) for participant, patient in patients.items())
    writer.writerows((participant, patient) for patient, participant in by_number)
    try:
        write_text(path, text.getvalue(), private=True)
    except OSError as error:
        raise ConversionError(
            f"{without_identifiers(str(path))} (--participant-map) cannot be written: "
            f"{error.strerror}. Nothing was converted."
        ) from None
