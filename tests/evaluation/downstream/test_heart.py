"""Frames of the heart, and what their volumes say."""

import math
from pathlib import Path

import pandas as pd
import pytest

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.downstream.heart import Beat, beats_of, heart_measures
from nnunetv2_fair.evaluation.downstream.one_case import Pair
from nnunetv2_fair.subgroups.schema import Attribute, Schema
from nnunetv2_fair.subgroups.table import DemographicsTable

HEART = {"LV_cavity": "LV", "LV_myocardium": "Myo", "RV_cavity": "RV"}


def table(cases, patients=None, **columns):
    patients = patients or [case.rpartition("_")[0] for case in cases]
    frame = pd.DataFrame({"patient": patients, **columns}, index=list(cases), dtype=object)
    schema = Schema({name: Attribute(name, "categorical", levels=("a", "b")) for name in columns})
    return DemographicsTable(frame, schema, Path("people.csv"))


def measures(volumes, beat=None):
    beat = beat or Beat("p1", {"ED": "p1_ED", "ES": "p1_ES"})
    pairs = {
        case: {label: Pair(*values) for label, values in by_label.items()}
        for case, by_label in volumes.items()
    }
    return {(label, name): pair for label, name, pair in heart_measures(beat, pairs, HEART)}


def test_by_hand():
    found = measures({
        "p1_ED": {"LV": (150, 140), "Myo": (100, 90), "RV": (160, 200)},
        "p1_ES": {"LV": (60, 70), "Myo": (110, 95), "RV": (80, 50)},
    })  # fmt: skip
    expected = {
        ("LV", "lvedv"): (150, 140), ("LV", "lvesv"): (60, 70), ("LV", "lvsv"): (90, 70),
        ("LV", "ef"): (60, 50), ("RV", "rvedv"): (160, 200), ("RV", "rvesv"): (80, 50),
        ("RV", "rvef"): (50, 75), ("Myo", "lvm"): (105, 94.5),
    }  # fmt: skip
    assert list(found) == list(expected)
    for key, values in expected.items():
        assert (found[key].reference, found[key].prediction) == pytest.approx(values)
        assert found[key].remark == ""


def test_a_fraction_of_nothing_is_undefined():
    found = measures({
        "p1_ED": {"LV": (150, 0), "Myo": (0, 0), "RV": (0, 0)},
        "p1_ES": {"LV": (60, 0), "Myo": (0, 0), "RV": (0, 0)},
    })  # fmt: skip
    assert found["LV", "ef"].reference == 60
    assert math.isnan(found["LV", "ef"].prediction)
    assert found["LV", "ef"].remark == "end-diastolic volume 0"
    assert found["LV", "lvsv"] == Pair(90, 0)  # a volume of nothing is 0


def test_a_missing_frame_leaves_what_needs_it_undefined():
    found = measures({"p1_ED": dict.fromkeys(HEART.values(), (10, 12))})
    assert found["LV", "lvedv"] == Pair(10, 12)
    for name in ("lvesv", "lvsv", "ef"):
        assert found["LV", name].remark == "no ES frame"
        assert math.isnan(found["LV", name].reference)


def test_frames_by_the_end_of_the_name():
    cases = ["p1_ED", "p1_ES", "p2-es", "p2-ed", "p3_ED"]
    found = beats_of(cases, table(cases), None)
    assert [(b.name, dict(b.frames), b.missing) for b in found] == [
        ("p1", {"ED": "p1_ED", "ES": "p1_ES"}, ()),
        ("p2", {"ES": "p2-es", "ED": "p2-ed"}, ()),
        ("p3", {"ED": "p3_ED"}, ("ES",)),
    ]


def test_frames_by_a_column():
    cases = ["x1", "x2", "x3"]
    told = table(cases, ["a", "a", "b"], phase=["ED", "end-systole", "Diastole"])
    found = beats_of(cases, told, "phase")
    assert [(b.name, dict(b.frames)) for b in found] == [
        ("a", {"ED": "x1", "ES": "x2"}), ("b", {"ED": "x3"}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cases", "columns", "column", "message"),
    [
        (["a", "b_ED"], {}, None, r"1 case \(a\) do.* not end in _ED or _ES.*--frames COLUMN"),
        (["a_ED", "b_ED"], {}, None, r"there is no ES frame: all cases are ED. Add the ES frames"),
        (["a_ED", "b_ES"], {}, None, r"no heart has both frames, as no two cases have the same"),
        (["a", "b"], {"f": ["ED", "ES"]}, "f", r"column 'patient' has to name the patient"),
        (["a", "b"], {"f": ["ED", "7"]}, "f", r"--frames f: the column holds 7 for 1 case \(b\)"),
        (["a", "b"], {"frame": ["ED", "ES"]}, "fram", r"no column 'fram'.*Did you mean 'frame'\?"),
    ],
)
def test_refusals(cases, columns, column, message):
    with pytest.raises(UsageError, match=message):
        beats_of(cases, table(cases, cases if columns else None, **columns), column)


def test_two_cases_of_one_frame_are_refused():
    cases = ["x1", "x2", "x3"]
    told = table(cases, ["a", "a", "a"], phase=["ED", "ES", "ED"])
    with pytest.raises(UsageError, match=r"'a' has 2 ED frames \(x1, x3\); expected one"):
        beats_of(cases, told, "phase")
