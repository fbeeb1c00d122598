import ctypes
import hashlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import SimpleITK

from nnunetv2_fair.dataset_conversion.writing import writer
from nnunetv2_fair.dataset_conversion.writing.case_files import (
    CaseData,
    CaseJob,
    ImageGeometry,
    fingerprint,
)
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetDescription, DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.log import ConversionLog, Skipped
from nnunetv2_fair.dataset_conversion.writing.plan_problems import plan_problems
from nnunetv2_fair.dataset_conversion.writing.writer import write_dataset
from nnunetv2_fair.errors import ConversionError, InUseError
from nnunetv2_fair.files.locks import LOCK, locked
from nnunetv2_fair.subgroups.schema import Attribute, Schema
from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.folders import environment, image_of, json_of, mask_of, pixels_of

ROTATED = ImageGeometry((0.7, 1.3, 4.0), (-11.5, 7.25, 100.0), (0, -1, 0, 1, 0, 0, 0, 0, 1))


@dataclass(frozen=True)
class Picture:
    """Noise and a rectangle; a file counts how often it was read."""

    number: int
    counter: str = ""
    value: int = 1

    def __call__(self) -> CaseData:
        if self.counter:
            with Path(self.counter).open("a") as stream:
                stream.write(f"{self.number}\n")
        return CaseData((image_of(self.number),), mask_of(self.number, self.value))


@dataclass(frozen=True)
class Volume:
    """Two channels with spacing, origin and direction."""

    number: int
    geometry: ImageGeometry = ROTATED

    def __call__(self) -> CaseData:
        generator = np.random.default_rng(self.number)
        channels = (
            generator.normal(size=(3, 5, 7)).astype(np.float32),
            generator.integers(-1000, 1000, (3, 5, 7), dtype=np.int16),
        )
        return CaseData(channels, generator.integers(0, 4, (3, 5, 7)), self.geometry)


@dataclass(frozen=True)
class Given:
    """What a test wants."""

    data: CaseData

    def __call__(self) -> CaseData:
        return self.data


@dataclass(frozen=True)
class Raises:
    """A source that cannot be read."""

    error: Exception

    def __call__(self) -> CaseData:
        raise self.error


PICTURES = DatasetDescription(7, "Tiny", ("grey",), {"background": 0, "nodule": 1}, ".png")
SCHEMA = Schema({"sex": Attribute("sex", "categorical", levels=("female", "male"))}, "sex")


def job(case: str, part: Literal["train", "test"], load: Callable[[], CaseData]) -> CaseJob:
    return CaseJob(case, part, load, fingerprint(load), 1000, f"{case}.dcm")


def plan_of(jobs: list[CaseJob], description: DatasetDescription = PICTURES) -> DatasetPlan:
    frame = pd.DataFrame(
        {
            "case": [j.case for j in jobs],
            "patient": [f"P{i}" for i in range(len(jobs))],
            "sex": [("female", "male", "")[i % 3] for i in range(len(jobs))],
        },
        dtype=object,
    )
    return DatasetPlan(description, jobs, frame, SCHEMA, ConversionLog("test"))


def pictures(n: int = 6, counter: str = "") -> list[CaseJob]:
    return [job(f"c{i}", "test" if i % 3 == 2 else "train", Picture(i, counter)) for i in range(n)]


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


def tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_pictures_become_a_dataset(raw: Path) -> None:
    target = write_dataset(plan_of(pictures()), raw)
    assert target == raw / "Dataset007_Tiny"
    assert sorted(tree(target)) == sorted(
        [f"imagesTr/c{i}_0000.png" for i in (0, 1, 3, 4)]
        + [f"labelsTr/c{i}.png" for i in (0, 1, 3, 4)]
        + [f"imagesTs/c{i}_0000.png" for i in (2, 5)]
        + [f"labelsTs/c{i}.png" for i in (2, 5)]
        + ["dataset.json", "demographics.csv", "demographics.json"]
        + ["conversion_log.json", "conversion_log.txt"]
    )
    assert np.array_equal(pixels_of(target / "imagesTr/c4_0000.png"), image_of(4))
    assert np.array_equal(pixels_of(target / "labelsTs/c5.png"), mask_of(5))
    content = json_of(target / "dataset.json")
    assert content["numTraining"] == 4
    assert content["channel_names"] == {"0": "grey"}
    assert content["labels"] == {"background": 0, "nodule": 1}
    assert content["file_ending"] == ".png"
    assert read_dataset_table(target).patients["c2"] == "P2"
    assert [path.name for path in raw.iterdir()] == ["Dataset007_Tiny"]


def test_volumes_keep_pixels_and_geometry(raw: Path) -> None:
    description = DatasetDescription(
        8,
        "Vol",
        ("T1", "CT"),
        {"background": 0, "whole": (1, 2, 3), "core": (2, 3), "enhancing": (3,)},
        ".nii.gz",
        regions_class_order=(1, 2, 3),
        licence="CC BY 4.0",
        reference="https://example.org",
        release="2",
    )
    jobs = [job("a", "train", Volume(1)), job("b", "test", Volume(2))]
    target = write_dataset(plan_of(jobs, description), raw)
    expected = Volume(2)()
    for number in (0, 1):
        image = SimpleITK.ReadImage(str(target / f"imagesTs/b_{number:04d}.nii.gz"))
        assert np.array_equal(SimpleITK.GetArrayFromImage(image), expected.channels[number])
        assert image.GetSpacing() == pytest.approx(ROTATED.spacing_mm)
        assert image.GetOrigin() == pytest.approx(ROTATED.origin_mm)
        assert image.GetDirection() == pytest.approx(ROTATED.direction)
    label = SimpleITK.ReadImage(str(target / "labelsTs/b.nii.gz"))
    assert label.GetSpacing() == pytest.approx(ROTATED.spacing_mm)
    assert np.array_equal(SimpleITK.GetArrayFromImage(label), expected.mask)
    content = json_of(target / "dataset.json")
    assert content["labels"]["whole"] == [1, 2, 3]
    assert content["regions_class_order"] == [1, 2, 3]
    assert (content["licence"], content["reference"], content["release"]) == (
        "CC BY 4.0",
        "https://example.org",
        "2",
    )


def test_more_processes_write_the_same(raw: Path, tmp_path: Path) -> None:
    one = tree(write_dataset(plan_of(pictures(18)), raw))
    two = tree(write_dataset(plan_of(pictures(18)), tmp_path / "other", processes=2))
    assert one == two


def test_the_log_counts_what_was_left_out_by_group(raw: Path) -> None:
    plan = plan_of(pictures())
    plan.log.skipped += [
        Skipped("x.png", "image without mask", {"sex": "female"}),
        Skipped("y.png", "image without mask", {"sex": "unknown"}),
        Skipped("z.png", "image without mask", {"sex": "female"}),
    ]
    plan.log.renamed["ü"] = "u"
    target = write_dataset(plan, raw)
    content = json_of(target / "conversion_log.json")
    assert content["skipped_by_group"] == {
        "image without mask": {"sex": {"female": 2, "unknown": 1}}
    }
    assert content["groups"]["sex"]["train"] == {"female": 2, "male": 2}
    assert content["groups"]["sex"]["test"] == {"female": 0, "male": 0, "unknown": 2}
    assert content["cases"]["test"] == {"cases": 2, "patients": 2}
    text = (target / "conversion_log.txt").read_text(encoding="utf-8")
    assert "image without mask: 3" in text
    assert "by sex: female 2, unknown 1" in text
    assert "ü -> u" in text


def test_empty_masks_and_absent_labels_are_noted(raw: Path) -> None:
    description = replace(PICTURES, labels={"background": 0, "nodule": 1, "cyst": 2})
    jobs = [job("a", "train", Picture(0)), job("b", "train", Picture(1, value=0))]
    target = write_dataset(plan_of(jobs, description), raw)
    notes = " ".join(json_of(target / "conversion_log.json")["notes"])
    assert "label 'cyst' occurs in no training mask" in notes
    empty = "1 mask is empty (nothing but background): b. By sex: female 0 of 1, male 1 of 1."
    assert empty in notes


def test_an_interrupted_conversion_goes_on(raw: Path, tmp_path: Path) -> None:
    counter = tmp_path / "read"
    jobs = pictures(6, str(counter))
    broken = [*jobs[:3], job("c3", "train", Raises(OSError("disk gone"))), *jobs[4:]]
    with pytest.raises(ConversionError, match=r"1 case failed.*kept") as caught:
        write_dataset(plan_of(broken), raw)
    assert "case 'c3' (c3.dcm): the original cannot be read: disk gone" in str(caught.value)
    assert not (raw / "Dataset007_Tiny").exists()
    assert sorted(counter.read_text().split()) == ["0", "1", "2", "4", "5"]
    target = write_dataset(plan_of(jobs), raw)
    assert sorted(counter.read_text().split()) == ["0", "1", "2", "3", "4", "5"]
    fresh = write_dataset(plan_of(pictures(6)), tmp_path / "fresh")
    assert tree(target) == tree(fresh)


@pytest.mark.parametrize("damage", ["truncate", "delete", "record", "fingerprint", "part"])
def test_nothing_half_or_stale_is_taken_for_done(raw: Path, tmp_path: Path, damage: str) -> None:
    counter = tmp_path / "read"
    jobs = pictures(4, str(counter))
    failing = job("c9", "train", Raises(ConversionError("bad")))
    with pytest.raises(ConversionError):
        write_dataset(plan_of([*jobs, failing]), raw)
    work = raw / ".Dataset007_Tiny.partial"
    image = work / "dataset/imagesTr/c1_0000.png"
    if damage == "truncate":
        image.write_bytes(image.read_bytes()[:100])
    elif damage == "delete":
        (work / "dataset/labelsTr/c1.png").unlink()
    elif damage == "record":
        (work / "records/c1.json").write_text('{"key": ')
    elif damage == "fingerprint":
        jobs[1] = replace(jobs[1], fingerprint="another setting")
    else:
        jobs[1] = replace(jobs[1], part="test")
    (work / "dataset/imagesTr/.partial_1_c1_0000.png").write_bytes(b"half")
    (work / "dataset/imagesTr/c7_0000.png").write_bytes(b"of another plan")
    counter.write_text("")
    target = write_dataset(plan_of(jobs), raw)
    assert counter.read_text().split() == ["1"]
    fresh = [replace(j, load=Picture(i)) for i, j in enumerate(jobs)]
    assert tree(target) == tree(write_dataset(plan_of(fresh), tmp_path / "fresh"))


def test_two_conversions_of_one_dataset_do_not_mix(raw: Path) -> None:
    work = raw / ".Dataset007_Tiny.partial"
    work.mkdir(parents=True)
    with locked(work / LOCK), pytest.raises(InUseError, match=r"in use by process .* Wait until"):
        write_dataset(plan_of(pictures()), raw)
    assert not list(work.iterdir())
    write_dataset(plan_of(pictures()), raw)
    assert [path.name for path in raw.iterdir()] == ["Dataset007_Tiny"]


@pytest.mark.parametrize("name", ["imagesTr/c1_0000.png", "dataset.json", "demographics.csv"])
@pytest.mark.parametrize("absent", [False, True])
def test_what_another_run_changed_is_not_published(raw, monkeypatch, name, absent) -> None:
    """On a drive without locks, two conversions may write into one folder."""
    verify = writer._verify_complete

    def disturbed(plan, dataset, *args) -> None:
        if absent:
            (dataset / name).unlink()
        else:
            (dataset / name).write_bytes(b"of another run")
        verify(plan, dataset, *args)

    monkeypatch.setattr(writer, "_verify_complete", disturbed)
    with pytest.raises(ConversionError, match=rf"changed while .*: absent .* content {name}, unex"):
        write_dataset(plan_of(pictures()), raw)
    assert not (raw / "Dataset007_Tiny").exists()
    monkeypatch.undo()
    write_dataset(plan_of(pictures()), raw)
    assert [path.name for path in raw.iterdir()] == ["Dataset007_Tiny"]


def test_a_temporary_folder_that_could_not_be_removed_is_not_published(raw, monkeypatch) -> None:
    remove, failed = shutil.rmtree, []

    def fail_once(path, *args, **options):
        if Path(path).parent.name == "dataset" and not failed:
            failed.append(path)
            return
        remove(path, *args, **options)

    monkeypatch.setattr(shutil, "rmtree", fail_once)
    target = write_dataset(plan_of(pictures()), raw)
    assert failed, "the table was written beside its place"
    assert not [path for path in target.rglob("*") if path.name.startswith(".")]


def test_killed_after_publishing_nothing_is_left_by_the_next_command(raw: Path) -> None:
    write_dataset(plan_of(pictures()), raw)
    before = tree(raw)
    (raw / ".Dataset007_Tiny.partial" / "records").mkdir(parents=True)
    (raw / ".Dataset007_Tiny.partial" / LOCK).touch()
    (raw / ".Dataset007_Tiny.replaced").mkdir()
    with pytest.raises(ConversionError, match="already exists"):
        write_dataset(plan_of(pictures()), raw)
    assert tree(raw) == before
    (raw / "Dataset007_Tiny").rename(raw / ".Dataset007_Tiny.replaced")
    with pytest.raises(ConversionError, match="already exists"):  # put back
        write_dataset(plan_of(pictures()), raw)
    assert tree(raw) == before


def test_an_existing_dataset_is_refused_and_replaced_only_on_request(raw: Path) -> None:
    write_dataset(plan_of(pictures(6)), raw)
    before = tree(raw)
    with pytest.raises(ConversionError, match=r"Dataset007_Tiny already exists.*--overwrite"):
        write_dataset(plan_of(pictures(3)), raw)
    assert tree(raw) == before
    target = write_dataset(plan_of(pictures(3)), raw, overwrite=True)
    assert json_of(target / "dataset.json")["numTraining"] == 2
    assert not (target / "imagesTr/c4_0000.png").exists()
    assert [path.name for path in raw.iterdir()] == ["Dataset007_Tiny"]


def test_a_failed_overwrite_keeps_the_old_dataset(raw: Path) -> None:
    target = write_dataset(plan_of(pictures(6)), raw)
    before = tree(target)
    jobs = [*pictures(3), job("bad", "train", Raises(ConversionError("no")))]
    with pytest.raises(ConversionError):
        write_dataset(plan_of(jobs), raw, overwrite=True)
    assert tree(target) == before


def test_a_folder_that_is_only_locked_was_not_preprocessed(
    raw: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # a study holds the lock of the folder while it makes the dataset
    folder = raw.parent / "nnUNet_preprocessed" / "Dataset007_Tiny"
    folder.mkdir(parents=True)
    (folder / LOCK).touch()
    write_dataset(plan_of(pictures(3)), raw)
    assert "earlier version of this dataset" not in caplog.text
    (folder / "nnUNetPlans.json").touch()
    write_dataset(plan_of(pictures(3)), raw, overwrite=True)
    assert "earlier version of this dataset" in caplog.text


@pytest.mark.parametrize("variable", ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"])
def test_an_id_that_another_dataset_has_is_refused(raw: Path, variable: str) -> None:
    (raw.parent / variable / "Dataset007_Other").mkdir(parents=True)
    with pytest.raises(ConversionError, match=r"id 7 is taken by Dataset007_Other.*\(-d\)"):
        write_dataset(plan_of(pictures()), raw)
    assert not list(raw.glob(".Dataset*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset_id": 0}, r"id 0: expected a number from 1 to 999"),
        ({"dataset_id": 1000}, r"id 1000"),
        ({"name": "../Evil"}, r"name '\.\./Evil'.*\(-n\)"),
        ({"name": "two words"}, r"name 'two words'"),
        ({"file_ending": ".jpg"}, r"'\.jpg': expected one of \.png"),
        ({"labels": {"background": 0, "nodule": 255}}, r"values 0, 255.*without gaps"),
        ({"labels": {"background": 1, "nodule": 0}}, r"'background' must be 0"),
        ({"labels": {"background": 0}}, r"at least one besides"),
        ({"labels": {"background": 0, "a": (1, 2), "b": 2}}, r"regions_class_order"),
        ({"regions_class_order": (1,)}, r"plain labels must not"),
        ({"channel_names": ()}, r"no channels"),
    ],
)
def test_wrong_descriptions_are_refused(raw: Path, change: dict[str, object], message: str) -> None:
    plan = plan_of(pictures(), replace(PICTURES, **change))  # type: ignore[arg-type]
    with pytest.raises(ConversionError, match=message):
        write_dataset(plan, raw)
    assert not raw.exists()


@pytest.mark.parametrize("name", ["../evil", "a/b", "a b", "é", "..", ""])
def test_no_case_name_leads_out_of_the_dataset(raw: Path, name: str) -> None:
    with pytest.raises(ConversionError, match="expected letters, digits, dot"):
        write_dataset(plan_of([job(name, "train", Picture(0))]), raw)
    assert not raw.exists()


def test_all_problems_are_listed_at_once(raw: Path) -> None:
    jobs = [job("a", "test", Picture(0)), job("A", "test", Picture(1))]
    plan = plan_of(jobs, replace(PICTURES, dataset_id=0))
    plan.demographics.loc[0, "case"] = "zzz"
    problems = "\n".join(plan_problems(plan, raw))
    assert "dataset id 0" in problems
    assert "occur more than once: A" in problems
    assert "no training case" in problems
    assert "1 case has no demographics row: a" in problems
    assert "1 demographics row has no case: zzz" in problems


def test_bad_demographics_are_found_before_anything_is_written(raw: Path) -> None:
    plan = plan_of(pictures())
    plan.demographics.loc[1, "sex"] = "malee"
    with pytest.raises(ConversionError, match=r"case 'c1': 'malee' is not a level of 'sex'"):
        write_dataset(plan, raw)
    assert not raw.exists()


def test_a_patient_in_both_parts_is_refused(raw: Path) -> None:
    plan = plan_of(pictures())
    plan.demographics.loc[2, "patient"] = "P0"
    with pytest.raises(ConversionError, match=r"1 patient has cases in both.*: P0"):
        write_dataset(plan, raw)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (CaseData((image_of(0),), mask_of(0).T), r"shape \(20, 28\), the mask \(28, 20\)"),
        (CaseData((image_of(0),), mask_of(0, 3)), r"mask holds 3; the labels .* 0, 1"),
        (CaseData((image_of(0), image_of(1)), mask_of(0)), r"2 channels, the dataset has 1"),
        (CaseData((image_of(0) / 255,), mask_of(0)), r"float64, which \.png cannot hold"),
        (CaseData((image_of(0),), mask_of(0), ROTATED), r"\.png has no spacing"),
    ],
    ids=["shape", "labels", "channels", "type", "geometry"],
)
def test_wrong_pixels_are_refused_with_case_and_source(
    raw: Path, data: CaseData, message: str
) -> None:
    with pytest.raises(ConversionError, match=rf"case 'c' \(c\.dcm\): .*{message}"):
        write_dataset(plan_of([job("c", "train", Given(data))]), raw)
    assert not (raw / "Dataset007_Tiny").exists()


def test_nan_and_skewed_volumes_are_refused(raw: Path) -> None:
    description = DatasetDescription(
        8, "Vol", ("a", "b"), {"background": 0, "x": 1, "y": 2, "z": 3}, ".nii.gz"
    )
    good = Volume(0)()
    nan = good.channels[0].copy()
    nan[1, 2, 3] = np.nan
    skewed = ImageGeometry(ROTATED.spacing_mm, ROTATED.origin_mm, (1, 0.5, 0, 0, 1, 0, 0, 0, 1))
    jobs = [
        job("nan", "train", Given(CaseData((nan, good.channels[1]), good.mask, ROTATED))),
        job("skewed", "train", Volume(0, skewed)),
        job("flat", "train", Given(CaseData(good.channels, good.mask, None))),
    ]
    with pytest.raises(ConversionError, match="3 cases failed") as caught:
        write_dataset(plan_of(jobs, description), raw)
    message = str(caught.value)
    assert "case 'nan' (nan.dcm): channel 0 holds NaN" in message
    assert "case 'skewed' (skewed.dcm)" in message
    assert "direction" in message
    assert "case 'flat' (flat.dcm): .nii.gz needs spacing" in message


def test_colour_pictures_are_one_file_of_three_channels(raw: Path) -> None:
    description = replace(PICTURES, channel_names=("R", "G", "B"))
    colour = np.random.default_rng(0).integers(0, 256, (20, 28, 3), dtype=np.uint8)
    jobs = [job("c", "train", Given(CaseData((colour,), mask_of(0))))]
    target = write_dataset(plan_of(jobs, description), raw)
    assert np.array_equal(pixels_of(target / "imagesTr/c_0000.png"), colour)


def test_too_little_space_is_said_before_writing(raw: Path) -> None:
    jobs = [replace(j, n_bytes=2**60) for j in pictures()]
    with pytest.raises(ConversionError, match=r"GiB free; .* up to 6\.44e\+09 GiB.*\(-o, or"):
        write_dataset(plan_of(jobs), raw)
    assert not raw.exists()


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(
        ConversionError, match=r"file is a file; .* cannot be made there.*\(-o, or the env"
    ):
        write_dataset(plan_of(pictures()), tmp_path / "file" / "raw")


_WRITE = """
import sys
from pathlib import Path
from tests.dataset_conversion.writing.test_writer import pictures, plan_of, write_dataset
from nnunetv2_fair.errors import ConversionError, InUseError
from nnunetv2_fair.files.locks import LOCK, locked
try:
    write_dataset(plan_of(pictures()), Path(sys.argv[1]))
except ConversionError as error:
    sys.exit(f"refused: {error}")
"""


def _without_privileges() -> None:
    # root may write anywhere; without this capability it is bound by permissions like others
    if os.geteuid() == 0:
        drop_from_bounding_set, override_permissions = 24, 1
        ctypes.CDLL(None).prctl(drop_from_bounding_set, override_permissions)


def _small_files_only() -> None:
    # as on a full disk, the write itself fails
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))


def _run(raw: Path, before: Callable[[], None]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _WRITE, str(raw)],
        preexec_fn=before,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_a_read_only_folder_is_named_with_the_remedy(raw: Path) -> None:
    raw.mkdir()
    raw.chmod(0o555)
    result = _run(raw, _without_privileges)
    raw.chmod(0o755)
    assert result.returncode == 1
    assert f"{raw} is read-only for this user" in result.stderr
    assert "chmod u+w" in result.stderr
    assert not list(raw.iterdir())


def test_a_disk_that_fills_up_loses_nothing(raw: Path) -> None:
    result = _run(raw, _small_files_only)
    assert result.returncode == 1
    assert "refused: " in result.stderr
    assert "(case 'c0')" in result.stderr
    assert "imagesTr" in result.stderr
    assert "run the same command again" in result.stderr
    assert not (raw / "Dataset007_Tiny").exists()
    assert not list(raw.rglob(".partial_*.png"))
    assert write_dataset(plan_of(pictures()), raw).is_dir()
