"""A twin whose training labels are those of another folder: another annotator's, or automatic."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from nnunetv2_fair.cropping.images import is_picture
from nnunetv2_fair.dataset_conversion.shared.source import SourceDataset, people_of, read_source
from nnunetv2_fair.dataset_conversion.twins.cases import LabelsOfFile
from nnunetv2_fair.dataset_conversion.twins.plan import TwinTarget, named_folder, plan_twin, survey
from nnunetv2_fair.dataset_conversion.writing.case_files import PICTURE_ENDINGS, VOLUME_ENDINGS
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.log import ConversionLog, Skipped
from nnunetv2_fair.errors import ConversionError, counted, shorten
from nnunetv2_fair.subgroups.table import DemographicsTable

logger = logging.getLogger(__name__)

#: What to do with training cases that have no mask in the other folder.
Missing = Literal["error", "skip", "keep"]
MISSING: tuple[Missing, ...] = get_args(Missing)
_WITHOUT = "no other label"


@dataclass(frozen=True)
class RelabelSettings:
    """Whose labels a twin is trained on.

    Attributes:
        source: Folder of the dataset in ``nnUNet_raw``.
        labels_from: Folder with a mask for every training case, called like it.
        dataset_id: Id of the twin.
        name: Follows ``DatasetXXX_``.
        missing: Training cases without a mask there are refused (``error``), left out of the twin
            (``skip``), or keep the label they have (``keep``).
    """

    source: Path
    labels_from: Path
    dataset_id: int
    name: str
    missing: Missing = "error"


@dataclass(frozen=True)
class Relabelling:
    """Which masks are taken.

    Attributes:
        settings: As given.
        source: The dataset.
        masks: By training case.
        without: Training cases that have none.
    """

    settings: RelabelSettings
    source: SourceDataset
    masks: Mapping[str, Path]
    without: Sequence[str]

    @property
    def left_out(self) -> Sequence[str]:
        """Cases that the twin does not have."""
        return self.without if self.settings.missing == "skip" else ()


def find_masks(settings: RelabelSettings) -> Relabelling:
    """Find the other mask of every training case.

    Args:
        settings: Whose labels.

    Raises:
        DatasetError: If the dataset is not there.
        ConversionError: If masks are missing, or one case has two.
    """
    source = read_source(settings.source, "given other labels")
    folder = settings.labels_from
    if not folder.is_dir():
        raise ConversionError(f"--labels-from {folder} does not exist or is not a folder.")
    training = [case for case in source.cases if case.part == "train"]
    endings = PICTURE_ENDINGS if is_picture(training[0].images[0]) else VOLUME_ENDINGS
    # endings differ between annotators' programs, letter case between releases
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        ending = next((e for e in endings if path.name.lower().endswith(e)), None)
        if ending is not None and not path.name.startswith("."):
            found.setdefault(path.name[: -len(ending)].casefold(), []).append(path)
    names = [case.case for case in training]
    masks = {case: found[case.casefold()][0] for case in names if case.casefold() in found}
    twice = [case for case in masks if len(found[case.casefold()]) > 1]
    if twice:
        listed = shorten(path.name for path in found[twice[0].casefold()])
        raise ConversionError(
            f"--labels-from {folder}: {counted(len(twice), 'case has', 'cases have')} more than "
            f"one mask, such as {listed}. Keep one of each."
        )
    without = [case for case in names if case not in masks]
    if not masks:
        raise ConversionError(
            f"--labels-from {folder} holds no mask of a training case of {source.folder.name}. "
            f"Expected files such as {names[0]}{source.ending}; found: "
            f"{shorten((p.name for p in sorted(folder.iterdir())), 5) or 'nothing'}."
        )
    if without and settings.missing == "error":
        lacking = counted(len(without), "training case has", "training cases have")
        raise ConversionError(
            f"--labels-from {folder}: {lacking} no mask there: {shorten(without)}. Add the masks, "
            "leave the cases out of the twin (--missing skip), or let them keep the labels they "
            "have (--missing keep)."
        )
    return Relabelling(settings, source, masks, without)


def plan_relabelled(found: Relabelling, processes: int = 1) -> DatasetPlan:
    """Look at all masks, and decide what the twin consists of.

    Args:
        found: As :func:`find_masks` returned it.
        processes: How many processes read masks.

    Raises:
        DemographicsError: If the table is missing or wrong.
        ConversionError: If anything is wrong with the data; problems are listed together.
    """
    settings, source = found.settings, found.source
    table = people_of(source)
    where = named_folder(settings.labels_from)
    new = {case: LabelsOfFile(path) for case, path in found.masks.items()}
    facts = survey(source, new, found.left_out, processes)
    log = ConversionLog(
        "nnUNetv2_fair_relabel",
        {
            "source": source.folder.name,
            "labels_from": where,
            "missing": settings.missing,
        },
    )
    log.notes = [f"training labels are those of {where}; test labels stay"]
    log.notes += _notes(found)
    if found.left_out:
        log.skipped += [Skipped(case, _WITHOUT, _groups_of(table, case)) for case in found.without]
    entry = {
        "source": source.folder.name,
        "folder": where,
        "cases": len(found.masks),
        "cases_with_labels_of_source": 0 if found.left_out else len(found.without),
    }
    target = TwinTarget(
        settings.dataset_id,
        settings.name,
        f"{source.folder.name} with the training labels of {where}",
        {"labels_from": entry},
    )
    return plan_twin(source, table, target, new, facts, log)


def _notes(found: Relabelling) -> list[str]:
    if not found.without:
        return []
    cases = counted(len(found.without), "training case")
    if found.left_out:
        return [
            f"{cases} without another label are left out: {shorten(found.without)}. To compare "
            "trainings, leave them out with the labels of the source, too: make a twin of this "
            "dataset with --labels-from its folder previousTr"
        ]
    return [f"{cases} without another label keep the one they have: {shorten(found.without)}"]


def _groups_of(table: DemographicsTable, case: str) -> dict[str, str]:
    return {
        attribute.name: group
        for attribute in table.schema.attributes.values()
        if attribute.groups
        and (group := attribute.group_of(str(table.frame.at[case, attribute.name]))) is not None
    }
