from dataclasses import replace
from pathlib import Path

import pytest

from nnunetv2_fair.dataset_conversion.writing.case_files import CaseData
from nnunetv2_fair.dataset_conversion.writing.dry_run import dry_run_problems, files_to_write
from nnunetv2_fair.dataset_conversion.writing.writer import write_dataset
from nnunetv2_fair.errors import ConversionError
from tests.dataset_conversion.folders import environment, image_of, mask_of
from tests.dataset_conversion.writing.test_writer import (
    PICTURES,
    Given,
    Picture,
    Raises,
    job,
    plan_of,
)


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


def test_a_good_plan_has_no_problems_and_its_files_are_listed(raw: Path) -> None:
    plan = plan_of([job(f"c{i}", "test" if i > 6 else "train", Picture(i)) for i in range(9)])
    assert dry_run_problems(plan, raw) == []
    assert not raw.exists()
    assert files_to_write(plan) == [
        "imagesTr, labelsTr: 7 cases as .png: c0, c1, c2, c3, c4 and 2 more",
        "imagesTs, labelsTs: 2 cases as .png: c7, c8",
        "dataset.json, demographics.csv, demographics.json, conversion_log.json, "
        "conversion_log.txt",
    ]
    target = write_dataset(plan, raw)
    assert {path.name for path in target.iterdir()} == {
        "imagesTr", "labelsTr", "imagesTs", "labelsTs",
        *files_to_write(plan)[-1].split(", "),
    }  # fmt: skip


def test_problems_of_the_plan_and_of_every_case_come_together(raw: Path) -> None:
    jobs = [
        job("good", "train", Picture(0)),
        job("gone", "train", Raises(OSError("disk gone"))),
        job("odd", "test", Picture(1, value=3)),
        job("turned", "test", Given(CaseData((image_of(0),), mask_of(0).T))),
    ]
    (raw / "Dataset007_Other").mkdir(parents=True)
    problems = dry_run_problems(plan_of(jobs), raw)
    assert len(problems) == 4
    assert "id 7 is taken by Dataset007_Other" in problems[0]
    assert problems[1] == "case 'gone' (gone.dcm): the original cannot be read: disk gone"
    assert problems[2].startswith("case 'odd' (odd.dcm): the mask holds 3")
    assert problems[3].startswith("case 'turned' (turned.dcm): channel 0 has shape (20, 28)")
    assert [path.name for path in raw.iterdir()] == ["Dataset007_Other"]


def test_a_dry_run_says_what_the_real_run_says(raw: Path) -> None:
    jobs = [job("a", "train", Picture(0)), job("b", "train", Raises(ConversionError("bad")))]
    (problem,) = dry_run_problems(plan_of(jobs), raw)
    with pytest.raises(ConversionError) as caught:
        write_dataset(plan_of(jobs), raw)
    assert problem in str(caught.value)
    plan = plan_of(jobs[:1], replace(PICTURES, name="a b", dataset_id=0))
    problems = dry_run_problems(plan, raw)
    assert ["dataset id 0" in problems[0], "dataset name 'a b'" in problems[1]] == [True, True]
