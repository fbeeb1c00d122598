"""How often boundary maps say that two groups differ although their mean errors are equal.

Errors of neighbouring places go together, patients differ from each other by a shift of their whole
outline, and groups differ in size and spread. Run as::

    python benchmarks/boundary_maps.py
"""

import argparse
import math
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from nnunetv2_fair.evaluation.boundary_maps.map_test import compare_maps

LEVEL = 0.05
#: Places that differ in the settings with a difference: two neighbouring hours.
_MOVED = 2


@dataclass(frozen=True)
class Setting:
    """Two groups of patients.

    Attributes:
        sizes: Patients of either group.
        spread: Standard deviation of the first group's errors; that of the second is 1.
        places: Places along the outline.
        heavy: Whether some patients err far more than others.
        missing: Share of places that a patient lacks.
        moved: Difference of the means in two neighbouring places; 0 for none.
    """

    sizes: tuple[int, int]
    spread: float = 1
    places: int = 12
    heavy: bool = False
    missing: float = 0
    moved: float = 0


SETTINGS = (
    Setting((5, 30), heavy=True),
    Setting((5, 200), spread=2, heavy=True),
    Setting((8, 80), spread=3),
    Setting((10, 10)),
    Setting((10, 100), places=60),
    Setting((10, 100), spread=2, places=60),
    Setting((100, 10), spread=2, places=60, missing=0.2),
    Setting((20, 60), spread=2, places=60, heavy=True, missing=0.3),
    Setting((20, 200), spread=3, places=60),
    Setting((50, 50), places=60, heavy=True, missing=0.1),
    Setting((20, 20), moved=1),
    Setting((50, 50), moved=1),
    Setting((50, 50), places=60, moved=1),
    Setting((100, 100), places=60, moved=1),
)


def main() -> None:
    """Print one line per setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--permutations", type=int, default=499)
    args = parser.parse_args()
    print("| patients | spread | places | heavy tails | missing | difference | shown |")
    print("|---|---|---|---|---|---|---|")
    for number, setting in enumerate(SETTINGS):
        generator = np.random.default_rng([number, args.studies])
        shown = sum(
            _p_value(setting, generator, args.permutations) <= LEVEL
            for _ in tqdm(range(args.studies), str(setting.sizes), leave=False)
        )
        rate = shown / args.studies
        error = math.sqrt(rate * (1 - rate) / args.studies)
        print(
            f"| {setting.sizes[0]} + {setting.sizes[1]} | {setting.spread:g} | {setting.places} | "
            f"{'yes' if setting.heavy else 'no'} | {setting.missing:.0%} | {setting.moved:g} | "
            f"{rate:.3f} ± {error:.3f} |"
        )


def _p_value(setting: Setting, generator: np.random.Generator, n_permutations: int) -> float:
    first = setting.spread * _errors(setting, setting.sizes[0], generator)
    second = _errors(setting, setting.sizes[1], generator)
    first[:, :_MOVED] += setting.moved
    return compare_maps(first, second, generator, n_permutations).p_value


def _errors(setting: Setting, patients: int, generator: np.random.Generator) -> np.ndarray:
    """Return (patients, places) errors of mean 0 and standard deviation about 1."""
    apart = generator.normal(size=(patients, setting.places + 2))
    smooth = (apart[:, :-2] + apart[:, 1:-1] + apart[:, 2:]) / math.sqrt(3)
    errors = 0.6 * generator.normal(size=(patients, 1)) + 0.8 * smooth
    if setting.heavy:
        errors *= np.exp(0.8 * generator.normal(size=(patients, 1)) - 0.64)
    errors[generator.random(errors.shape) < setting.missing] = np.nan
    return errors


if __name__ == "__main__":
    main()
