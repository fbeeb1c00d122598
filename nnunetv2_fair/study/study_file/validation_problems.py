"""Mistakes of form in words: unknown keys with what was probably meant, wrong types and ranges."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nnunetv2_fair.errors import did_you_mean, shorten
from nnunetv2_fair.study.study_file.form import CHOICE
from nnunetv2_fair.study.study_file.problems import Problem
from nnunetv2_fair.study.study_file.settings import Settings
from nnunetv2_fair.study.study_file.yaml_lines import Document, Place

_THE_FILE = "keys such as title, datasets and trainers"
#: Keys that people try for seeds of trainings.
_SEEDS = ("seeds", "training_seeds", "train_seeds", "seed_list", "random_seeds", "training_seed")
_NO_SEEDS = (
    "there is no list of seeds: repeats: 3 trains every trainer three times, as _run1 to _run3, "
    "each with a seed of its own. seed is one number, of the folds and the intervals"
)


def problems_of(document: Document, error: ValidationError) -> list[Problem]:
    """Return what pydantic found, each with its line and what was expected, in words."""
    schema = Settings.model_json_schema()
    problems = []
    missing: dict[Place, list[str]] = {}
    for found in error.errors():
        place = found["loc"]
        if found["type"] == "missing":
            missing.setdefault(place[:-1], []).append(str(place[-1]))
        elif found["type"] == "extra_forbidden":
            problems.append(_unknown_key(document, place, schema))
        else:
            problems.append(Problem(document.line(*place), _sentence(document, found, schema)))
    for place, keys in missing.items():
        known = _resolved(_part(schema, place), schema)["properties"]
        expected = "; ".join(f"{key}: {known[key]['description']}" for key in keys)
        text = f"{_where(place)}missing {shorten(keys)}. Expected {expected}"
        problems.append(Problem(document.line(*place), text))
    return problems


def _sentence(document: Document, error: ErrorDetails, schema: dict[str, Any]) -> str:
    place, value = error["loc"], document.value(*error["loc"])
    if place and place[-1] == "seed" and isinstance(value, list):
        return f"{_where(place)}{_NO_SEEDS}"
    expected = error["msg"] if error["type"] == CHOICE else expectation(place, schema)
    return f"{_where(place)}found {_shown(value)}; expected {expected}"


def _unknown_key(document: Document, place: Place, schema: dict[str, Any]) -> Problem:
    key = str(place[-1])
    if key in _SEEDS:
        text = f"{_where(place[:-1])}'{key}': {_NO_SEEDS}"
    else:
        known = sorted(_resolved(_part(schema, place[:-1]), schema)["properties"])
        text = f"{_where(place[:-1])}there is no key '{key}'. {_hint(key, known)}"
    return Problem(document.line(*place), text)


def _hint(key: str, known: Sequence[str]) -> str:
    return f"{did_you_mean(key, known)} Known keys: {', '.join(known)}".strip()


def _where(place: Place) -> str:
    return f"{place_name(place)}: " if place else ""


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def expectation(place: Place, schema: dict[str, Any]) -> str:
    """Return what is expected at a place of the file, in words.

    Args:
        place: Keys and positions; empty for the file itself.
        schema: JSON schema of :class:`.settings.Settings`.
    """
    if not place:
        return _THE_FILE
    part = _part(schema, place)
    # a description next to a reference to a model is about this place, that of the model is not
    while "description" not in part:
        part = part["anyOf"][0]
    text: str = part["description"]
    return text


def _part(schema: dict[str, Any], place: Place) -> dict[str, Any]:
    """Return the schema of a place of the file."""
    part = schema
    for step in place:
        part = _resolved(part, schema)
        if isinstance(step, int):
            part = part["items"]
        else:
            part = part.get("properties", {}).get(step) or part["additionalProperties"]
    return part


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow references to models, and skip what only says that a key may be left out."""
    while True:
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in part or "allOf" in part:
            part = (part.get("anyOf") or part["allOf"])[0]
        else:
            return part


def place_name(place: Place) -> str:
    """Return where something is, in words: ``datasets, entry 2, folds``."""
    return ", ".join(f"entry {p + 1}" if isinstance(p, int) else p for p in place)


def useless(error: ErrorDetails) -> Place:
    """Return what cannot be used, given an error: for a missing key all that should have it."""
    place = error["loc"]
    # of the file itself, the keys that exist can be used
    return place[:-1] if error["type"] == "missing" and len(place) > 1 else place
