import gzip
import logging
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from nnunetv2_fair.dataset_conversion.ukbb_cmr.people import PeopleSettings
from nnunetv2_fair.dataset_conversion.ukbb_cmr.plan import plan_ukbb_cmr
from nnunetv2_fair.dataset_conversion.ukbb_cmr.settings import CmrSettings
from nnunetv2_fair.dataset_conversion.writing.writer import write_dataset
from nnunetv2_fair.errors import FairError
from tests.dataset_conversion.factories.ukbb_cmr import (
    Person,
    heart,
    save,
    save_frames,
    write_table,
)
from tests.dataset_conversion.ukbb_cmr.running import (
    DAMAGES,
    PEOPLE,
    TARGET,
    _bound_by_permissions,
    convert,
    damage_text,
    leaks,
    patients,
)


def test_nothing_is_in_the_order_of_the_identifiers(root: Path, raw: Path) -> None:
    # files are written in the order of the jobs, so their times would show it, too
    settings = CmrSettings(root / "images", 45, table=root / "table.csv")
    for processes in (1, 2):
        plan = plan_ukbb_cmr(settings, processes=processes)
        names = [job.case for job in plan.dataset.jobs]
        assert names == sorted(names) == list(plan.dataset.demographics["case"])
        assert list(plan.patients.values()) != sorted(plan.patients.values())


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


@pytest.mark.parametrize(
    ("damage", "message"), DAMAGES, ids=lambda value: getattr(value, "__name__", str(value))[:30]
)
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
            cwd=Path(__file__).parents[3], env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
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
