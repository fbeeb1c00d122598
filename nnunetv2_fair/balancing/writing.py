"""Sampling weights put into a dataset: into itself, or into a twin with a name of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_fair import paths
from nnunetv2_fair.balancing.told import FILES
from nnunetv2_fair.dataset_conversion.shared.source import SourceDataset, rows_of
from nnunetv2_fair.dataset_conversion.twins.plan import TwinTarget, plan_twin, survey
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.log import ConversionLog
from nnunetv2_fair.errors import ConversionError, DatasetError, counted
from nnunetv2_fair.files.atomic import filled_together
from nnunetv2_fair.files.locks import LOCK, locked
from nnunetv2_fair.subgroups.prepare import prepare_dataset
from nnunetv2_fair.subgroups.schema import SAMPLING_WEIGHT
from nnunetv2_fair.subgroups.table import DemographicsTable, read_delimited


def refuse_other_weights(table: DemographicsTable, weights: Mapping[str, int]) -> None:
    """Raise if a table has sampling weights already that are not those to be written.

    Args:
        table: Demographics of the dataset.
        weights: Of all cases.

    Raises:
        ConversionError: If there are such weights.
    """
    own = table.sampling_weights
    if any(weight != 1 for weight in own.values()) and own != dict(weights):
        raise ConversionError(
            f"{table.source} has sampling weights already, which would be lost. Add --overwrite to "
            "replace them, or balance the dataset that has none."
        )


def refuse_trained(source: SourceDataset) -> None:
    """Raise if models were trained on the folds that would change.

    Raises:
        ConversionError: If there are some, naming the option that makes a twin.
    """
    try:
        results = paths.environment_folder(paths.RESULTS) / source.folder.name
    except DatasetError:
        return
    trained = sorted(path.parent.name for path in results.glob("*/fold_*"))
    if trained:
        raise ConversionError(
            f"{results} holds {counted(len(trained), 'training', 'trainings')} on the folds that "
            "would change; trainings with weights would have the same names. Write a twin instead "
            "(-o ID), or add --overwrite."
        )


def write_in_place(
    source: SourceDataset,
    table: DemographicsTable,
    weights: Mapping[str, int],
    expression: str,
    files: Mapping[str, str],
) -> tuple[Path | None, Sequence[str]]:
    """Write the weights into the dataset's table, and redraw its folds where there are any.

    Nothing else in the table changes: columns that the dictionary does not describe stay, too.
    Table and further files appear together; the folds follow, and are redrawn by the same command
    again if it was interrupted between.

    Args:
        source: The dataset.
        table: Its demographics.
        weights: Of all cases.
        expression: Attribute expression, for sentences about groups that a fold lacks.
        files: Text of further files, by name.

    Returns:
        The file of the folds, None if the dataset has none yet; sentences about the folds, without
        a full stop.
    """
    folder = source.folder
    with locked(folder / LOCK, wait=True):
        frame = read_delimited(folder / paths.DEMOGRAPHICS_CSV)
        frame[SAMPLING_WEIGHT] = [str(weights[case]) for case in table.cases]
        with filled_together(folder, (paths.DEMOGRAPHICS_CSV, *FILES)) as unfinished:
            texts = {
                paths.DEMOGRAPHICS_CSV: frame.to_csv(index=False, lineterminator="\n"),
                **files,
            }
            for name, text in texts.items():
                (unfinished / name).write_text(
                    text, encoding="utf-8", errors="backslashreplace", newline=""
                )
    splits = splits_of(folder.name)
    if splits is None:
        return None, ()
    return splits, prepare_dataset(folder.name, expression, redraw=True).warnings


def splits_of(name: str) -> Path | None:
    """Return the folds of a dataset; None if it has none.

    Args:
        name: Of the dataset.
    """
    try:
        path = paths.preprocessed_dataset(name) / paths.SPLITS_JSON
    except DatasetError:
        return None
    return path if path.is_file() else None


def plan_balanced(
    source: SourceDataset,
    table: DemographicsTable,
    weights: Mapping[str, int],
    target: TwinTarget,
    log: ConversionLog,
    processes: int,
) -> DatasetPlan:
    """Decide what a twin with sampling weights consists of.

    Args:
        source: The dataset.
        table: Its demographics.
        weights: Of all cases.
        target: What is to be written; its table is that of the source with the weights.
        log: What is known so far.
        processes: How many processes read headers.

    Raises:
        ConversionError: If files cannot be read, or are not on one grid.
    """
    facts = survey(source, {}, processes=processes)
    frame = rows_of(table, list(facts))
    frame[SAMPLING_WEIGHT] = [str(weights[case]) for case in facts]
    weighted = TwinTarget(
        target.dataset_id, target.name, target.said, target.further, frame, target.files
    )
    return plan_twin(source, table, weighted, {}, facts, log)
