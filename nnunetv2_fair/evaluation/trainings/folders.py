"""Where the predictions of each training of a method are, checked before anything is measured."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.errors import EvaluationError, UsageError, shorten, shorten_lines
from nnunetv2_fair.evaluation.masks.label_maps import find_masks
from nnunetv2_fair.files.integrity import image_hash
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.paths import PLANS_JSON

#: Folder of a trained model as nnU-Net names it: trainer, plans, configuration.
_MODEL_FOLDER = re.compile(r"nnUNetTrainer\w*__\w+__\w+")
#: What repeats of a trainer add to its name.
_REPEAT = re.compile(r"_run\d+(?=__)")


def prediction_folders(given: Sequence[Path]) -> dict[str, Path]:
    """Return the folder of predictions of each training, by the training's name.

    Args:
        given: A folder per training, or one folder that holds a folder per training.

    Raises:
        UsageError: If there are fewer than two.
        EvaluationError: If they do not hold predictions of the same cases by one method, or two
            hold the same predictions; all problems at once.
    """
    folders = list(given)
    if len(folders) == 1:
        folders = folders_inside(folders[0], "-pred")
    if len(folders) < 2:
        raise UsageError(
            f"--trainings needs the predictions of two or more trainings; -pred names one folder, "
            f"{given[0]}, without a folder per training in it. Pass a folder for each training "
            "(-pred run_1 run_2 run_3), or leave out --trainings."
        )
    found = dict(zip(names_of(folders), folders, strict=True))
    problems = list(_problems(found))
    if problems:
        raise EvaluationError(
            f"These are not trainings of one method:\n{shorten_lines(problems)}\n"
            "Each folder must hold the predictions of one training for the same cases."
        )
    return found


def folders_inside(folder: Path, option: str) -> list[Path]:
    """Return the folders in a folder, ``fold_2`` before ``fold_10``; hidden ones are left out.

    Raises:
        UsageError: If the folder does not exist.
    """
    if not folder.is_dir():
        raise UsageError(f"{option} {folder} does not exist or is not a folder.")
    inside = [path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._"]
    return sorted(inside, key=_in_order)


def _in_order(folder: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", folder.name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def names_of(folders: Sequence[Path]) -> list[str]:
    """Return different names for folders: their own, with as many of those above as it takes."""
    parts = [folder.resolve().parts[1:] for folder in folders]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["_".join(one[-depth:]) for one in parts]
        if len(set(names)) == len(names):
            return names
    return [f"training_{number}" for number in range(1, len(folders) + 1)]


def _problems(folders: Mapping[str, Path]) -> Iterator[str]:
    places: dict[Path, str] = {}
    for name, folder in folders.items():
        twice = places.setdefault(folder.resolve(), name)
        if twice != name:
            yield f"{folder} is given twice"
    masks: dict[str, dict[str, Path]] = {}
    for name, folder in folders.items():
        try:
            masks[name] = find_masks(folder, "predicted masks")
        except EvaluationError as error:
            yield str(error)
    if len(places) < len(folders) or len(masks) < 2:
        return
    yield from _different_cases(masks)
    yield from _same_files(masks)
    yield from _different_methods(folders)


def _different_cases(masks: Mapping[str, Mapping[str, Path]]) -> Iterator[str]:
    first, *others = masks
    for other in others:
        alone, missing = masks[first].keys() - masks[other], masks[other].keys() - masks[first]
        if alone or missing:
            yield (
                f"'{first}' and '{other}' have predictions of different cases: "
                f"{len(alone)} only in the first ({shorten(sorted(alone), 3) or 'none'}), "
                f"{len(missing)} only in the second ({shorten(sorted(missing), 3) or 'none'})"
            )


def _same_files(masks: Mapping[str, Mapping[str, Path]]) -> Iterator[str]:
    """Yield the trainings whose files are the same, byte for byte."""
    by_size: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for name, files in masks.items():
        sizes = tuple((case, path.stat().st_size) for case, path in files.items())
        by_size.setdefault(sizes, []).append(name)
    for alike in by_size.values():
        if len(alike) < 2:
            continue
        by_content: dict[tuple[str, ...], str] = {}
        for name in alike:
            content = tuple(image_hash(path) for path in masks[name].values())
            twice = by_content.setdefault(content, name)
            if twice != name:
                yield (
                    f"'{twice}' and '{name}' hold the same predictions, byte for byte: one "
                    "training is given twice"
                )


def _different_methods(folders: Mapping[str, Path]) -> Iterator[str]:
    """Yield where nnU-Net's folders and files name different methods."""
    for what, names in (
        ("models", {name: model_of(folder) for name, folder in folders.items()}),
        ("plans", {name: _plans(folder) for name, folder in folders.items()}),
    ):
        known = {name: found for name, found in names.items() if found}
        if len(set(known.values())) > 1:
            each = "; ".join(f"'{name}' {found}" for name, found in known.items())
            yield f"they come from different {what} of nnU-Net: {each}"


def model_of(folder: Path) -> str:
    """Return the trainer, plans and configuration of nnU-Net that a path names; empty if none.

    A repeat is no other: ``nnUNetTrainer_run2`` is ``nnUNetTrainer``.
    """
    parts = [part for part in folder.resolve().parts if _MODEL_FOLDER.fullmatch(part)]
    return _REPEAT.sub("", parts[-1]) if parts else ""


def _plans(folder: Path) -> str:
    try:
        content = read_json_object(folder / PLANS_JSON, EvaluationError, "")
        return str(content.get("plans_name", ""))
    except EvaluationError:
        return ""  # not nnU-Net's predictions, so nothing is known
