"""nnU-Net's own losses in every form, with batches to feed them."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import nn

N_LABELS, N_REGIONS, IGNORE = 3, 2, 7
LEVELS = {(12, 8): [(12, 8), (6, 4), (3, 2)], (4, 6, 8): [(4, 6, 8), (2, 3, 4), (1, 2, 2)]}


@dataclass(frozen=True)
class Form:
    """One of the forms that nnU-Net's loss has."""

    shape: tuple[int, ...] = (12, 8)
    regions: bool = False
    ignore: bool = False
    batch_dice: bool = True
    deep: bool = True

    def __str__(self) -> str:
        flags = ("regions", "ignore", "batch_dice", "deep")
        words = [name for name in flags if getattr(self, name)]
        return "-".join([f"{len(self.shape)}d", *words])

    def loss(self, ddp: bool = False) -> nn.Module:
        """Build the loss as nnUNetTrainer._build_loss does."""
        dice = {"batch_dice": self.batch_dice, "smooth": 1e-5, "ddp": ddp}
        loss: nn.Module
        if self.regions:
            loss = DC_and_BCE_loss(
                {}, {**dice, "do_bg": True}, use_ignore_label=self.ignore,
                dice_class=MemoryEfficientSoftDiceLoss,
            )  # fmt: skip
        else:
            loss = DC_and_CE_loss(
                {**dice, "do_bg": False}, {}, ignore_label=IGNORE if self.ignore else None,
                dice_class=MemoryEfficientSoftDiceLoss,
            )  # fmt: skip
        return DeepSupervisionWrapper(loss, np.array([2 / 3, 1 / 3, 0])) if self.deep else loss

    def batch(self, n_samples: int = 4, seed: int = 0, dtype: torch.dtype = torch.float32):
        """Return outputs that want gradients, and targets."""
        generator = torch.Generator().manual_seed(seed)
        outputs, targets = [], []
        for shape in LEVELS[self.shape] if self.deep else [self.shape]:
            channels = N_REGIONS if self.regions else N_LABELS
            output = torch.randn((n_samples, channels, *shape), generator=generator) * 2
            outputs.append(output.to(dtype).requires_grad_())
            ignored = torch.rand((n_samples, 1, *shape), generator=generator) < 0.3
            if self.regions:
                target = torch.rand((n_samples, channels, *shape), generator=generator) < 0.4
                if self.ignore:
                    target = torch.cat([target & ~ignored, ignored], 1)
            else:
                target = torch.randint(
                    0, N_LABELS, (n_samples, 1, *shape), generator=generator
                ).short()
                if self.ignore:
                    target[ignored] = IGNORE
            targets.append(target)
        return (outputs, targets) if self.deep else (outputs[0], targets[0])


FORMS = [Form(*values) for values in itertools.product(LEVELS, *[[False, True]] * 4)]
every_form = pytest.mark.parametrize("form", FORMS, ids=str)


def tensors(value) -> list[torch.Tensor]:
    return list(value) if isinstance(value, list) else [value]


def select(value, samples):
    """Return some samples of a batch."""
    chosen = [one.detach()[samples].requires_grad_(one.requires_grad) for one in tensors(value)]
    return chosen if isinstance(value, list) else chosen[0]


def value_and_gradients(loss, output, *arguments):
    """Return the loss and its gradients (0 for resolutions that do not count)."""
    for one in tensors(output):
        one.grad = None
    value = loss(output, *arguments)
    value.backward()
    gradients = [
        torch.zeros_like(one) if one.grad is None else one.grad.clone() for one in tensors(output)
    ]
    return value.detach(), gradients


def assert_same(ours, theirs, factor=1.0):
    torch.testing.assert_close(ours[0], factor * theirs[0], atol=1e-6, rtol=1e-6)
    for mine, other in zip(ours[1], theirs[1], strict=True):
        torch.testing.assert_close(mine, factor * other, atol=1e-6, rtol=1e-5)
