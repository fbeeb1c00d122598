"""Who is trained on and who is tested on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.dataset_conversion.ukbb_cmr.codes import ETHNICITIES
from nnunetv2_fair.errors import ConversionError, UsageError


@dataclass(frozen=True)
class Cohort:
    """How many participants of each ethnicity form the training part.

    Attributes:
        counts: Number of participants by ethnicity.
        seed: Seed of the draw.
    """

    counts: Mapping[str, int]
    seed: int = 0


def parse_cohort(text: str) -> Cohort:
    """Return the cohort that a text such as ``black=15,white=4221,seed=7`` describes.

    Raises:
        UsageError: If it does not describe one.
    """
    names = {name.casefold(): name for name in ETHNICITIES}
    counts: dict[str, int] = {}
    seed: int | None = None
    for part in text.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        key = name.casefold()
        if not number.isdecimal() or key not in (*names, "seed"):
            raise UsageError(
                f"--cohort {text}: '{part.strip()}' is not understood; expected pairs such as "
                f"black=15,white=4221,seed=7 with some of {', '.join(names)}."
            )
        if key == "seed":
            twice, seed = seed is not None, int(number)
        else:
            twice = names[key] in counts
            counts[names[key]] = int(number)
        if twice:
            raise UsageError(f"--cohort {text}: '{name}' is given twice.")
    if not any(counts.values()):
        raise UsageError(f"--cohort {text}: expected at least one participant for training.")
    return Cohort(counts, seed or 0)


def draw_cohort(groups: Mapping[str, str], cohort: Cohort) -> set[str]:
    """Return the participants of the training part.

    Every ethnicity has a random order of its own that depends on the seed alone, and the first
    of it are taken: with the same seed, a cohort of 15 is part of one of 30, and asking for more
    of one ethnicity changes nothing for the others.

    Args:
        groups: Ethnicity of each participant who can be drawn; empty where unknown.
        cohort: How many to draw.

    Raises:
        ConversionError: If there are too few of an ethnicity.

    Source: training set of Lee et al. 2025, MELBA (15 Black and 4,221 White participants).
    """
    chosen: set[str] = set()
    problems = []
    for position, name in enumerate(ETHNICITIES):
        wanted = cohort.counts.get(name, 0)
        available = sorted(person for person, group in groups.items() if group == name)
        if wanted > len(available):
            problems.append(f"{wanted} {name} wanted, {len(available)} available")
            continue
        sequence = np.random.SeedSequence(cohort.seed, spawn_key=(position,))
        order = np.random.default_rng(sequence).permutation(len(available))
        chosen |= {available[i] for i in order[:wanted]}
    if problems:
        raise ConversionError(
            f"--cohort cannot be drawn: {'; '.join(problems)} (participants with all frames and a "
            "known ethnicity count). Ask for fewer."
        )
    return chosen
