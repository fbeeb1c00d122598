import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.dataset_conversion.writing.safe_names import (
    case_name_problems,
    is_safe_case,
    is_safe_dataset_name,
    repeated,
    safe_case_name,
)


@given(st.text())
def test_every_name_becomes_safe_and_stays(name: str) -> None:
    safe = safe_case_name(name)
    assert is_safe_case(safe)
    assert "/" not in safe
    assert "\\" not in safe
    assert safe != ".."
    assert safe_case_name(safe) == safe


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("JPCLN001", "JPCLN001"),
        ("a.b-c_1", "a.b-c_1"),
        ("benign (1)", "benign_1"),
        ("Müller", "Muller"),
        ("site/scan 3", "site__scan_3"),
        ("../../etc/passwd", "etc__passwd"),
        ("a;rm -rf $HOME", "a_rm_-rf_HOME"),
        ("-x", "x"),
    ],
)
def test_names_as_documented(name: str, expected: str) -> None:
    assert safe_case_name(name) == expected


def test_names_without_a_latin_letter_stay_different() -> None:
    names = ["患者一", "患者二", "пациент", ""]
    assert len({safe_case_name(name) for name in names}) == 4
    assert safe_case_name("患者一").startswith("case_")


def test_long_names_are_cut_and_stay_different() -> None:
    first, second = "a" * 300 + "1", "a" * 300 + "2"
    assert len(safe_case_name(first)) <= 150
    assert safe_case_name(first) != safe_case_name(second)


@pytest.mark.parametrize("name", ["", "..", ".", "a/b", "a\\b", "a b", "-a", "é", "a\n", "a."])
def test_unsafe_names_are_recognised(name: str) -> None:
    assert not is_safe_case(name)
    assert not is_safe_dataset_name(name)


def test_shared_names_are_reported_with_their_originals() -> None:
    (problem,) = case_name_problems({"a b": "a_b", "a_b": "a_b", "c": "c"})
    assert "'a b' and 'a_b'" in problem
    assert "rename" in problem


def test_names_that_differ_in_case_alone_are_one_file_elsewhere() -> None:
    assert len(case_name_problems({"Scan": "Scan", "scan": "scan"})) == 1
    assert repeated(["Scan", "scan", "x"]) == ["scan"]
