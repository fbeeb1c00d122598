"""The image network of ``nnUNetv2_fair_synthesize images``: its size, memory and time.

Trains a few steps on noise, and draws one image. Run once for each size, because memory is the peak
of the process::

    python benchmarks/synthesis_images.py --size 512 --steps 2 --batch 2
    python benchmarks/synthesis_images.py --size 64 --steps 30
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


def main() -> None:
    """Run; see the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
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
