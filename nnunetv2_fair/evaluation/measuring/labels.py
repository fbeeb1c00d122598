"""Which labels and regions to evaluate, as nnU-Net's ``dataset.json`` names them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.files.json_files import read_json
from nnunetv2_fair.paths import DATASET_JSON

_BACKGROUND, _IGNORE = "background", "ignore"


@dataclass(frozen=True)
class LabelSet:
    """Labels and regions to evaluate.

    Attributes:
        regions: Name -> label values that belong to it; a plain label has one.
        ignore: Value of voxels that are excluded from metrics; None if there is none.
        known: All values that a label map may hold.
        source: File that says so, for messages.
    """

    regions: Mapping[str, tuple[int, ...]]
    ignore: int | None
    known: frozenset[int]
    source: str


def find_dataset_json(
    explicit: Path | None, prediction_folder: Path, reference_folder: Path
) -> Path | None:
    """Return the ``dataset.json`` that describes the labels; None if there is none.

    Looked for in the predictions (``nnUNetv2_predict`` copies it there), in the references and
    in the folder above them (the raw dataset).

    Raises:
        EvaluationError: If the file given does not exist, or those found give a label different
            numbers.
    """
    if explicit is not None:
        if not explicit.is_file():
            raise EvaluationError(
                f"{explicit} does not exist; --dataset-json expects nnU-Net's dataset.json."
            )
        return explicit
    folders = (prediction_folder, reference_folder, reference_folder.resolve().parent)
    found = [f / DATASET_JSON for f in folders if (f / DATASET_JSON).is_file()]
    for other in found[1:]:
        _refuse_other_numbers(found[0], other)
    return found[0] if found else None


def _refuse_other_numbers(first: Path, second: Path) -> None:
    """Raise if a label that both files name has another number in each."""
    try:
        regions, others = read_label_set(first).regions, read_label_set(second).regions
    except EvaluationError:
        return  # what is wrong with the one that is used is said when it is read
    differing = [name for name in regions if name in others and regions[name] != others[name]]
    if differing:
        listed = shorten(
            (f"{n} ({_listed(regions[n])} and {_listed(others[n])})" for n in differing), 6
        )
        raise EvaluationError(
            f"{first} and {second} give labels different numbers: {listed}. If both folders hold "
            "masks of the same numbers, say which file names them: --dataset-json; otherwise "
            "give the masks of one folder the numbers of the other."
        )


def _listed(values: tuple[int, ...]) -> str:
    return "+".join(map(str, values))


def labels_named(names: Mapping[str, int]) -> LabelSet:
    """Return the labels that the user names.

    Args:
        names: Value of each label.

    Raises:
        EvaluationError: If two have the same value, or one is background.
    """
    problems = [f"'{name}' is 0, the background" for name, value in names.items() if value == 0]
    repeated = {value for value in names.values() if list(names.values()).count(value) > 1}
    problems += [f"{value} has several names" for value in sorted(repeated)]
    if AVERAGE in names:
        problems.append(f"'{AVERAGE}' is the name of the mean over labels")
    if problems:
        raise EvaluationError(
            f"--labels: {'; '.join(problems)}. Expected different numbers from 1, such as "
            "--labels lungs=1 heart=2."
        )
    regions = {name: (value,) for name, value in names.items()}
    return LabelSet(regions, None, frozenset({0, *names.values()}), "--labels")


def read_label_set(path: Path) -> LabelSet:
    """Read labels, regions and the ignore label of a ``dataset.json``.

    Raises:
        EvaluationError: If the file is not JSON or its labels are not nnU-Net v2's.
    """
    remedy = "Correct the file or pass another one with --dataset-json."
    content = read_json(path, EvaluationError, remedy)
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(labels, dict) or not labels:
        raise EvaluationError(
            f'{path} has no "labels"; expected nnU-Net v2\'s form, for example '
            '"labels": {"background": 0, "lesion": 1}.'
        )
    regions: dict[str, tuple[int, ...]] = {}
    ignore: int | None = None
    known = {0}
    for name, value in labels.items():
        values = _values(name, value, path)
        known.update(values)
        if name == _IGNORE:
            ignore = values[0]
        elif name != _BACKGROUND and values != (0,):
            regions[str(name)] = values
    if not regions or AVERAGE in regions:
        found = shorten(labels, 12)
        reason = f"a label named '{AVERAGE}'" if AVERAGE in regions else "no foreground label"
        raise EvaluationError(
            f"{path} describes {reason} (labels: {found}); expected at least one label besides "
            f"background, and '{AVERAGE}' is the name of the mean over labels. Edit its labels."
        )
    return LabelSet(regions, ignore, frozenset(known), str(path))


def _values(name: str, value: Any, path: Path) -> tuple[int, ...]:
    listed = value if isinstance(value, list) else [value]
    whole = all(isinstance(v, int) and not isinstance(v, bool) and v >= 0 for v in listed)
    if not listed or not whole:
        hint = " nnU-Net v1 wrote number: name; exchange the two." if name.isdigit() else ""
        raise EvaluationError(
            f"{path}: label '{name}' has the value {value!r}; expected a number from 0 or, for a "
            f"region, a list of them.{hint}"
        )
    return tuple(listed)


def labels_found(values: Iterable[int]) -> LabelSet:
    """Return the label set of references that no ``dataset.json`` describes."""
    present = sorted(set(values) - {0})
    regions = {str(value): (value,) for value in present}
    return LabelSet(regions, None, frozenset({0, *present}), "the references")
