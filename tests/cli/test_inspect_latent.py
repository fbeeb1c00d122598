"""``nnUNetv2_fair_inspect_latent`` on untrained networks; and its section in a comparison."""

import json
import shutil

import pytest

from nnunetv2_fair.cli import compare, evaluate, inspect_latent
from tests.report.html_check import check_page
from tests.trained_models import write_model
from tests.trainers.test_trainers import registered  # noqa: F401

NAMES = ("nnUNetTrainer", "nnUNetTrainer_5epochs")


def inspect(folders, out, *more, trainers=NAMES):
    return inspect_latent.main(
        [
            "-d", "901", "-c", "2d_trial", "-f", "0", "-tr", *trainers, "-o", str(out),
            "-device", "cpu", "--bootstrap", "100", "-i", str(folders["raw"] / "imagesTr"),
            "--min-patients", "3", *more,
        ]
    )  # fmt: skip


def test_numbers_pictures_and_the_section_of_a_comparison(tiny_nnunet, tmp_path, capsys):
    for name in NAMES:
        write_model(tiny_nnunet, name)
    out = tmp_path / "latent"
    assert inspect(tiny_nnunet, out, "-a", "sex", "sex+age", "--min-patients", "2") == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "latent.json", "manifest.json", "tsne_1_sex.png", "tsne_2_sex+age.png",
    ]  # fmt: skip
    text = (out / "latent.json").read_text()
    found = json.loads(text)
    assert found["models"] == list(NAMES)
    sex = found["attributes"][0]
    # 12 patients of two cases each; two of them have no known sex
    assert sex["group_patients"] == {"female": 4, "male": 6}
    assert (sex["n_cases"], sex["n_unknown"]) == (20, 4)
    assert 0 <= sex["per_model"][NAMES[1]]["probe"] <= 1
    assert found["settings"]["configuration"] == "2d_trial"
    assert "case_0" not in text
    assert "secretpatient" not in text
    printed = capsys.readouterr().out
    assert "Latent space by sex: 10 patients, 20 cases; guessing gives 0.500" in printed
    assert "The points of the pictures are single cases" in printed
    assert "case_0" not in printed

    # into the report
    labels = tiny_nnunet["raw"] / "labelsTr"
    for model in ("one", "two"):
        shutil.copytree(labels, tmp_path / model)
        assert evaluate.main(
            [
                "-gt", str(labels), "-pred", str(tmp_path / model), "-a", "sex", "-np", "1",
                "-o", str(tmp_path / f"evaluation_{model}"), "--bootstrap", "20",
                "--min-patients", "2",
            ]
        ) == 0  # fmt: skip
    evaluations = [str(tmp_path / f"evaluation_{model}") for model in ("one", "two")]
    arguments = [*evaluations, "--bootstrap", "20", "-o", str(tmp_path / "comparison")]
    assert compare.main([*arguments, "--latent", str(out)]) == 0
    page = check_page((tmp_path / "comparison" / "comparison.html").read_text(encoding="utf-8"))
    assert "Latent space" in page.text
    assert f"{sex['per_model'][NAMES[0]]['probe']:.3f}" in page.text
    assert "Each point is one case. Share this page only with people" in page.text
    assert compare.main([*arguments, "--overwrite", "--latent", evaluations[0]]) == 1
    assert "not an output folder of nnUNetv2_fair_inspect_latent" in capsys.readouterr().err


def test_by_default_the_test_images_and_the_default_attribute(tiny_nnunet, tmp_path, capsys):
    write_model(tiny_nnunet, NAMES[0])
    arguments = ["-d", "901", "-c", "2d_trial", "-tr", NAMES[0], "-device", "cpu",
                 "-o", str(tmp_path / "latent")]  # fmt: skip
    assert inspect_latent.main(arguments) == 1
    # the tiny dataset has three test patients: the message counts them
    message = capsys.readouterr().err
    assert "fewer than two groups of 'sex' have 5 patients or more among the 6 cases" in message
    assert not (tmp_path / "latent").exists()


def test_missing_models_are_listed_with_their_commands(tiny_nnunet, tmp_path, capsys):
    folder = write_model(tiny_nnunet, NAMES[0])
    (folder / "fold_0" / "checkpoint_final.pth").unlink()
    assert inspect(tiny_nnunet, tmp_path / "latent") == 1
    message = capsys.readouterr().err
    for name in NAMES:
        assert f"Train it: nnUNetv2_train 901 2d_trial 0 -tr {name}\n" in message + "\n"


@pytest.mark.parametrize(
    ("damage", "more", "code", "message"),
    [
        (None, ["-i", "nowhere"], 1, "nowhere does not exist or is not a folder"),
        (None, ["-a", "ethnicity"], 1, "no attribute 'ethnicity'"),
        (None, ["--folds", "1"], 2, "--folds 1: expected 2 or more"),
        (None, ["--min-patients", "1"], 2, "--min-patients 1: expected 2 or more"),
        (None, ["-tr", NAMES[0], NAMES[0]], 2, "-tr names a trainer twice"),
        ("labels", [], 1, "holds no image named <case>_0000.png"),
        ("channel", [], 1, "case_000: channels 0000, 0001"),
        ("stranger", [], 1, "no row for 1 case of"),
        ("model", [], 1, "dataset.json does not exist. Copy it from"),
    ],
)
def test_what_is_refused(tiny_nnunet, tmp_path, capsys, damage, more, code, message):
    folder = write_model(tiny_nnunet, NAMES[0])
    write_model(tiny_nnunet, NAMES[1])
    images = tmp_path / "images"
    shutil.copytree(tiny_nnunet["raw"] / "imagesTr", images)
    first = images / "case_000_0000.png"
    if damage == "labels":
        images = tiny_nnunet["raw"] / "labelsTr"
    elif damage == "channel":
        shutil.copyfile(first, images / "case_000_0001.png")
    elif damage == "stranger":
        shutil.copyfile(first, images / "stranger_0000.png")
    elif damage == "model":
        (folder / "dataset.json").unlink()
    arguments = more if "-i" in more else ["-i", str(images), *more]
    assert inspect(tiny_nnunet, tmp_path / "latent", *arguments) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "latent").exists()


def test_an_earlier_inspection_is_kept(tiny_nnunet, tmp_path, capsys):
    out = tmp_path / "latent"
    out.mkdir()
    (out / "latent.json").write_text("{}")
    assert inspect(tiny_nnunet, out) == 2
    assert "pass --overwrite" in capsys.readouterr().err
