"""``nnUNetv2_fair_audit_labels``: files out, and what is refused before any is written."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from nnunetv2_fair.cli.audit_labels import main
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.audit.factories import SHAPE, Audited, make_masks
from tests.evaluation.factories import write_mask


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    return make_masks(tmp_path_factory.mktemp("masks"), 28, 24)


@pytest.fixture
def own(tmp_path) -> Audited:
    """Masks that a test may spoil."""
    return make_masks(tmp_path / "masks", 24)


def table(masks: Audited) -> list[str]:
    return ["--demographics", str(masks.table), "-a", "age"]


def test_everything_at_once(masks, tmp_path, capsys):
    out = tmp_path / "out"
    options = masks.options(
        "-pred", str(masks.folder("pred")), "-pred-expert", str(masks.folder("taught")),
        "-pred-automated", str(masks.folder("learned")), "--second-expert",
        str(masks.folder("second")), "--trainings", "repeats", "--adjust", "site", "--source",
        "site", "-o", str(out), *table(masks),
    )  # fmt: skip
    assert main(options) == 0
    names = {path.name for path in out.iterdir() if path.is_file()} - {".lock"}
    assert names == {"audit.html", "audit.json", "audit_cases.csv", "manifest.json"}
    told = json.loads((out / "audit.json").read_text())
    kinds = {finding["kind"] for finding in told["findings"]}
    assert {"label_quality", "label_error", "source_gap", "ruler", "expert_gap", "amplification",
            "ceiling"} <= kinds  # fmt: skip
    assert told["settings"]["kind_of_trainings"] == "repeats"
    assert EvaluationResult.read(out / "quality").attributes == ("age",)
    assert (out / "quality" / "report.html").is_file()
    printed = capsys.readouterr().out
    assert "Labels by age" in printed
    assert "The automated masks of organ of young are too small by volume" in printed
    assert "There is no version of an audit that may be shared." in printed
    rows = (out / "audit_cases.csv").read_text().splitlines()
    assert len(rows) == 29
    assert rows[0].startswith("case,patient,age,label,volume_log_ratio,boundary_error_px,shift_px")
    # the table lies next to the expert masks
    assert main(masks.options("-a", "age", "-o", str(out), "--overwrite")) == 0
    assert not list((out / "tables").glob("rulers*"))


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_as_private_as_the_table(own, tmp_path):
    own.table.chmod(0o600)
    out = tmp_path / "out"
    assert main(own.options("-o", str(out), *table(own))) == 0
    for path in out.rglob("*"):
        assert not path.stat().st_mode & 0o077, path


def refused(options, capsys, code: int = 1) -> str:
    assert main(options) == code
    return capsys.readouterr().err


def test_masks_of_other_cases(own, tmp_path, capsys):
    out = tmp_path / "out"
    path = own.folder("automated") / f"{own.cases[3]}.png"
    path.rename(path.with_name("other.png"))
    text = refused(own.options("-o", str(out), *table(own)), capsys)
    assert "1 of 24 cases with an expert mask have no automated mask" in text
    assert f"{own.cases[3]}. Add these masks to -automated" in text
    for path in own.folder("automated").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    text = refused(own.options("-o", str(out), *table(own)), capsys)
    assert "No case of" in text
    assert "--suffix-expert and --suffix-automated" in text
    assert not out.exists()


def test_models_that_predict_other_cases(own, tmp_path, capsys):
    (own.folder("learned/run_0") / f"{own.cases[5]}.png").unlink()
    options = own.options(
        "-pred-expert", str(own.folder("taught/run_0")), "-pred-automated",
        str(own.folder("learned/run_0")), "-o", str(tmp_path / "out"), *table(own),
    )  # fmt: skip
    text = refused(options, capsys)
    assert "predict different cases: 0 only in the first (none), 1 only in the second" in text
    assert not (tmp_path / "out").exists()


def test_other_grids_and_labels(own, tmp_path, capsys):
    out = tmp_path / "out"
    options = own.options("-pred", str(own.folder("pred/run_0")), "-o", str(out), *table(own))
    path = own.folder("pred/run_0") / f"{own.cases[0]}.png"
    write_mask(path, np.ones((SHAPE[0], SHAPE[1] + 1), dtype=np.uint8))
    assert "differ in" in refused(options, capsys)
    write_mask(path, np.full(SHAPE, 2, dtype=np.uint8))
    text = refused(options, capsys)
    assert "holds the label values 2, which" in text
    (own.root / "dataset.json").unlink()
    text = refused(options, capsys)
    assert "label values 2, which no reference holds" in text
    for case in own.cases:
        for folder in ("automated", "pred/run_0"):
            spoiled = np.zeros(SHAPE, dtype=np.uint8)
            spoiled[10:20, 10:20] = 1
            if folder == "automated":
                spoiled[0, 0] = 2
            write_mask(own.folder(folder) / f"{case}.png", spoiled)
    assert "label values 2, which no reference holds" in refused(options, capsys)
    assert not out.exists()


def test_groups_without_expert_masks(own, tmp_path, capsys):
    for case in own.cases[1::2]:
        (own.folder("expert") / f"{case}.png").unlink()
    text = refused(own.options("-o", str(tmp_path / "out"), *table(own)), capsys, 2)
    assert "'young' (age) has 12 patients with automated masks and none with an expert mask" in text
    assert "--groups age=old" in text
    assert not (tmp_path / "out").exists()


def test_the_attribute_is_the_confounder(masks, tmp_path, capsys):
    out = ["-o", str(tmp_path / "out"), *table(masks)]
    text = refused(masks.options(*out, "--adjust", "age"), capsys, 2)
    assert "--adjust age: 'age' is compared, and cannot be adjusted for itself" in text
    text = refused(masks.options(*out, "--source", "age"), capsys, 2)
    assert "--source age: 'age' is compared, and its groups are not in several sources" in text
    text = refused(masks.options(*out, "--source", "sites"), capsys, 2)
    assert "has no column 'sites'" in text or "sites" in text
    assert not (tmp_path / "out").exists()


def test_strata_without_overlap(own, tmp_path, capsys):
    lines = own.table.read_text().splitlines()
    apart = [line[:-1] + ("A" if "old" in line else "B") for line in lines[1:]]
    own.table.write_text("\n".join([lines[0], *apart]) + "\n")
    out = tmp_path / "out"
    options = own.options("-o", str(out), *table(own))
    text = refused([*options, "--adjust", "site"], capsys, 2)
    assert "have no values of 'site' in common, so nobody can be compared with anybody" in text
    assert not out.exists()
    # by source, it is said of each source
    assert main([*options, "--source", "site"]) == 0
    (gaps,) = json.loads((out / "audit.json").read_text())["source_gaps"]
    assert gaps["by_source"] == {}
    assert gaps["left_out"]["A"] == "12 and 0 patients, fewer than 5 in a group"
    page = (out / "audit.html").read_text()
    assert "fewer than two sources have enough of both groups" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-pred", "pred/run_0", "pred/run_1"], "-pred names 2 folders: pass --trainings repeats"),
        (["-pred-expert", "taught/run_0"], "pass their predictions with -pred-automated"),
        (["-pred", "automated"], "-automated and -pred both name"),
        (["--trainings", "folds"], "--trainings is about predictions of models"),
        (["--second-expert", "out"], "-o out is the folder of --second-expert"),
        (["-pred-automated", "learned/run_0", "--trainings", "folds"],
         "-pred-automated names one folder"),
        (["--labels", "organ=1", "--dataset-json", "dataset.json"], "both name the labels"),
        (["--confidence", "2"], "--confidence 2.0: expected a share such as 0.95"),
    ],
)  # fmt: skip
def test_refusals(masks, capsys, monkeypatch, options, message):
    monkeypatch.chdir(masks.root)
    assert message in refused(masks.options("-o", "out", *table(masks), *options), capsys, 2)
    assert not Path("out").exists()
