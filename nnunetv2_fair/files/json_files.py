"""Reading JSON that people or other programs wrote: what is wrong with a file, in words."""

import json
from pathlib import Path
from typing import Any

from nnunetv2_fair.errors import FairError


def read_json(path: Path, error_type: type[FairError], remedy: str) -> Any:
    """Return what a JSON file holds.

    Args:
        path: The file, in UTF-8 with or without a byte order mark.
        error_type: What to raise.
        remedy: Last sentence of the message, with its full stop.

    Raises:
        FairError: Of ``error_type``, if the file is missing, unreadable, or not JSON, or if an
            object has two entries of one name (Python would keep the last without a word).
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_object)
    except FileNotFoundError as error:
        raise error_type(f"{path} does not exist. {remedy}") from error
    except OSError as error:
        raise error_type(f"{path} cannot be read ({error.strerror}). {remedy}") from error
    except UnicodeDecodeError as error:
        raise error_type(f"{path} is not JSON: it is not text in UTF-8. {remedy}") from error
    except json.JSONDecodeError as error:
        raise error_type(f"{path} is not JSON: {_place(error)}. {remedy}") from error
    except _TwiceError as error:
        raise error_type(
            f"{path} has two entries '{error}' in one object. Keep one of them. {remedy}"
        ) from error
    except ValueError as error:  # a number of thousands of digits
        raise error_type(f"{path} is not JSON: {error}. {remedy}") from error
    except RecursionError as error:
        raise error_type(f"{path} is not JSON: it is nested too deeply. {remedy}") from error


def read_json_object(path: Path, error_type: type[FairError], remedy: str) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Args:
        path: As for :func:`read_json`, with all that follow.
        error_type: As there.
        remedy: As there.

    Raises:
        FairError: Of ``error_type``, as there, and if the file holds anything else.
    """
    content = read_json(path, error_type, remedy)
    if not isinstance(content, dict):
        raise error_type(f"{path} holds {in_words(content)}; expected an object. {remedy}")
    return content


def in_words(value: Any) -> str:
    """Return ``a list``, ``a text``, ``a number``, ``an object``, or null, true, false."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}
    return names.get(type(value), "a number")


class _TwiceError(Exception):
    """An object has two entries of this name."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return found


def _place(error: json.JSONDecodeError) -> str:
    if not error.doc.strip():
        return "it is empty"
    if error.msg.startswith("Unterminated") or not error.doc[error.pos :].strip():
        return f"it ends in the middle of line {error.lineno}, as if cut off"
    return f"line {error.lineno}, column {error.colno}: {error.msg}"
