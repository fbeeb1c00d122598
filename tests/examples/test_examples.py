"""Every example runs as it is written, and says what it promises."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).parents[2]
EXAMPLES = PROJECT / "examples"
SCRIPTS = {
    "evaluate_from_python": ("[shown] Segmentation of nodule is worse for female", "report.html"),
    "compare_from_python": ("the gap in mean Dice of nodule", "is smaller", "comparison.html"),
    "own_metric": ("[shown] Segmentation is worse for female than for male: median missed",),
    "arrays_in_memory": ("worse for female than for male: mean Dice", "NSD", "mm"),
    "scores_from_monai": ("[shown] Segmentation is worse for female than for male: median Dice",),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs(name, tmp_path, monkeypatch, capsys):
    if "monai" in name:
        pytest.importorskip("monai", reason="the example is about MONAI, which is not installed")
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", str(tmp_path)])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    said = capsys.readouterr().out
    for text in SCRIPTS[name]:
        assert text in said


def test_every_example_is_tested_listed_and_short():
    read_me = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.rglob("*.py"):
        assert f"`{path.relative_to(EXAMPLES).as_posix()}" in read_me
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 60, f"{path} is long"
    helpers = {"phantom_predictions", "arrange_jsrt"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} - helpers == set(SCRIPTS)


def test_radiographs_are_arranged(tmp_path, monkeypatch, capsys):
    from PIL import Image

    download, out = tmp_path / "download", tmp_path / "jsrt"
    parts = ("left lung", "right lung", "heart", "left clavicle", "right clavicle")
    for name in ("JPCLN001", "JPCNN003", "JPCLN005"):
        image = download / "All247images" / f"{name}.IMG"
        image.parent.mkdir(parents=True, exist_ok=True)
        raw = np.full((512, 512), 4095, dtype=">u2")
        raw[:256] = 0
        raw.tofile(image)
        for number, part in enumerate(parts):
            if (name, part) == ("JPCLN005", "heart"):
                continue
            mask = np.zeros((128, 128), dtype=np.uint8)
            mask[20 * number : 20 * number + 10] = 255
            folder = download / "scratch/fold1/masks" / part
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(folder / f"{name}.gif")
    (download / "CLNDAT_EN.txt").write_text(
        "JPCLN001.IMG\t5\t15\t53\tMale\t1634\t692\tmalignant\tright\tcancer\n"
        "JPCLN005.IMG\t5\t15\t60\tMale\t1634\t692\tmalignant\tright\tcancer\n"
    )
    (download / "CNNDAT_EN.TXT").write_text("JPCNN003.IMG\t?\tFemale\tnon-nodule\n")
    monkeypatch.setattr(sys, "argv", ["arrange_jsrt.py", str(download), str(out)])
    runpy.run_path(str(EXAMPLES / "arrange_jsrt.py"), run_name="__main__")
    assert "2 images" in capsys.readouterr().out
    table = (out / "metadata.csv").read_text(encoding="utf-8").split()
    assert table == ["image,sex,age", "JPCLN001.png,male,53", "JPCNN003.png,female,?"]
    image, labels = (np.asarray(Image.open(out / f / "JPCLN001.png")) for f in ("images", "masks"))
    assert image.shape == labels.shape == (256, 256)
    assert (image[0, 0], image[-1, 0]) == (255, 0)
    assert [labels[row, 0] for row in (10, 50, 90, 130, 170, 250)] == [1, 1, 2, 3, 3, 0]


def test_own_trainer_draws_by_the_root_of_the_size(tiny_nnunet, monkeypatch):
    from tests.trainers.seeding import make_seeded_trainer

    monkeypatch.setenv("nnUNet_extTrainer", str(EXAMPLES / "trainers"))
    trainer = make_seeded_trainer("nnUNetTrainerRootSampling")
    train, _ = trainer.get_tr_and_val_datasets()
    cases = list(train.identifiers)
    counts = trainer.grouping.counts(cases)
    shares = trainer.drawing_shares(cases)
    assert shares.sum() == pytest.approx(1)
    female, male = counts["female"], counts["male"]
    assert shares[0] / shares[1] == pytest.approx(np.sqrt(female / male))
    drawn = np.concatenate([trainer.build_sampler(cases)() for _ in range(200)])
    of_women = [case for case in drawn if trainer.grouping.group_of[case] == "female"]
    assert len(of_women) / len(drawn) == pytest.approx(shares[0], abs=0.02)


@pytest.mark.slow
def test_nnunet_trains_and_predicts_with_the_own_trainer(tiny_nnunet, tmp_path):
    name = "nnUNetTrainerRootSampling_1epoch"
    environment = {**os.environ, "nnUNet_extTrainer": str(EXAMPLES / "trainers")}
    environment["nnUNet_n_proc_DA"] = "1"
    images = tiny_nnunet["raw"] / "imagesTs"
    for code, *options in (
        ("run.run_training import run_training_entry", "901", "2d_trial", "0", "-tr", name),
        (
            "inference.predict_from_raw_data import predict_entry_point", "-d", "901", "-i", images,
            "-o", tmp_path / "out", "-c", "2d_trial", "-f", "0", "-tr", name,
            "-npp", "1", "-nps", "1",
        ),
    ):  # fmt: skip
        module, _, function = code.partition(" import ")
        done = subprocess.run(
            [sys.executable, "-c", f"from nnunetv2.{module} import {function} as main; main()",
             *map(str, options), "-device", "cpu"],
            env=environment, capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert len(list((tmp_path / "out").glob("*.png"))) == len(list(images.glob("*.png")))
