"""Several methods in the papers' columns, with the papers' printed numbers."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.papers.side_by_side import (
    Method,
    challenge_table_of,
    equity_table,
    fairness_table,
    medians_table,
    of_trainings,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from tests.evaluation.papers.test_tables import comparison, group, result

#: Lee et al., Table 4: median and quartile range of Dice and HD, White and Black.
LEE = {
    "Baseline": ((0.896, 0.046, 6.725, 3.707), (0.846, 0.064, 9.364, 4.725)),
    "Oversampling": ((0.894, 0.045, 6.835, 3.713), (0.891, 0.049, 7.164, 3.861)),
}


def lee_result(name: str, p: float, *others: str, shared: bool = False) -> EvaluationResult:
    """A result with the printed medians; further groups have the same as Black."""
    white, black = LEE[name]
    values = {"White": white, "Black": black, **dict.fromkeys(others, black)}
    dice = {g: group(0, v[0], v[1]) for g, v in values.items()}
    distance = {g: group(0, v[2], v[3]) for g, v in values.items()}
    made = result(comparison("dice", 0.89, dice, {}, p), comparison("hd", 7.0, distance, {}, p))
    return dataclasses.replace(made, shareable=shared)


def test_lee_table_4_of_two_methods():
    methods = [
        Method("Baseline", lee_result("Baseline", 0.001)),
        Method("Oversampling", lee_result("Oversampling", 0.22)),
        Method("Cropped", None, "needs crops, not yet"),
    ]
    table = medians_table(methods, "race", "cup", ("White", "Black"))
    assert table.columns == (
        "", "Baseline *: White", "Baseline *: Black", "Oversampling p = 0.22: White",
        "Oversampling p = 0.22: Black", "Cropped",
    )  # fmt: skip
    assert table.rows[0] == ("Median DSC", "0.896", "0.846", "0.894", "0.891",
                             "needs crops, not yet")  # fmt: skip
    assert table.rows[3] == ("IQR HD (mm)", "3.707", "4.725", "3.713", "3.861", "")
    assert table.rows[5] == ("Fairness gap", "0.050", "", "0.003", "", "")
    assert "p < 0.05" in table.notes[0]


@pytest.mark.parametrize(("name", "printed"), [("Baseline", 1.486), ("Oversampling", 1.032)])
def test_the_ratio_of_some_groups_is_that_of_their_medians(name, printed):
    """The paper's SER, from medians that it rounds to three decimals, White and Black of six."""
    method = [Method(name, lee_result(name, 0.5, "Asian"))]
    rows = {
        row[0]: row[1:] for row in medians_table(method, "race", "cup", ("White", "Black")).rows
    }
    assert float(rows["SER"][0]) == pytest.approx(printed, abs=0.012)
    # the test is one of all three groups
    assert medians_table(method, "race", "cup", ("White", "Black")).columns[1] == f"{name}: White"


def test_nothing_is_made_of_rounded_medians():
    shared = [Method("Baseline", lee_result("Baseline", 0.5, "Asian", shared=True))]
    rows = medians_table(shared, "race", "cup", ("White", "Black")).rows
    assert rows[4:] == (("SER", "", ""), ("Fairness gap", "", ""))


def test_an_unknown_group_is_refused():
    method = [Method("Baseline", lee_result("Baseline", 0.5))]
    with pytest.raises(EvaluationError, match=r"has no group 'Green'\. Groups: White, Black"):
        medians_table(method, "race", "cup", ("White", "Green"))


def trained(overall: float, delta: float) -> EvaluationResult:
    groups = {"f": group(overall), "m": group(overall - delta)}
    gaps = {("delta", ()): delta, ("std", ()): delta / math.sqrt(2), ("skew", ()): 1.3}
    return result(comparison("dice", overall, groups, gaps))


def test_apple_table_1_is_mean_and_deviation_over_trainings():
    each = [(0.80, 0.05), (0.79, 0.08), (0.78, 0.06)]
    trainings = tuple(trained(*values) for values in each)
    several = dataclasses.replace(trained(0.79, 0.06), trainings=trainings)
    table = fairness_table(
        [Method("U-Net", several), Method("One", trained(0.7, 0.1))], "race", "cup"
    )
    frame = pd.DataFrame(each, columns=["dice", "delta"])
    assert table.rows[0][1] == f"{frame['dice'].mean():.3f} ({frame['dice'].std():.3f})"
    assert table.rows[0][2] == f"{frame['delta'].mean():.3f} ({frame['delta'].std():.3f})"
    assert table.rows[1] == ("One", "0.700", "0.100", "0.071", "1.300")
    over = of_trainings(several, "race", "dice", "cup", lambda c: c.overall.mean)
    assert (over.mean, over.std) == (
        pytest.approx(np.mean([0.80, 0.79, 0.78])),
        pytest.approx(0.01),
    )


def test_fairdiff_table_lists_methods_below_each_label():
    dice = comparison("dice", 0.8481, {"Asian": group(0.827)}, {("es_std", ("Asian",)): 0.8372})
    iou = comparison("iou", 0.7532, {"Asian": group(0.7277)}, {("es_std", ("Asian",)): 0.7409})
    methods = [
        Method("TransUNet", result(dice, iou)),
        Method("Equal Scale", None, "needs synthetic cases, not yet"),
    ]
    table = equity_table(methods, "race", ["cup"])
    assert table.rows == (
        ("cup", "TransUNet", "0.8372", "0.8481", "0.7409", "0.7532", "0.8270", "0.7277"),
        ("cup", "Equal Scale", "needs synthetic cases, not yet", "", "", "", "", ""),
    )


def test_challenge_scores_are_those_of_the_preset():
    columns = ("Scoring", "Cases", "DSC", "NormHD", "Performance", "Fairness age", "Fairness",
               "Ranking")  # fmt: skip
    scores = ("official script", "300", "0.7251", "0.1380", "0.7935", "0.9", "0.8334", "0.8135")
    preset = TextTable("mama_mia", "MAMA-MIA", columns, (scores,), ("about it",))
    made = dataclasses.replace(lee_result("Baseline", 0.5), preset_tables=(preset,))
    table = challenge_table_of([Method("UNet", made), Method("Fair", lee_result("Baseline", 0.5))])
    assert table.rows == (
        ("UNet", "official script", "0.7251", "0.1380", "0.7935", "0.8334", "0.8135"),
        ("Fair", "", "not scored as the challenge does", "", "", "", ""),
    )
    assert table.notes == ("about it",)
