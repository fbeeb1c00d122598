"""The page on trainings, read as a program reads it."""

import csv
import io
import json
import math

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.report.of_training.logs import TrainingLog, shareable
from nnunetv2_fair.report.of_training.page import render_training
from nnunetv2_fair.training_log.table import with_derived
from tests.report.html_check import Page, check_scripts, check_tables

SETTING = ("Dataset042_Lung", "2d")
NAN = float("nan")


def log(trainer: str, fold: str, epochs: int = 6, **changes) -> TrainingLog:
    """Return a log of two large groups and one of few patients, which is not counted."""
    sizes = {"female": (41, 10), "male": (99, 24), "diverse": (NAN, NAN)}
    levels = {"female": 0.7, "male": 0.8, "diverse": 0.4}
    rows = [
        {
            "epoch": epoch, "attribute": "sex", "group": group, "train_cases": n[0],
            "val_cases": n[1], "drawn_share": n[0] / 143, "train_loss_per_sample": -0.1 * epoch,
            "val_loss_per_sample": -0.05 * epoch,
            "pseudo_dice": levels[group] + 0.01 * epoch + 0.02 * int(fold),
            **changes,
        }
        for epoch in range(epochs)
        for group, n in sizes.items()
    ]  # fmt: skip
    return TrainingLog(SETTING, trainer, fold, with_derived(pd.DataFrame(rows)))


LOGS = [
    log("nnUNetTrainerMonitor_sex", "0"),
    log("nnUNetTrainerMonitor_sex", "1"),
    log("nnUNetTrainerGroupDRO_sex", "0", q=1 / 3),
    log("nnUNetTrainerADV_sex", "0", discriminator_accuracy=0.5,
        discriminator_balanced_accuracy=0.5),
]  # fmt: skip


def read(logs, **settings):
    text, downloads = render_training("Lungs", logs, ["nnUNetTrainer"], "2026-11-29", **settings)
    files = {name: content.decode() for name, content in downloads.files().items()
             if name.endswith(".csv")}  # fmt: skip
    return Page(text), {name: list(csv.reader(io.StringIO(text))) for name, text in files.items()}


def pictures(page: Page) -> list[str]:
    return [a["aria-label"] for tag, a in page.tags if tag == "svg" and a.get("role") == "img"]


def test_every_trainer_has_its_curves_with_names_for_the_blind():
    page, tables = read(LOGS)
    check_scripts(page)
    check_tables(page)
    told = pictures(page)
    for trainer in ("Monitor", "GroupDRO", "ADV"):
        named = f"Pseudo Dice by group, nnUNetTrainer{trainer}_sex up to epoch 5: female from "
        assert len([words for words in told if words.startswith(named)]) == 1
    assert len([words for words in told if words.startswith("Weights q of GroupDRO, ")]) == 1
    assert len([words for words in told if words.startswith("Accuracy of the discrim")]) == 1
    assert len([words for words in told if words.startswith("Gap of pseudo Dice up to")]) == 1
    assert "No curves of nnUNetTrainer." in page.text
    assert set(tables) == {
        f"tables/{column}_by_sex_nnunettrainer{trainer}_sex_dataset042_lung_2d.csv"
        for column in ("ema_pseudo_dice", "train_loss_per_sample", "val_loss_per_sample",
                       "drawn_share")
        for trainer in ("monitor", "groupdro", "adv")
    } | {
        "tables/gap_ema_pseudo_dice_by_sex_dataset042_lung_2d.csv",
        "tables/q_by_sex_nnunettrainergroupdro_sex_dataset042_lung_2d.csv",
        "tables/discriminator_accuracy_by_sex_nnunettraineradv_sex_dataset042_lung_2d.csv",
        "tables/at_the_end_by_sex_dataset042_lung_2d.csv",
    }  # fmt: skip


def average(values) -> float:
    """nnU-Net's, in its own words."""
    found = values[0]
    for value in values[1:]:
        found = found * 0.9 + 0.1 * value
    return found


def test_numbers_are_those_of_every_fold_and_their_mean():
    _, tables = read(LOGS)
    name = "tables/ema_pseudo_dice_by_sex_nnunettrainermonitor_sex_dataset042_lung_2d.csv"
    header, *rows = tables[name]
    assert header == ["epoch", "group", "mean_ema_pseudo_dice", "fold_0", "fold_1"]
    assert len(rows) == 3 * 6
    by_group = {(row[1], int(row[0])): [float(cell) for cell in row[2:]] for row in rows}
    for epoch in range(6):
        folds = [average([0.7 + 0.01 * e + 0.02 * fold for e in range(epoch + 1)])
                 for fold in (0, 1)]  # fmt: skip
        expected = [np.mean(folds), *folds]
        assert by_group["female", epoch] == pytest.approx(expected)
    header, *rows = tables["tables/gap_ema_pseudo_dice_by_sex_dataset042_lung_2d.csv"]
    assert [float(row[2]) for row in rows] == pytest.approx([0.4] * len(rows))
    header, first, *_ = tables["tables/at_the_end_by_sex_dataset042_lung_2d.csv"]
    assert header[3:] == ["female", "male", "diverse", "gap_ema_pseudo_dice"]
    assert first[:3] == ["nnUNetTrainerMonitor_sex", "2", "6"]
    assert float(first[3]) == pytest.approx(by_group["female", 5][0])


def test_what_is_shared_tells_nothing_about_small_groups():
    told = [shareable(found) for found in LOGS]
    page, tables = read(told, shared=True)
    assert "Groups of fewer than five patients are left out" in page.text
    for name, (header, *rows) in tables.items():
        if "at_the_end" in name:
            assert all(row[header.index("diverse")] == "" for row in rows)
            gaps = [float(row[-1]) for row in rows]
            assert gaps == pytest.approx([0.1] * 3), "between the groups that are shown"
        else:
            assert "diverse" not in {row[1] for row in rows}
    assert not [words for words in pictures(page) if "diverse" in words]
    # guesses about all groups hold those about the small one
    adversarial = told[-1].rows
    assert adversarial["discriminator_balanced_accuracy"].isna().all()
    assert adversarial["discriminator_accuracy"].notna().sum() == 2 * 6
    assert log("x", "0").rows["pseudo_dice"].notna().all(), "the log itself is not changed"


def test_logs_of_an_earlier_version_are_shown_but_not_shared():
    old = log("nnUNetTrainerMonitor_sex", "0", train_cases=NAN, val_cases=NAN, attribute="")
    page, _ = read([old])
    assert any(words.startswith("Pseudo Dice by group") for words in pictures(page))
    page, tables = read([shareable(old)], shared=True)
    assert pictures(page) == []
    (rows,) = tables.values()
    assert rows[1][3:] == ["", "", "", ""]


@pytest.mark.parametrize("epochs", [1, 2, 1500])
def test_any_number_of_epochs(epochs):
    page, _ = read([log("nnUNetTrainerMonitor_sex", "0", epochs)])
    paths = [a["d"] for tag, a in page.tags if tag == "path" and "curve c" in a.get("class", "")]
    drawn = [path for path in paths if path != "M0 6H34"]
    assert drawn
    for path in drawn:
        assert len(path.split("L")) <= 260
        assert "nan" not in path


def test_hostile_names_do_no_harm():
    bad = "<script>alert(1)</script>"
    found = log(f"nnUNetTrainerMonitor_{bad}", "0", group=bad, attribute=bad)
    page, _ = read([found])
    check_scripts(page)
    assert json.dumps(pictures(page))
    assert math.isfinite(len(page.text))
