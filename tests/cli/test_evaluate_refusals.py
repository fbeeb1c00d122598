"""Margins, failures, confounders and scores that cannot be: a message, and nothing written."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.cli.evaluate import main
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.evaluation.factories import Dataset, make_dataset

N = 60


@pytest.fixture
def table() -> pd.DataFrame:
    """Two groups with confounders of every kind."""
    rng = np.random.default_rng(0)
    sex = np.resize(["f", "m"], N)
    ward = rng.choice(["u", "v"], N)
    return pd.DataFrame(
        {
            "case": [f"c{i}" for i in range(N)],
            "sex": sex,
            "site": np.resize(["A", "A", "B", "B"], N),
            "room": np.where(sex == "f", "x", "y"),
            "weight": np.where(sex == "f", 50.0, 80.0) + np.arange(N) / 10,
            "hole": ["" if i == 3 else "A" for i in range(N)],
            # each of both in both groups, and no combination
            "ward": ward,
            "bed": np.where(sex == "f", ward, np.where(ward == "u", "v", "u")),
            "dice": rng.beta(9, 2, N).round(4),
            "hd95_mm": rng.gamma(2, 2, N).round(3),
            "nsd": rng.random(N).round(3),
            "lesion_f1": rng.random(N).round(3),
        }
    )


def refused(tmp_path: Path, capsys, table: pd.DataFrame, *options: str, code: int = 2) -> str:
    """Return the message; nothing is written but the table."""
    path = tmp_path / "scores.csv"
    table.to_csv(path, index=False)
    arguments = ["--from-csv", str(path), "-a", "sex", "-o", str(tmp_path / "out")]
    assert main([*arguments, "--score", "lesion_f1=higher", *options]) == code
    assert [found.name for found in tmp_path.iterdir()] == ["scores.csv"]
    message = capsys.readouterr().err
    assert "Traceback" not in message
    return message


EVALUATED = "(evaluated: dice, hd95, nsd, lesion_f1); correct the name, or measure it with"
NO_MARGIN = "expected a number above 0, the largest gap that does not matter"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("dice", "--margin dice: expected METRIC=NUMBER, such as dice=0.03."),
        ("=0.1", "--margin =0.1: expected METRIC=NUMBER"),
        ("dice=few", "--margin dice=few: 'few' is not a number"),
        ("dice=0,03", "--margin dice=0,03: '0,03' is not a number"),
        ("dice=nan", f"--margin dice=nan: {NO_MARGIN}."),
        ("dice=-0.1", f"--margin dice=-0.1: {NO_MARGIN}."),
        ("dice=0", f"--margin dice=0: {NO_MARGIN}."),
        ("hd95=inf", f"--margin hd95=inf: {NO_MARGIN}."),
        ("dice=1.5", "--margin dice=1.5: no gap of dice can be larger than 1; expected a number"),
        ("dice=1", "--margin dice=1: no gap of dice can be larger than 1"),
        ("iou=0.1", f"--margin iou=0.1: 'iou' is not evaluated {EVALUATED}"),
        ("DICE=0.1", f"--margin DICE=0.1: 'DICE' is not evaluated {EVALUATED}"),
        ("segmentation:dice=0.1", "'segmentation:dice' is not evaluated"),
    ],
)
def test_margins(tmp_path, capsys, table, given, message):
    assert message in refused(tmp_path, capsys, table, "--margin", given)


def test_all_margins_at_once(tmp_path, capsys, table):
    given = ("--margin", "iou=0.1", "--margin", "dice=2", "--confidence", "0.4")
    message = refused(tmp_path, capsys, table, *given)
    assert "Some margins cannot be used:" in message
    assert "'iou' is not evaluated" in message
    assert "no gap of dice can be larger than 1" in message
    assert (
        "--margin with --confidence 0.4: an interval of coverage -20% excludes nothing" in message
    )
    twice = ("--margin", "dice=0.1", "--margin", "dice=0.2")
    assert "--margin dice=0.2: dice is given twice" in refused(tmp_path, capsys, table, *twice)


NO_FAILURE = "expected METRIC=NUMBER or LABEL:METRIC=NUMBER, such as dice=0.1 or lesion:dice=0.3"
TOO_HIGH = "expected 0 or more and less than 1, as every case fails at 1"
TOO_LOW = "expected more than 0, as every case fails at 0"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("dice", f"--failure dice: {NO_FAILURE}."),
        (":dice=0.1", f"--failure :dice=0.1: {NO_FAILURE}."),
        ("dice=low", f"--failure dice=low: 'low' is not a number; {NO_FAILURE}."),
        ("dice=nan", "--failure dice=nan: 'nan' is not a number"),
        ("dice=-0.1", f"--failure dice=-0.1: -0.1 is not a threshold of dice; {TOO_HIGH}."),
        ("dice=1.5", f"--failure dice=1.5: 1.5 is not a threshold of dice; {TOO_HIGH}."),
        ("dice=1", f"--failure dice=1: 1 is not a threshold of dice; {TOO_HIGH}."),
        ("hd95=0", f"--failure hd95=0: 0 is not a threshold of hd95; {TOO_LOW}."),
        ("hd95=-2", f"--failure hd95=-2: -2 is not a threshold of hd95; {TOO_LOW}."),
        ("iou=0.1", f"--failure iou=0.1: 'iou' is not evaluated {EVALUATED}"),
        ("organ:dice=0.1", "--failure organ:dice=0.1: there is no label 'organ' (labels: segm"),
        ("average:dice=0.1", "there is no label 'average'"),
    ],
)
def test_failures(tmp_path, capsys, table, given, message):
    assert message in refused(tmp_path, capsys, table, "--failure", given)


def test_all_failures_at_once(tmp_path, capsys, table):
    message = refused(tmp_path, capsys, table, "--failure", "organ:iou=7", "--failure", "dice=7")
    assert "Some failure criteria cannot be used:" in message
    for told in ("'iou' is not evaluated", "no label 'organ'", "7 is not a threshold of dice"):
        assert told in message
    twice = ("--failure", "dice=0.1", "--failure", "dice=0.2")
    assert "--failure dice=0.2: dice is given twice" in refused(tmp_path, capsys, table, *twice)


NOBODY = "in common, so nobody can be compared with anybody; leave out"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["place"], "--adjust place: {table} has no column 'place'. Attributes: sex"),
        (["dice"], "--adjust dice: {table} has no column 'dice'"),
        (["sex"], "--adjust sex: 'sex' is compared, and cannot be adjusted for itself"),
        (["hole"], "--adjust hole: 1 of 60 cases have no value (c3); fill the cells, or leave"),
        (["room"], "'m' and 'f' (sex) have no values of 'room' in common, so nobody can"),
        (["weight"], f"(sex) have no values of 'weight' {NOBODY} --adjust weight, or compare"),
        (["bed", "ward"], f"have no combination of 'bed' and 'ward' {NOBODY} one of them"),
    ],
)
def test_confounders(tmp_path, capsys, table, given, message):
    told = message.format(table=tmp_path / "scores.csv")
    assert told in refused(tmp_path, capsys, table, "--adjust", *given)


def test_confounders_that_overlap_are_adjusted_for(tmp_path, capsys, table):
    """A few alike are no comparison either: said beside the gap as found, never a number."""
    table.loc[:3, "bed"] = "w"
    table.loc[:3, "ward"] = "w"
    path, out = tmp_path / "scores.csv", tmp_path / "out"
    table.to_csv(path, index=False)
    arguments = ["--from-csv", str(path), "-a", "sex", "-o", str(out), "--bootstrap", "20"]
    assert main([*arguments, "--adjust", "bed", "ward"]) == 0
    told = "fewer than 5 patients of a group are like those of the other"
    assert f"adjusted for bed, ward, f - m: none ({told})" in capsys.readouterr().out
    assert told in (out / "report.html").read_text()
    assert main([*arguments, "--adjust", "bed", "site", "--overwrite"]) == 0
    printed = capsys.readouterr().out
    assert "adjusted for bed, site, f - m: " in printed
    assert told not in printed


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("dice", 1.5, "dice is outside 0..1 in 1 row: c5; divide per cent by 100"),
        ("dice", -0.2, "dice is outside 0..1 in 1 row: c5"),
        ("dice", np.inf, "dice is outside 0..1 in 1 row: c5"),
        ("nsd", 1.01, "nsd is outside 0..1 in 1 row: c5"),
        ("hd95_mm", -3, "hd95_mm is below 0 in 1 row: c5; no HD95 is negative"),
        ("hd95_mm", -np.inf, "hd95_mm is below 0 in 1 row: c5; no HD95 is negative"),
        ("dice", "0,5", "line 7, case 'c5': dice is '0,5', expected a number"),
        ("dice", "low", "line 7, case 'c5': dice is 'low', expected a number"),
    ],
)
def test_impossible_scores(tmp_path, capsys, table, column, value, message):
    spoiled = table.astype(object)
    spoiled.loc[5, column] = value
    assert message in refused(tmp_path, capsys, spoiled, code=1)


def test_too_few_resamples_are_no_interval(tmp_path, capsys, table):
    for number, level, fewest in (("1", "0.95", 20), ("19", "0.95", 20), ("99", "0.99", 100)):
        options = ("--bootstrap", number, "--confidence", level)
        told = (
            f"--bootstrap {number}: expected 0 (no intervals), or at --confidence {level} {fewest}"
        )
        assert told in refused(tmp_path, capsys, table, *options)


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("masks"), n_patients=6, cases_per_patient=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--margin", "nsd=0.1"], "'nsd' is not evaluated (evaluated: dice, iou, hd, hd95)"),
        (["--margin", "iou=1"], "no gap of iou can be larger than 1"),
        (["--margin", "dice=0.1", "--confidence", "0.5"], "--margin with --confidence 0.5"),
        (["--failure", "bone:dice=0.1"], "there is no label 'bone' (labels: organ, lesion"),
        (["--failure", "nsd=0.1"], "'nsd' is not evaluated"),
        (["--adjust", "place"], "has no column 'place'. Attributes: sex"),
        (["--adjust", "sex"], "'sex' is compared, and cannot be adjusted for itself"),
    ],
)
def test_masks_are_not_measured_in_vain(masks, capsys, monkeypatch, options, message):
    def measured(*_args, **_named):
        raise AssertionError("measured before the check")

    monkeypatch.setattr("nnunetv2_fair.evaluation.run.measure_all", measured)
    assert main(masks.arguments("out", "-a", "sex", *options)) == 2
    assert message in capsys.readouterr().err
    assert not (masks.root / "out").exists()


def test_folders_whose_names_are_no_text(tmp_path: Path, table: pd.DataFrame):
    """Names of files are bytes, and dictionaries may hold halves of characters."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")  # as systems of long ago write it
    folder.mkdir()
    table["patient"] = table["case"]
    table.drop(columns=["sex"]).to_csv(folder / "scores.csv", index=False)
    table[["case", "sex"]].to_csv(folder / "people.csv", index=False)
    levels = {"type": "categorical", "levels": ["f", "m", "\ud800"], "meaning": "\ud800"}
    (folder / "people.json").write_text(json.dumps({"attributes": {"sex": levels}}))
    out = folder / "out"
    arguments = ["--from-csv", folder / "scores.csv", "--demographics", folder / "people.csv"]
    more = ["-a", "sex", "--bootstrap", "0", "--name", folder.name, "-o", out]
    assert main([str(argument) for argument in (*arguments, *more)]) == 0
    assert EvaluationResult.read(out).name == folder.name
    assert (out / "report.html").read_text(encoding="utf-8").count("caf") > 0
