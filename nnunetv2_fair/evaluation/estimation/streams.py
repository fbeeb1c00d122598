"""Random numbers of every group apart: what is drawn of one group does not depend on the others.

With one source for all groups, the draws of a group would depend on how many patients the groups
before it have. Ends of intervals that are shared would then tell of groups that are hidden.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


def seeded(seed: int, *what: str) -> np.random.Generator:
    """Return the random numbers of one purpose, which do not depend on those of others.

    Args:
        seed: Seed of the run.
        what: Names of the purpose.
    """
    return np.random.default_rng([seed, zlib.crc32("|".join(what).encode())])


@dataclass(frozen=True)
class Streams:
    """Random numbers of one purpose, by group.

    Attributes:
        seed: Seed of the run.
        names: Names of all groups.
        purpose: Names of the purpose.
    """

    seed: int
    names: Sequence[str]
    purpose: tuple[str, ...] = ()

    def of(self, groups: Iterable[int]) -> np.random.Generator:
        """Return the random numbers of the units that are in these groups and no other, anew.

        Args:
            groups: Indices of the groups; none for all units together.
        """
        return seeded(self.seed, *self.purpose, *(self.names[group] for group in groups))


class Stratum(NamedTuple):
    """Units that are in the same groups, and are drawn from each other.

    Attributes:
        units: (n,) their positions.
        generator: Their random numbers.
    """

    units: np.ndarray
    generator: np.random.Generator
