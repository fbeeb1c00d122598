"""Does the rule name the cause of a gap that was planted into images?

Phantoms with each of four causes, with none and with two pairs of them; small networks in plain
torch; every intervention of ``docs/methods/causes.md`` on the same test patients; the verdict of
:func:`nnunetv2_fair.audit.causes.verdicts.diagnose`. One run is one phantom with its trainings:

- scores: models trained on the training patients as they are, against the masks of the test images
  as a user has them (wrong for one group where labels are the cause);
- representation: models trained on as many patients of each group as the smaller one has, others
  for each training. Where groups are unequal, balanced batches of all patients are measured, too;
- difficulty: contrast and noise of the image, size and contrast by the expert mask;
- labels: expert masks of a share of the test patients;
- shortcut: backgrounds outside the organ neutralised, and exchanged within groups (the control
  edit). Exchanged between groups, they are measured and kept beside it; the rule does not read
  them. Nor does it read images that show nothing but the nodule: those are asked about separately,
  as an edit that spoils more than backgrounds.

Every finished run is a row of ``--results`` and skipped by the next call. Runs come seed by seed,
so that what a stopped call leaves is balanced. Seeds are 0, 1, 2, ...; changes are tried on seeds
from 9000 on. A row holds its design: runs of another one do not count.

    python benchmarks/diagnosis_images.py --runs 12      # 84 runs
    python benchmarks/diagnosis_images.py --only-table
"""

import argparse
import csv
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    interpolate,
    max_pool2d,
    pixel_shuffle,
    pixel_unshuffle,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.diagnosis_phantoms import (
    EDITS,
    SETTINGS,
    Array,
    Design,
    Images,
    Setting,
    covariates,
    edited,
    equal_numbers,
    nodules_alone,
)
from nnunetv2_fair.audit.causes.contrasts import gap
from nnunetv2_fair.audit.causes.evidence import CAUSES, Evidence
from nnunetv2_fair.audit.causes.verdicts import diagnose

RATE = 2e-2


class Networks(nn.Module):
    """U-Nets that learn side by side, as groups of convolutions; none sees another.

    One convolution for each level and direction, on blocks of two by two pixels.
    """

    def __init__(self, count: int, widths: tuple[int, ...] = (8, 16, 24, 32)) -> None:
        super().__init__()
        self.count = count
        self.down = nn.ModuleList(
            self._block(a, b) for a, b in zip((4, *widths[:-1]), widths, strict=True)
        )
        self.up = nn.ModuleList(
            self._block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(count * widths[0], count * 4, 1, groups=count)

    def _block(self, n_in: int, n_out: int) -> nn.Sequential:
        n = self.count
        return nn.Sequential(
            nn.Conv2d(n * n_in, n * n_out, 3, padding=1, bias=False, groups=n),
            nn.BatchNorm2d(n * n_out),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, networks, rows, columns) of images of that shape."""
        x = pixel_unshuffle(x, 2)
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else max_pool2d(x, 2))
            skips.append(x)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = block(self._joined(interpolate(x, scale_factor=2.0), skip))
        return pixel_shuffle(self.head(x), 2)

    def _joined(self, *parts: Tensor) -> Tensor:
        """Return the channels of all parts, network by network."""
        return torch.cat([part.unflatten(1, (self.count, -1)) for part in parts], 2).flatten(1, 2)


def tensor(images: Array) -> Tensor:
    """Return (N, 1, rows, columns), each image with mean 0 and standard deviation 1."""
    stack = torch.from_numpy(images).float()[:, None]
    return (stack - stack.mean((2, 3), True)) / stack.std((2, 3), keepdim=True)


def train(images: Images, shares: Sequence[Array], steps: int, batch: int, seed: int) -> Networks:
    """Train on random batches with flips; cross-entropy and Dice.

    Args:
        images: Training images.
        shares: Of each network, how often it is shown each image.
        steps: Of one batch for each network.
        batch: Its images.
        seed: Of weights and batches; every network has its own.
    """
    torch.manual_seed(seed)
    x, y = tensor(images.images), torch.from_numpy(images.masks).float()[:, None]
    weights = torch.from_numpy(np.stack(shares)).float()
    networks = Networks(len(shares))
    optimiser = torch.optim.Adam(networks.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in range(steps):
        chosen = torch.multinomial(weights, batch, replacement=True).T
        a, b = x[chosen, 0], y[chosen, 0]
        turned = (torch.rand(chosen.shape) < 0.5)[..., None, None]
        a, b = torch.where(turned, a.flip(3), a), torch.where(turned, b.flip(3), b)
        logits = networks(a)
        p = logits.sigmoid()
        dice = (2 * (p * b).sum((2, 3)) + 1) / (p.sum((2, 3)) + b.sum((2, 3)) + 1)
        # the sum over networks: their gradients do not depend on how many there are
        entropy = binary_cross_entropy_with_logits(logits, b, reduction="none").mean((0, 2, 3))
        loss = (entropy + 1 - dice.mean(0)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return networks.eval()


def predicted(networks: Networks, images: Array) -> Array:
    """Return masks (networks, images, rows, columns)."""
    with torch.no_grad():
        logits = [
            networks(part.expand(-1, networks.count, -1, -1)) for part in tensor(images).split(50)
        ]
    return np.asarray((torch.cat(logits) > 0).numpy().swapaxes(0, 1))


def dice(masks: Array, references: Array) -> Array:
    """Return the Dice (networks, images) of masks."""
    both = (masks & references).sum((-2, -1))
    return np.asarray(2 * both / (masks.sum((-2, -1)) + references.sum((-2, -1))))


def measured(setting: Setting, design: Design, seed: int) -> tuple[Evidence, dict[str, Array]]:
    """Return the evidence of one run, and scores (trainings, patients) beside it."""
    training, test = (Images(setting, design, seed, split) for split in ("train", "test"))
    k, second = design.trainings, training.second
    shares = [np.ones(len(second))] * k
    shares += [equal_numbers(training, design.trainings * seed + one) for one in range(k)]
    if second.sum() != (~second).sum():
        shares += [np.where(second, 1 / second.sum(), 1 / (~second).sum())] * k
    networks = train(training, shares, design.steps, setting.batch, seed)
    masks = predicted(networks, test.images)
    made = {"": dice(masks[:k], test.masks), "expert": dice(masks[:k], test.expert)}
    made["equal"] = dice(masks[k : 2 * k], test.masks)
    made["batches"] = dice(masks[-k:], test.masks)
    edits = {**edited(test, design.images, seed), "nodule": nodules_alone(test)}
    for name, images in edits.items():
        made[name] = dice(predicted(networks, images)[:k], test.masks)
    by_patient = {
        name: scores.reshape(k, -1, design.images).mean(axis=2) for name, scores in made.items()
    }
    second = test.second[:: design.images]
    rng = np.random.default_rng(seed)
    by_patient["expert"][:, rng.random(len(second)) >= design.double] = np.nan
    means = covariates(test).reshape(len(second), design.images, -1).mean(axis=1)
    evidence = Evidence(
        by_patient[""], second, by_patient["equal"], means, by_patient["expert"],
        by_patient["neutral"], by_patient["control"],
    )  # fmt: skip
    return evidence, by_patient


#: Columns of the results. ``shown``: whether a gap is shown; ``named`` and ``excluded``: causes,
#: with a space between; of each cause, the share of the gap that is removed and whether it is shown
#: to make a part; of each edit of the background, the gap that is left; what is named with balanced
#: batches, and with nodules alone in place of images without background; of the latter two, whether
#: the background is not named only because the worse group does not gain.
COLUMNS = (
    "design", "setting", "seed", "gap", "shown", "named", "mixed", "excluded",
    *(f"{cause} removes" for cause in CAUSES), *(f"gap, {name}" for name in EDITS),
    "gap, nodule", "withheld", "batches remove", "named, batches", "named, nodule",
    "withheld, nodule", "seconds",
)  # fmt: skip


def described(name: str, design: Design) -> str:
    """Return all that was chosen for a setting."""
    if name not in SETTINGS:
        return ""
    setting = SETTINGS[name]
    rare = (
        f" share {setting.minority} batches of {setting.batch} patients x {setting.patients}"
        f" contrast x {setting.contrast}"
    )
    return f"{dict(setting.planted)} {design}{rare if setting.minority != 0.5 else ''}"


def row(name: str, design: Design, seed: int) -> dict[str, str]:
    """Return what one run found."""
    begun = time.process_time()
    evidence, scores = measured(SETTINGS[name], design, seed)
    found = diagnose(evidence)
    out = [cause for cause, one in found.causes.items() if one.verdict == "excluded"]
    left = {
        edit: gap(replace(evidence, scores=scores[edit])).spread.value
        for edit in (*EDITS, "nodule")
    }
    batches = diagnose(replace(evidence, balanced=scores["batches"]))
    nodule = diagnose(replace(evidence, neutral=scores["nodule"]))
    return {
        "design": described(name, design),
        "setting": name,
        "seed": str(seed),
        "gap": f"{found.gap.value:.4f}",
        "shown": str(int(found.shown)),
        "named": " ".join(found.named),
        "mixed": str(int(bool(found.mixed))),
        "excluded": " ".join(out),
        **{f"{cause} removes": f"{one.removed.value:.4f}" for cause, one in found.causes.items()},
        **{f"gap, {edit}": f"{value:.4f}" for edit, value in left.items()},
        "withheld": str(int(bool(found.causes["shortcut"].withheld))),
        "batches remove": f"{batches.causes['representation'].removed.value:.4f}",
        "named, batches": " ".join(batches.named),
        "named, nodule": " ".join(nodule.named),
        "withheld, nodule": str(int(bool(nodule.causes["shortcut"].withheld))),
        "seconds": f"{time.process_time() - begun:.0f}",
    }


def finished(path: Path, design: Design) -> list[dict[str, str]]:
    """Return the rows of finished runs of a design."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        return [one for one in rows if one["design"] == described(one["setting"], design)]


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return what was named by what was planted, as a Markdown table of counts."""
    titles = ("planted", "runs", "gap", "gap shown", *CAUSES, "right", "wrong", "nothing",
              "mixed", "excluded wrongly")  # fmt: skip
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for name, setting in SETTINGS.items():
        runs = [one for one in rows if one["setting"] == name]
        if not runs:
            continue
        truth = set(setting.planted)
        named = [set(one["named"].split()) for one in runs]
        gaps = [float(one["gap"]) for one in runs]
        counts = (
            sum(one["shown"] == "1" for one in runs),
            *(sum(cause in one for one in named) for cause in CAUSES),
            sum(one == truth for one in named),
            sum(bool(one - truth) for one in named),
            sum(not one for one in named),
            sum(one["mixed"] == "1" for one in runs),
            sum(bool(truth & set(one["excluded"].split())) for one in runs),
        )
        spread = f"{np.mean(gaps):.3f} ({min(gaps):.3f} to {max(gaps):.3f})"
        lines.append("| " + " | ".join([name, str(len(runs)), spread, *map(str, counts)]) + " |")
    return "\n".join(lines)


def beside_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return what equal numbers and balanced batches do, and what the group's gain forbids.

    Of runs that measured it: the first ones did not.
    """
    titles = ("planted", "runs", "equal numbers remove", "batches remove", "right", "with batches",
              "background named", "withheld", "nodules alone: wrong", "withheld")  # fmt: skip
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for name, setting in SETTINGS.items():
        runs = [one for one in rows if one["setting"] == name and one["gap, nodule"]]
        if not runs:
            continue
        truth = set(setting.planted)
        named, batches, nodule = (
            [set(one[column].split()) for one in runs]
            for column in ("named", "named, batches", "named, nodule")
        )
        cells = (
            len(runs),
            *(f"{np.mean([float(one[column]) for one in runs]):.3f}"
              for column in ("representation removes", "batches remove")),
            sum(one == truth for one in named),
            sum(one == truth for one in batches),
            sum("shortcut" in one for one in named),
            sum(one["withheld"] == "1" for one in runs),
            sum(bool(one - truth) for one in nodule),
            sum(one["withheld, nodule"] == "1" for one in runs),
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, (name, *cells))) + " |")
    return "\n".join(lines)


def edits_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return the mean gap as it is and after each edit of the background."""
    lines = ["| planted | as it is | " + " | ".join((*EDITS.values(), "nodule alone")) + " |"]
    lines.append("|" + "---|" * (3 + len(EDITS)))
    for name in SETTINGS:
        runs = [one for one in rows if one["setting"] == name]
        if runs:
            columns = ("gap", *(f"gap, {edit}" for edit in (*EDITS, "nodule")))
            known = [[float(one[column]) for one in runs if one[column]] for column in columns]
            means = [f"{np.mean(values):.3f}" if values else "" for values in known]
            lines.append(f"| {name} | " + " | ".join(means) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=12, help="of each setting")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument(
        "--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), help="which are run"
    )
    parser.add_argument("--results", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--only-table", action="store_true", help="run nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    design = Design()
    for seed in () if args.only_table else range(args.first, args.first + args.runs):
        for name in args.settings:
            done = {(one["setting"], one["seed"]) for one in finished(args.results, design)}
            if (name, str(seed)) in done:
                continue
            made = row(name, design, seed)
            with args.results.open("a", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                if not file.tell():
                    writer.writeheader()
                writer.writerow(made)
            print(f"{name}, seed {seed}: gap {made['gap']}, named: {made['named'] or 'nothing'}",
                  flush=True)  # fmt: skip
    rows = finished(args.results, design)
    if not rows:
        parser.exit(1, "There is no finished run.\n")
    print(f"\n{table(rows)}\n\n{beside_table(rows)}\n\n{edits_table(rows)}")


if __name__ == "__main__":
    main()
