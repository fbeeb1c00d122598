"""What is said about files that are not the JSON that was expected."""

import pytest

from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.files.json_files import in_words, read_json, read_json_object


def message(path, read=read_json):
    with pytest.raises(DatasetError) as error:
        read(path, DatasetError, "Copy it again.")
    text = str(error.value)
    assert text.startswith(f"{path} ")
    assert text.endswith(" Copy it again.")
    return text.removeprefix(f"{path} ").removesuffix(" Copy it again.")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON: it is empty."),
        (b" \n", "is not JSON: it is empty."),
        (b'{"a": 1,\n "b": "tex', "is not JSON: it ends in the middle of line 2, as if cut off."),
        (b'{"a": 1,\n "b": [1, ', "is not JSON: it ends in the middle of line 2, as if cut off."),
        (b'{"a": 1,\n b: 2}', "is not JSON: line 2, column 2: Expecting property name enclosed in"),
        (b"\xff\xfe\x00", "is not JSON: it is not text in UTF-8."),
        (b"[" * 200_000, "is not JSON: "),
    ],
)
def test_what_is_wrong(tmp_path, content, said):
    path = tmp_path / "dataset.json"
    path.write_bytes(content)
    assert message(path).startswith(said)


def test_no_file(tmp_path):
    assert message(tmp_path / "dataset.json") == "does not exist."
    (tmp_path / "broken.json").symlink_to(tmp_path / "nowhere")
    assert message(tmp_path / "broken.json") == "does not exist."
    assert message(tmp_path) == "cannot be read (Is a directory)."


@pytest.mark.parametrize("text", ["[1]", "null", "true", '"text"', "1.5"])
def test_an_object_is_expected(tmp_path, text):
    path = tmp_path / "dataset.json"
    path.write_text(text)
    value = read_json(path, DatasetError, "Copy it again.")
    said = message(path, read_json_object)
    assert said == f"holds {in_words(value)}; expected an object."


def test_an_object_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "dataset.json"
    path.write_text('{"a": [1]}', encoding="utf-8-sig")
    assert read_json_object(path, DatasetError, "") == {"a": [1]}


@pytest.mark.parametrize("text", ['{"a": 1, "b": 2, "a": 3}', '[{"b": {"a": 1, "a": 1}}]'])
def test_two_entries_of_one_name(tmp_path, text):
    path = tmp_path / "dataset.json"
    path.write_text(text)
    assert message(path) == "has two entries 'a' in one object. Keep one of them."


def test_a_number_of_thousands_of_digits(tmp_path):
    path = tmp_path / "dataset.json"
    path.write_text("[" + "9" * 5000 + "]")
    assert message(path).startswith("is not JSON: Exceeds the limit")
