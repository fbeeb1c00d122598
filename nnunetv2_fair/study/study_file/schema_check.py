"""A study's file against its schema: mistakes in words, and what is left without them."""

import copy
import difflib
import json
from collections.abc import Iterable
from importlib import resources
from typing import TYPE_CHECKING, Any

from nnunetv2_fair.errors import StudyError, shorten
from nnunetv2_fair.study.study_file.problems import Problem
from nnunetv2_fair.study.study_file.yaml_lines import Document, Place, needs_extra

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

SCHEMA_JSON = "study.schema.json"
#: What people call the seeds of trainings, which nnU-Net does not have.
_SEEDS = ("seeds", "training_seeds", "train_seeds", "seed_list", "random_seeds", "training_seed")
_NO_SEEDS = (
    "nnU-Net's trainings have no seed, so there is no list of them: what repeats a training is "
    "another fold. List folds in the dataset, and give one seed, of the folds and the intervals"
)
_GONE = object()


def read_schema_of_studies() -> dict[str, Any]:
    """Return the JSON schema of ``study.yaml``."""
    text = (
        resources.files("nnunetv2_fair.study.study_file")
        .joinpath(SCHEMA_JSON)
        .read_text(encoding="utf-8")
    )
    return json.loads(text)


def check_schema(document: Document) -> tuple[Any, list[Problem]]:
    """Hold a file against the schema.

    Args:
        document: The file.

    Returns:
        Its content without the entries that are wrong, so that the rest can be checked for its
        meaning in the same go; and the mistakes.

    Raises:
        StudyError: If jsonschema is not installed.
    """
    try:
        from jsonschema import Draft202012Validator
    except ImportError as error:
        raise StudyError(needs_extra("jsonschema")) from error
    problems: list[Problem] = []
    data = copy.deepcopy(document.data)
    wrong: list[Place] = []
    for found in Draft202012Validator(read_schema_of_studies()).iter_errors(document.data):
        place = tuple(found.absolute_path)
        schema: Any = found.schema
        if found.validator == "additionalProperties":
            given: Any = found.instance
            for key in given:
                if key not in schema["properties"]:
                    problems.append(_unknown_key(document, (*place, key), schema["properties"]))
                    wrong.append((*place, key))
        else:
            problems.append(Problem(document.line(*place), _sentence(place, found, schema)))
            if found.validator != "required" or place:
                wrong.append(place)
    # what is inside first: an entry that is gone has nothing inside any more
    for place in sorted(wrong, key=len, reverse=True):
        data = _without(data, place)
    return _compact(data), problems


def place_name(place: Place) -> str:
    """Return where something is, in words: ``datasets, entry 2, folds``."""
    return ", ".join(f"entry {p + 1}" if isinstance(p, int) else p for p in place)


def _sentence(place: Place, error: "ValidationError", schema: Any) -> str:
    where = f"{place_name(place)}: " if place else ""
    if error.validator == "required":
        given: Any = error.instance
        missing = [key for key in schema["required"] if key not in given]
        known = schema["properties"]
        expected = "; ".join(f"{key}: {known[key].get('description', '')}" for key in missing)
        return f"{where}missing {shorten(missing)}. Expected {expected}"
    if place and place[-1] == "seed" and isinstance(error.instance, list):
        return f"{where}{_NO_SEEDS}"
    return f"{where}found {_shown(error.instance)}; expected {schema['description']}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unknown_key(document: Document, place: Place, properties: Iterable[str]) -> Problem:
    key = str(place[-1])
    where = f"{place_name(place[:-1])}: " if len(place) > 1 else ""
    if key in _SEEDS:
        return Problem(document.line(*place), f"{where}'{key}': {_NO_SEEDS}")
    known = sorted(properties)
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    return Problem(
        document.line(*place),
        f"{where}there is no key '{key}'. {hint}Known keys: {', '.join(known)}",
    )


def _without(data: Any, place: Place) -> Any:
    """Take an entry out; places in lists stay, so that the others keep their lines."""
    if not place:
        return {}
    parent = data
    for step in place[:-1]:
        parent = parent[step]
    if isinstance(parent, dict):
        parent.pop(place[-1], None)
    elif isinstance(parent, list):
        parent[int(place[-1])] = _GONE
    return data


def _compact(data: Any) -> Any:
    """Turn entries that were taken out of lists into None, everywhere."""
    if data is _GONE:
        return None
    if isinstance(data, dict):
        return {key: _compact(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_compact(value) for value in data]
    return data
