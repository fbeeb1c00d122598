"""Pairs of ``--columns``, typed or in a JSON file."""

import pytest

from nnunetv2_fair.cli.shared.pairs import column_map
from nnunetv2_fair.errors import UsageError


def test_pairs_and_a_file_say_the_same(tmp_path):
    file = tmp_path / "columns.json"
    file.write_text('{"patient": "PatID", "sex": "Gender"}', encoding="utf-8-sig")
    assert column_map(["patient=PatID", "sex=Gender"]) == column_map([str(file)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"PatID does not exist\. --columns expects pairs such as patient=PatID"),
        ("[1]", r"PatID holds a list; expected an object\. --columns expects"),
        ('{"patient": 7}', r"PatID: 'patient' is a number\. --columns expects"),
        ('{"patient": ', r"PatID is not JSON: .*\. --columns expects"),
    ],
)
def test_what_is_neither_is_refused(tmp_path, text, message):
    file = tmp_path / "PatID"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        column_map([str(file)])
