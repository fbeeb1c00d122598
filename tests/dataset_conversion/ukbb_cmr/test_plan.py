import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from nnunetv2_fair.cli.convert_UKBB_CMR import main
from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.factories.ukbb_cmr import (
    CODES,
    Person,
    build,
    heart,
    people,
    save,
    write_table,
)
from tests.dataset_conversion.folders import json_of
from tests.dataset_conversion.ukbb_cmr.running import (
    PEOPLE,
    TARGET,
    cases,
    convert,
    damage_link,
    damage_truncated,
    leaks,
    patients,
)


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
    assert "1 participant has no row in table.csv: entry 1 of images" in error
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


def test_all_problems_come_at_once(
    root: Path, raw: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    damage_truncated(root / "images" / PEOPLE[0].eid, PEOPLE[0].eid)
    damage_link(root / "images" / PEOPLE[1].eid, PEOPLE[1].eid)
    write_table(root / "table.csv", PEOPLE[:-1])
    (raw / "Dataset045_Other").mkdir(parents=True)
    assert convert(root) == 1
    error = capfd.readouterr().err
    for part in ("is damaged", "is a broken link", "1 participant has no row", "id 45 is taken"):
        assert part in error


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda root: shutil.rmtree(root / "images"), "does not exist or is not a folder (-i)"),
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
