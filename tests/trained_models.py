"""Models in nnUNet_results as if they had been trained, in a moment."""

import shutil
from pathlib import Path

import torch

from tests.trainers.seeding import write_base


def write_model(folders: dict[str, Path], name: str, shift: float = 0.0) -> Path:
    """Write fold 0 of a model of nnU-Net's own network; return the model's folder.

    Args:
        folders: The fixture ``tiny_nnunet``.
        name: Name of the trainer.
        shift: Added to the bias of the segmentation head for the foreground: at 100 the model
            predicts foreground everywhere, at -100 nowhere.
    """
    checkpoint = write_base(name)
    content = torch.load(checkpoint, weights_only=False)
    for key, value in content["network_weights"].items():
        if key.endswith("bias") and ".seg_layers." in key:
            value[1] += shift
    torch.save(content, checkpoint)
    folder = checkpoint.parents[1]
    shutil.copyfile(folders["preprocessed"] / "nnUNetPlans.json", folder / "plans.json")
    shutil.copyfile(folders["raw"] / "dataset.json", folder / "dataset.json")
    return folder
