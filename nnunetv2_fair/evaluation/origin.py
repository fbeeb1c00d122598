"""Which dataset was evaluated and which trainer made the predictions, as far as files tell."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.trainings.folders import model_of
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.paths import CASCADE_JSON, DATASET_JSON, PLANS_JSON

_DATASET = re.compile(r"Dataset\d{3}_\S+")

#: Names of files that say nothing about what is in them.
_GENERIC = frozenset({"per_case", "summary", "scores", "results", "metrics", "predictions"})


def origin(references: Path | None, predictions: Path) -> dict[str, str]:
    """Return the dataset and the trainer.

    nnU-Net names folders after both; ``plans.json`` and ``dataset.json`` beside predictions, and
    the ``dataset.json`` beside references, name the dataset.

    Args:
        references: Folder of the references; None if there is none.
        predictions: Folder of the predictions, or file with scores.

    Returns:
        ``dataset``, ``trainer`` and ``configuration``; empty where nothing tells. ``cropped`` if
        the predictions are of crops (``crops``), or of crops and pasted back (``cascade``).
    """
    places = [place.resolve() for place in (references, predictions) if place is not None]
    parts = [part for place in places for part in reversed(place.parts)]
    model = model_of(predictions).split("__")
    named = next((part for part in parts if _DATASET.fullmatch(part)), "")
    cropped = _cropped(places)
    return {
        "dataset": named or next(_told(places), ""),
        "trainer": model[0],
        "configuration": model[-1] if len(model) > 1 else "",
        **({"cropped": cropped} if cropped else {}),
    }


def _cropped(places: Sequence[Path]) -> str:
    """Return how images were cropped before they were predicted; empty if they were not."""
    folders = [place if place.is_dir() else place.parent for place in places]
    if any((folder / CASCADE_JSON).is_file() for folder in folders):
        return "cascade"
    files = [inside / DATASET_JSON for folder in folders for inside in (folder, folder.parent)]
    return "crops" if any("cropped" in _content(path) for path in files) else ""


def name_of_scores(path: Path) -> str:
    """Return the name of a file with scores; that of its folder if its own says nothing."""
    if path.stem.lower() not in _GENERIC:
        return path.stem
    return path.resolve().parent.name or path.stem


def _told(places: Iterable[Path]) -> Iterator[str]:
    """Yield what files beside the masks call the dataset."""
    for place in places:
        folder = place if place.is_dir() else place.parent
        for name, key in ((PLANS_JSON, "dataset_name"), (DATASET_JSON, "name")):
            for inside in (folder, folder.parent):
                if text := _value(inside / name, key):
                    yield text


def _value(path: Path, key: str) -> str:
    """Return a text of a JSON file; empty if there is none."""
    value = _content(path).get(key)
    return value if isinstance(value, str) else ""


def _content(path: Path) -> Mapping[str, Any]:
    """Return what a JSON file holds; nothing if it cannot be read."""
    try:
        return read_json_object(path, EvaluationError, "")
    except EvaluationError:
        return {}
