"""Does the planted bias bite? A tiny U-Net per mechanism, Dice per group on the test set.

Trains in plain torch on the CPU, independent of nnU-Net: what is measured is the data, not
the trainers. Claims in docs/benchmarks.md:

- representation: the biased group's mean Dice is at least 0.05 lower at the default strength,
  and less than 0.02 away at strength 0 with the same rarity;
- with half of the training patients in the group the same look costs it nothing, so the gap
  comes from the representation and not from a harder task.

Usage: python benchmarks/phantom_bias.py [--seeds 3] [--steps 300]
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, max_pool2d

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nnunetv2_fair.phantoms.bias import plant
from nnunetv2_fair.phantoms.drawing import draw
from nnunetv2_fair.phantoms.rendering import render
from nnunetv2_fair.phantoms.spec import PhantomSpec

#: (what, spec): every mechanism at the default strength beside what it is compared with.
_RUNS = [
    ("no bias", {"bias": "none"}),
    ("representation, strength 0", {"bias": "representation", "strength": 0.0}),
    ("representation", {"bias": "representation"}),
    ("representation, group not rare", {"bias": "representation", "minority_share": 0.5}),
    ("difficulty", {"bias": "difficulty"}),
    ("label erosion", {"bias": "label_erosion"}),
    ("label shift", {"bias": "label_shift"}),
    ("shortcut", {"bias": "shortcut"}),
]


class TinyUNet(nn.Module):
    """Four levels, eight features at the first."""

    def __init__(self, features: int = 8) -> None:
        super().__init__()
        widths = [features * 2**level for level in range(4)]
        self.down = nn.ModuleList(
            _block(a, b) for a, b in zip([1, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            _block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of the input's size."""
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else max_pool2d(x, 2))
            skips.append(x)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([interpolate(x, scale_factor=2.0), skip], 1))
        return self.head(x)


def _block(n_in: int, n_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in ((n_in, n_out), (n_out, n_out)):
        layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.InstanceNorm2d(b, affine=True),
                   nn.LeakyReLU(0.01)]  # fmt: skip
    return nn.Sequential(*layers)


def arrays(spec: PhantomSpec, split: str) -> tuple[Tensor, Tensor, Tensor, np.ndarray]:
    """Return images (N, 1, H, W), masks and clean masks alike, biased group (N,)."""
    drawings = [plant(d, spec) for d in draw(spec) if d.patient.split == split]
    made = [render(drawing, spec) for drawing in drawings]
    images = torch.from_numpy(np.stack([m.image for m in made])).float()[:, None]
    images = (images - images.mean((2, 3), True)) / images.std((2, 3), keepdim=True)
    masks = torch.from_numpy(np.stack([m.mask for m in made])).float()[:, None]
    clean = torch.from_numpy(np.stack([m.clean_mask for m in made])).float()[:, None]
    return images, masks, clean, np.array([d.patient.biased for d in drawings])


def train(images: Tensor, masks: Tensor, steps: int, seed: int) -> TinyUNet:
    """Train on random batches of 16 with flips."""
    torch.manual_seed(seed)
    network = TinyUNet()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(images), (16,))
        x, y = images[chosen], masks[chosen]
        if torch.rand(()) < 0.5:
            x, y = x.flip(3), y.flip(3)
        logits = network(x)
        p = logits.sigmoid()
        dice = (2 * (p * y).sum((2, 3)) + 1) / (p.sum((2, 3)) + y.sum((2, 3)) + 1)
        loss = binary_cross_entropy_with_logits(logits, y) + 1 - dice.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network


def test_dice(network: TinyUNet, images: Tensor, references: Tensor) -> np.ndarray:
    """Return the Dice of every image."""
    network.eval()
    with torch.no_grad():
        predicted = torch.cat([network(batch) > 0 for batch in images.split(64)])
    reference = references > 0
    both = (predicted & reference).sum((1, 2, 3))
    return (2 * both / (predicted.sum((1, 2, 3)) + reference.sum((1, 2, 3)))).numpy()


def main() -> None:
    """Print one row per run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="repetitions, data and network")
    parser.add_argument("--steps", type=int, default=300, help="training steps of 16 images")
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1, help="more pay on an idle machine only")
    parser.add_argument("--only", help="run only what contains this text")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"{'planted':34}{'seed':>5}{'others':>9}{'group':>9}{'gap':>9}{'seconds':>9}")
    for what, options in _RUNS:
        if args.only and args.only not in what:
            continue
        gaps = []
        for seed in range(args.seeds):
            start = time.perf_counter()
            spec = PhantomSpec(n_patients=args.patients, seed=seed, **options)
            network = train(*arrays(spec, "train")[:2], args.steps, seed)
            images, _, clean, biased = arrays(spec, "test")
            dice = test_dice(network, images, clean)
            others, group = dice[~biased].mean(), dice[biased].mean()
            gaps.append(others - group)
            print(f"{what:34}{seed:5d}{others:9.3f}{group:9.3f}{gaps[-1]:9.3f}"
                  f"{time.perf_counter() - start:9.1f}", flush=True)  # fmt: skip
        if args.seeds > 1:
            print(f"{what:34} mean gap {np.mean(gaps):.3f} ({min(gaps):.3f} to {max(gaps):.3f})")


if __name__ == "__main__":
    main()
