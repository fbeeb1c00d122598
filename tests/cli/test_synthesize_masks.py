"""``nnUNetv2_fair_synthesize masks``: what is drawn, dropped, told and refused."""

import importlib.util
import shutil

import numpy as np
import pytest

from nnunetv2_fair.cli import synthesize
from nnunetv2_fair.cropping.images import read_mask
from nnunetv2_fair.synthesis.masks import point_model
from nnunetv2_fair.synthesis.masks.point_network import PointPlan
from nnunetv2_fair.synthesis.pack.pack import read_pack
from tests.synthesis.masks.eyes import SHAPE, write_eyes
from tests.synthesis.one_thread import one_thread  # noqa: F401 - used by all


@pytest.fixture
def eyes(nnunet_folders):
    return write_eyes(nnunet_folders["nnUNet_raw"])


def run(out, *more):
    return synthesize.main(["masks", "-d", "42", "-a", "race", "-o", str(out), *map(str, more)])


def cups(cases):
    """Return the share of the disc that is cup."""
    masks = [read_mask(case.label) for case in cases]
    return np.array([(mask == 2).sum() / (mask > 0).sum() for mask in masks])


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("model", ["pca", "shape"])
def test_masks_of_each_group(eyes, tmp_path, capsys, model):
    if model == "shape" and importlib.util.find_spec("diffusers") is None:
        pytest.skip("needs the extra synthesis")
    given = ("--model", model, "-n", 30, *(("--steps", 200) if model == "shape" else ()))
    assert run(tmp_path / "one", *given) == 0
    said = "".join(capsys.readouterr())
    assert "Learning from 60 masks." in said
    assert "1 training case of no known group took no part" in said
    pack = read_pack(tmp_path / "one", "race")
    assert {group: len(cases) for group, cases in pack.groups.items()} == {"White": 30, "Black": 30}
    for case in pack.cases:
        mask = read_mask(case.label)
        assert mask.shape == SHAPE
        assert set(np.unique(mask)) == {0, 1, 2}
    small, large = cups(pack.groups["White"]), cups(pack.groups["Black"])
    assert abs(small.mean() - 0.45**2) < 0.05
    assert abs(large.mean() - 0.7**2) < 0.05
    for group, dropped in pack.made["dropped"].items():
        assert f"{group}: 30 masks, {sum(dropped.values())} drawn and dropped" in said
    written = content(tmp_path / "one")
    assert not any(b"secret" in data or b"eye0" in data for data in written.values())
    assert run(tmp_path / "again", *given) == 0
    assert content(tmp_path / "again") == written
    if model == "pca":
        assert run(tmp_path / "other", *given, "--seed", 1) == 0
        assert content(tmp_path / "other") != written


def test_only_one_group_and_replacing_a_pack(eyes, tmp_path, capsys):
    out = tmp_path / "pack"
    assert run(out, "--model", "pca", "-n", 12) == 0
    assert run(out, "--model", "pca", "-n", 4, "--group", "Black") == 2
    assert "exists and is not empty" in capsys.readouterr().err
    assert len(read_pack(out).cases) == 24
    assert run(out, "--model", "pca", "-n", 4, "--group", "Black", "--overwrite") == 0
    assert {case.group for case in read_pack(out).cases} == {"Black"}
    assert len(list((out / "labels").iterdir())) == 4


def test_masks_without_outline_are_refused_or_left_out(eyes, tmp_path, capsys):
    for i in (3, 44):
        shutil.copy(eyes / "labelsTs" / "eye061.png", eyes / "labelsTr" / f"eye{i:03d}.png")
    assert run(tmp_path / "pack", "--model", "pca") == 1
    said = capsys.readouterr().err
    assert "2 training masks of Dataset042_Eyes cannot be learnt from" in said
    assert "eye044.png: label 1 has 0 pixels" in said
    assert not (tmp_path / "pack").exists()
    assert run(tmp_path / "pack", "--model", "pca", "-n", 3, "--unusable", "skip") == 0
    said = "".join(capsys.readouterr())
    assert "1 of 40 masks of White have no outline: left out" in said
    assert "Learning from 58 masks." in said


def test_small_groups(nnunet_folders, tmp_path, capsys):
    folder = write_eyes(nnunet_folders["nnUNet_raw"], white=20, black=2)
    assert run(tmp_path / "pack", "--model", "pca") == 1
    said = capsys.readouterr().err
    assert "Black has fewer than 3 training patients" in said
    assert "--group 'White'" in said
    assert run(tmp_path / "pack", "--model", "pca", "-n", 3, "--group", "White") == 0
    said = "".join(capsys.readouterr())
    assert "Black: too few patients, not learnt from" in said
    assert "Learning from 20 masks." in said
    shutil.rmtree(folder)
    write_eyes(nnunet_folders["nnUNet_raw"], white=20, black=4)
    assert run(tmp_path / "few", "--model", "pca", "-n", 2) == 0
    assert "Black has 4 training patients, fewer than 10" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("more", "said", "code"),
    [
        (("--group", "Blakc"), "'race' has no such group. Did you mean 'Black'?", 2),
        (("-n", 0), "-n is 0, expected at least 1.", 2),
        (("-a", "sex"), "sex", 1),
        (("--steps", 9), "--steps is for --model shape and points; --model pca is not trained.", 2),
        (("--training", "t"), "--training is for --model points; --model pca has none.", 2),
    ],
)
def test_what_is_refused(eyes, tmp_path, capsys, more, said, code):
    assert run(tmp_path / "pack", "--model", "pca", *more) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "pack").exists()


@pytest.mark.slow
def test_points_of_too_short_a_training_give_no_mask(eyes, tmp_path, capsys, monkeypatch):
    # the sizes of the paper take minutes here
    small = PointPlan(points=64, code=4, widths=(8,), encoder=(8,), couplings=2)
    monkeypatch.setattr(point_model, "PointPlan", lambda: small)
    given = ("--model", "points", "-device", "cpu", "--group", "Black", "-n", 1, "--steps", 2)
    place = tmp_path / "t"
    assert run(tmp_path / "pack", *given, "--training", place) == 1
    said = "".join(capsys.readouterr())
    assert "masks drawn of Black, 0 could be used" in said
    assert "no closed outline" in said
    assert not (tmp_path / "pack").exists()
    assert [path.name for path in (place / "1").iterdir()] == ["checkpoint.pth"]
    assert run(tmp_path / "pack", *given, "--training", place, "--seed", 1) == 1
    assert "on other cases, groups or settings" in capsys.readouterr().err


def test_masks_of_several_sizes_and_volumes(eyes, tmp_path, capsys):
    from PIL import Image

    path = eyes / "labelsTr" / "eye005.png"
    Image.fromarray(read_mask(path)[:40]).save(path)
    assert run(tmp_path / "pack", "--model", "pca") == 1
    said = capsys.readouterr().err
    assert "eye005.png is 40 x 48, eye000.png 48 x 48; expected masks of one size" in said
    assert run(eyes / "pack", "--model", "pca") == 2
    assert "is in the dataset Dataset042_Eyes" in capsys.readouterr().err
