"""What images are made from: the training cases of a dataset, and the masks of a pack."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunetv2_fair.errors import ConversionError, UsageError, shorten
from nnunetv2_fair.synthesis.images.network import ImagePlan, scratch_plan
from nnunetv2_fair.synthesis.images.training import TrainingCases
from nnunetv2_fair.synthesis.pack.pack import SyntheticCase, read_pack
from nnunetv2_fair.synthesis.quality.memorisation import averaged, nearest_training_cases
from nnunetv2_fair.synthesis.training_cases.by_group import cases_by_group
from nnunetv2_fair.synthesis.training_cases.pictures import (
    PictureFormat,
    padded,
    read_classes,
    read_pictures,
)


@dataclass(frozen=True)
class Material:
    """Everything that is read before a training.

    Attributes:
        attribute: Attribute expression.
        training: Training cases, filled up to squares.
        plan: Sizes of the network.
        form: What the images of the dataset look like.
        averages: (cases, channels, 16, 16), training images for comparison with new ones.
        patients: Patient of each training case.
        cases: Cases of the pack that get an image.
        labels: (cases, size, size), their masks as numbers of classes, filled up.
        ending: Of the files of the pack and of the dataset.
        made: What ``pack.json`` says of the masks.
        warnings: Sentences, without full stop.
    """

    attribute: str
    training: TrainingCases = field(repr=False)
    plan: ImagePlan
    form: PictureFormat = field(repr=False)
    averages: NDArray[np.float64] = field(repr=False)
    patients: tuple[str, ...] = field(repr=False)
    cases: tuple[SyntheticCase, ...] = field(repr=False)
    labels: NDArray[np.uint8] = field(repr=False)
    ending: str
    made: dict[str, object] = field(repr=False)
    warnings: tuple[str, ...]

    @property
    def groups(self) -> NDArray[np.int64]:
        """Index of the group of each case of the pack."""
        return np.array([self.plan.groups.index(case.group) for case in self.cases])


def read_material(
    folder: Path,
    attribute: str | None,
    wanted: Sequence[str],
    pack_folder: Path,
    plan_of: Callable[[int, int, int, int, Sequence[str]], ImagePlan] = scratch_plan,
) -> Material:
    """Read and check the training cases of a dataset, and the masks of a pack.

    Args:
        folder: Dataset folder in ``nnUNet_raw``, with pictures of one size.
        attribute: Attribute expression; None: that of the pack.
        wanted: Groups of the pack to make images for; none of them means all.
        pack_folder: The pack; images in it are not looked at.
        plan_of: Returns the sizes of a network for rows, columns, channels, classes and groups.

    Raises:
        UsageError: If there is no such group.
        DatasetError: If the dataset is not there, a group has too few patients, or patients
            cannot be told apart by their images.
        DemographicsError: If the table or the attribute cannot be used.
        ConversionError: If files are missing, cannot be read, or do not fit each other.
    """
    pack = read_pack(pack_folder, attribute)
    absent = [group for group in wanted if group not in pack.groups]
    if absent:
        raise UsageError(
            f"--group {absent[0]}: {pack_folder} has no masks of this group. Groups: "
            f"{shorten(pack.groups, 20)}."
        )
    known = cases_by_group(
        folder,
        pack.attribute,
        (),
        "images are made for pictures only, because a network for volumes does not exist yet",
    )
    known.check_groups(pack_folder, pack.groups, "masks")
    known = known.asking_for(tuple(wanted) or tuple(pack.groups))
    if pack.ending != known.source.ending:
        raise ConversionError(
            f"{pack_folder} holds {pack.ending} files, {folder.name} {known.source.ending}. Export "
            "the masks as such."
        )
    members = known.large_enough(known.members)
    files = known.files()
    names = [case for cases in members.values() for case in cases]
    images, form = read_pictures({case: files[case].images for case in names})
    values = known.source.values_of(())
    labels = read_classes({case: files[case].mask for case in names}, values, form.size)
    cases = tuple(case for case in pack.cases if case.group in known.wanted)
    drawn = read_classes({case.case: case.label for case in cases}, values, form.size)
    averages = averaged(images)
    patients = tuple(known.patients[case] for case in names)
    # refused now, not after hours of training
    nearest_training_cases(averages[:1], averages, patients)
    plan = plan_of(*form.size, images.shape[1], len(values) + 1, tuple(members))
    groups = np.concatenate([np.full(len(c), i) for i, c in enumerate(members.values())])
    return Material(
        known.attribute,
        TrainingCases(padded(images, plan.size), padded(labels, plan.size), groups),
        plan,
        form,
        averages,
        patients,
        cases,
        padded(drawn, plan.size),
        pack.ending,
        {k: v for k, v in pack.made.items() if k not in ("attribute", "groups")},
        tuple(known.sentences(members, "images")),
    )
