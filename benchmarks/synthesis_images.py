"""The image network of ``nnUNetv2_fair_synthesize images``: its size, memory and time.

Trains a few steps on noise, and draws one image. Run once for each size, because memory is the peak
of the process::

    python benchmarks/synthesis_images.py --size 512 --steps 2 --batch 2
    python benchmarks/synthesis_images.py --size 64 --steps 30

With ``--learn``, a whole training on 200 discs with cups, 50 of a group whose cups are darker than
the disc instead of brighter; then images for 50 new masks of each group::

    python benchmarks/synthesis_images.py --size 64 --steps 1500 --learn
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from nnunetv2_fair.synthesis.images.network import scratch_plan
from nnunetv2_fair.synthesis.images.sampling import sample
from nnunetv2_fair.synthesis.images.training import TrainingCases, TrainingSettings, train


def memory() -> float:
    """Return the peak of this process, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def discs(rng: np.random.Generator, groups: np.ndarray, size: int) -> TrainingCases:
    """Return discs with cups: brighter than the disc in the first group, darker in the second."""
    rows, columns = np.mgrid[:size, :size]
    labels = np.zeros((len(groups), size, size), np.uint8)
    for label in labels:
        row, column = rng.normal(size / 2, size / 30, 2)
        away = np.hypot(rows - row, columns - column)
        radius = rng.uniform(0.23, 0.31) * size
        label[away < radius] = 1
        label[away < radius * rng.uniform(0.4, 0.7)] = 2
    cup = np.where(groups == 0, 0.7, -0.1)[:, None, None]
    images = np.choose(labels, [np.full(labels.shape, -0.7), np.full(labels.shape, 0.3), cup])
    images = images + rng.normal(0, 0.1, images.shape)
    return TrainingCases(np.clip(images, -1, 1)[:, None].astype(np.float32), labels, groups)


def learn(size: int, steps: int, device: str) -> None:
    """Train on discs, and say what came of it."""
    rng = np.random.default_rng(0)
    cases = discs(rng, np.repeat([0, 1], (150, 50)), size)
    plan = scratch_plan(size, size, 1, 3, ("a", "b"))
    began = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as name:
        network, losses = train(cases, plan, TrainingSettings(steps=steps), Path(name), device)
    took = time.perf_counter() - began[0], time.process_time() - began[1]
    new = discs(rng, np.repeat([0, 1], 50), size)
    images = sample(network, new.labels, new.groups, [str(i) for i in range(100)])[:, 0]
    contrast = np.array(
        [x[y == 2].mean() - x[y == 1].mean() for x, y in zip(images, new.labels, strict=True)]
    )
    right = np.sign(contrast) == np.where(new.groups == 0, 1, -1)
    print(f"{steps} steps: {took[0]:.0f} s, {took[1]:.0f} s of processor time")
    print(
        f"loss {np.mean(losses[40:60]):.3f} around step 50, {np.mean(losses[-100:]):.3f} at the end"
    )
    for group in (0, 1):
        own = new.groups == group
        mean, share = contrast[own].mean(), right[own].mean()
        print(f"group {group}: contrast {mean:.2f}, its sign right {share:.0%}")


def main() -> None:
    """Run; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--learn", action="store_true")
    args = parser.parse_args()
    if args.learn:
        learn(args.size, args.steps, args.device)
        return
    rng = np.random.default_rng(0)
    plan = scratch_plan(args.size, args.size, 1, 3, ("a", "b"))
    images = rng.uniform(-1, 1, (4, 1, plan.size, plan.size)).astype(np.float32)
    labels = rng.integers(0, 3, (4, plan.size, plan.size)).astype(np.uint8)
    cases = TrainingCases(images, labels, np.array([0, 1, 0, 1]))
    before, times = memory(), []

    def stepped(_: int) -> None:
        times.append((time.perf_counter(), time.process_time()))

    with tempfile.TemporaryDirectory() as name:
        settings = TrainingSettings(steps=args.steps, batch=args.batch)
        network, _ = train(cases, plan, settings, Path(name), args.device, stepped=stepped)
        kept = sum(path.stat().st_size for path in Path(name).iterdir()) / 1e6
    # the first step also allocates
    wall, processor = (
        np.median(each) for each in np.diff(times, axis=0)[min(1, args.steps - 1) :].T
    )
    weights = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    print(f"{plan.size} x {plan.size}: {weights:.2f} million weights, checkpoint {kept:.0f} MB")
    print(f"a step of {args.batch}: {wall:.2f} s, {processor:.2f} s of processor time")
    print(f"memory {before:.2f} GB before, {memory():.2f} GB at most")
    if args.device == "cuda":
        print(f"on the GPU {torch.cuda.max_memory_allocated() / 1e9:.2f} GB at most")
    began = time.perf_counter(), time.process_time()
    sample(network, labels[:1], np.zeros(1, int), ["x"])
    print(
        f"an image of 20 steps: {time.perf_counter() - began[0]:.1f} s, "
        f"{time.process_time() - began[1]:.1f} s of processor time"
    )


if __name__ == "__main__":
    main()
