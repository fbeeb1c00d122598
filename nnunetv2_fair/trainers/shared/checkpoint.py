"""What our trainers add to nnU-Net's checkpoints: settings and adaptive state, no demographics."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.files.atomic import replacing
from nnunetv2_fair.files.fingerprints import text_hash
from nnunetv2_fair.files.formats.archives import damage_of

#: Our key in nnU-Net's checkpoint.
KEY = "nnunetv2_fair"

#: Names of a training's checkpoints, in the order in which nnU-Net continues from them.
_IN_ORDER = ("checkpoint_final.pth", "checkpoint_latest.pth", "checkpoint_best.pth")

#: Set to 1, this environment variable lets a training continue with a changed table.
ALLOW_CHANGED_TABLE = "nnUNet_fair_allow_changed_table"


@dataclass(frozen=True)
class FairnessCheckpoint:
    """What a checkpoint says about groups. It has no names of groups or cases.

    Attributes:
        expression: Attribute expression.
        vocabulary: Fingerprint of all groups and their order (:func:`fingerprint`).
        table: Hash of table and dictionary.
        state: Adaptive state of the trainer: tensors by name.
    """

    expression: str
    vocabulary: str
    table: str
    # not in repr(): nnU-Net writes the repr of a trainer's attributes into its results folder
    state: Mapping[str, torch.Tensor] = field(repr=False)


def fingerprint(groups: Any) -> str:
    """Return a SHA-256 over names of groups in their order, as 64 hex digits.

    Args:
        groups: Lists and texts, nested as needed.
    """
    return text_hash(json.dumps(groups))


def write_checkpoint(path: Path, write: Callable[[str], None], ours: FairnessCheckpoint) -> None:
    """Write nnU-Net's checkpoint with ours in it, whole or not at all.

    Args:
        path: Where the checkpoint goes.
        write: Writes nnU-Net's checkpoint to the path that it is given.
        ours: What to add.
    """
    with replacing(path) as temporary:
        write(str(temporary))
        content = torch.load(temporary, map_location="cpu", weights_only=False)
        content[KEY] = {**vars(ours), "state": dict(ours.state)}
        with temporary.open("wb") as file:  # given a path, torch writes its name into the file
            torch.save(content, file)


def whole_checkpoint(path: Path, *, fall_back: bool) -> tuple[Path, list[str]]:
    """Return a checkpoint that can be loaded, and sentences about those that cannot.

    Args:
        path: The one that is wanted.
        fall_back: Whether an earlier one of the same training may be taken if it is damaged.

    Raises:
        TrainingError: If there is none.
        OSError: If a file cannot be read.
    """
    others = _IN_ORDER[_IN_ORDER.index(path.name) + 1 :] if path.name in _IN_ORDER else ()
    found = [path, *(path.with_name(name) for name in others if path.with_name(name).exists())]
    told: list[str] = []
    for candidate in found if fall_back else found[:1]:
        damage = damage_of(candidate)
        if not damage:
            return candidate, told
        told.append(f"{candidate} {damage}")
    if fall_back:
        remedy = (
            "No checkpoint of this training is whole: copy one back from where the results are "
            "kept, or train from scratch without --c."
        )
    else:
        remedy = "Copy it back, or go on training with --c, which takes an earlier checkpoint."
    raise TrainingError(f"{'; '.join(told)}. {remedy}")


def read_checkpoint(checkpoint: dict | str) -> FairnessCheckpoint | None:
    """Return what a checkpoint says about groups; None if it is not one of our trainers.

    Args:
        checkpoint: A checkpoint or its path.
    """
    if isinstance(checkpoint, dict):
        content = checkpoint
    else:
        # memory-mapped: the weights, which nnU-Net has loaded, are not read again
        content = torch.load(checkpoint, map_location="cpu", weights_only=False, mmap=True)
    if KEY not in content:
        return None
    ours = content[KEY]
    state = {name: value.clone() for name, value in ours["state"].items()}
    return FairnessCheckpoint(**{**ours, "state": state})


def check_same_table(saved: FairnessCheckpoint, now: str, source: Path, trainer: str) -> None:
    """Raise if the table changed since the checkpoint was written, unless that is allowed.

    Args:
        saved: What the checkpoint holds.
        now: Hash of table and dictionary now.
        source: The table, for the message.
        trainer: Name of the trainer, for the message.

    Raises:
        TrainingError: If the hashes differ and ``nnUNet_fair_allow_changed_table`` is not 1.
    """
    if saved.table == now or os.environ.get(ALLOW_CHANGED_TABLE) == "1":
        return
    raise TrainingError(
        f"{source} or its dictionary has changed since the checkpoint of {trainer} was written "
        f"(SHA-256 {now[:12]}..., in the checkpoint {saved.table[:12]}...). A part of the training "
        "may then have used other groups than the rest. Put the previous table back, or train "
        "from scratch without --c. To continue with the changed table anyway, set "
        f"{ALLOW_CHANGED_TABLE}=1."
    )
