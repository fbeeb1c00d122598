import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK

from nnunetv2_fair.cli.convert_MAMA_MIA import main
from nnunetv2_fair.cropping.boxes import read_boxes
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.factories.mama_mia import (
    COLUMNS,
    MiniDownload,
    Variant,
    make_download,
)
from tests.dataset_conversion.folders import environment, json_of

Convert = Callable[..., int]


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def download(tmp_path: Path) -> MiniDownload:
    return make_download(tmp_path / "MAMA-MIA")


def convert(download: MiniDownload, *more: str) -> int:
    return main(["-i", str(download.folder), "-d", "60", "-np", "1", *more])


def target_of(raw: Path) -> Path:
    return raw / "Dataset060_MAMA_MIA"


def array_of(path: Path) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))


def refused(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str], *more: str
) -> str:
    """Convert, expect one message and an untouched disk, and return the message."""
    assert convert(download, *more) == 1
    assert not raw.exists()
    return capsys.readouterr().err


@pytest.mark.parametrize("variant", ["official", "challenge"])
def test_both_releases_become_the_same_dataset(tmp_path: Path, raw: Path, variant: Variant) -> None:
    download = make_download(tmp_path / variant, variant=variant)
    assert len(COLUMNS) == 49
    assert convert(download) == 0
    target = target_of(raw)
    train = [name for i, name in enumerate(download.patients) if i % 4 != 3]
    test = [name for i, name in enumerate(download.patients) if i % 4 == 3]
    for part, names in (("Tr", train), ("Ts", test)):
        for name in names:
            for phase in range(3):
                written = target / f"images{part}" / f"{name}_{phase:04d}.nii.gz"
                assert written.read_bytes() == download.image(name, phase).read_bytes()
            labels = target / f"labels{part}" / f"{name}.nii.gz"
            assert labels.read_bytes() == download.expert(name).read_bytes()
            beside = target / f"automatic{part}" / f"{name}.nii.gz"
            assert beside.read_bytes() == download.automatic(name).read_bytes()
        assert len(list((target / f"images{part}").iterdir())) == 3 * len(names)
    content = json_of(target / "dataset.json")
    assert content["channel_names"] == {"0": "DCE_phase_0", "1": "DCE_phase_1", "2": "DCE_phase_2"}
    assert content["labels"] == {"background": 0, "tumour": 1}
    assert content["licence"].startswith("CC BY-NC 4.0")
    assert content["reference"] == "https://doi.org/10.7303/syn60868042"
    assert (target / "breast_boxes.json").exists() == (variant == "challenge")


def test_demographics_follow_the_challenge(download: MiniDownload, raw: Path) -> None:
    assert convert(download) == 0
    table = read_dataset_table(target_of(raw))
    frame = table.frame
    names = list(download.patients)
    assert list(frame.loc[names, "menopausal_status"]) == [
        "pre", "post", "pre", "post", "pre", "", "pre", "post",
    ]  # fmt: skip
    assert list(frame.loc[names, "breast_density"]) == ["a", "b", "c", "d", "", "a", "b", "c"]
    assert list(frame.loc[names[:3], "manufacturer"]) == [
        "SIEMENS",
        "GE MEDICAL SYSTEMS",
        "SIEMENS",
    ]
    assert list(frame.loc[names[:3], "scanner_model"]) == ["Avanto", "Signa HDxt", "Skyra"]
    assert list(frame.loc[names[:3], "field_strength"]) == ["1.5", "3", "1.5"]
    assert list(frame.loc[names[:3], "site"]) == ["Site AAI", "", "Site AAB"]
    assert list(frame.loc[names, "ethnicity"])[:6] == [
        "caucasian", "african american", "asian", "hispanic", "hawaian", "",
    ]  # fmt: skip
    assert list(frame["dataset"].unique()) == ["DUKE", "ISPY1", "ISPY2", "NACT"]
    ages = group_cases(table, "age").group_of
    # the official script: pandas.cut with right-closed bins
    bins, labels = [0, 40, 50, 60, 70, 100], ["0-40", "41-50", "51-60", "61-70", "71+"]
    years = pd.Series({name: patient.age for name, patient in download.patients.items()})
    assert dict(pd.cut(years, bins=bins, labels=labels)) == {name: ages[name] for name in names}
    assert years["ISPY2_125003"] == 40.5
    assert ages["ISPY2_125003"] == "41-50"


def test_json_fills_what_the_table_lacks(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = list(download.patients)[:3]
    for row in download.rows.values():
        del row["breast_density"]
    download.rows[first]["age"] = None
    download.rows[second]["age"] = 77.0
    download.write_table()
    content = json.loads(download.info(third).read_text())
    content["clinical_data"]["age"] = float("nan")  # json.dumps writes NaN, as pandas users do
    download.info(third).write_text(json.dumps(content))
    assert convert(download) == 0
    frame = read_dataset_table(target_of(raw)).frame
    assert frame.loc[first, "age"] == "34.5"
    assert frame.loc[second, "age"] == "77"
    assert frame.loc[third, "age"] == "40.5"
    assert frame.loc[first, "breast_density"] == "a"
    assert "json files disagree: age of 1 patients; the table's" in capsys.readouterr().out


def test_a_release_without_table_or_density(tmp_path: Path, raw: Path) -> None:
    download = make_download(tmp_path / "challenge")
    download.table.unlink()
    assert convert(download) == 0
    table = read_dataset_table(target_of(raw))
    assert "ethnicity" not in table.schema.attributes
    assert list(table.frame.loc["DUKE_001", ["age", "site", "field_strength"]]) == [
        "34.5", "Site AAI", "1.5",
    ]  # fmt: skip
    official = make_download(tmp_path / "official", variant="official")
    assert convert(official, "--overwrite") == 0
    table = read_dataset_table(target_of(raw))
    assert "breast_density" not in table.schema.attributes
    notes = json_of(target_of(raw) / "conversion_log.json")["notes"]
    assert "'breast_density' is not taken: this release says nothing of it" in notes


def test_one_phase(download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in download.patients:
        download.image(name, 0).unlink()  # only the phase that is asked for is there
    assert convert(download, "--phases", "1") == 0
    target = target_of(raw)
    written = target / "imagesTr/DUKE_001_0000.nii.gz"
    assert written.read_bytes() == download.image("DUKE_001", 1).read_bytes()
    assert json_of(target / "dataset.json")["channel_names"] == {"0": "DCE_phase_1"}
    assert "outlined" not in capsys.readouterr().out
    assert convert(download, "--phases", "2", "--overwrite") == 0
    assert "outlined on phase 1, which is not among the channels" in capsys.readouterr().out


def test_examinations_without_a_phase_are_left_out_and_counted(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(download, "--phases", "1,3") == 0
    short = [name for name, patient in download.patients.items() if patient.n_phases < 4]
    assert short == ["DUKE_001", "NACT_04", "ISPY2_125007"]
    content = json_of(target_of(raw) / "conversion_log.json")
    reason = "the examination has no phase 3"
    assert {(e["item"], e["reason"]) for e in content["skipped"]} == {(n, reason) for n in short}
    groups = content["skipped_by_group"][reason]
    assert groups["dataset"] == {"DUKE": 1, "ISPY2": 1, "NACT": 1}
    assert groups["age"] == {"0-40": 1, "41-50": 1, "51-60": 1}
    assert f"Left out, {reason}: 3" in capsys.readouterr().out


def test_pooled_zscore_is_over_all_phases(download: MiniDownload, raw: Path) -> None:
    assert convert(download, "--pooled-zscore", "--phases", "0,2") == 0
    target = target_of(raw)
    # nnU-Net must not normalise again
    assert json_of(target / "dataset.json")["channel_names"] == {"0": "noNorm", "1": "noNorm"}
    for name in ("ISPY1_1002", "ISPY2_125003"):  # 4 phases of 16 bits, 5 phases of floats
        phases = [
            array_of(download.image(name, p)).astype(np.float64)
            for p in range(download.patients[name].n_phases)
        ]
        pooled = np.concatenate([phase.ravel() for phase in phases])
        for channel, phase in ((0, 0), (1, 2)):
            path = target / "imagesTr" / f"{name}_{channel:04d}.nii.gz"
            expected = (phases[phase] - pooled.mean()) / pooled.std()
            assert np.allclose(array_of(path), expected, atol=1e-5)
            image = SimpleITK.ReadImage(str(path))
            original = SimpleITK.ReadImage(str(download.image(name, phase)))
            assert image.GetOrigin() == pytest.approx(original.GetOrigin())
            assert image.GetDirection() == pytest.approx(original.GetDirection())
        assert (target / "labelsTr" / f"{name}.nii.gz").read_bytes() == download.expert(
            name
        ).read_bytes()


@pytest.mark.parametrize("pooled", [False, True])
def test_isotropic_keeps_everything_in_its_place(
    download: MiniDownload, raw: Path, pooled: bool
) -> None:
    assert convert(download, "--isotropic", *(["--pooled-zscore"] if pooled else [])) == 0
    target = target_of(raw)
    boxes = read_boxes(target / "breast_boxes.json")
    for name in ("DUKE_001", "ISPY1_1002"):  # axial and sagittal
        image = SimpleITK.ReadImage(str(target / "imagesTr" / f"{name}_0001.nii.gz"))
        mask = SimpleITK.ReadImage(str(target / "labelsTr" / f"{name}.nii.gz"))
        assert image.GetSpacing() == (1.0, 1.0, 1.0)
        assert image.GetSize() == mask.GetSize()
        assert image.GetDirection() == pytest.approx((-1, 0, 0, 0, -1, 0, 0, 0, 1))
        # the tumour's centre of mass in the patient stays where it was
        before = SimpleITK.ReadImage(str(download.expert(name)))
        centres = []
        for one in (before, mask):
            shape = SimpleITK.LabelShapeStatisticsImageFilter()
            shape.Execute(SimpleITK.Cast(one, SimpleITK.sitkUInt8))
            centres.append(shape.GetCentroid(1))
        assert np.allclose(*centres, atol=0.5)
        labels = SimpleITK.GetArrayFromImage(mask)
        assert set(np.unique(labels)) == {0, 1}
        # contrast enters the tumour, not its surroundings: image and mask still match
        values = SimpleITK.GetArrayFromImage(image)
        assert values[labels == 1].mean() - values[labels == 0].mean() > (1 if pooled else 100)
        box, shape = boxes[name]
        assert shape == labels.shape
        assert box.outside(labels) == 0
        automatic = array_of(target / "automaticTr" / f"{name}.nii.gz")
        assert automatic.shape == labels.shape
        assert automatic.any()


def test_own_test_part(download: MiniDownload, raw: Path) -> None:
    (download.folder / "train_test_splits.csv").unlink()
    assert convert(download, "--test-ratio", "0.25", "--seed", "3") == 0
    assert len(list((target_of(raw) / "labelsTs").iterdir())) == 2


def test_two_processes_write_the_same(tmp_path: Path, raw: Path) -> None:
    download = make_download(tmp_path / "MAMA-MIA", n=17)
    assert convert(download, "--isotropic") == 0
    one = {p: p.read_bytes() for p in target_of(raw).rglob("*.nii.gz")}
    assert convert(download, "--isotropic", "--overwrite", "-np", "2") == 0
    assert one == {p: p.read_bytes() for p in target_of(raw).rglob("*.nii.gz")}


def test_dry_run_writes_nothing(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(download, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "imagesTr, labelsTr, automaticTr: 6 cases as .nii.gz" in out
    assert "breast_boxes.json" in out
    assert not raw.exists()
    broken = download.image("ISPY1_1002", 2)
    broken.write_bytes(broken.read_bytes()[:-30])
    assert "case 'ISPY1_1002'" in refused(download, raw, capsys, "--dry-run")


# Bad input: the message names file and patient, what was found and what mends it.


def test_wrong_folders(
    download: MiniDownload, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def message(folder: Path) -> str:
        assert main(["-i", str(folder), "-d", "60"]) == 1
        return capsys.readouterr().err

    assert "absent does not exist or is no folder (-i)" in message(tmp_path / "absent")
    out = message(download.folder / "segmentations")
    assert "it has no folder images, no folder segmentations/expert, no table clinical" in out
    assert "Found there: automatic/, expert/. Name the folder that holds" in out
    assert f"Did you mean its folder MAMA-MIA (-i {download.folder})?" in message(tmp_path)
    assert f"Name the folder above it (-i {download.folder})" in message(download.folder / "images")
    packed = tmp_path / "packed"
    packed.mkdir()
    (packed / "images.zip").touch()
    assert "Unpack images.zip first" in message(packed)
    assert not raw.exists()


def test_partial_downloads(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(download.image("DUKE_001", 0).parent)
    download.expert("ISPY1_1002").unlink()
    download.image("ISPY2_125003", 1).unlink()
    del download.rows["NACT_04"]
    download.info("NACT_04").unlink()
    download.write_table()
    names = list(download.patients)
    download.write_splits(names[5:], names[:4])
    out = refused(download, raw, capsys)
    for text in (
        "1 patients, no image: DUKE_001. Complete the download, or leave such patients out with "
        "--unpaired skip",
        "1 patients, no expert mask: ISPY1_1002",
        "1 patients, a phase that the table counts is not there: ISPY2_125003",
        "1 patients, no row in the table: NACT_04",
        "1 patients, in none of the official lists: DUKE_005",
    ):
        assert text in out
    assert convert(download, "--unpaired", "skip") == 0
    content = json_of(target_of(raw) / "conversion_log.json")
    assert content["counts"]["patients converted"] == 3
    assert content["skipped_by_group"]["no image"]["dataset"] == {"DUKE": 1}
    assert content["skipped_by_group"]["no row in the table"]["age"] == {"unknown": 1}


def test_pooled_zscore_needs_all_phases(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download.image("ISPY2_125003", 4).unlink()
    assert convert(download, "--dry-run") == 0
    out = refused(download, raw, capsys, "--pooled-zscore")
    assert "a phase that the table counts is not there: ISPY2_125003" in out


@pytest.mark.parametrize(
    ("phases", "message"),
    [("1,1", "--phases 1,1: expected different numbers"), ("one", "--phases one: expected numbers"),
     ("-1", "expected different numbers from 0 on")],
)  # fmt: skip
def test_phases_that_mean_nothing(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str], phases: str, message: str
) -> None:
    assert convert(download, f"--phases={phases}") == 2
    assert message in capsys.readouterr().err
    assert convert(download, "--test-ratio", "1") == 2


def test_grids_that_differ(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(path: Path, **header: tuple[float, ...]) -> None:
        image = SimpleITK.ReadImage(str(path))
        if "origin" in header:
            image.SetOrigin(header["origin"])
        if "spacing" in header:
            image.SetSpacing(header["spacing"])
        SimpleITK.WriteImage(image, str(path))

    change(download.expert("DUKE_001"), origin=(0, 0, 0))
    change(download.image("ISPY1_1002", 2), spacing=(1, 1, 1))
    mask = SimpleITK.ReadImage(str(download.automatic("NACT_04")))
    SimpleITK.WriteImage(mask[:-1], str(download.automatic("NACT_04")))
    SimpleITK.WriteImage(SimpleITK.JoinSeries([mask, mask]), str(download.expert("DUKE_005")))
    out = refused(download, raw, capsys)
    assert "DUKE_001: duke_001_0000.nii.gz and DUKE_001.nii.gz differ in position" in out
    assert "ispy1_1002_0000.nii.gz and ispy1_1002_0002.nii.gz differ in spacing" in out
    assert "nact_04_0000.nii.gz and nact_04.nii.gz differ in size: 9 x 20 x 29 voxels" in out
    assert "DUKE_005.nii.gz has 4 dimensions; expected 3" in out
    assert "download both again, or leave the patient out" in out


def test_a_grid_that_differs_by_rounding_becomes_the_images(
    download: MiniDownload, raw: Path
) -> None:
    files = [download.image("DUKE_001", 2), download.expert("DUKE_001")]
    arrays = []
    for path in files:
        image = SimpleITK.ReadImage(str(path))
        arrays.append(SimpleITK.GetArrayFromImage(image))
        image.SetSpacing([s * (1 + 1e-5) for s in image.GetSpacing()])
        SimpleITK.WriteImage(image, str(path))
    assert convert(download) == 0
    target = target_of(raw)
    first = SimpleITK.ReadImage(str(target / "imagesTr/DUKE_001_0000.nii.gz"))
    for path, array in zip(
        (target / "imagesTr/DUKE_001_0002.nii.gz", target / "labelsTr/DUKE_001.nii.gz"),
        arrays,
        strict=True,
    ):
        image = SimpleITK.ReadImage(str(path))
        assert image.GetSpacing() == first.GetSpacing()  # nnU-Net compares to the last bit
        assert image.GetOrigin() == first.GetOrigin()
        assert np.array_equal(SimpleITK.GetArrayFromImage(image), array)


def test_masks_that_are_none(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.expert("DUKE_001")
    image = SimpleITK.ReadImage(str(path))
    SimpleITK.WriteImage(image * 255, str(path))
    truncated = download.expert("ISPY1_1002")
    truncated.write_bytes(truncated.read_bytes()[:-15])
    out = refused(download, raw, capsys)
    assert "DUKE_001.nii.gz holds 255; expected 0 and 1 (tumour) only" in out
    assert "ISPY1_1002.nii.gz is damaged: its compressed data ends early" in out


def test_a_mask_on_another_grid_comes_with_its_folder(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.automatic("ISPY1_1002")
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(path))[:, :, :-1], str(path))
    out = refused(download, raw, capsys)
    assert "ISPY1_1002: ispy1_1002_0000.nii.gz and ispy1_1002.nii.gz differ in size" in out
    assert "(the second from the folder automatic); download both again" in out


def test_masks_all_empty(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in download.patients:
        image = SimpleITK.ReadImage(str(download.expert(name)))
        SimpleITK.WriteImage(image * 0, str(download.expert(name)))
    out = refused(download, raw, capsys)
    assert "all 8 expert masks hold nothing but 0: there is nothing to learn" in out


def test_truncated_images_are_not_taken_for_done(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.image("ISPY2_125003", 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert convert(download) == 1
    out = capsys.readouterr().err
    assert "case 'ISPY2_125003': " in out
    assert "ispy2_125003_0001.nii.gz is damaged" in out
    assert not target_of(raw).exists()
    path.write_bytes(whole)
    assert convert(download) == 0
    written = target_of(raw) / "imagesTr/ISPY2_125003_0001.nii.gz"
    assert written.read_bytes() == whole


def test_bad_cells(download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    download.rows["DUKE_001"]["age"] = "45Y"
    download.rows["ISPY1_1002"]["menopausal_status"] = "unsure"
    download.rows["ISPY2_125003"]["breast_density"] = "e"
    download.rows["NACT_04"]["field_strength"] = "high"
    download.rows["DUKE_005"]["age"] = 430
    download.write_table()
    out = refused(download, raw, capsys)
    assert (
        "clinical_and_imaging_info.xlsx, line 2, patient 'DUKE_001': age is '45Y', expected a "
        "number of years from 0 to 120; correct it, or empty it if it is unknown"
    ) in out
    assert "menopausal_status is 'unsure', expected a text with pre, peri or post" in out
    assert "breast_density is 'e', expected a, b, c or d" in out
    assert "field_strength is 'high', expected a number (tesla)" in out
    assert "age is '430'" in out


def test_texts_that_mean_unknown(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "Above categories  not applicable AND age < 50"
    download.rows["ISPY1_1002"]["menopausal_status"] = text
    download.write_table()
    remedy = "--unknown 'Above categories not applicable AND age < 50'"
    assert remedy in refused(download, raw, capsys)
    assert convert(download, "--unknown", text.upper()) == 0
    table = pd.read_csv(target_of(raw) / "demographics.csv", index_col="patient")
    # what says nothing leaves the word to the json file
    assert table.loc["ISPY1_1002", "menopausal_status"] == "post"


def test_rows_of_one_patient(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = dict(download.rows["DUKE_001"], patient_id="duke_001")
    other = dict(download.rows["NACT_04"], age=80, site="Site X")
    empty = dict(download.rows["NACT_04"], patient_id=None)
    download.rows |= {"again": same}
    download.write_table()
    assert convert(download, "--dry-run") == 0
    assert "1 rows stand twice and were taken once" in capsys.readouterr().out
    download.rows |= {"differs": other, "empty": empty}
    download.write_table()
    out = refused(download, raw, capsys)
    assert (
        "line 11, patient 'NACT_04': line 5 says otherwise of the same patient (age, site)" in out
    )
    assert "keep one of the two rows" in out
    assert "line 12: patient_id is empty" in out


def test_tables_that_are_none(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download.write_table(["age", "site"])
    out = refused(download, raw, capsys)
    assert (
        "clinical_and_imaging_info.xlsx has no column 'patient_id'. Columns found: age, site" in out
    )
    download.table.write_text("no zip archive")
    assert "is not readable as XLSX" in refused(download, raw, capsys)


def test_lists(download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = list(download.patients)
    download.write_splits(names[:5], names[4:])
    out = refused(download, raw, capsys)
    assert "train_test_splits.csv: 1 patients stand in both lists: DUKE_005" in out
    path = download.folder / "train_test_splits.csv"
    path.write_text("train,test\nDUKE_001,NACT_04\n")
    out = refused(download, raw, capsys)
    assert "has no column 'train_split'. Columns found: train, test" in out
    path.unlink()
    out = refused(download, raw, capsys)
    assert "has no train_test_splits.csv with the official parts" in out
    assert "--test-ratio 0.2" in out
    download.write_splits([n.lower() for n in names[:6]], [n.lower() for n in names[6:]])
    assert convert(download) == 0


def test_unreadable_tables_are_listed_with_what_is_missing(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download.table.write_bytes(download.table.read_bytes()[:500])
    (download.folder / "train_test_splits.csv").unlink()
    download.expert("ISPY1_1002").unlink()
    out = refused(download, raw, capsys)
    for text in (
        "clinical_and_imaging_info.xlsx is not readable as XLSX",
        "has no train_test_splits.csv with the official parts",
        "1 patients, no expert mask: ISPY1_1002",
    ):
        assert text in out
    assert "no row in the table" not in out  # nobody knows


def test_patients_of_the_lists_who_are_nowhere_else(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = list(download.patients)
    download.write_splits([*names[:6], "DUKE_900"], [*names[6:], "NACT_99"])
    assert "2 patients, no image: DUKE_900, NACT_99" in refused(download, raw, capsys)
    assert convert(download, "--unpaired", "skip") == 0
    log = json_of(target_of(raw) / "conversion_log.json")
    assert log["skipped_by_group"]["no image"]["age"] == {"unknown": 2}


def test_numbers_of_phases_that_a_csv_holds_as_decimals(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [name for name in COLUMNS if name != "menopause"]
    lines = [",".join(names)]
    for row in download.rows.values():
        cells = {**row, "num_phases": f"{row['num_phases']}.0", "site": ""}
        lines.append(",".join(f'"{cells[name] or ""}"' for name in names))
    download.table.with_suffix(".csv").write_text("\n".join(lines))
    download.table.unlink()
    download.image("DUKE_001", 2).unlink()  # the last of its three
    out = refused(download, raw, capsys)
    assert "1 patients, a phase that the table counts is not there: DUKE_001" in out


def test_boxes_without_numbers_are_none(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.info("ISPY1_1002")
    content = json.loads(path.read_text())
    content["primary_lesion"]["breast_coordinates"] = dict.fromkeys(
        content["primary_lesion"]["breast_coordinates"]
    )
    path.write_text(json.dumps(content))
    assert convert(download) == 0
    assert "1 patients have no breast box: ISPY1_1002" in capsys.readouterr().out
    assert "ISPY1_1002" not in read_boxes(target_of(raw) / "breast_boxes.json")


def test_files_of_two_cases(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.image("DUKE_001", 1)
    shutil.copy(path, path.with_name("DUKE_001_0001.nii.gz"))
    shutil.copy(path, path.with_name("DUKE_009_0001.nii.gz"))
    shutil.copytree(path.parent, path.parent.with_name("duke_001"))
    shutil.copy(download.expert("NACT_04"), download.expert("NACT_04").with_name("nact_04.nii.gz"))
    (path.parent / "._duke_001_0001.nii.gz").write_bytes(b"\0")  # macOS
    out = refused(download, raw, capsys)
    assert (
        "images/DUKE_001 holds both DUKE_001_0001.nii.gz and duke_001_0001.nii.gz; keep one" in out
    )
    assert "images/DUKE_001/DUKE_009_0001.nii.gz lies in the folder of another patient" in out
    assert "images holds both DUKE_001 and duke_001; keep one folder" in out
    assert "expert holds both NACT_04.nii.gz and nact_04.nii.gz; keep one" in out
    assert "._duke" not in out


def test_boxes_with_exchanged_axes_are_noticed(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = download.info("DUKE_001")
    content = json.loads(path.read_text())
    box = content["primary_lesion"]["breast_coordinates"]
    box["x_max"], box["z_max"] = box["z_max"], box["x_max"]
    box["x_min"], box["z_min"] = box["z_min"], box["x_min"]
    path.write_text(json.dumps(content))
    download.info("NACT_04").write_text("{")
    broken = json.loads(download.info("ISPY1_1002").read_text())
    del broken["primary_lesion"]["breast_coordinates"]["y_min"]
    download.info("ISPY1_1002").write_text(json.dumps(broken))
    out = refused(download, raw, capsys)
    assert "DUKE_001: its breast box ends at (26, 18, 8), the image has 9 x 20 x 26 voxels" in out
    assert "With x and z exchanged it would fit: x must count along the first axis" in out
    assert "patient_info_files/nact_04.json is no JSON object" in out
    assert "ispy1_1002.json: breast_coordinates: y_min is None, expected an index" in out


def test_boxes_that_cut_the_tumour_are_counted(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads(download.info("DUKE_001").read_text())
    content["primary_lesion"]["breast_coordinates"]["z_max"] = 16
    download.info("DUKE_001").write_text(json.dumps(content))
    download.info("NACT_04").unlink()
    download.automatic("DUKE_005").unlink()
    assert convert(download) == 0
    out = capsys.readouterr().out
    assert "leaves out part of the expert mask in 1 of 7 patients: DUKE_001" in out
    assert "1 patients have no breast box: NACT_04" in out
    assert "1 patients have no automatic mask: DUKE_005" in out
    assert set(read_boxes(target_of(raw) / "breast_boxes.json")) == set(download.patients) - {
        "NACT_04"
    }
    assert not (target_of(raw) / "automaticTr/DUKE_005.nii.gz").exists()


def test_an_existing_dataset_is_kept(
    download: MiniDownload, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(download) == 0
    before = (target_of(raw) / "demographics.csv").stat().st_mtime_ns
    assert convert(download, "--phases", "1") == 1
    assert "exists already" in capsys.readouterr().err
    assert convert(download, "-n", "Other") == 1
    assert "id 60 is taken by Dataset060_MAMA_MIA" in capsys.readouterr().err
    assert (target_of(raw) / "demographics.csv").stat().st_mtime_ns == before


def test_no_path_of_this_machine_gets_into_the_dataset(
    download: MiniDownload, raw: Path, tmp_path: Path
) -> None:
    assert convert(download) == 0
    for path in target_of(raw).iterdir():
        if path.is_file():
            assert str(tmp_path) not in path.read_text(encoding="utf-8"), path.name
