import csv
import ctypes
import gzip
import logging
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from nnunetv2_fair.cli.convert_UKBB_CMR import main
from nnunetv2_fair.dataset_conversion.ukbb_cmr.people import PeopleSettings
from nnunetv2_fair.dataset_conversion.ukbb_cmr.plan import plan_ukbb_cmr
from nnunetv2_fair.dataset_conversion.ukbb_cmr.settings import CmrSettings
from nnunetv2_fair.dataset_conversion.writing.writer import write_dataset
from nnunetv2_fair.errors import FairError
from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.factories.ukbb_cmr import (
    AFFINE,
    CODES,
    Person,
    build,
    cycle,
    heart,
    people,
    save,
    save_cycle,
    save_frames,
    write_table,
)
from tests.dataset_conversion.folders import environment, json_of

PEOPLE = people(12)
TARGET = "Dataset045_UKBB_CMR"


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve participants, White and Black in turn."""
    build(tmp_path / "data", PEOPLE)
    return tmp_path / "data"


def convert(root: Path, *more: str, images: str = "images", processes: str = "1") -> int:
    return main(
        ["-i", str(root / images), "-d", "45", "-np", processes, "--table",
         str(root / "table.csv"), "--participant-map", str(root / "map.csv"), *more]
    )  # fmt: skip


def patients(root: Path) -> dict[str, str]:
    """Return the patient of each participant, from the map."""
    with (root / "map.csv").open() as stream:
        return {row["participant"]: row["patient"] for row in csv.DictReader(stream)}


def cases(folder: Path) -> set[str]:
    return {path.name.removesuffix("_0000.nii.gz") for path in folder.glob("*.nii.gz")}


def leaks(folder: Path, identifiers: list[str]) -> Iterator[str]:
    """Yield every place below a folder that holds an identifier: names, bytes, unpacked bytes."""
    for path in sorted(folder.rglob("*")):
        content = b""
        if path.is_file():
            content = path.read_bytes()
            if path.suffix == ".gz":
                content += gzip.decompress(content)
        for identifier in identifiers:
            if identifier in path.name or identifier.encode() in content:
                yield f"{path}: {identifier}"


# what is written


def test_both_frames_of_everybody_become_cases(
    root: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(root) == 0
    target = raw / TARGET
    numbers = patients(root)
    table = read_dataset_table(target)
    assert len(table.cases) == 24
    for seed, person in enumerate(PEOPLE):
        for frame in ("ED", "ES"):
            case = f"{numbers[person.eid]}_{frame}"
            part = "Tr" if (target / f"labelsTr/{case}.nii.gz").exists() else "Ts"
            image = SimpleITK.ReadImage(str(target / f"images{part}/{case}_0000.nii.gz"))
            label = SimpleITK.ReadImage(str(target / f"labels{part}/{case}.nii.gz"))
            original = SimpleITK.ReadImage(str(root / "images" / person.eid / f"sa_{frame}.nii.gz"))
            expected, expected_label = heart(seed, frame == "ES")
            found = SimpleITK.GetArrayFromImage(image)
            assert found.dtype == expected.dtype
            assert np.array_equal(found, expected)
            assert np.array_equal(SimpleITK.GetArrayFromImage(label), expected_label)
            for kind in ("GetSpacing", "GetOrigin", "GetDirection"):
                for written in (image, label):
                    assert getattr(written, kind)() == pytest.approx(
                        getattr(original, kind)(), abs=1e-5
                    )
            row = table.frame.loc[case]
            assert row["patient"] == numbers[person.eid]
            assert row["ethnicity"] == ("White", "Black")[seed % 2]
            assert row["sex"] == ("female", "male")[seed % 2]
            assert row["age"] == person.cells["age"]
    content = json_of(target / "dataset.json")
    assert content["labels"] == {
        "background": 0, "LV_cavity": 1, "LV_myocardium": 2, "RV_cavity": 3,
    }  # fmt: skip
    assert content["channel_names"] == {"0": "cine_MRI"}
    train, test = cases(target / "imagesTr"), cases(target / "imagesTs")
    assert not {case[:6] for case in train} & {case[:6] for case in test}
    assert "ethnicity, train: White" in capsys.readouterr().out


def test_more_processes_and_a_known_map_give_the_same(root: Path, raw: Path) -> None:
    assert convert(root) == 0
    first = (root / "map.csv").read_bytes()
    assert convert(root, "-o", str(root / "other"), processes="2") == 0
    assert (root / "map.csv").read_bytes() == first
    other = root / "other" / TARGET
    for path in (raw / TARGET).rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (other / path.relative_to(raw / TARGET)).read_bytes()


def test_a_whole_cycle_gives_the_same_two_frames(root: Path, raw: Path) -> None:
    shutil.rmtree(root / "images")
    for seed, person in enumerate(PEOPLE):
        save_cycle(root / "images" / person.eid, person.eid, seed)
    assert convert(root, "--test-ratio", "0") == 0
    number = patients(root)[PEOPLE[3].eid]
    image, label = cycle(3)
    for frame, t in (("ED", 0), ("ES", 4)):
        written = SimpleITK.ReadImage(str(raw / TARGET / f"imagesTr/{number}_{frame}_0000.nii.gz"))
        assert written.GetDimension() == 3
        assert written.GetSpacing() == pytest.approx((1.8, 1.8, 10))
        assert written.GetOrigin() == pytest.approx((60.5, -42.25, 13))  # LPS
        assert np.array_equal(SimpleITK.GetArrayFromImage(written), image[t])
        mask = SimpleITK.ReadImage(str(raw / TARGET / f"labelsTr/{number}_{frame}.nii.gz"))
        assert np.array_equal(SimpleITK.GetArrayFromImage(mask), label[t])


def test_a_cycle_whose_label_lacks_the_duration_of_frames(root: Path, raw: Path) -> None:
    shutil.rmtree(root / "images")
    for seed, person in enumerate(PEOPLE):
        folder = root / "images" / person.eid
        save_cycle(folder, person.eid, seed)
        label = nibabel.load(folder / "label_sa.nii.gz")
        plain = nibabel.Nifti1Image(np.asanyarray(label.dataobj), AFFINE)
        plain.header["pixdim"][4] = 0
        nibabel.save(plain, folder / "label_sa.nii.gz")
    # rounding of a hundredth of a millimetre is none of a hundredth of a second
    moved = AFFINE.copy()
    moved[0, 3] += 0.01
    save(folder / "label_sa.nii.gz", cycle(seed)[1], person.eid, moved)
    assert convert(root, "--test-ratio", "0") == 0
    assert len(list((raw / TARGET / "imagesTr").iterdir())) == 24
    moved[0, 3] += 1
    save(folder / "label_sa.nii.gz", cycle(seed)[1], person.eid, moved)
    assert convert(root, "--test-ratio", "0", "--overwrite") == 1


@pytest.mark.parametrize("linked", [False, True])
def test_parts_by_folders(root: Path, raw: Path, linked: bool) -> None:
    for i, person in enumerate(PEOPLE):
        part = ("train", "train", "validation", "test")[i % 4]
        place = root / "all" / "sa" / part / person.eid
        place.parent.mkdir(parents=True, exist_ok=True)
        if linked:  # as ukbb_cardiac leaves them
            place.symlink_to(root / "images" / person.eid)
        else:
            shutil.copytree(root / "images" / person.eid, place)
    assert convert(root, images="all") == 0
    numbers = patients(root)
    test = {numbers[person.eid] for i, person in enumerate(PEOPLE) if i % 4 == 3}
    assert cases(raw / TARGET / "imagesTs") == {f"{n}_{f}" for n in test for f in ("ED", "ES")}


def test_a_folder_that_happens_to_be_called_test_says_nothing(root: Path, raw: Path) -> None:
    (root / "images").rename(root / "test")
    assert convert(root, images="test") == 0
    assert len(cases(raw / TARGET / "imagesTr")) == 18


def test_nothing_is_in_the_order_of_the_identifiers(root: Path, raw: Path) -> None:
    # files are written in the order of the jobs, so their times would show it, too
    settings = CmrSettings(root / "images", 45, table=root / "table.csv")
    for processes in (1, 2):
        plan = plan_ukbb_cmr(settings, processes=processes)
        names = [job.case for job in plan.dataset.jobs]
        assert names == sorted(names) == list(plan.dataset.demographics["case"])
        assert list(plan.patients.values()) != sorted(plan.patients.values())


def test_the_training_cohort(root: Path, raw: Path) -> None:
    persons = people(24, ("1001", "4001", "1001", "3001", "-3"))
    shutil.rmtree(root / "images")
    build(root, persons)
    (root / "images" / persons[1].eid / "label_sa_ES.nii.gz").unlink()
    assert convert(root, "--cohort", "black=3,white=6,seed=2") == 0
    target = raw / TARGET
    table = read_dataset_table(target).frame
    train = table.loc[sorted(cases(target / "imagesTr"))]
    assert train["ethnicity"].value_counts().to_dict() == {"White": 12, "Black": 6}
    incomplete = patients(root)[persons[1].eid]
    assert incomplete not in set(train["patient"])  # one frame is not enough for training
    assert f"{incomplete}_ED" in cases(target / "imagesTs")
    assert len(table) == 47
    log = json_of(target / "conversion_log.json")
    assert log["settings"]["cohort"] == {"Black": 3, "White": 6, "seed": 2}
    reason = "no manual label, only output of a network (seg_sa)"
    assert log["skipped"] == [{"item": f"{incomplete}_ES", "reason": reason}]
    assert convert(root, "--cohort", "black=5", "--overwrite") == 1  # 5, but one lacks a frame
    black = [person.eid for i, person in enumerate(persons) if i % 5 == 1]
    first = {e for e in black if f"{patients(root)[e]}_ED" in cases(target / "imagesTr")}
    (root / "map.csv").unlink()  # other numbers, the same people
    assert convert(root, "--cohort", "white=6,black=3,seed=2", "--overwrite") == 0
    again = {e for e in black if f"{patients(root)[e]}_ED" in cases(target / "imagesTr")}
    assert first == again


def test_lists(root: Path, raw: Path) -> None:
    ids = [person.eid for person in PEOPLE]
    (root / "good.csv").write_text("eid\n" + "\n".join(ids[:8]) + "\n")
    (root / "withdrawn.csv").write_text("\n".join(ids[6:]) + "\n")
    (root / "test.csv").write_text("eid\n" + "\n".join(ids[:2]) + "\n")
    lists = [("--only", "good.csv"), ("--exclude", "withdrawn.csv"), ("--test-list", "test.csv")]
    assert convert(root, *(part for flag, name in lists for part in (flag, str(root / name)))) == 0
    numbers = patients(root)
    assert set(numbers) == set(ids[:6])
    assert {case[:6] for case in cases(raw / TARGET / "imagesTs")} == {numbers[i] for i in ids[:2]}


def test_other_values_are_mapped(root: Path, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = np.array([0, 3, 2, 1], np.int16)  # as in ACDC: 1 RV, 2 myocardium, 3 LV
    for seed, person in enumerate(PEOPLE):
        for frame in ("ED", "ES"):
            label = order[heart(seed, frame == "ES")[1]]
            save(root / "images" / person.eid / f"label_sa_{frame}.nii.gz", label, person.eid)
    assert convert(root, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "WARNING: in 24 of 24 labels 2 encloses 3" in out
    assert "--label-map 1=3 2=2 3=1" in out
    assert convert(root, "--label-map", "1=3", "2=2", "3=1", "--test-ratio", "0") == 0
    assert "WARNING" not in capsys.readouterr().out
    case = f"{patients(root)[PEOPLE[2].eid]}_ES"
    mask = SimpleITK.ReadImage(str(raw / TARGET / f"labelsTr/{case}.nii.gz"))
    assert np.array_equal(SimpleITK.GetArrayFromImage(mask), heart(2, True)[1])


def test_the_layout_and_the_labels_of_lee(root: Path, raw: Path) -> None:
    task = root / "raw_data_base" / "Task500_Hearts"
    rows = []
    for seed, person in enumerate(PEOPLE):
        suffix = "Ts" if seed > 9 else "Tr"
        for frame in ("ED", "ES"):
            image, label = heart(seed, frame == "ES")
            save(task / f"images{suffix}/{person.eid}_sa_{frame}_0000.nii.gz", image, person.eid)
            save(task / f"labels{suffix}/{person.eid}_sa_{frame}.nii.gz", label, person.eid)
            rows.append(f"{person.eid}_sa_{frame},{1 + seed % 2}")
    (task / "labels.csv").write_text("\n".join(rows) + "\n")
    arguments = ["-i", str(task), "-d", "45", "-np", "1", "--participant-map",
                 str(root / "map.csv"), "--labels-csv", str(task / "labels.csv")]  # fmt: skip
    assert main(arguments) == 1
    assert main([*arguments, "--values", "ethnicity", "1=White", "2=Black"]) == 0
    table = read_dataset_table(raw / TARGET)
    assert list(table.schema.attributes) == ["ethnicity"]
    number = patients(root)[PEOPLE[1].eid]
    assert table.frame.loc[f"{number}_ES", "ethnicity"] == "Black"
    assert len(cases(raw / TARGET / "imagesTs")) == 4


def test_an_external_set_with_end_diastole_only(root: Path, raw: Path) -> None:
    persons = [Person(f"STH_{i:03d}", {}) for i in range(6)]
    for seed, person in enumerate(persons):
        save_frames(root / "clinic" / person.eid, person.eid, seed, ("ED",))
        image, label = heart(seed, True)
        label[label == 2] = 0  # the myocardium is not drawn at end systole
        save(root / "clinic" / person.eid / "sa_ES.nii.gz", image, person.eid)
        save(root / "clinic" / person.eid / "label_sa_ES.nii.gz", label, person.eid)
    rows = "".join(f"STH_{i:03d},{('White', 'Black')[i % 2]},{40 + i}\n" for i in range(6))
    (root / "table.csv").write_text(f"patient,ethnicity,age\n{rows}")
    assert convert(root, "--test-ratio", "0", "--frames", "ED", images="clinic") == 0
    assert len(cases(raw / TARGET / "imagesTr")) == 6
    assert not list(leaks(raw, [person.eid for person in persons]))
    assert convert(root, "--test-ratio", "0", "--overwrite", images="clinic") == 0
    log = json_of(raw / TARGET / "conversion_log.json")
    assert log["skipped_by_group"] == {
        "labels 1, 2 and 3 are not all drawn": {
            "ethnicity": {"Black": 3, "White": 3}, "age": {"<50": 6},
        }
    }  # fmt: skip
    assert len(cases(raw / TARGET / "imagesTr")) == 6


def test_participants_without_row_or_labels_are_counted_by_group(
    root: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(root / "table.csv", PEOPLE[1:])
    for frame in ("ED", "ES"):
        (root / "images" / PEOPLE[1].eid / f"label_sa_{frame}.nii.gz").unlink()
        (root / "images" / PEOPLE[2].eid / f"label_sa_{frame}.nii.gz").unlink()
        (root / "images" / PEOPLE[2].eid / f"seg_sa_{frame}.nii.gz").unlink()
    for path in (root / "images" / PEOPLE[3].eid).glob("*sa_E*"):
        path.unlink()
    assert convert(root) == 1
    error = capsys.readouterr().err
    assert "1 participants have no row in table.csv: entry 1 of images" in error
    assert "--unpaired skip" in error
    assert "LC_ALL=C ls FOLDER" in error
    assert convert(root, "--unpaired", "skip") == 0
    log = json_of(raw / TARGET / "conversion_log.json")
    found = {reason: groups["ethnicity"] for reason, groups in log["skipped_by_group"].items()}
    assert found == {
        "participant without row in the table": {"unknown": 2},
        "no manual label, only output of a network (seg_sa)": {"Black": 2},
        "no manual label": {"White": 2},
    }
    assert log["counts"] == {
        "participants found": 11,
        "folders without short-axis images": 1,
        "participants converted": 8,
        "frames converted": 16,
    }


def test_dry_run_writes_nothing_not_even_the_map(
    root: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(root, "--dry-run") == 0
    assert not raw.exists()
    assert not (root / "map.csv").exists()
    assert "imagesTr, labelsTr: 18 cases as .nii.gz" in capsys.readouterr().out
    path = root / "images" / PEOPLE[0].eid / "sa_ED.nii.gz"
    path.write_bytes(path.read_bytes()[:-900])
    save(root / "images" / PEOPLE[1].eid / "sa_ED.nii.gz", np.zeros((5, 36, 44), np.int16), "x")
    (raw / "Dataset045_Other").mkdir(parents=True)
    assert convert(root, "--dry-run", "--participant-map", str(raw / "map.csv")) == 1
    error = capsys.readouterr().err
    for part in ("id 45 is taken", "(--participant-map) is inside", "sa_ED.nii.gz is black",
                 "entry 1 of images): sa_ED.nii.gz is"):  # fmt: skip
        assert part in error
    assert not (root / "map.csv").exists()


def test_an_interrupted_conversion_goes_on_with_the_same_numbers(root: Path, raw: Path) -> None:
    path = root / "images" / PEOPLE[5].eid / "sa_ES.nii.gz"
    good = path.read_bytes()
    path.write_bytes(good[:2000])
    assert convert(root) == 1
    numbers = patients(root)
    assert not (raw / TARGET).exists()
    assert len(list((raw / f".{TARGET}.partial" / "records").iterdir())) == 23
    assert not list(leaks(raw, [person.eid for person in PEOPLE]))
    path.write_bytes(good)
    assert convert(root) == 0
    assert patients(root) == numbers


def test_a_lost_map_gives_nobody_the_images_of_others(root: Path, raw: Path) -> None:
    """Plain NIfTI files of one grid have one size; copies can have one time."""
    shutil.rmtree(root / "images")
    for seed, person in enumerate(PEOPLE):
        folder = root / "images" / person.eid
        save_frames(folder, person.eid, seed)
        for path in sorted(folder.iterdir()):
            plain = path.with_suffix("")
            plain.write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
            os.utime(plain, (10**9, 10**9))
    path = root / "images" / PEOPLE[5].eid / "sa_ES.nii"
    good = path.read_bytes()
    path.write_bytes(good[:-100])
    assert convert(root) == 1
    path.write_bytes(good)
    os.utime(path, (10**9, 10**9))
    (root / "map.csv").unlink()
    assert convert(root) == 0
    for seed, person in enumerate(PEOPLE):
        for frame in ("ED", "ES"):
            name = f"{patients(root)[person.eid]}_{frame}_0000.nii.gz"
            (written,) = (raw / TARGET).glob(f"images*/{name}")
            pixels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(written)))
            assert np.array_equal(pixels, heart(seed, frame == "ES")[0])


def test_nothing_is_written_if_the_target_is_taken(root: Path, raw: Path) -> None:
    (raw / "Dataset045_Other").mkdir(parents=True)
    assert convert(root) == 1
    assert not (root / "map.csv").exists()


# what is refused


def damage_geometry(folder: Path, eid: str) -> None:
    moved = AFFINE.copy()
    moved[0, 3] += 5
    save(folder / "label_sa_ED.nii.gz", heart(0)[1], eid, moved)


def damage_size(folder: Path, eid: str) -> None:
    save(folder / "label_sa_ED.nii.gz", heart(0)[1][:, :-1], eid)


def damage_dimension(folder: Path, eid: str) -> None:
    save(folder / "sa_ED.nii.gz", cycle(0)[0], eid)
    save(folder / "label_sa_ED.nii.gz", cycle(0)[1], eid)


def damage_label_values(folder: Path, eid: str) -> None:
    label = heart(0)[1]
    save(folder / "label_sa_ED.nii.gz", np.where(label == 3, 4, label).astype(np.int16), eid)


def damage_label_halves(folder: Path, eid: str) -> None:
    save(folder / "label_sa_ED.nii.gz", heart(0)[1] * np.float32(0.5), eid)


def damage_text(folder: Path, eid: str) -> None:
    (folder / "label_sa_ED.nii.gz").write_text(f"<html>{eid} not found</html>")


def damage_truncated(folder: Path, eid: str) -> None:
    path = folder / "label_sa_ED.nii.gz"
    path.write_bytes(path.read_bytes()[:-60])


def damage_link(folder: Path, eid: str) -> None:
    (folder / "sa_ED.nii.gz").unlink()
    (folder / "sa_ED.nii.gz").symlink_to(folder.parent / f"gone_{eid}")


def damage_twice(folder: Path, eid: str) -> None:
    save(folder / "sa_ED.nii", heart(0)[0], eid)


def damage_same_person(folder: Path, eid: str) -> None:
    shutil.copytree(folder, folder.parent / "more" / eid)


def damage_age(folder: Path, eid: str) -> None:
    table = folder.parent.parent / "table.csv"
    table.write_text(table.read_text().replace(f"{eid},1001,0,45", f"{eid},1001,0,450"))


DAMAGES = [
    (damage_geometry, "entry 1 of images: sa_ED.nii.gz and label_sa_ED.nii.gz differ in position"),
    (damage_size, "sa_ED.nii.gz and label_sa_ED.nii.gz differ in size"),
    (damage_dimension, "sa_ED.nii.gz has 4 dimensions; expected 3"),
    (damage_label_values, "labels hold 4 (in 1 labels); expected only values 0, 1, 2 and 3. Say "
                          "what all values mean, such as --label-map 1=1 2=2 4=3"),
    (damage_label_halves, "holds values that are no label numbers, such as 0.5"),
    (damage_text, "entry 1 of images: label_sa_ED.nii.gz"),
    (damage_truncated, "label_sa_ED.nii.gz is damaged"),
    (damage_link, "entry 1 of images: sa_ED.nii.gz leads nowhere"),
    (damage_twice, "entry 1 of images: sa_ED is there as .nii and .nii.gz; remove one"),
    (damage_same_person, "are the same participant; keep one"),
    (damage_age, "table.csv, line 2: '450' is outside the plausible range of 'age'"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), DAMAGES, ids=lambda value: str(value)[:30])
def test_damage_is_named_and_nobody_else_is(
    root: Path, raw: Path, capfd: pytest.CaptureFixture[str], damage, message: str
) -> None:
    damage(root / "images" / PEOPLE[0].eid, PEOPLE[0].eid)
    assert convert(root) == 1
    out, error = capfd.readouterr()
    assert message in error
    for person in PEOPLE:
        assert person.eid not in out + error
    assert not raw.exists()
    assert not (root / "map.csv").exists()


def test_all_problems_come_at_once(
    root: Path, raw: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damage_truncated(root / "images" / PEOPLE[0].eid, PEOPLE[0].eid)
    damage_link(root / "images" / PEOPLE[1].eid, PEOPLE[1].eid)
    write_table(root / "table.csv", PEOPLE[:-1])
    (raw / "Dataset045_Other").mkdir(parents=True)
    assert convert(root) == 1
    error = capfd.readouterr().err
    for part in ("is damaged", "leads nowhere", "1 participants have no row", "id 45 is taken"):
        assert part in error


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda root: shutil.rmtree(root / "images"), "does not exist or is no folder (-i)"),
        (
            lambda root: [shutil.rmtree(p) for p in (root / "images").iterdir()],
            "no short-axis images found. Looked for folders of participants",
        ),
        (
            lambda root: [
                (shutil.rmtree(p), (root / "images" / f"{p.name}_20209_2_0.zip").write_bytes(b"x"))
                for p in (root / "images").iterdir()
            ],
            "Found 12 zip files: these are raw downloads",
        ),
        (
            lambda root: [p.unlink() for p in (root / "images").rglob("label_sa_*")],
            "no frame of 12 participants can be used. no manual label, only output of a network "
            "(seg_sa): 24 frames",
        ),
        (
            lambda root: write_table(root / "table.csv", [Person("8000000", PEOPLE[0].cells)]),
            "has a row for none of the 12 participants. Identifiers of UK Biobank differ between",
        ),
        (
            lambda root: [save(p, np.zeros((5, 36, 44), np.int16), "x")
                          for p in (root / "images").rglob("label_sa_*")],
            "labels 1, 2 and 3 are not all drawn: 24 frames",
        ),
    ],
)  # fmt: skip
def test_wrong_folders_and_partial_downloads(
    root: Path, raw: Path, capfd: pytest.CaptureFixture[str], prepare, message: str
) -> None:
    prepare(root)
    assert convert(root) == 1
    out, error = capfd.readouterr()
    assert message in error
    assert not any(person.eid in out + error for person in PEOPLE)
    assert not raw.exists()


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--cohort", "black=7"], 1, "7 Black wanted, 6 available"),
        (["--cohort", "blue=7"], 2, "some of white, mixed, asian, black, chinese, other"),
        (["--label-map", "1=9"], 2, "--label-map: 9 is no label"),
        (["--test-ratio", "1"], 2, "--test-ratio 1"),
        (["--columns", "race=x"], 2, "--columns race: expected some of participant, ethnicity"),
        (["--values", "ethnicity", "1=white"], 2, "level white: expected some of White, Mixed"),
        (["--bins", "sex=1"], 2, "--bins sex: expected some of age"),
        (["--instance", "0"], 0, ""),
    ],
)
def test_flags(
    root: Path, raw: Path, capsys: pytest.CaptureFixture[str], flags, code: int, message: str
) -> None:
    assert convert(root, *flags) == code
    assert message in capsys.readouterr().err


# privacy


def test_no_identifier_is_in_any_output(
    root: Path, raw: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    identifiers = [person.eid for person in PEOPLE]
    assert list(leaks(root / "images" / identifiers[0], identifiers))  # the search finds some
    caplog.set_level(logging.DEBUG)
    (root / "images" / PEOPLE[1].eid / "label_sa_ES.nii.gz").unlink()
    write_table(root / "table.csv", PEOPLE[:-1])
    flags = ("--unpaired", "skip", "--cohort", "black=2,white=3")
    assert convert(root, "--dry-run", *flags) == 0
    assert convert(root, *flags, processes="2") == 0
    assert not list(leaks(raw, identifiers))
    out, error = capfd.readouterr()
    assert "writing" in error  # the progress bar was there
    for identifier in identifiers:
        assert identifier not in out + error + caplog.text


def test_errors_carry_no_identifier_in_their_chain(root: Path, raw: Path) -> None:
    identifiers = [person.eid for person in PEOPLE]
    settings = CmrSettings(root / "images", 45, table=root / "table.csv", people=PeopleSettings())
    plan = plan_ukbb_cmr(settings)
    for text in (repr(plan), repr(plan.dataset.jobs[0].load), repr(plan.dataset.jobs[0])):
        assert not any(identifier in text for identifier in identifiers)
    for path in (root / "images").rglob("sa_ED.nii.gz"):
        path.write_bytes(path.read_bytes()[:1500])
    for path in (root / "images").rglob("sa_ES.nii.gz"):
        path.unlink()
    with pytest.raises(FairError) as caught:
        write_dataset(plan.dataset, raw)
    damage_text(root / "images" / PEOPLE[0].eid, PEOPLE[0].eid)
    with pytest.raises(FairError) as caught_too:
        plan_ukbb_cmr(settings)
    for error in (caught.value, caught_too.value):
        chain: BaseException | None = error
        while chain is not None:
            text = f"{chain!r} {chain} {getattr(chain, 'filename', '')}"
            assert not any(identifier in text for identifier in identifiers)
            chain = chain.__cause__ or chain.__context__


def _bound_by_permissions() -> None:
    if os.geteuid() == 0:
        drop_from_bounding_set = 24
        for capability in (1, 2):  # to override permissions, to read and search anything
            ctypes.CDLL(None).prctl(drop_from_bounding_set, capability)


def test_warnings_of_itk_do_not_name_files(
    root: Path, raw: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = root / "images" / PEOPLE[0].eid
    for name in ("sa_ED.nii.gz", "label_sa_ED.nii.gz"):
        content = bytearray(gzip.decompress((folder / name).read_bytes()))
        content[80:84] = struct.pack("<f", 2.5)  # pixdim says another spacing than the affine
        (folder / name).write_bytes(gzip.compress(content))
    SimpleITK.ReadImage(str(folder / name))
    assert PEOPLE[0].eid in capfd.readouterr().err  # what would happen
    assert convert(root) == 0
    out, error = capfd.readouterr()
    assert "WARNING" not in error
    assert not any(person.eid in out + error for person in PEOPLE)


def test_damaged_files_named_after_participants_are_not_named(
    root: Path, raw: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    task = root / "Task500_Hearts"
    for seed, person in enumerate(PEOPLE):
        image, label = heart(seed)
        save(task / f"imagesTr/{person.eid}_sa_ED_0000.nii.gz", image, person.eid)
        save(task / f"labelsTr/{person.eid}_sa_ED.nii.gz", label, person.eid)
    bad = task / f"labelsTr/{PEOPLE[2].eid}_sa_ED.nii.gz"
    bad.write_bytes(bad.read_bytes()[:300])
    bad = task / f"imagesTr/{PEOPLE[4].eid}_sa_ED_0000.nii.gz"
    bad.write_bytes(bad.read_bytes()[:-300])
    flags = ("--frames", "ED", "--test-ratio", "0")
    assert convert(root, *flags, images=task.name) == 1
    error = capfd.readouterr().err
    assert "entry 3 of imagesTr: <participant>_sa_ED.nii.gz is damaged" in error
    save(task / f"labelsTr/{PEOPLE[2].eid}_sa_ED.nii.gz", heart(2)[1], PEOPLE[2].eid)
    assert convert(root, *flags, images=task.name) == 1
    error += capfd.readouterr().err
    assert "(entry 5 of imagesTr): <participant>_sa_ED_0000.nii.gz is damaged" in error
    assert not any(person.eid in error for person in PEOPLE)


def test_folders_of_a_clinic_are_not_named_after_its_patients(
    root: Path, raw: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Names of other sites have no seven digits by which they could be known."""
    names = ("smith_john", "STT0012")
    for name in names:
        (root / "other" / name).mkdir(parents=True)
        (root / "other" / name / "cine.nii.gz").touch()
        save_frames(root / "deeper" / "wave" / name / "sa", name, 1)
    (root / "other" / "sa").mkdir()
    assert convert(root, images="other") == 1
    out, wrong = capfd.readouterr()
    assert "Found there: sa, 2 files or folders of other names." in wrong
    assert convert(root, images="deeper") == 1
    more, deeper = capfd.readouterr()
    assert (
        "entry 1 of entry 1 of entry 1 of deeper and entry 1 of entry 2 of entry 1 of deeper"
        in deeper
    )
    assert not any(name in out + wrong + more + deeper for name in names)


def test_unreadable_folders_are_not_named(root: Path, raw: Path) -> None:
    folder = root / "images" / PEOPLE[0].eid
    for mode, place in ((0o000, folder), (0o600, root / "images")):
        place.chmod(mode)
        done = subprocess.run(
            [sys.executable, "-m", "nnunetv2_fair.cli.convert_UKBB_CMR", "-i",
             str(root / "images"), "-d", "45", "--table", str(root / "table.csv"),
             "--participant-map", str(root / "map.csv"), "-np", "1"],
            preexec_fn=_bound_by_permissions, capture_output=True, text=True, check=False,
            cwd=Path(__file__).parents[2], env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        place.chmod(0o755)
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        message = "entry 1 of images cannot be read" if mode == 0 else "no short-axis images found"
        assert message in done.stderr
        assert not any(person.eid in done.stdout + done.stderr for person in PEOPLE)


def test_a_hash_of_the_source_does_not_depend_on_who_it_is(root: Path, raw: Path) -> None:
    settings = CmrSettings(root / "images", 45, table=root / "table.csv", test_ratio=0)
    before = {job.fingerprint for job in plan_ukbb_cmr(settings).dataset.jobs}
    renamed = [Person(str(8_000_000 + i), p.cells) for i, p in enumerate(PEOPLE)]
    for old, new in zip(PEOPLE, renamed, strict=True):
        (root / "images" / old.eid).rename(root / "images" / new.eid)
    write_table(root / "table.csv", renamed)
    assert {job.fingerprint for job in plan_ukbb_cmr(settings).dataset.jobs} == before


def test_codes_of_everybody(root: Path, raw: Path) -> None:
    persons = people(10, CODES)
    shutil.rmtree(root / "images")
    build(root, persons)
    assert convert(root, "--test-ratio", "0", "--frames", "ED") == 0
    frame = read_dataset_table(raw / TARGET).frame
    numbers = patients(root)
    assert [frame.loc[f"{numbers[p.eid]}_ED", "ethnicity"] for p in persons] == [
        "White", "White", "Mixed", "Asian", "Black", "Black", "Chinese", "Other", "", "",
    ]  # fmt: skip
