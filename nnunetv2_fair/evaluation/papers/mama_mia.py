"""The score of the MAMA-MIA challenge, as its official script computes it and as it should be.

Source: MAMA-MIA challenge 2025, task 1, scoring_task1.py and metrics.py of the organisers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.masks.label_maps import read_label_map
from nnunetv2_fair.evaluation.measuring.one_case import CasePair
from nnunetv2_fair.evaluation.metrics.overlap import count_overlap, dice
from nnunetv2_fair.evaluation.metrics.surface_distances import surface_metrics
from nnunetv2_fair.evaluation.papers.mama_mia_scores import mama_mia_scores
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.subgroups.table import DemographicsTable

AGE = "age"
MENOPAUSE = "menopausal_status"
DENSITY = "breast_density"
UNKNOWN = "unknown"

#: Columns that may hold a variable.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    AGE: (AGE,),
    MENOPAUSE: (MENOPAUSE, "menopause"),
    DENSITY: (DENSITY,),
}
_AGE_CUTS = (0, 40, 50, 60, 70, 100)
_AGE_GROUPS = ("0-40", "41-50", "51-60", "61-70", "71+")
_LESION = 1

NOTES = (
    "official script: distances are in voxels of the stored grid and divided by 150 without a "
    "limit at 1; both masks empty count as Dice 0 and distance 0; one empty mask as distance 1; "
    "distances are between the contours of all labels together, where the image's border is not "
    "a contour; an unknown menopausal status is a separate group, and peri-menopausal is pre.",
    "corrected: normalised distances end at 1, as the challenge's paper says; two empty masks are "
    "left out; distances are of label 1 alone, and a mask that touches the image's border has its "
    "surface there; an unknown menopausal status is in no group.",
)


@dataclass(frozen=True)
class ChallengeMeasures:
    """One case, scored both ways.

    Attributes:
        official: (Dice, HD95 in voxels) as the official script has them.
        corrected: The same by this package's definitions; NaN if both masks are empty.
    """

    official: tuple[float, float]
    corrected: tuple[float, float]


@quiet_itk()
def measure_challenge_case(pair: CasePair) -> ChallengeMeasures:
    """Score one case; both masks are read.

    Raises:
        EvaluationError: If a mask cannot be read or the sizes differ.
    """
    if pair.prediction is None:
        raise EvaluationError(f"case '{pair.case}' has no prediction to score")
    reference, prediction = (
        read_label_map(path).labels for path in (pair.reference, pair.prediction)
    )
    box = _box((reference != 0) | (prediction != 0))
    reference, prediction = reference[box], prediction[box]
    counts = count_overlap(reference == _LESION, prediction == _LESION)
    score = dice(counts)
    own = surface_metrics(
        reference == _LESION, prediction == _LESION, (1.0,) * reference.ndim, tolerance_mm=0.0
    )
    return ChallengeMeasures(
        (0.0 if math.isnan(score) else score, _contour_hd95(reference, prediction)),
        (score, own.hd95),
    )


def _box(occupied: np.ndarray) -> tuple[slice, ...]:
    """Return the box of all voxels that are not 0 and their neighbours, so no contour changes."""
    places = np.argwhere(occupied)
    if not len(places):
        return (slice(0, 1),) * occupied.ndim
    low, high = places.min(axis=0), places.max(axis=0)
    return tuple(slice(max(0, int(a) - 1), int(b) + 2) for a, b in zip(low, high, strict=True))


def label_contour(labels: np.ndarray) -> np.ndarray:
    """Return the voxels of any label that have a face neighbour of another value.

    Unlike surfaces elsewhere in this package, positions outside the image are not neighbours: this
    is SimpleITK's LabelContour, which the official script uses.
    """
    edge = np.zeros(labels.shape, dtype=bool)
    for axis in range(labels.ndim):
        along, values = np.moveaxis(edge, axis, 0), np.moveaxis(labels, axis, 0)
        differs = values[1:] != values[:-1]
        along[1:] |= differs
        along[:-1] |= differs
    return edge & (labels != 0)


def _contour_hd95(reference: np.ndarray, prediction: np.ndarray) -> float:
    first, second = (np.argwhere(label_contour(labels)) for labels in (reference, prediction))
    if not len(first) or not len(second):
        return 0.0 if len(first) == len(second) else math.inf
    there, back = cKDTree(first).query(second)[0], cKDTree(second).query(first)[0]
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def challenge_groups(table: DemographicsTable) -> pd.DataFrame:
    """Return the challenge's groups: one row per case, one column per variable found.

    Numbers in ``age`` are binned as in the script; text there is taken for groups.
    Missing ages and densities are NaN, a missing menopausal status is ``unknown``.

    Raises:
        EvaluationError: If the table has none of the variables.
    """
    frame = table.frame
    found = {}
    for variable, columns in _COLUMNS.items():
        column = next((name for name in columns if name in frame.columns), None)
        if column is not None:
            found[variable] = frame[column].replace("", np.nan)
    if not found:
        raise EvaluationError(
            f"{table.source} has none of the challenge's variables "
            f"({shorten(name for names in _COLUMNS.values() for name in names)}). Columns: "
            f"{shorten(table.schema.attributes, 20)}. Rename the columns that hold them."
        )
    if AGE in found:
        years = pd.to_numeric(found[AGE], errors="coerce")
        if years.notna().equals(found[AGE].notna()):
            cut = pd.cut(years, list(_AGE_CUTS), labels=list(_AGE_GROUPS))
            found[AGE] = cut.astype(object)
    if MENOPAUSE in found:
        found[MENOPAUSE] = found[MENOPAUSE].fillna(UNKNOWN).map(_menopause)
    return pd.DataFrame(found)


def _menopause(text: str) -> str:
    for part, group in (("peri", "pre"), ("post", "post"), ("pre", "pre")):
        if part in text:
            return group
    return text


def challenge_table(
    pairs: Sequence[CasePair], table: DemographicsTable, processes: int = 1
) -> TextTable:
    """Score all cases that have a prediction, by the official script's rules and corrected.

    Args:
        pairs: Files of every case.
        table: Demographics.
        processes: Number of worker processes; 1 scores in this process.

    Raises:
        EvaluationError: If there is nothing to score or a mask cannot be read.
    """
    groups = challenge_groups(table)
    chosen = [pair for pair in pairs if pair.prediction is not None]
    measured = _measure_all(chosen, min(processes, len(chosen)))
    known = groups.loc[[pair.case for pair in chosen]].reset_index(drop=True)
    without_unknown = known.replace({MENOPAUSE: {UNKNOWN: np.nan}}) if MENOPAUSE in known else known
    rows = []
    for name, values, variables, clip in (
        ("official script", [m.official for m in measured], known, False),
        ("corrected", [m.corrected for m in measured], without_unknown, True),
    ):
        scored = variables.assign(dice=[v[0] for v in values], hd95_voxels=[v[1] for v in values])
        scored = scored[scored["dice"].notna()]
        scores = mama_mia_scores(scored, clip)
        mean_dice = float(scored["dice"].mean())
        rows.append(
            (
                name,
                str(len(scored)),
                f"{mean_dice:.4f}",
                # performance = (Dice + 1 - NormHD) / 2
                f"{mean_dice + 1 - 2 * scores.performance:.4f}",
                f"{scores.performance:.4f}",
                *(f"{scores.fairness[variable]:.4f}" for variable in variables.columns),
                f"{scores.fairness_score:.4f}",
                f"{scores.total:.4f}",
            )
        )
    absent = [name for name in _COLUMNS if name not in known]
    missing = (f"Fairness is over {len(known.columns)} of 3 variables: the table has no "
               f"{shorten(absent)}.",) if absent else ()  # fmt: skip
    return TextTable(
        "mama_mia",
        "MAMA-MIA challenge, task 1",
        (
            "Scoring", "Cases", "DSC", "NormHD", "Performance",
            *(f"Fairness {variable}" for variable in known.columns), "Fairness", "Ranking",
        ),
        tuple(rows),
        (*NOTES, *missing),
    )  # fmt: skip


def _measure_all(pairs: Sequence[CasePair], processes: int) -> list[ChallengeMeasures]:
    if not pairs:
        raise EvaluationError("No case has a prediction: there is nothing to score.")

    measured = dict(
        map_unordered(
            measure_challenge_case, pairs, processes, "Scoring as the challenge", lost=_lost,
            fewest_per_process=1,
        )
    )  # fmt: skip
    return [measured[pair] for pair in pairs]


def _lost(pair: CasePair, ending: str) -> NoReturn:
    raise EvaluationError(f"case '{pair.case}': the process that scored it {ending}.")
