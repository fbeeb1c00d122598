from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.study.plan.fingerprints import (
    digest,
    file_fingerprint,
    listing_fingerprint,
    step_fingerprint,
)
from nnunetv2_fair.study.plan.steps.commands import index_command

ROOTS = {"nnUNet_raw": "/data/raw", "nnUNet_results": "/data/results"}


def fingerprint(what=(("nnUNetv2_train", "42"),), inputs=(), needed=(), roots=ROOTS):
    return step_fingerprint("train", what, inputs, needed, roots)


def test_everything_that_matters_changes_it():
    base = fingerprint()
    assert base != fingerprint((("nnUNetv2_train", "43"),))
    assert base != fingerprint((("nnUNetv2_train", "42"), ("b",)))
    assert base != fingerprint((("nnUNetv2_train",), ("42",)))
    assert base != fingerprint(inputs=["a"])
    assert base != fingerprint(needed=["a"])
    assert fingerprint(inputs=["a"]) != fingerprint(needed=["a"])
    assert base != step_fingerprint("predict", [("nnUNetv2_train", "42")], [], [], ROOTS)


@given(st.lists(st.text(max_size=5)), st.randoms(use_true_random=False))
def test_the_order_of_what_is_needed_does_not(needed, random):
    shuffled = list(needed)
    random.shuffle(shuffled)
    assert fingerprint(needed=needed) == fingerprint(needed=shuffled)


def test_where_nnunets_folders_are_does_not():
    def at(folder):
        return fingerprint((("evaluate", f"{folder}/D/labelsTs", folder),), roots={"raw": folder})

    assert at("/a") == at("/somewhere/else")
    # a folder whose name only begins like it is another folder, which has not moved
    beside = [fingerprint((("evaluate", "/ab/x"),), roots={"raw": root}) for root in ("/a", "/c")]
    assert beside[0] == beside[1]


def test_files_and_listings(tmp_path: Path):
    file = tmp_path / "a.csv"
    assert file_fingerprint(file) == "missing"
    file.write_text("x")
    first = file_fingerprint(file)
    file.write_text("y")
    assert file_fingerprint(file) not in (first, "missing")
    listed = listing_fingerprint(tmp_path)
    file.write_text("z")
    assert listing_fingerprint(tmp_path) == listed
    file.write_text("longer")
    assert listing_fingerprint(tmp_path) != listed
    assert listing_fingerprint(tmp_path / "none") == "missing"
    assert listing_fingerprint(file) == "missing"


def test_it_is_short_enough_for_a_file_name():
    assert len(digest({"a": 1})) == 20
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_they_are_those_of_studies_that_have_finished(tmp_path: Path):
    """Fixed values: if one of them changes, every study that anybody has finished runs again."""
    command = ("nnUNetv2_train", "42", "/data/raw/D/imagesTs", "\u00e9")
    assert step_fingerprint("train", [command], ["a", "b"], ["d", "c"], ROOTS) == (
        "83f5138c27b2844ed46f"
    )
    index = index_command().fingerprinted
    assert step_fingerprint("index", [index], [], ["a"], ROOTS) == "ec282e800d9c84cb0fc7"
    assert digest({"b": [1, 2.5, None], "a": "\u00e9"}) == "fc10ba9755cfc69ce6c3"
    (tmp_path / "a.csv").write_bytes(b"case\nx\n")
    (tmp_path / "b.csv").write_bytes(b"")
    assert file_fingerprint(tmp_path / "a.csv") == "f6b4dc15bb1cf0081e88"
    assert listing_fingerprint(tmp_path) == "2d156787bc5d98ba4287"
