from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from nnunetv2_fair.dataset_conversion.shared.metadata import Metadata, read_metadata
from nnunetv2_fair.errors import ConversionError, FairError
from nnunetv2_fair.tables.settings import TableSettings

PER_IMAGE = TableSettings(key="image")

TABLE = """image,sex,age
a.png,female,40
b.png,male,51
c.png,female,
"""


def read(tmp_path: Path, text: str = TABLE, **settings: Any) -> Metadata:
    path = tmp_path / "metadata.csv"
    path.write_text(text, encoding="utf-8")
    return read_metadata(path, replace(PER_IMAGE, **settings))


def values(metadata: Metadata, name: str) -> list[str]:
    return [row.values[name] for row in metadata.rows]


def test_a_plain_table(tmp_path: Path) -> None:
    metadata = read(tmp_path)
    assert metadata.problems == []
    assert [row.image for row in metadata.rows] == ["a.png", "b.png", "c.png"]
    assert values(metadata, "sex") == ["female", "male", "female"]
    assert values(metadata, "age") == ["40", "51", ""]
    assert metadata.schema.default == "sex"
    assert metadata.schema["sex"].levels == ("female", "male")
    age = metadata.schema["age"]
    assert (age.type, age.unit, age.minimum, age.maximum) == ("numeric", "years", 0, 120)
    assert [row.patient for row in metadata.rows] == ["", "", ""]


def test_columns_are_mapped_whatever_their_case(tmp_path: Path) -> None:
    text = "Datei,Person,Gender,AGE\na,P1,F,40\nb,P1,M,50\n"
    metadata = read(
        tmp_path,
        text,
        columns={"image": "Datei", "patient": "person", "sex": "Gender"},
        attributes=("sex", "age"),
        values={"sex": {"F": "female", "M": "male"}},
    )
    assert metadata.problems == []
    assert [row.patient for row in metadata.rows] == ["P1", "P1"]
    assert values(metadata, "sex") == ["female", "male"]
    assert values(metadata, "age") == ["40", "50"]


def test_without_a_choice_useful_columns_are_taken_and_others_named(tmp_path: Path) -> None:
    rows = [f"i{i},P{i},{'fm'[i % 2]},{20 + i},note {i},,{'test' if i % 2 else 'train'}"
            for i in range(20)]  # fmt: skip
    text = "image,patient,sex at birth,bmi,remark,nothing,part\n" + "\n".join(rows)
    metadata = read(tmp_path, text)
    assert list(metadata.schema.attributes) == ["sex_at_birth", "bmi"]
    assert metadata.schema["bmi"].type == "numeric"
    notes = " ".join(metadata.notes)
    assert "'remark' is not used: 20 different values; take it with -a remark" in notes
    assert "'nothing' is not used: it has no values" in notes
    assert "--split-column part" in notes


def test_bins_ranges_and_default(tmp_path: Path) -> None:
    metadata = read(tmp_path, bins={"age": (50.0,)}, ranges={"age": (18.0, 99.0)}, default="age")
    age = metadata.schema["age"]
    assert age.groups == ("<50", ">=50")
    assert (age.minimum, age.maximum) == (18, 99)
    assert metadata.schema.default == "age"
    assert metadata.groups_of(metadata.rows[1]) == {"sex": "male", "age": ">=50"}
    assert metadata.groups_of(None) == {"sex": "unknown", "age": "unknown"}


def test_rows_that_are_empty_repeated_or_without_patient(tmp_path: Path) -> None:
    text = "image,patient,sex\na,P1,f\na,P2,m\n,P3,f\nb,,m\n"
    problems = "\n".join(read(tmp_path, text).problems)
    assert "metadata.csv, line 3: image 'a' already appears on line 2; keep one" in problems
    assert "metadata.csv, line 4: the image is empty" in problems
    assert "line 5, image 'b': the patient is empty" in problems


def test_parts_named_by_the_table(tmp_path: Path) -> None:
    text = "image,sex,set\na,f,Train\nb,m,TEST\nc,f,val\nd,m,later\n"
    metadata = read(tmp_path, text, columns={"split": "set"})
    assert [row.part for row in metadata.rows][:3] == ["train", "test", "train"]
    (problem,) = metadata.problems
    assert "line 5, image 'd': 'set' is 'later', expected train or test" in problem


def test_synthetic_images_are_marked(tmp_path: Path) -> None:
    metadata = read(tmp_path, "image,sex,synthetic\na,f,0\nb,m,1\nc,f,yes\n")
    assert [row.synthetic for row in metadata.rows][:2] == ["0", "1"]
    assert "synthetic is 'yes', expected 0 or 1" in metadata.problems[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": {"image": "file"}}, r"no column 'file' \(--columns image\).*image, sex, age"),
        ({"columns": {"split": "set"}}, r"no column 'set' \(--split-column\)"),
        ({"columns": {"sex": "Gender"}}, r"no column 'Gender' for the attribute 'sex'.*image, sex"),
        ({"attributes": ("race",)}, r"no column 'race'.*image, sex, age.*--columns race=<column>"),
        ({"attributes": ("sex",), "bins": {"age": (50.0,)}}, r"--bins names.*'age'.*-a age"),
        ({"attributes": ("sex",), "default": "age"}, r"default attribute 'age'.*-a age"),
        ({"key": "patient"}, r"which patient it is.*image, sex, age.*--columns patient=<column>"),
    ],
)
def test_absent_columns_are_listed(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FairError, match=message):
        read(tmp_path, **settings)


def test_no_column_with_images(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"which image.*name, sex.*--columns image=<column>"):
        read(tmp_path, "name,sex\na,f\n")


def test_nothing_that_could_be_an_attribute(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"no column that could be an attribute.*-a <column>"):
        read(tmp_path, "image\na\n")


def test_byte_order_mark_semicolons_and_tabs(tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_bytes(b"\xef\xbb\xbf" + TABLE.replace(",", ";").encode())
    assert values(read_metadata(path, PER_IMAGE), "sex") == ["female", "male", "female"]
    path = tmp_path / "metadata.tsv"
    path.write_text(TABLE.replace(",", "\t"), encoding="utf-8")
    assert values(read_metadata(path, PER_IMAGE), "age") == ["40", "51", ""]


def test_windows_1252_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "metadata.csv"
    path.write_bytes("image,sex\na,weiblich\nb,männlich\n".encode("cp1252"))
    with pytest.raises(ConversionError, match=r"metadata\.csv, line 3.*0xe4.*CSV UTF-8"):
        read_metadata(path, PER_IMAGE)


def test_excel_sheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["nothing", "here"])
    sheet = book.create_sheet("people")
    for line in TABLE.splitlines():
        sheet.append([int(cell) if cell.isdigit() else cell or None for cell in line.split(",")])
    path = tmp_path / "metadata.xlsx"
    book.save(path)
    metadata = read_metadata(path, replace(PER_IMAGE, sheet="people"))
    assert values(metadata, "age") == ["40", "51", ""]
    with pytest.raises(ConversionError, match="no sheet 'x'"):
        read_metadata(path, replace(PER_IMAGE, sheet="x"))
