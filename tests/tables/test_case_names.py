import pytest

from nnunetv2_fair.tables.case_names import named_like, without_ending


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("a.png", "a"), ("a_0000.nii.gz", "a"), ("images/a.NII.GZ", "a"), ("x\\a.jpg", "a"),
        ("a.v2", "a.v2"), ("a_0000", "a_0000"), ("a.b.png", "a.b"), ("a", "a"),
        ("a.seg.nrrd", "a"), ("D:\\x\\a.nrrd", "a"),
    ],
)  # fmt: skip
def test_endings(name: str, case: str):
    assert without_ending(name) == case


def test_what_can_be_only_one_case_is_found():
    found, notes = named_like(["1", "2", "b.png", "c"], ["001", "002", "b", "c", "d"])
    assert found == {"1": "001", "2": "002", "b.png": "b"}
    assert notes == [
        "names of files are read as those of their cases (b.png -> b)",
        "leading zeros that the table has lost are restored (1 -> 001, 2 -> 002)",
    ]


def test_capitals_gaps_and_endings_may_differ_together():
    found, notes = named_like(
        ["LUNG_001.NII.GZ", "lung 002", "Lung-003_0000.png", "7.0", "8.png"],
        ["lung_001", "lung_002", "lung_003", "007", "008"],
    )
    assert found == {
        "LUNG_001.NII.GZ": "lung_001", "lung 002": "lung_002", "Lung-003_0000.png": "lung_003",
        "7.0": "007", "8.png": "008",
    }  # fmt: skip
    assert notes == [
        "names of cases are found without regard to capitals and gaps (LUNG_001.NII.GZ -> "
        "lung_001, lung 002 -> lung_002 and 1 more)",
        "leading zeros that the table has lost are restored (7.0 -> 007, 8.png -> 008)",
    ]


@pytest.mark.parametrize(
    ("names", "cases"),
    [
        (["1"], ["01", "001"]),  # either may be meant
        (["1", "001"], ["001"]),  # somebody else has that name
        (["a.png", "a.jpg"], ["a"]),
        (["a"], ["A", "a_"]),
        (["1.2.0"], ["1.2"]),
        (["case_1"], ["case_01"]),  # nothing that a spreadsheet does
        (["a", "b"], ["a", "b"]),
    ],
)
def test_nothing_is_guessed(names: list[str], cases: list[str]):
    assert named_like(names, cases) == ({}, [])
