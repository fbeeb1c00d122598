import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.study_file.yaml_lines import plain_value, read_yaml

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10_000, 10_000),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    TEXT,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def read(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path)


@given(VALUES)
def test_json_is_read_as_json(tmp_path_factory, value):
    # JSON is YAML, so Python's own reader of JSON is an independent reference
    document = read(tmp_path_factory.mktemp("yaml"), json.dumps(value, indent=1))
    assert document.data == value
    assert document.problems == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("042", "042"),
        ("0", 0),
        ("-7", -7),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("1e-05", 1e-05),
        ("48:00:00", "48:00:00"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("null", None),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("2d", "2d"),
        (".inf", ".inf"),
        ("5e", "5e"),
    ],
)
def test_only_plain_numbers_and_words_are_anything_but_text(text, value):
    found = plain_value(text)
    assert found == value
    assert type(found) is type(value)


def test_quotes_make_text(tmp_path):
    assert read(tmp_path, "a: '5'\nb: \"true\"\nc: 5\n").data == {"a": "5", "b": "true", "c": 5}


def test_every_entry_knows_its_line(tmp_path):
    text = "# a comment\ntitle: x\n\ndatasets:\n  - id: 1\n    folds: [0,\n      1]\n  - id: 2\n"
    document = read(tmp_path, text)
    assert document.line("title") == 2
    assert document.line("datasets") == 4
    assert document.line("datasets", 0) == 5
    assert document.line("datasets", 0, "folds", 0) == 6
    assert document.line("datasets", 0, "folds", 1) == 7
    assert document.line("datasets", 1, "id") == 8
    # what is not there is blamed on what is around it
    assert document.line("datasets", 1, "folds", 3) == 8
    assert document.line("nothing") == 2


def test_keys_that_stand_there_twice(tmp_path):
    document = read(tmp_path, "a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert document.data == {"a": 1, "b": {"c": 1}}
    assert [str(p) for p in document.problems] == [
        "line 4: 'c' is listed twice, first on line 3; keep one of them",
        "line 5: 'a' is listed twice, first on line 1; keep one of them",
    ]


def test_an_entry_that_holds_itself(tmp_path):
    document = read(tmp_path, "a: &x\n  b: 1\n  c: [*x]\n")
    assert [p.line for p in document.problems] == [1]
    assert "contains itself" in document.problems[0].text


def test_aliases_and_empty_files(tmp_path):
    assert read(tmp_path, "a: &x {b: 1}\nc: *x\n").data == {"a": {"b": 1}, "c": {"b": 1}}
    assert read(tmp_path, "# nothing\n").data is None


def test_keys_that_are_lists(tmp_path):
    document = read(tmp_path, "? [1, 2]\n: 3\n")
    assert "must be one word" in document.problems[0].text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: [1\nb: 2\n", ["study.yaml, line 2", "not YAML", "missing colon or quote"]),
        (b"a:\n\tb: 1\n", ["study.yaml, line 2", "a tab"]),
        (b"a: \xe4\n", ["not UTF-8", "Save it as UTF-8"]),
        (b"a: 1\n---\nb: 2\n", ["line 2", "not YAML"]),
        (b"a: *nobody\n", ["line 1", "undefined alias"]),
    ],
)
def test_what_is_no_yaml(tmp_path, content, words):
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(StudyError) as error:
        read_yaml(path)
    for word in words:
        assert word in str(error.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(StudyError, match=r"study\.yaml does not exist.*study\.yaml --init"):
        read_yaml(tmp_path / "study.yaml")
    with pytest.raises(StudyError, match="is not a file"):
        read_yaml(tmp_path)


def test_what_is_left_still_knows_its_line(tmp_path):
    text = "a:\n  - 1\n  - {b: 2,\n     c: 3}\n  - 4\nd: 5\n"
    document = read(tmp_path, text)
    left = document.without({("a", 0), ("a", 1, "c")})
    assert left.data == {"a": [{"b": 2}, 4], "d": 5}
    assert [left.line("a", 0), left.line("a", 0, "b"), left.line("a", 1)] == [3, 3, 5]
    # a key that is gone can still be blamed
    assert left.line("a", 0, "c") == 4
    assert left.without({("d",)}).data == {"a": [{"b": 2}, 4]}
    assert left.without({()}).data == {}
    assert document.data == {"a": [1, {"b": 2, "c": 3}, 4], "d": 5}
    assert document.value("a", 1, "c") == 3


def test_aliases_of_aliases_are_not_written_out(tmp_path):
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
    )
    with pytest.raises(StudyError, match="more than 100000 entries, counting each alias"):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["[" * 5000 + "]" * 5000, "{a: " * 2000 + "1" + "}" * 2000])
def test_what_is_nested_too_deeply(tmp_path, text):
    with pytest.raises(StudyError, match=r"study\.yaml is nested too deeply"):
        read(tmp_path, text)
