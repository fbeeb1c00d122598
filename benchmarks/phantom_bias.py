"""Does the planted bias have an effect? A tiny U-Net per mechanism, judged by group in the test.

Trains in plain torch on the CPU, independent of nnU-Net: what is measured is the data, not
the trainers. Columns:

- others, group, gap: mean test Dice against correct masks of everybody else and of the biased
  group, and their difference. Claims: ``representation`` has a gap of at least 0.05 at its
  default strength and less than 0.02 at strength 0 (same rarity) and with the group not rare
  (same appearance): the gap comes from the representation, not from a harder task.
  ``appearance`` has a gap of at least 0.03 and a probe above 0.85.
  A shortcut has an effect where nodules are faint and training is long: compare the last two rows.
- ruler: the same gap on the training images against the masks they came with. Label bias
  shows here, and as a lower test Dice of both groups: the network cannot see who belongs to which
  group.
- probe: how well a linear probe on the bottleneck distinguishes the groups in the test set (area
  under the curve; 0.5 is chance). This is what adversarial methods work against.

Takes about five minutes on one idle core, or one and a half with ``--only representation``.

Usage: python benchmarks/phantom_bias.py [--seeds 3] [--steps 300] [--only representation]
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, max_pool2d

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nnunetv2_fair.phantoms.bias import plant
from nnunetv2_fair.phantoms.drawing import draw
from nnunetv2_fair.phantoms.rendering import render
from nnunetv2_fair.phantoms.spec import PhantomSpec

_FAINT = (0.1, 0.3)
#: Suffix of runs on faint nodules, which take longer to learn, even by the shortcut.
_LONGER = ", faint, 3 x steps"
#: (what, options): mechanisms at the default strength, and what they are compared with. At
#: strength 0 all mechanisms give the data of the first two rows (tests/phantoms/test_bias.py).
_RUNS: list[tuple[str, dict[str, Any]]] = [
    ("no bias", {"bias": "none"}),
    ("representation, strength 0", {"bias": "representation", "strength": 0.0}),
    ("representation", {"bias": "representation"}),
    ("representation, group not rare", {"bias": "representation", "minority_share": 0.5}),
    ("difficulty", {"bias": "difficulty"}),
    ("appearance", {"bias": "appearance"}),
    ("label erosion", {"bias": "label_erosion"}),
    ("label shift", {"bias": "label_shift"}),
    ("shortcut", {"bias": "shortcut"}),
    (f"no bias{_LONGER}", {"bias": "none", "contrast": _FAINT}),
    (f"shortcut{_LONGER}", {"bias": "shortcut", "contrast": _FAINT}),
]
_BATCH = 8


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

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits of the input's size, and the bottleneck's means (N, features)."""
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else max_pool2d(x, 2))
            skips.append(x)
        means = x.mean((2, 3))
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([interpolate(x, scale_factor=2.0), skip], 1))
        return self.head(x), means


def _block(n_in: int, n_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in ((n_in, n_out), (n_out, n_out)):
        layers += [nn.Conv2d(a, b, 3, padding=1, bias=False)]
        layers += [nn.InstanceNorm2d(b, affine=True), nn.LeakyReLU(0.01)]  # as nnU-Net does
    return nn.Sequential(*layers)


class Part(NamedTuple):
    """Training or test images: (N, 1, rows, columns) each, and who is in the group (N,)."""

    images: Tensor
    masks: Tensor
    clean: Tensor
    biased: np.ndarray


def part(spec: PhantomSpec, split: str) -> Part:
    """Render one part of a phantom; images have mean 0 and standard deviation 1."""
    drawings = [plant(d, spec) for d in draw(spec) if d.patient.split == split]
    made = [render(drawing, spec) for drawing in drawings]
    images = torch.from_numpy(np.stack([m.image for m in made])).float()[:, None]
    images = (images - images.mean((2, 3), True)) / images.std((2, 3), keepdim=True)
    masks = torch.from_numpy(np.stack([m.mask for m in made])).float()[:, None]
    clean = torch.from_numpy(np.stack([m.clean_mask for m in made])).float()[:, None]
    return Part(images, masks, clean, np.array([d.patient.biased for d in drawings]))


def train(images: Tensor, masks: Tensor, steps: int, seed: int) -> TinyUNet:
    """Train on random batches with flips; cross-entropy and Dice."""
    torch.manual_seed(seed)
    network = TinyUNet()
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(images), (_BATCH,))
        x, y = images[chosen], masks[chosen]
        if torch.rand(()) < 0.5:
            x, y = x.flip(3), y.flip(3)
        logits, _ = network(x)
        p = logits.sigmoid()
        dice = (2 * (p * y).sum((2, 3)) + 1) / (p.sum((2, 3)) + y.sum((2, 3)) + 1)
        loss = binary_cross_entropy_with_logits(logits, y) + 1 - dice.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def predict(network: TinyUNet, images: Tensor) -> tuple[Tensor, np.ndarray]:
    """Return predicted masks and bottleneck means of all images."""
    with torch.no_grad():
        outputs = [network(batch) for batch in images.split(64)]
    return torch.cat([o[0] > 0 for o in outputs]), torch.cat([o[1] for o in outputs]).numpy()


def dice_gap(predicted: Tensor, masks: Tensor, biased: np.ndarray) -> tuple[float, float]:
    """Return the mean Dice of the others and of the group."""
    reference = masks > 0
    both = (predicted & reference).sum((1, 2, 3))
    dice = (2 * both / (predicted.sum((1, 2, 3)) + reference.sum((1, 2, 3)))).numpy()
    return float(dice[~biased].mean()), float(dice[biased].mean())


def measure(spec: PhantomSpec, steps: int) -> tuple[float, float, float, float]:
    """Return test Dice of others and group, gap on the training masks, probe."""
    training, test = part(spec, "train"), part(spec, "test")
    network = train(training.images, training.masks, steps, spec.seed)
    predicted, features = predict(network, test.images)
    others, group = dice_gap(predicted, test.clean, test.biased)
    fitted, seen = predict(network, training.images)
    on_training = dice_gap(fitted, training.masks, training.biased)
    probe = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced")
    ).fit(seen, training.biased)
    auc = roc_auc_score(test.biased, probe.decision_function(features))
    return others, group, on_training[0] - on_training[1], float(auc)


def main() -> None:
    """Print one row per run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--seeds", type=int, default=1, help="repetitions with different data and network"
    )
    parser.add_argument("--steps", type=int, default=300, help=f"steps of {_BATCH} images")
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument(
        "--threads", type=int, default=1, help="more pay off only on an idle machine"
    )
    parser.add_argument("--only", default="", help="run only those whose name contains this text")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    columns = ("seed", "others", "group", "gap", "ruler", "probe", "seconds")
    print(f"{'planted':32}" + "".join(f"{name:>9}" for name in columns))
    for what, options in _RUNS:
        if args.only not in what:
            continue
        gaps = []
        for seed in range(args.seeds):
            start = time.perf_counter()
            spec = PhantomSpec(n_patients=args.patients, seed=seed, **options)
            steps = args.steps * (3 if what.endswith(_LONGER) else 1)
            others, group, ruler, probe = measure(spec, steps)
            gaps.append(others - group)
            seconds = time.perf_counter() - start
            numbers = "".join(f"{x:9.3f}" for x in (others, group, gaps[-1], ruler, probe))
            print(f"{what:32}{seed:9d}{numbers}{seconds:9.1f}", flush=True)
        if args.seeds > 1:
            print(f"{what:32} mean gap {np.mean(gaps):.3f} ({min(gaps):.3f} to {max(gaps):.3f})")


if __name__ == "__main__":
    main()
