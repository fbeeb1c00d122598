"""The challenge's score against the official procedure, written anew from its description.

The procedure below works on SimpleITK images and a pandas table as the organisers' script does
(MAMA-MIA challenge 2025, task 1), and shares no code with the package.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk  # noqa: N813
from scipy.spatial.distance import cdist

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.measuring.one_case import CasePair
from nnunetv2_fair.evaluation.papers.mama_mia import (
    challenge_groups,
    challenge_table,
    label_contour,
    measure_challenge_case,
)
from nnunetv2_fair.subgroups.table import DemographicsTable, read_table
from tests.evaluation.factories import SPACING_3D, blob, write_mask

SHAPE = (6, 21, 34)
STATUS = ("pre", "post (prior bilateral ovariectomy)", "peri (6-12 months)", "", "unknown")


def official_case(reference: Path, prediction: Path) -> tuple[float, float]:
    images = [sitk.Cast(sitk.ReadImage(str(p)), sitk.sitkUInt8) for p in (reference, prediction)]
    r, p = (sitk.GetArrayFromImage(image) == 1 for image in images)
    both = 2 * (r & p).sum() + (r ^ p).sum()
    dice = 2 * (r & p).sum() / both if both else 0.0
    contours = [
        np.argwhere(sitk.GetArrayFromImage(sitk.LabelContour(image)) > 0) for image in images
    ]
    if not len(contours[0]) and not len(contours[1]):
        return dice, 0.0
    if not len(contours[0]) or not len(contours[1]):
        return dice, 1.0
    apart = cdist(*contours)
    distance = max(np.percentile(apart.min(axis=axis), 95) for axis in (0, 1))
    return dice, distance / 150


def official_scores(table: pd.DataFrame, measured: dict[str, tuple[float, float]]):
    variables = table.copy()
    variables["age"] = pd.cut(
        pd.to_numeric(variables["age"]), [0, 40, 50, 60, 70, 100],
        labels=["0-40", "41-50", "51-60", "61-70", "71+"],
    )  # fmt: skip
    status = variables["menopausal_status"].fillna("unknown")
    for part, name in (("peri", "pre"), ("post", "post"), ("pre", "pre")):
        status = status.apply(lambda text, part=part, name=name: name if part in text else text)
    variables["menopausal_status"] = status
    scores = pd.DataFrame(measured, index=["DSC", "NormHD"]).T
    performance = 0.5 * (scores["DSC"].mean() + 1 - scores["NormHD"].mean())
    fairness = {}
    for variable in ("age", "menopausal_status", "breast_density"):
        means = scores.groupby(variables[variable], observed=True).mean()
        fairness[variable] = 1 - 0.5 * (means.max() - means.min()).sum()
    average = sum(fairness.values()) / 3
    return (
        scores["DSC"].mean(), scores["NormHD"].mean(), performance, *fairness.values(), average,
        0.5 * performance + 0.5 * average,
    )  # fmt: skip


def make_case(folder: Path, index: int, rng: np.random.Generator) -> CasePair:
    centre = rng.uniform(0, SHAPE)  # many touch the border
    reference = blob(SHAPE, centre, (2, 5, 8)).astype(np.uint8)
    prediction = np.roll(blob(SHAPE, centre, (2, 4, 9)).astype(np.uint8), index % 3, axis=2)
    if index % 5 == 0:
        prediction[0, :3, :2] = 1  # a far false positive
    if index % 7 == 1:
        reference[-1, -2:, -5:] = 2  # a second label, which the official distance sees
    if index == 2:
        prediction[:] = 0
    if index == 3:
        reference[:], prediction[:] = 0, 0
    if index == 4:
        reference[:] = 1  # the whole image: no contour at all
    name = f"case_{index:02d}.nii.gz"
    return CasePair(
        name.removesuffix(".nii.gz"),
        write_mask(folder / "reference" / name, reference, SPACING_3D),
        write_mask(folder / "prediction" / name, prediction, SPACING_3D),
    )


@pytest.fixture(scope="module")
def challenge(tmp_path_factory) -> tuple[list[CasePair], DemographicsTable, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("challenge")
    rng = np.random.default_rng(4)
    pairs = [make_case(folder, index, rng) for index in range(24)]
    table = pd.DataFrame(
        {
            "age": [str(age) for age in rng.choice([33, 40, 40.5, 50, 55, 60.0, 68, 71, 88], 24)],
            "menopausal_status": rng.choice(STATUS, 24),
            "breast_density": rng.choice(["a", "b", "c", "d", ""], 24),
        },
        index=pd.Index([pair.case for pair in pairs], name="case"),
    )
    table.to_csv(folder / "demographics.csv")
    frame = pd.read_csv(folder / "demographics.csv", index_col="case", keep_default_na=True)
    return pairs, read_table(folder / "demographics.csv"), frame


def test_every_case_is_scored_as_the_script_does(challenge):
    for pair in challenge[0]:
        measured = measure_challenge_case(pair)
        dice, distance = official_case(pair.reference, pair.prediction)
        assert measured.official[0] == pytest.approx(dice)
        ours = 1.0 if math.isinf(measured.official[1]) else measured.official[1] / 150
        assert ours == pytest.approx(distance), pair.case


def test_scores_are_those_of_the_script(challenge):
    pairs, table, frame = challenge
    measured = {pair.case: official_case(pair.reference, pair.prediction) for pair in pairs}
    expected = official_scores(frame, measured)
    found = challenge_table(pairs, table)
    official, mended = found.rows
    assert official[:2] == ("official script", "24")
    assert [float(cell) for cell in official[2:]] == pytest.approx(expected, abs=5.1e-5)
    # the case without any lesion is left out, and the border is a surface
    assert mended[1] == "23"
    assert mended[2:] != official[2:]
    assert found.columns[2:5] == ("DSC", "NormHD", "Performance")
    assert len(found.notes) == 2


def test_processes_change_nothing(challenge):
    pairs, table, _ = challenge
    assert challenge_table(pairs[:6], table, processes=2) == challenge_table(pairs[:6], table)


def test_mended_scores_follow_the_packages_own_rules(challenge):
    pairs = challenge[0]
    missed, nothing = measure_challenge_case(pairs[2]), measure_challenge_case(pairs[3])
    assert missed.corrected == (0.0, math.inf)
    assert nothing.official == (0.0, 0.0)
    assert all(map(math.isnan, nothing.corrected))
    # the official distance of a mask that fills the image is infinite, for it has no contour
    full = measure_challenge_case(pairs[4])
    assert math.isinf(full.official[1])
    assert math.isfinite(full.corrected[1])


def test_contour_equals_simpleitks():
    rng = np.random.default_rng(9)
    for shape in ((9, 13), (5, 8, 11)):
        labels = rng.integers(0, 3, shape).astype(np.uint8)
        labels[2:5, 3:7] = 1
        theirs = sitk.GetArrayFromImage(sitk.LabelContour(sitk.GetImageFromArray(labels)))
        assert np.array_equal(label_contour(labels), theirs > 0)


def test_groups_are_the_scripts(challenge):
    _, table, frame = challenge
    found = challenge_groups(table)
    status = dict(
        zip(frame["menopausal_status"].fillna(""), found["menopausal_status"], strict=True)
    )
    assert {
        STATUS[0]: "pre",
        STATUS[1]: "post",
        STATUS[2]: "pre",
        STATUS[3]: "unknown",
    }.items() <= (status.items())
    ages = dict(zip(frame["age"], found["age"], strict=True))
    wanted = {40: "0-40", 40.5: "41-50", 50: "41-50", 60: "51-60", 71: "71+"}
    for age, group in wanted.items():
        assert ages.get(age, group) == group
    assert found["breast_density"].isna().sum() == (frame["breast_density"].isna()).sum() > 0


def test_variables_that_are_missing_are_named(tmp_path, challenge):
    pairs = challenge[0][:5]
    rows = [f"{pair.case},{group}" for pair, group in zip(pairs, "aabbb", strict=True)]
    path = tmp_path / "demographics.csv"
    path.write_text("case,breast_density\n" + "\n".join(rows) + "\n")
    found = challenge_table(pairs, read_table(path))
    assert found.notes[-1].startswith("Fairness is over 1 of 3 variables")
    path.write_text("case,sex\n" + "\n".join(rows) + "\n")
    with pytest.raises(EvaluationError, match=r"none of the challenge's variables \(age, meno"):
        challenge_table(pairs, read_table(path))
    with pytest.raises(EvaluationError, match="nothing to score"):
        challenge_table([CasePair("x", pairs[0].reference, None)], challenge[1])
