"""APPLE's generator for the embedding of a prompted model, as a file."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nnunetv2_fair.errors import ModelError
from nnunetv2_fair.files.atomic import replacing
from nnunetv2_fair.files.formats.archives import damage_of
from nnunetv2_fair.foundation.weights import Weights
from nnunetv2_fair.networks.perturbation import PerturbationGenerator

FINAL, LATEST = "checkpoint_final.pth", "checkpoint_latest.pth"
_KIND = "nnunetv2_fair APPLE on a prompted model"


@dataclass(frozen=True)
class Perturbation:
    """A file of ``nnUNetv2_fair_train_APPLE_SAM``. It has no names of groups or cases.

    Attributes:
        sha256: Hash of the weights of the model that it was trained on.
        settings: How it was trained: plain values by name.
        epoch: Epochs done.
        generator: Parameters of the generator.
        state: What a training needs to continue: tensors by name; nothing in a final file.
    """

    sha256: str
    settings: dict[str, Any]
    epoch: int
    generator: dict[str, torch.Tensor] = field(repr=False)
    state: dict[str, torch.Tensor] = field(repr=False, default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        about = {"sha256": self.sha256, "settings": self.settings, "epoch": self.epoch}
        content = {
            "kind": _KIND,
            "about": json.dumps(about),
            "generator": self.generator,
            "state": self.state,
        }
        with replacing(path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)


def read_perturbation(path: Path, weights: Weights) -> Perturbation:
    """Read a file that :meth:`Perturbation.write` has written.

    Args:
        path: The file, or the folder with ``checkpoint_final.pth``.
        weights: Of the model that it is to be used with.

    Raises:
        ModelError: If it is missing or damaged, another file, or of other weights.
    """
    if path.is_dir():
        path = path / FINAL
    if not path.is_file():
        raise ModelError(
            f"{path} does not exist. Name the folder or file that nnUNetv2_fair_train_APPLE_SAM "
            "has written, or leave out --generator."
        )
    damage = damage_of(path)
    if damage:
        raise ModelError(f"{path} {damage}. Copy it back, or train again.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["kind"] != _KIND:
            raise KeyError(content["kind"])
        about = json.loads(content["about"])
        found = Perturbation(
            about["sha256"], about["settings"], about["epoch"], content["generator"],
            content["state"],
        )  # fmt: skip
    except Exception as error:  # torch raises what its unpickler meets
        raise ModelError(
            f"{path} is no file of nnUNetv2_fair_train_APPLE_SAM ({type(error).__name__})."
        ) from error
    if found.sha256 != weights.sha256:
        raise ModelError(
            f"{path} was trained on other weights (SHA-256 {found.sha256[:12]}...) than "
            f"{weights.path} ({weights.sha256[:12]}...). Pass the weights it was trained on with "
            "--weights."
        )
    return found


def generator_of(channels: int, found: Perturbation | None = None) -> PerturbationGenerator:
    """Return a generator, a new one without ``found``: its perturbation is zero."""
    generator = PerturbationGenerator(channels, nn.Conv2d)
    if found is not None:
        generator.load_state_dict(found.generator)
    return generator
