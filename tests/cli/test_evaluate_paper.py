"""``nnUNetv2_fair_evaluate --paper``."""

import re
from pathlib import Path

import pytest
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.cli.evaluate import main
from tests.evaluation.factories import Dataset, make_dataset

ASKED = ("-a", "sex", "--bootstrap", "200")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Thirty people, of whom three are of a third sex and one of unknown sex."""
    made = make_dataset(tmp_path, n_patients=30, cases_per_patient=1)
    lines = made.table.read_text().splitlines()
    for row in (2, 5, 8):
        lines[row] = lines[row].replace(",male,", ",x,").replace(",female,", ",x,")
    lines[9] = lines[9].replace(",male,", ",,").replace(",female,", ",,")
    made.table.write_text("\n".join(lines) + "\n")
    return made


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def test_beside_a_private_report_it_is_what_the_shareable_one_would_have(dataset):
    assert main(dataset.arguments("private", *ASKED, "--name", "A", "--paper")) == 0
    assert main(dataset.arguments("shared", *ASKED, "--name", "A", "--paper", "--shareable")) == 0
    private, shared = (files(dataset.root / out / "paper") for out in ("private", "shared"))
    assert private == shared
    assert (dataset.root / "private" / "per_case.csv").exists()
    assert not (dataset.root / "private" / "paper_exact").exists()
    text = "\n".join(private.values())
    for case in dataset.cases:
        assert case not in text
    assert str(dataset.root) not in text
    assert "x (number not shown)" in private["manuscript.md"]
    assert re.search(r"\| sex +\| x +\| hidden +\| hidden ", private["table_1_participants.md"])


def test_exact_numbers_are_private(dataset, capsys):
    assert main(dataset.arguments("out", *ASKED, "--paper", "exact")) == 0
    out = dataset.root / "out"
    assert not (out / "paper").exists()
    text = (out / "paper_exact" / "manuscript.md").read_text(encoding="utf-8")
    assert "> PRIVATE: made of the private result" in text
    assert "x (3 patients)" in text
    assert "Of all images, 1 was left out: the table has no value of 'sex'" in text
    assert f"Wrote {out / 'paper_exact'} with 26 files" in capsys.readouterr().out
    # such a folder is never shared
    arguments = dataset.arguments("out", *ASKED, "--shareable", "--overwrite")
    for name in ("per_case.csv", "summary.json", "report.html"):
        (out / name).unlink()
    assert main(arguments) == 2
    assert "holds paper_exact, which may reveal individual patients" in capsys.readouterr().err


def test_empty_masks_are_counted_by_group(dataset):
    mask = next(dataset.predictions.glob(f"{dataset.cases[0]}.*"))
    image = sitk.ReadImage(str(mask))
    sitk.WriteImage(image * 0, str(mask))
    assert main(dataset.arguments("out", *ASKED, "--paper", "exact")) == 0
    folder = dataset.root / "out" / "paper_exact"
    assert "in 1 image the predicted mask alone is empty" in (folder / "manuscript.md").read_text()
    table = (folder / "table_2_left_out.csv").read_text()
    assert re.search(r"the predicted mask alone is empty\.,,all,1\n", table)


def test_an_earlier_paper_does_not_stay_beside_another_evaluation(dataset):
    assert main(dataset.arguments("out", *ASKED, "--paper")) == 0
    assert main(dataset.arguments("out", *ASKED, "--overwrite")) == 0
    assert not (dataset.root / "out" / "paper").exists()


def test_refusals(dataset, capsys):
    assert main(dataset.arguments("out", *ASKED, "--paper", "exact", "--shareable")) == 2
    assert (
        "--paper exact writes exact numbers of small groups, which --shareable hides. Pass --paper "
        "alone, or leave out --shareable."
    ) in capsys.readouterr().err
    assert not (dataset.root / "out").exists()


def test_nothing_is_written_where_nothing_may_be_published(tmp_path, capsys):
    few = make_dataset(tmp_path, n_patients=4, cases_per_patient=1)
    assert main(few.arguments("out", *ASKED, "--paper")) == 1
    assert (
        "Only 4 patients were evaluated, and a shareable result shows nothing about fewer than 5. "
        "Leave out --shareable or --paper, and do not share the result."
    ) in capsys.readouterr().err
    assert not (tmp_path / "out" / "report.html").exists()
