"""How fast phantoms are made: rendering alone, and the whole folder with its files.

Claim in docs/benchmarks.md: 1,000 pictures of 64 x 64 in a few seconds with one process.

Usage: python benchmarks/phantoms.py [--images 1000] [--repeats 3]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from nnunetv2_fair.phantoms.drawing import draw
from nnunetv2_fair.phantoms.folder import generate
from nnunetv2_fair.phantoms.rendering import render
from nnunetv2_fair.phantoms.spec import DEFAULT_SHAPE_3D, DEFAULT_SPACING_MM_3D, PhantomSpec


def main() -> None:
    """Print the fastest of the repeats: whatever slows a run down is noise."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    one = (1, 1)
    specs = {
        "pictures of 64 x 64": PhantomSpec(args.images, one),
        "volumes of 16 x 48 x 56": PhantomSpec(
            max(args.images // 10, 2), one, DEFAULT_SHAPE_3D, DEFAULT_SPACING_MM_3D
        ),
    }
    print(f"{'':28}{'images':>8}{'draw s':>9}{'render s':>10}{'all s':>8}{'ms/image':>10}")
    for what, spec in specs.items():
        drawing, rendering, everything = [], [], []
        for _ in range(args.repeats):
            start = time.perf_counter()
            drawings = draw(spec)
            drawing.append(time.perf_counter() - start)
            start = time.perf_counter()
            for item in drawings:
                render(item, spec)
            rendering.append(time.perf_counter() - start)
            with tempfile.TemporaryDirectory() as folder:
                start = time.perf_counter()
                generate(spec, Path(folder) / "phantom")
                everything.append(time.perf_counter() - start)
        n = len(drawings)
        print(f"{what:28}{n:8d}{min(drawing):9.2f}{min(rendering):10.2f}{min(everything):8.2f}"
              f"{1000 * min(everything) / n:10.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
