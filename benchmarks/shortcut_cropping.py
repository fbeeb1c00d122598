"""Does the gap that a shortcut outside the organ causes fall under cropping?

Phantoms with the bias ``shortcut`` and faint nodules: in training, two bright bands outside the
organ cross at the nodule of the biased group; in the test they cross anywhere. The small networks
of ``phantom_bias.py`` in plain torch, on which the shortcut has an effect, with the boxes, crops
and fallback of this package:

- full: trained and tested on full images;
- nodule: trained on crops around the nodule of the training references. Test crops are those of the
  references (upper bound) or those that the full model finds (cascade);
- organ: the same with boxes around the organ, which a network of its own finds (cascade). The organ
  fills most of the image, so that much of the bands stays in its box.

Dice of the nodule in the test images: means of both groups, gap (everybody else minus the biased
group), and its paired change against the full model, with 95% t intervals over the seeds. "bands in
sight" is the share of the bands' pixels that the group's test crops show, "nodule in the crop" the
share of the group's nodules' pixels.

Every finished seed is kept in ``--cache`` and skipped by the next call; ``--only-table`` shows what
is there.

    python benchmarks/shortcut_cropping.py                 # 5 seeds, about 200 s of one core each
    python benchmarks/shortcut_cropping.py --seeds 1
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from phantom_bias import TinyUNet, predict, train

from nnunetv2_fair.cropping.box import Window
from nnunetv2_fair.cropping.organs import CropRule, organ_in
from nnunetv2_fair.errors import counted
from nnunetv2_fair.phantoms.bias import plant
from nnunetv2_fair.phantoms.drawing import Drawing, draw
from nnunetv2_fair.phantoms.rendering import PhantomImage, _axes, _bands, render
from nnunetv2_fair.phantoms.spec import PhantomSpec

METHODS = (
    "full",
    "nodule, upper bound",
    "nodule, cascade",
    "organ, upper bound",
    "organ, cascade",
)
#: As nnUNetv2_fair_predict_cascade has it.
FACTOR = 1.5
#: Networks halve their input three times.
_MULTIPLE = 8
Array = NDArray[Any]


class Images:
    """One part of a phantom: drawings, images and masks of nodule and organ, in one order."""

    def __init__(self, spec: PhantomSpec, split: str) -> None:
        self.spec = spec
        self.drawings: list[Drawing] = [
            plant(drawing, spec) for drawing in draw(spec) if drawing.patient.split == split
        ]
        made: list[PhantomImage] = [render(drawing, spec) for drawing in self.drawings]
        self.images = [image.image for image in made]
        self.masks = {
            "nodule": [image.clean_mask > 0 for image in made],
            "organ": [image.organ for image in made],
        }
        self.biased = np.array([drawing.patient.biased for drawing in self.drawings])


def tensor(arrays: list[Array], *, normalised: bool = False) -> torch.Tensor:
    """Return images or masks as a batch, padded with 0 to what networks take."""
    stack = torch.from_numpy(np.stack(arrays)).float()[:, None]
    if normalised:
        stack = (stack - stack.mean((2, 3), True)) / stack.std((2, 3), keepdim=True)
    rows, columns = (-n % _MULTIPLE for n in stack.shape[2:])
    return torch.nn.functional.pad(stack, (0, columns, 0, rows))


def trained(images: list[Array], masks: list[Array], steps: int, seed: int) -> TinyUNet:
    """Return a network that has learnt masks."""
    return train(tensor(images, normalised=True), tensor(masks), steps, seed)


def predicted(network: TinyUNet, images: list[Array]) -> list[Array]:
    """Return the masks that a network predicts."""
    masks = predict(network, tensor(images, normalised=True))[0][:, 0].numpy()
    rows, columns = images[0].shape
    return [mask[:rows, :columns].astype(np.uint8) for mask in masks]


def rule_of(masks: list[Array], margin: int) -> CropRule:
    """Return how nnUNetv2_fair_crop would crop, given the training masks."""
    organs = [organ for mask in masks if (organ := organ_in(mask, [1])) is not None]
    lengths = np.array([organ.box.lengths for organ in organs])
    return CropRule(
        "phantoms",
        "xy",
        tuple(int(n) + 2 * margin for n in lengths.max(axis=0)),
        (1,),
        tuple(map(int, lengths.min(axis=0))),
        tuple(map(int, lengths.max(axis=0))),
        max(len(organ.large_pieces) for organ in organs),
    )


def windows_of(rule: CropRule, masks: list[Array], *, exact: bool) -> list[Window | None]:
    """Return where to crop; None where a prediction shows nothing plausible."""
    found: list[Window | None] = []
    for mask in masks:
        organ = organ_in(mask, [1])
        box = organ.box if exact and organ is not None else rule.find(organ, FACTOR)
        found.append(None if box is None else rule.window(box, mask.shape))
    return found


def segmenter(training: Images, rule: CropRule, what: str, args: Any, seed: int) -> TinyUNet:
    """Return a network trained on crops around the references, moved at random as by --jitter."""
    rng = np.random.default_rng(seed)
    crops, masks = [], []
    for image, around, nodule in zip(
        training.images, training.masks[what], training.masks["nodule"], strict=True
    ):
        organ = organ_in(around.astype(np.uint8), [1])
        assert organ is not None
        moved = tuple(map(int, rng.integers(-args.jitter, args.jitter, 2, endpoint=True)))
        window = rule.window(organ.box, image.shape, moved)
        crops.append(window.cut(image, image.min()))
        masks.append(window.cut(nodule))
    return trained(crops, masks, args.steps, seed)


def in_crops(
    network: TinyUNet, test: Images, windows: list[Window | None], otherwise: list[Array]
) -> list[Array]:
    """Return what a network predicts in crops, pasted back; without a crop, what is given."""
    where = [i for i, window in enumerate(windows) if window is not None]
    crops = [windows[i].cut(test.images[i], test.images[i].min()) for i in where]
    masks = list(otherwise)
    for i, mask in zip(where, predicted(network, crops), strict=True):
        masks[i] = windows[i].pasted(mask)
    return masks


def described(test: Images, masks: list[Array], windows: list[Window | None]) -> dict[str, Any]:
    """Return the Dice of every test image with its group, and what the group's crops show."""
    dice, seen, covered = [], [], []
    axes = _axes(test.spec)
    for i, drawing in enumerate(test.drawings):
        truth, found = test.masks["nodule"][i], masks[i] > 0
        score = 2 * (truth & found).sum() / (truth.sum() + found.sum())
        dice.append([bool(test.biased[i]), float(score)])
        if drawing.bands:
            bands = (_bands(drawing, test.spec, axes) > 0.5) & ~test.masks["organ"][i]
            window = windows[i]
            for what, shares in ((bands, seen), (truth, covered)):
                inside = what if window is None else window.cut(what)
                shares.append(float(inside.sum() / max(what.sum(), 1)))
    return {
        "dice": dice,
        "seen": float(np.mean(seen)) if seen else 0.0,
        "covered": float(np.mean(covered)) if covered else 1.0,
    }


def run(seed: int, args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Train and test all methods on one seed's phantoms."""
    spec = PhantomSpec(
        n_patients=args.patients, bias=args.bias, contrast=tuple(args.contrast), seed=seed
    )
    training, test = Images(spec, "train"), Images(spec, "test")
    whole: list[Window | None] = [None] * len(test.images)
    first = {
        "nodule": trained(training.images, training.masks["nodule"], args.steps, seed),
        "organ": trained(training.images, training.masks["organ"], args.steps // 3, seed),
    }
    full = predicted(first["nodule"], test.images)
    found = {"full": described(test, full, whole)}
    for what in ("nodule", "organ"):
        rule = rule_of([mask.astype(np.uint8) for mask in training.masks[what]], args.margin)
        network = segmenter(training, rule, what, args, seed)
        seen = full if what == "nodule" else predicted(first["organ"], test.images)
        references = [mask.astype(np.uint8) for mask in test.masks[what]]
        for kind, masks in (("upper bound", references), ("cascade", seen)):
            windows = windows_of(rule, masks, exact=kind == "upper bound")
            pasted = in_crops(network, test, windows, full)
            found[f"{what}, {kind}"] = described(test, pasted, windows)
            found[f"{what}, {kind}"]["fallback"] = sum(window is None for window in windows)
    return found


def interval(values: Array) -> str:
    """Return mean and 95% t interval over the seeds."""
    from scipy import stats

    if len(values) < 2:
        return f"{values.mean():.3f}"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.3f} ({values.mean() - half:.3f} to {values.mean() + half:.3f})"


def table(results: dict[int, dict[str, dict[str, Any]]]) -> str:
    """Return the results as a Markdown table."""
    columns = ["method", "everybody else", "the group", "gap", "change of the gap"]
    columns += ["bands in sight", "nodule in the crop", "fell back"]
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]

    def means(method: str) -> Array:
        return np.array(
            [
                [np.mean([d for biased, d in run[method]["dice"] if biased == w]) for w in (0, 1)]
                for run in results.values()
            ]
        )

    base = means("full")
    for method in METHODS:
        others, group = means(method).T
        change = (others - group) - (base[:, 0] - base[:, 1])
        runs = [run[method] for run in results.values()]
        images = sum(len(one["dice"]) for one in runs)
        cells = [method, f"{others.mean():.3f}", f"{group.mean():.3f}", interval(others - group)]
        cells.append("" if method == "full" else interval(change))
        cells += [f"{np.mean([one[what] for one in runs]):.2f}" for what in ("seen", "covered")]
        cells.append(f"{100 * sum(one.get('fallback', 0) for one in runs) / images:.1f}%")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--steps", type=int, default=900, help="of 8 images")
    parser.add_argument("--contrast", type=float, nargs=2, default=(0.1, 0.3))
    parser.add_argument("--bias", choices=("shortcut", "none"), default="shortcut")
    parser.add_argument("--margin", type=int, default=1, help="as of nnUNetv2_fair_crop")
    parser.add_argument("--jitter", type=int, default=3, help="as of nnUNetv2_fair_crop")
    parser.add_argument("--only-table", action="store_true", help="train nothing")
    parser.add_argument("--cache", type=Path, default=Path(".shortcut_cropping"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = f"{args.bias}_{args.patients}_{args.steps}_margin{args.margin}_jitter{args.jitter}"
    settings += "_contrast{}-{}".format(*args.contrast)
    results = {}
    for seed in range(args.seeds):
        path = args.cache / settings / f"seed{seed}.json"
        if not path.exists() and not args.only_table:
            begun = time.process_time()
            found = run(seed, args)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".tmp").write_text(json.dumps(found))
            path.with_suffix(".tmp").replace(path)
            print(f"seed {seed}: {time.process_time() - begun:.0f} s of the processor", flush=True)
        if path.exists():
            results[seed] = json.loads(path.read_text())
    if not results:
        parser.exit(1, "There is no finished seed.\n")
    print(f"\n{counted(len(results), 'seed')}\n\n{table(results)}")


if __name__ == "__main__":
    main()
