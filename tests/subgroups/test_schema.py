import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.errors import DemographicsError
from nnunetv2_fair.subgroups.schema import Attribute, Bins, Schema, read_schema
from tests.conftest import SEX_AND_AGE


def test_bins_closed_left_and_right():
    left = Bins.from_cuts((50, 65))
    assert left.labels == ("<50", "50-<65", ">=65")
    assert [left.label(v) for v in (49.9, 50, 64.9, 65)] == ["<50", "50-<65", "50-<65", ">=65"]
    # the MAMA-MIA challenge's bins: right-closed, 40.5 belongs to 41-50
    right = Bins((0, 40, 50, 60, 70, 100), ("0-40", "41-50", "51-60", "61-70", "71+"), "right")
    values = (40, 40.5, 50, 70.1, 0, 101)
    assert [right.label(v) for v in values] == ["0-40", "41-50", "41-50", "71+", None, None]


@given(st.lists(st.integers(-50, 150), min_size=1, max_size=6, unique=True), st.floats(-1e6, 1e6))
def test_every_number_is_in_exactly_one_open_ended_bin(cuts, value):
    for closed in ("left", "right"):
        bins = Bins.from_cuts(tuple(cuts), closed)
        inside = [
            label
            for low, high, label in zip(bins.edges, bins.edges[1:], bins.labels, strict=False)
            if (low <= value < high if closed == "left" else low < value <= high)
        ]
        assert inside == [bins.label(value)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((0, 1), ("a", "b")), "one edge more than labels"),
        (((1, 0), ("a",)), "ascend"),
        (((0, 1, 2), ("a", "a")), "labels must differ"),
        (((0, 1), ("a",), "both"), 'got "both"'),
    ],
)
def test_wrong_bins_are_refused(arguments, message):
    with pytest.raises(DemographicsError, match=message):
        Bins(*arguments)


def test_schema_survives_json():
    schema = Schema.from_dict(SEX_AND_AGE)
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert again == schema
    assert again["age"].groups == ("<50", "50-64", ">=65")


def test_expressions():
    schema = Schema.from_dict(SEX_AND_AGE)
    assert [a.name for a in schema.parse_expression("sex+age")] == ["sex", "age"]
    assert [a.name for a in schema.parse_expression(None)] == ["sex"]
    for expression, message in [
        ("sexx", "no attribute 'sexx'. Did you mean 'sex'\\? Attributes of this dataset: sex, age"),
        ("sex+sex", "different ones joined by"),
        ("sex+", "not an attribute expression"),
    ]:
        with pytest.raises(DemographicsError, match=message.replace("+", r"\+")):
            schema.parse_expression(expression)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("?", "'?' is not a number"),
        ("45Y", "write 45"),
        ("045Y", "write 45"),
        ("-3", "outside the plausible range of 'age' (0 to 120 years)"),
        ("999", "outside the plausible range"),
        ("inf", "not a number"),
    ],
)
def test_implausible_ages_are_named_with_a_remedy(value, message):
    problem = Schema.from_dict(SEX_AND_AGE)["age"].problem_with(value)
    assert message in problem
    assert "leave the cell empty if the value is unknown" in problem


def test_the_plausible_range_includes_its_ends():
    age = Schema.from_dict(SEX_AND_AGE)["age"]
    assert [age.problem_with(value) for value in ("0", "120", "")] == [None, None, None]
    assert age.problem_with("-0.1")
    assert age.problem_with("120.1")


def test_a_number_that_no_bin_holds_is_refused():
    bins = {"edges": [0, 50, 100], "labels": ["young", "old"]}
    schema = Schema.from_dict({"attributes": {"age": {"type": "numeric", "bins": bins}}})
    age = schema["age"]
    # an edge of 0 is closed, not open: only null is
    assert age.bins == Bins((0, 50, 100), ("young", "old"))
    assert [age.group_of(value) for value in ("0", "49.9", "50", "99")] == [
        "young", "young", "old", "old",
    ]  # fmt: skip
    for value in ("-1", "100"):
        problem = age.problem_with(value)
        assert f"'{value}' falls in no bin of 'age' (edges [0.0, 50.0, 100.0]" in problem
        assert "widen the bins in demographics.json" in problem


def _described(**entry):
    return {"attributes": {"x": entry}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"sex": {}}], r"expected an object with a key \"attributes\".*found a list"),
        ({"attributes": []}, "found another object"),
        ({**_described(type="categorical"), "default": 3}, r'"default": expected the name'),
        (_described(type="numeric", minimum="0"), r"'x', \"minimum\": .* found the text '0'"),
        (_described(type="numeric", maximum=True), r"'x', \"maximum\": expected a number"),
        (_described(type="categorical", levels=None), r"'x', \"levels\": .* found null"),
        (_described(type="categorical", levels="ab"), r"expected a list of texts, found the text"),
        (_described(type="categorical", levels=["a", None]), "expected a list of texts"),
        (_described(type="categorical", levels=["a", "a"]), "repeat"),
        (_described(type="categorical", levels=["a"], reference=["a"]), "expected a group"),
        (_described(type="numeric", bins={"edges": [0, 1], "labels": "a"}), "bins need"),
        (_described(type="numeric", bins={"edges": ["x", 1], "labels": ["a"]}), "bins need"),
        (_described(type="numeric", bins={"edges": [math.nan, 1], "labels": ["a"]}), "bins need"),
        (_described(type="numeric", bins={"edges": [0, 1], "labels": [None]}), "bins need"),
        (
            _described(type="numeric", bins={"edges": [0, 1], "labels": ["a"], "close": "right"}),
            r"'x': its bins have unknown keys: close\. Known keys: closed, edges, labels",
        ),
        (
            _described(type="numeric", bins={"edges": [1, 0], "labels": ["a"]}),
            "attribute 'x': bin edges must ascend",
        ),
        (_described(type="numeric", minimum=10**400), "found a number of too many digits"),
        (_described(type="numeric", minimum=9, maximum=1), '"minimum" 9 is above its "maximum" 1'),
        (_described(type="categorical", levels=["a", ""]), "'' cannot be a level"),
        (_described(type="categorical", levels=["a "]), "'a ' cannot be a level"),
        (_described(type="categorical", levels=[True, False]), "expected a list of texts"),
        (_described(type="categorical", meaning=["a"]), r"\"meaning\": expected a text, found a l"),
        ({"attributes": {}, "defualt": "x"}, 'no key "defualt". Did you mean "default"'),
    ],
)
def test_dictionaries_written_by_hand_are_answered_in_words(content, message):
    with pytest.raises(DemographicsError, match=f"(?i){message}"):
        Schema.from_dict(content)


def test_numbers_as_levels_are_texts():
    entry = {"type": "categorical", "levels": [1, 2.0], "reference": 1}
    sex = Schema.from_dict({"attributes": {"sex": entry}})["sex"]
    assert (sex.levels, sex.reference) == (("1", "2"), "1")


def test_unknown_level_lists_the_known_ones():
    problem = Schema.from_dict(SEX_AND_AGE)["sex"].problem_with("Female")
    assert "'Female' is not a level of 'sex' (levels: female, male)" in problem


def test_numeric_attribute_without_bins_forms_no_groups():
    with pytest.raises(DemographicsError, match="has no bins"):
        Attribute("bmi", "numeric").group_of("23.1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON: it ends in the middle of line 1"),
        ("{}", '"attributes"'),
        ("[]", '"attributes"'),
        ('{"attributes": {"sex": {}}}', 'at least a "type"'),
        ('{"attributes": {"sex": {"type": "text"}}}', 'got "text"'),
        ('{"attributes": {"sex": {"type": "categorical", "level": []}}}', "unknown keys: level"),
        ('{"attributes": {"case": {"type": "categorical"}}}', "cannot be used"),
        ('{"attributes": {}, "default": "sex"}', "Default attribute 'sex'"),
        (
            '{"attributes": {"a": {"type": "numeric", "bins": {"edges": [1]}}}}',
            'bins need "edges"',
        ),
    ],
)
def test_wrong_dictionaries_are_refused_with_the_file_named(tmp_path, text, message):
    path = tmp_path / "demographics.json"
    path.write_text(text)
    with pytest.raises(DemographicsError) as error:
        read_schema(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_missing_dictionary(tmp_path):
    with pytest.raises(DemographicsError, match="does not exist"):
        read_schema(tmp_path / "demographics.json")
