"""``nnUNetv2_fair_synthesize images`` and ``quality``: written, dropped, continued and refused."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from nnunetv2_fair.cli import synthesize
from nnunetv2_fair.cropping.images import read_channel, read_mask
from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.synthesis.images.material import read_material
from nnunetv2_fair.synthesis.images.writing import kept_images, write_pack
from nnunetv2_fair.synthesis.learning import resumable
from nnunetv2_fair.synthesis.pack.pack import case_name, read_pack, write_about
from tests.synthesis.images.tiny_diffusion import write_tiny_diffusion
from tests.synthesis.masks.eyes import SHAPE, eye, write_eyes
from tests.synthesis.one_thread import one_thread  # noqa: F401 - used by all

pytest.importorskip("diffusers")


@pytest.fixture
def eyes(nnunet_folders):
    return write_eyes(nnunet_folders["nnUNet_raw"], white=14, black=10)


def masks(folder, n=3, groups=("White", "Black")):
    """Write a pack of masks."""
    (folder / "labels").mkdir(parents=True)
    rng = np.random.default_rng(5)
    of = {
        case_name(i): group for i, group in enumerate(group for group in groups for _ in range(n))
    }
    for case, group in of.items():
        mask = eye(rng, 0.7 if group == "Black" else 0.45)
        Image.fromarray(mask).save(folder / "labels" / f"{case}.png")
    write_about(folder, "race", of, {"model": "by hand"})
    return folder


def images(pack, out, *more):
    given = ["images", "-d", "42", "--pack", pack, "-o", out, "-device", "cpu", "--steps", 6,
             "--batch", 2, "--sampling-steps", 3, *more]  # fmt: skip
    return synthesize.main(list(map(str, given)))


def quality(pack, *more):
    return synthesize.main(["quality", "-d", "42", "--pack", str(pack), *map(str, more)])


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


def test_images_of_each_mask_and_their_quality(eyes, tmp_path, nnunet_folders, capsys):
    pack, out = masks(tmp_path / "masks", n=5), tmp_path / "pack"
    assert images(pack, out) == 0
    said = "".join(capsys.readouterr())
    assert "Learning from 24 images" in said
    assert "1 training case of no known group took no part" in said
    assert "White: 5 cases, 0 drawn and dropped as nearer to one patient than patients are" in said
    found = read_pack(out, "race", images=True)
    assert len(found.cases) == 10
    assert found.made["masks"] == {"model": "by hand"}
    for case in found.cases:
        assert case.label.read_bytes() == (pack / "labels" / case.label.name).read_bytes()
        pixels = read_channel(case.images[0])
        assert pixels.shape == SHAPE
        assert pixels.dtype == np.uint8
        assert pixels.max() <= 200
    written = content(out)
    assert not any(b"secret" in data or b"eye0" in data for data in written.values())
    place = nnunet_folders["nnUNet_results"] / "Dataset042_Eyes" / "SynthesisImages_race"
    assert sorted(path.name for path in place.iterdir()) == [
        "checkpoint.pth",
        "samples_000006.png",
    ]
    with Image.open(place / "samples_000006.png") as sheet:
        assert sheet.size == (8 * 48, 4 * 48)
    before = (place / "checkpoint.pth").stat().st_mtime_ns
    # a finished training is used again; only other settings of it are refused
    assert images(pack, tmp_path / "again") == 0
    assert content(tmp_path / "again") == written
    assert (place / "checkpoint.pth").stat().st_mtime_ns == before
    assert images(pack, tmp_path / "other", "--rate", 0.002) == 1
    assert "on other cases, groups or settings" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()

    assert quality(out, "--sheet") == 2
    assert "--sheet needs a folder to write to: -o" in capsys.readouterr().err
    assert quality(out, "-o", tmp_path / "q", "--draws", 3, "--sheet") == 0
    said = "".join(capsys.readouterr())
    assert "White: 5 synthetic images, 14 real ones; compared: 5 with 5" in said
    assert "Black: sets of 5 images, fewer than 10, say little" in said
    read = json.loads((tmp_path / "q" / "quality.json").read_text())["groups"]["Black"]
    # noise of an untrained model is far from all real images
    assert read["measured"]["frechet_distance"] > 2 * read["floor"]["frechet_distance"]
    assert read["measured"]["nearest_training_image"] > 2 * read["floor"]["nearest_training_image"]
    assert read["measured"]["share_too_near"] == 0
    rows = (tmp_path / "q" / "quality.csv").read_text().splitlines()
    assert rows[0] == "group,n,measure,synthetic,floor"
    assert len(rows) == 1 + 2 * 10
    with Image.open(tmp_path / "q" / "sheet.png") as sheet:
        assert sheet.size == (1240, 1754)
        page = np.asarray(sheet.convert("L"))
        assert not sheet.text
    key = list(csv.DictReader((tmp_path / "q" / "sheet_key.csv").open()))
    assert [row["number"] for row in key] == [str(i) for i in range(1, 21)]
    for row in key:
        made = row["kind"] == "synthetic"
        folder = out / "images" if made else eyes / "imagesTr"
        pixels = read_channel(folder / f"{row['case']}_0000.png") / 200
        # the picture is where the number says: 3 in a row, 175 pixels each
        across, down = (int(row["number"]) - 1) % 3, (int(row["number"]) - 1) // 3
        top, left = 60 + down * 204 + 24, 60 + across * 381
        shown = Image.fromarray(page[top : top + 175, left : left + 175])
        shown = np.asarray(shown.resize(SHAPE, Image.Resampling.BOX))
        assert np.corrcoef(shown.ravel(), pixels.ravel())[0, 1] > 0.9
    assert sorted((row["kind"], row["group"]) for row in key) == sorted(
        (kind, group)
        for kind in ("real", "synthetic")
        for group in ("White", "Black")
        for _ in range(5)
    )


def test_images_by_a_local_stable_diffusion(eyes, tmp_path, capsys):
    pack, out = masks(tmp_path / "masks"), tmp_path / "pack"
    folder = write_tiny_diffusion(tmp_path / "sd")
    assert images(pack, out, "--prompt", tmp_path / "p") == 2
    assert "--prompt is for --from, which was not given" in capsys.readouterr().err
    assert images(pack, out, "--from", folder, "--guidance", 2) == 2
    assert "with --from, groups are not told to the network" in capsys.readouterr().err
    assert images(pack, out, "--from", tmp_path / "masks") == 2
    assert "masks has no unet/config.json" in capsys.readouterr().err
    assert not out.exists()
    assert images(pack, out, "--from", folder) == 0
    found = read_pack(out, "race", images=True)
    assert len(found.cases) == 6
    assert read_channel(found.cases[0].images[0]).shape == SHAPE
    assert found.made["training"]["rate"] == 1e-5
    assert len(found.made["weights"]) == 64


def test_real_images_as_a_pack_reach_the_floor_and_are_all_too_near(eyes, tmp_path, capsys):
    pack = masks(tmp_path / "copies", n=10, groups=("Black",))
    (pack / "images").mkdir()
    for i in range(10):  # Black begins after 14 of White
        name = pack / "images" / f"{case_name(i)}_0000.png"
        shutil.copy(eyes / "imagesTr" / f"eye{14 + i:03d}_0000.png", name)
    assert quality(pack, "-o", tmp_path / "q") == 0
    read = json.loads((tmp_path / "q" / "quality.json").read_text())["groups"]["Black"]
    measured, floor = read["measured"], read["floor"]
    assert measured["share_too_near"] == 1
    assert measured["nearest_training_image"] == 0
    assert measured["frechet_distance"] < 1.2 * floor["frechet_distance"]


def test_a_training_killed_midway_continues_to_the_same_pack(eyes, tmp_path, monkeypatch):
    pack = masks(tmp_path / "masks")
    monkeypatch.setattr(resumable, "EPOCH", 6)
    assert images(pack, tmp_path / "whole", "--steps", 12, "--training", tmp_path / "t1") == 0
    place = tmp_path / "t2"
    code = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from nnunetv2_fair.synthesis.learning import resumable; resumable.EPOCH = 6\n"
        "from nnunetv2_fair.cli.synthesize import main; main(sys.argv[1:])"
    )
    given = ["images", "-d", "42", "--pack", pack, "-o", tmp_path / "out", "-device", "cpu",
             "--steps", 12, "--batch", 2, "--sampling-steps", 3, "--training", place]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, given)])
    deadline = time.monotonic() + 120
    while not (place / "checkpoint.pth").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    path, cpu = place / "checkpoint.pth", torch.device("cpu")
    assert 0 < resumable.read_checkpoint(path, cpu, "an image model")["step"] < 12
    assert images(pack, tmp_path / "out", "--steps", 12, "--training", place) == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_copies_of_patients_are_dropped_counted_and_drawn_again(eyes, tmp_path):
    material = read_material(eyes, None, (), masks(tmp_path / "masks"))
    drawn = np.random.default_rng(0).uniform(-1, 1, (3, 6, 1, 48, 48)).astype(np.float32)
    copy = read_channel(eyes / "imagesTr" / "eye002_0000.png") / 100 - 1
    drawn[0, [1, 3]] = copy + 0.05 * drawn[0, [1, 3]]
    drawn[1:, 3] = copy
    asked = []

    def draw(places, turn):
        asked.append((list(places), turn))
        return drawn[turn, places]

    kept = kept_images(material, draw)
    assert asked == [([0, 1, 2, 3, 4, 5], 0), ([1, 3], 1), ([3], 2)]
    assert kept.which == [0, 1, 2, 4, 5]
    assert np.array_equal(kept.images[1], drawn[1, 1])
    assert kept.dropped == {"White": 1, "Black": 3}
    (tmp_path / "new").mkdir()
    write_pack(tmp_path / "new", material, kept, {"seed": 0})
    found = read_pack(tmp_path / "new", images=True)
    assert {group: len(cases) for group, cases in found.groups.items()} == {"White": 3, "Black": 2}
    assert len(list((found.folder / "labels").iterdir())) == 5
    reason = "nearer to one patient than patients are"
    assert found.made["dropped"] == {"White": {reason: 1}, "Black": {reason: 3}}
    drawn[:, :3] = copy
    with pytest.raises(DatasetError, match=f"All 9 images made of White are {reason} to each"):
        kept_images(material, draw)


def test_what_is_refused_before_a_training(eyes, tmp_path, capsys, nnunet_folders):
    pack = masks(tmp_path / "masks")
    out = tmp_path / "pack"
    for more, said, code in (
        (("--group", "Asian"), "--group Asian: ", 2),
        (("-a", "sex"), "expected case and sex", 1),
        (("--sampling-steps", 0), "--sampling-steps 0: expected 1 to 1000", 2),
        (("--guidance", -1), "--guidance -1.0: expected 0 to 100", 2),
        (("--steps", 0), "Expected at least one step", 2),
    ):
        assert images(pack, out, *more) == code
        assert said in capsys.readouterr().err
    assert images(pack, pack / "more") == 2
    assert "is in the pack" in capsys.readouterr().err
    assert quality(pack) == 1
    assert "has no image images/" in capsys.readouterr().err
    small = masks(tmp_path / "small", n=1)
    label = small / "labels" / f"{case_name(0)}.png"
    Image.fromarray(read_mask(label)[:40]).save(label)
    assert images(small, out) == 1
    assert "synthetic_00000.png is 40 x 48, the images are 48 x 48" in capsys.readouterr().err
    Image.fromarray(np.full(SHAPE, 7, np.uint8)).save(label)
    assert images(small, out) == 1
    assert "holds 7, which dataset.json does not list" in capsys.readouterr().err
    picture = eyes / "imagesTr" / "eye005_0000.png"
    Image.fromarray(read_channel(picture)[:40]).save(picture)
    assert images(pack, out) == 1
    assert "case 'eye005' is 40 x 48; eye000_0000.png 48 x 48" in capsys.readouterr().err
    strangers = masks(tmp_path / "strangers", groups=("Green",))
    assert images(strangers, out) == 1
    assert "has masks of 'Green'; the groups of 'race'" in capsys.readouterr().err
    described = json.loads((eyes / "dataset.json").read_text()) | {"file_ending": ".nii.gz"}
    for path in [*eyes.glob("images*/*.png"), *eyes.glob("labels*/*.png")]:
        path.rename(path.with_name(path.name.replace(".png", ".nii.gz")))
    (eyes / "dataset.json").write_text(json.dumps(described))
    assert images(pack, out) == 1
    assert "images are made for pictures only" in capsys.readouterr().err
    assert not out.exists()
    assert list(nnunet_folders["nnUNet_results"].iterdir()) == []


def test_groups_of_few_patients(nnunet_folders, tmp_path, capsys):
    write_eyes(nnunet_folders["nnUNet_raw"], white=12, black=2)
    pack = masks(tmp_path / "masks")
    assert images(pack, tmp_path / "pack") == 1
    said = capsys.readouterr().err
    assert "Black has fewer than 3 training patients" in said
    assert "--group 'White'" in said
    assert images(pack, tmp_path / "pack", "--group", "White") == 0
    said = "".join(capsys.readouterr())
    assert "Black: too few patients, not learnt from" in said
    assert "Learning from 12 images" in said
    shutil.rmtree(nnunet_folders["nnUNet_raw"] / "Dataset042_Eyes")
    write_eyes(nnunet_folders["nnUNet_raw"], white=12, black=4)
    assert images(pack, tmp_path / "few", "--training", tmp_path / "t") == 0
    said = "".join(capsys.readouterr())
    assert "Black has 4 training patients, fewer than 10: drawn images" in said
    assert quality(tmp_path / "few") == 1
    assert "No group of" in capsys.readouterr().err
