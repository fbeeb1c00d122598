"""The pages on trainings beside a study's index."""

import logging
from pathlib import Path

import pandas as pd

from nnunetv2_fair.study.index.index import write_index
from nnunetv2_fair.study.index.trainings.pages import SHAREABLE_HTML, TRAINING_HTML
from nnunetv2_fair.training_log.table import with_derived, write_log
from tests.report.html_check import Page, check_scripts, check_tables
from tests.study.finished_study import BASELINE, FAIR, StudyFolder, attempt, facts


def write_fold(folder: Path, epochs: int = 3) -> str:
    """Write the log of a fold whose training has not ended; return its final checkpoint."""
    folder.mkdir(parents=True)
    rows = [
        {
            "epoch": epoch, "attribute": "sex", "group": group, "train_cases": cases,
            "val_cases": cases, "train_loss_per_sample": 0.1, "pseudo_dice": 0.5,
        }
        for epoch in range(epochs)
        for group, cases in (("female", 20), ("male", 30), ("diverse", None))
    ]  # fmt: skip
    write_log(folder / "subgroup_log.csv", with_derived(pd.DataFrame(rows)))
    return str(folder / "checkpoint_final.pth")


def links(page: Page) -> list[str]:
    return [a["href"] for tag, a in page.tags if tag == "a" and "training" in (a.get("href") or "")]


def test_curves_are_written_and_linked_while_trainings_run(tmp_path: Path):
    results = tmp_path / "nnUNet_results"
    study = StudyFolder(tmp_path / "study")
    for fold in "01":
        final = write_fold(results / FAIR / f"fold_{fold}")
        study.add(f"train.{fold}", "train", outputs=(final,), facts=facts(FAIR, fold=fold))
    plain = study.add(
        "train.plain", "train", outputs=(str(results / "plain" / "checkpoint_final.pth"),),
        facts=facts(BASELINE, fold="0"),
    )  # fmt: skip
    study.done(plain, attempt(1))
    write_index(study.root)
    index = Page((study.root / "index.html").read_text())
    assert links(index) == [TRAINING_HTML, SHAREABLE_HTML]
    for name, groups in (
        (TRAINING_HTML, {"female", "male", "diverse"}),
        (SHAREABLE_HTML, {"female", "male"}),
    ):
        page = Page((study.root / name).read_text())
        check_scripts(page)
        check_tables(page)
        assert f"No curves of {BASELINE}, which logs no groups" in page.text
        (table,) = (study.root / name).parent.glob("tables/ema_pseudo_dice_by_sex_*.csv")
        shown = pd.read_csv(table)
        assert set(shown["group"]) == groups
        assert shown.columns.tolist()[-2:] == ["fold_0", "fold_1"]
        assert list((study.root / name).parent.glob("figures/*.svg"))


def test_a_damaged_log_is_told_and_a_study_without_logs_has_no_page(tmp_path: Path, caplog):
    study = StudyFolder(tmp_path / "study")
    fold = tmp_path / "results" / "fold_0"
    step = study.add(
        "train", "train", outputs=(str(fold / "checkpoint_final.pth"),), facts=facts(FAIR, fold="0")
    )
    write_index(study.root)
    assert links(Page((study.root / "index.html").read_text())) == []
    write_fold(fold)
    (fold / "subgroup_log.csv").write_text("epoch,group\n")
    other = write_fold(tmp_path / "results" / "fold_1")
    study.add("train.1", "train", outputs=(other,), facts=facts(FAIR, fold="1"))
    with caplog.at_level(logging.WARNING):
        write_index(study.root)
    assert f"{fold / 'subgroup_log.csv'} is damaged: its curves are left out." in caplog.text
    text = Page((study.root / TRAINING_HTML).read_text()).text
    assert f"No curves of {FAIR}, fold 0, whose log is damaged." in text
    assert step.kind == "train"
