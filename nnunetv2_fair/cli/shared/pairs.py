"""Arguments of the form ``a=b``: names with columns, numbers, cuts and levels."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from nnunetv2_fair.errors import UsageError, did_you_mean
from nnunetv2_fair.files.json_files import in_words, read_json_object
from nnunetv2_fair.tables.remedy import split_list, split_pair, unescaped


def pairs(texts: Sequence[str], flag: str, example: str = "name=value") -> dict[str, str]:
    r"""Return ``{a: b}`` of texts such as ``a=b``; ``\=`` is no sign between them.

    Raises:
        UsageError: If one has no ``=`` or a name occurs twice.
    """
    result: dict[str, str] = {}
    for text in texts:
        pair = split_pair(text)
        name, value = (part.strip() for part in pair) if pair else ("", "")
        if not name or not value:
            raise UsageError(f"{flag} {text}: expected a form such as {flag} {example}.")
        if name in result:
            raise UsageError(f"{flag} names '{name}' twice; give it once.")
        result[name] = value
    return result


def list_pairs(texts: Sequence[str], flag: str, example: str) -> dict[str, tuple[str, ...]]:
    """Return ``{a: (b, c)}`` of texts such as ``a=b,c``.

    Raises:
        UsageError: If one has another form or a name occurs twice.
    """
    result: dict[str, tuple[str, ...]] = {}
    for text in texts:
        found = split_list(text)
        if found is None:
            raise UsageError(f"{flag} {text}: expected a form such as {flag} {example}.")
        name, items = found
        if name in result:
            raise UsageError(f"{flag} names '{name}' twice; give it once.")
        result[name] = tuple(items)
    return result


def number_pairs(texts: Sequence[str], flag: str, example: str = "lungs=1") -> dict[str, int]:
    """Return ``{a: 1}`` of texts such as ``a=1``.

    Raises:
        UsageError: If a value is not an integer from 0 to 65535.
    """
    result = {}
    for name, value in pairs(texts, flag, example).items():
        if not value.isdecimal() or int(value) > 65535:
            raise UsageError(f"{flag} {name}={value}: expected an integer from 0 to 65535.")
        result[name] = int(value)
    return result


def cut_lists(texts: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return where to cut each attribute, of ``--bins age=50,65 ...``.

    Raises:
        UsageError: If a value is not a list of different numbers.
    """
    result = {}
    for name, text in pairs(texts, "--bins", "age=50,65").items():
        cuts = _numbers(text)
        if not cuts or len(set(cuts)) != len(cuts):
            raise UsageError(
                f"--bins {name}={text}: expected different numbers separated by commas, for "
                "example --bins age=50,65."
            )
        result[name] = cuts
    return result


def number_ranges(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return the plausible numbers of each attribute, of ``--range age=0,120 ...``.

    Raises:
        UsageError: If a value is not a lower and a higher number.
    """
    result = {}
    for name, text in pairs(texts, "--range", "age=0,120").items():
        numbers = _numbers(text)
        if len(numbers) != 2 or numbers[0] >= numbers[1]:
            raise UsageError(
                f"--range {name}={text}: expected lowest and highest, such as age=0,120."
            )
        result[name] = (numbers[0], numbers[1])
    return result


def column_map(texts: Sequence[str]) -> dict[str, str]:
    """Return the pairs of ``--columns``, which may be given as a JSON file.

    Raises:
        UsageError: If they cannot be read.
    """
    if len(texts) == 1 and "=" not in texts[0]:
        path = Path(texts[0])
        remedy = (
            "--columns expects pairs such as patient=PatID, or a JSON file with such pairs: "
            '{"patient": "PatID"}.'
        )
        content = read_json_object(path, UsageError, remedy)
        for name, column in content.items():
            if not isinstance(column, str):
                raise UsageError(f"{path}: '{name}' is {in_words(column)}. {remedy}")
        return content
    return pairs(texts, "--columns", "patient=PatID")


def value_maps(texts: Sequence[Sequence[str]]) -> dict[str, dict[str, str]]:
    """Return the level of each content by attribute, of ``--values ATTRIBUTE OLD=NEW ...``.

    Raises:
        UsageError: If an attribute or its pairs are missing, or one content has two levels.
    """
    result: dict[str, dict[str, str]] = {}
    for name, *texts_of_one in texts:
        if split_pair(name) or not texts_of_one:
            raise UsageError(
                f"--values {name}: expected an attribute and pairs, such as --values sex F=female"
            )
        name = unescaped(name)
        found = pairs(texts_of_one, f"--values {name}", "F=female")
        earlier = result.setdefault(name, {})
        for old, new in found.items():
            if earlier.setdefault(old, new) != new:
                raise UsageError(
                    f"--values {name} says that '{old}' is '{earlier[old]}' and that it is "
                    f"'{new}'; give it once."
                )
    return result


def check_names(what: str, found: Iterable[str], known: Sequence[str]) -> None:
    """Raise a UsageError if something is named that does not exist.

    Args:
        what: Option, for the message.
        found: Names that were given.
        known: Names that exist.
    """
    strange = sorted(set(found) - set(known))
    if strange:
        raise UsageError(
            f"{what} {strange[0]}: expected some of {', '.join(known)}."
            f"{did_you_mean(strange[0], known)}"
        )


def _numbers(text: str) -> tuple[float, ...]:
    """Return the finite numbers of a list with commas; nothing if one is not such a number."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()
