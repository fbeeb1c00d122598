"""Everything that can be checked before any mask is read."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from nnunetv2_fair.errors import EvaluationError, counted, shorten, shorten_lines
from nnunetv2_fair.evaluation.masks.geometry import geometry_difference
from nnunetv2_fair.evaluation.masks.label_maps import (
    find_masks,
    has_physical_spacing,
    read_geometry,
)
from nnunetv2_fair.evaluation.measuring.labels import (
    LabelSet,
    find_dataset_json,
    labels_named,
    read_label_set,
)
from nnunetv2_fair.evaluation.measuring.one_case import CasePair, geometry_message
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary
from nnunetv2_fair.evaluation.statistics.groupings import make_groupings, make_vocabularies
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.subgroups.table import DemographicsTable
from nnunetv2_fair.tables.case_names import guess_suffix

#: Cases named one by one when their headers do not fit.
_MOST_PROBLEMS = 1000


@dataclass(frozen=True)
class EvaluationPlan:
    """What will be evaluated, checked.

    Attributes:
        reference_folder: Folder of the references.
        prediction_folder: Folder of the predictions.
        pairs: Files of every case, sorted by case.
        unused_predictions: Cases that have a prediction but no reference.
        synthetic: Cases with a reference that are left out, since they were generated.
        table: Demographics.
        groupings: Groups of each attribute expression asked for.
        vocabularies: The same, with the reference groups chosen.
        labels: What ``dataset.json`` says; None if there is none.
        dataset_json: That file.
        unit: Unit of distances: ``mm`` or ``px``.
    """

    reference_folder: Path
    prediction_folder: Path
    pairs: tuple[CasePair, ...]
    unused_predictions: tuple[str, ...]
    synthetic: tuple[str, ...]
    table: DemographicsTable
    groupings: tuple[Grouping, ...]
    vocabularies: tuple[GroupVocabulary, ...]
    labels: LabelSet | None
    dataset_json: Path | None
    unit: str

    @property
    def missing(self) -> tuple[str, ...]:
        """Cases without prediction."""
        return tuple(pair.case for pair in self.pairs if pair.prediction is None)


def plan_evaluation(
    reference_folder: Path,
    prediction_folder: Path,
    table: DemographicsTable,
    attributes: Sequence[str] = (),
    *,
    dataset_json: Path | None = None,
    references: Mapping[str, str] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    min_patients: int = 1,
    allow_missing: bool = False,
    label_names: Mapping[str, int] | None = None,
    suffixes: tuple[str, str] = ("", ""),
) -> EvaluationPlan:
    """Find the files of every case and check all that needs no voxels.

    Args:
        reference_folder: Folder of the reference masks, such as ``labelsTs``; its files are the
            cases.
        prediction_folder: Folder of the predicted masks.
        table: Demographics; rows without reference (training cases) are not used, and cases with
            ``synthetic`` 1 are left out.
        attributes: Attribute expressions; the dataset's default one if empty.
        dataset_json: Says which labels there are; looked for in the folders if None.
        references: Attribute expression -> group that fairness gaps are measured from.
        groups: Attribute expression -> groups to compare; all where it is not named.
        min_patients: Groups with fewer patients cannot be chosen.
        allow_missing: Accept cases without prediction.
        label_names: Value of each label, instead of ``dataset_json``.
        suffixes: What names of reference and predicted masks have behind the case.

    Raises:
        EvaluationError: If files, table and labels do not fit together, all problems at once; or
            if all cases are synthetic.
        DemographicsError: If an attribute expression is wrong.
        UsageError: If ``references`` names an attribute or group that is not evaluated.
    """
    found = None
    if label_names:
        labels: LabelSet | None = labels_named(label_names)
    else:
        found = find_dataset_json(dataset_json, prediction_folder, reference_folder)
        labels = read_label_set(found) if found is not None else None
    reference_files = find_masks(reference_folder, "reference masks", suffixes[0])
    prediction_files = find_masks(prediction_folder, "predicted masks", suffixes[1])
    table = table.named_like(reference_files)
    groupings = make_groupings(table, attributes)
    generated = table.synthetic_cases
    synthetic = tuple(case for case in reference_files if case in generated)
    if reference_files and len(synthetic) == len(reference_files):
        raise EvaluationError(all_synthetic(str(reference_folder), table.source))
    reference_files = {c: path for c, path in reference_files.items() if c not in generated}
    prediction_files = {c: path for c, path in prediction_files.items() if c not in generated}
    _check_cases(
        reference_files, prediction_files, reference_folder, prediction_folder, table, allow_missing
    )
    vocabularies = make_vocabularies(
        groupings,
        references or {},
        list(reference_files),
        table.patients,
        groups or {},
        min_patients,
    )
    pairs = tuple(
        CasePair(case, path, prediction_files.get(case)) for case, path in reference_files.items()
    )
    unit = _unit(pairs, reference_folder)
    _check_geometry(pairs)
    return EvaluationPlan(
        reference_folder=reference_folder,
        prediction_folder=prediction_folder,
        pairs=pairs,
        unused_predictions=tuple(c for c in prediction_files if c not in reference_files),
        synthetic=synthetic,
        table=table,
        groupings=groupings,
        vocabularies=vocabularies,
        labels=labels,
        dataset_json=found,
        unit=unit,
    )


def all_synthetic(what: str, table: Path) -> str:
    """Return why nothing can be evaluated where all cases were generated.

    Args:
        what: Folder or file whose cases they are.
        table: Table that says so.
    """
    return (
        f"Nothing was evaluated: all cases of {what} have synthetic = 1 in {table}, and synthetic "
        "cases tell nothing about people. Evaluate real cases, or correct the column synthetic."
    )


def _check_cases(
    references: Mapping[str, Path],
    predictions: Mapping[str, Path],
    reference_folder: Path,
    prediction_folder: Path,
    table: DemographicsTable,
    allow_missing: bool,
) -> None:
    problems = []
    rows = set(table.cases)
    unlisted = [case for case in references if case not in rows]
    if len(unlisted) == len(references):
        hint = ""
        suffix = guess_suffix(rows, references)
        if suffix and re.fullmatch(r"_\d{4}", suffix):
            hint = " The files end like images (_0000): pass the folder of the masks."
        elif suffix:
            hint = f" The files end in '{suffix}': --suffix-gt {shlex.quote(suffix)}"
        problems.append(
            f"none of the {len(references)} references in {reference_folder} has a row in "
            f"{table.source}: files are named like {shorten(references, 2)}, rows like "
            f"{shorten(table.cases, 2)}. Use the same names in column 'case' as in the folder."
            + hint
        )
    elif unlisted:
        problems.append(
            f"{table.source} has no row for {counted(len(unlisted), 'reference')} in "
            f"{reference_folder}: {shorten(unlisted)}. Add a row for each; leave cells "
            "empty where a value is unknown"
        )
    missing = [case for case in references if case not in predictions]
    if len(missing) == len(references):
        problems.append(
            f"no prediction in {prediction_folder} has the name of a reference: references are "
            f"named like {shorten(references, 2)}, predictions like {shorten(predictions, 2)}. "
            + _suffix_hint(references, predictions)
        )
    elif missing and not allow_missing:
        problems.append(
            f"{len(missing)} of {len(references)} predictions are missing in {prediction_folder}: "
            f"{shorten(missing)}. Predict them, or pass --allow-missing to evaluate the others "
            "and report the missing ones by group"
        )
    if problems:
        raise EvaluationError(f"Nothing was evaluated:\n{shorten_lines(problems)}")


def _suffix_hint(references: Mapping[str, Path], predictions: Mapping[str, Path]) -> str:
    """Return what to do if no prediction is called like a reference."""
    of_predictions = guess_suffix(references, predictions)
    of_references = guess_suffix(predictions, references)
    if of_predictions:
        return f"The predictions end in '{of_predictions}': --suffix-pred {of_predictions}"
    if of_references:
        return f"The references end in '{of_references}': --suffix-gt {of_references}"
    return "Check -gt and -pred; names with other ends are read with --suffix-gt and --suffix-pred"


def _unit(pairs: Sequence[CasePair], folder: Path) -> str:
    physical = {pair.case: has_physical_spacing(pair.reference) for pair in pairs}
    with_mm = [case for case, has in physical.items() if has]
    without = [case for case, has in physical.items() if not has]
    if with_mm and without:
        raise EvaluationError(
            f"{folder} mixes references with spacing in millimetres ({shorten(with_mm, 2)}) and "
            f"pictures without ({shorten(without, 2)}): their distances cannot be combined. "
            "Save all references in one format."
        )
    return "mm" if with_mm else "px"


@quiet_itk()
def _check_geometry(pairs: Sequence[CasePair]) -> None:
    problems = []
    for pair in tqdm(pairs, desc="Checking headers", unit="case"):
        geometries = []
        for path in (pair.reference, pair.prediction):
            if path is not None:
                try:
                    geometries.append(read_geometry(path))
                except EvaluationError as error:
                    problems.append(str(error))
        if len(geometries) == 2 and pair.prediction is not None:
            different = geometry_difference(*geometries)
            if different is not None:
                problems.append(
                    geometry_message(pair.case, pair.prediction, pair.reference, different)
                )
    if problems:
        raise EvaluationError(f"Nothing was evaluated:\n{shorten_lines(problems, _MOST_PROBLEMS)}")
