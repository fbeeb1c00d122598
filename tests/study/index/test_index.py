import dataclasses
import json
import subprocess
import sys
from itertools import pairwise
from urllib.parse import unquote

import pandas as pd
import pytest

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.study.index import index
from nnunetv2_fair.study.index.index import write_index
from nnunetv2_fair.study.step import Plan
from tests.report import factories
from tests.report.html_check import Page, check_scripts, check_tables
from tests.study.finished_study import (
    BASELINE,
    BROKEN,
    DATASET,
    FAIR,
    StudyFolder,
    add_comparison,
    add_evaluation,
    attempt,
    facts,
    make_masks,
    make_study,
)

HOSTILE = ("<script>alert(1)</script>", "a\u202eb", "x" * 300, "", "#% ?'\"&")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    root = tmp_path_factory.mktemp("index")
    made = make_study(root, make_masks(root / "masks"))
    write_index(made.root)
    return made


def check_index(folder) -> Page:
    """Assert that a page is well formed and that all its links lead to files beside it."""
    text = (folder / "index.html").read_text(encoding="utf-8")
    page = Page(text)
    check_scripts(page)
    check_tables(page)
    assert not {tag for tag, _ in page.tags} & {"iframe", "object", "embed", "base", "form"}
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on")]
        assert "src" not in attributes
        link = attributes.get("href")
        if link is None or (tag == "link" and link.startswith("data:")):
            continue
        assert tag == "a"
        if link.startswith("#"):
            assert link[1:] in ids
        else:
            assert not link.startswith("/")
            assert ":" not in link
            assert (folder / unquote(link)).is_file(), link
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels)), "a heading skips"
    return page


def links(page: Page) -> set[str]:
    found = {unquote(a["href"]) for tag, a in page.tags if tag == "a" and a.get("href")}
    return {link for link in found if not link.startswith("#")}


def test_page_links_to_everything(study):
    page = check_index(study.root)
    assert links(page) == {
        f"evaluations/{DATASET}/2d/internal/{BASELINE}/report.html",
        f"evaluations/{DATASET}/2d/internal/{FAIR}/report.html",
        f"comparisons/{DATASET}/2d/internal/comparison.html",
        f"logs/train.d042.2d.{BROKEN}.f0.log",
        "rankings.csv",
        "costs.csv",
        "provenance.json",
    }


def test_page_says_what_is_missing_and_why(study):
    text = check_index(study.root).text
    assert "3 steps of 9 are missing." in text
    name = f"train.d042.2d.{BROKEN}.f0"
    assert f"{name}: exit code 1, 2 attempts so far, job 99; log" in text
    assert f"nnUNetv2_fair_study study.yaml --only {name}" in text
    assert f"{BROKEN}: waits for {name}, which failed" in text


def test_the_first_sentence_answers_the_question_and_links_to_the_comparison(study):
    page = check_index(study.root)
    start = page.text.index(f"With {FAIR}, ")
    assert page.text[start:].startswith(f"With {FAIR}, nobody is shown to lose; better: ")
    assert start < page.text.index("steps of 9 are missing")
    assert f"Lungs, first try: {DATASET}" in page.text


def test_steps_are_counted_as_on_the_console(study):
    page = check_index(study.root)
    assert len(study.steps) == 9
    assert "9 steps" in page.text
    rows = [text for text in page.texts if text in ("index", "prepare", "compare")]
    assert rows == ["prepare", "compare", "index"]


def test_command_of_a_file_elsewhere(tmp_path):
    study = StudyFolder(tmp_path)
    step = study.add("train", "train", facts=facts(FAIR))
    study.failed(step, attempt(1, 1))
    Plan("t", {"train": step}, source="../my studies/one.yaml").write(tmp_path)
    write_index(tmp_path)
    command = "nnUNetv2_fair_study '../my studies/one.yaml' -o . --only train"
    assert command in check_index(tmp_path).text


def test_page_says_what_was_reused(tmp_path):
    study = StudyFolder(tmp_path)
    study.done(study.add("train", "train", facts=facts(FAIR)), taken_over=True)
    write_index(tmp_path)
    text = check_index(tmp_path).text
    assert "1 reused" in text
    assert "taken over" not in text.lower()
    # the file for programs keeps its words
    (step,) = json.loads((tmp_path / "provenance.json").read_text(encoding="utf-8"))["steps"]
    assert step["state"] == "taken over"


def test_page_holds_values_intervals_and_ranks(study):
    page = check_index(study.root)
    folder = study.root / "evaluations" / DATASET / "2d" / "internal"
    for trainer in (BASELINE, FAIR):
        result = EvaluationResult.read(folder / trainer)
        for attribute in ("sex", "age"):
            found = result.comparison(attribute, "dice", "average")
            assert f"{found.overall.mean:.3f}" in page.text
            limits = found.overall.mean_interval
            assert f"{limits.low:.3f} to {limits.high:.3f}" in page.text
            assert f"{found.gap('delta').value:.3f}" in page.text
            assert f"{found.gap('es_std').value:.3f}" in page.text
    assert "rank 1 of 2" in page.text
    assert "rank 2 of 2" in page.text
    assert "any rank" in page.text
    assert "overlapping intervals do not put them in order" in page.text
    assert len(page.having("svg", "plane")) == 4
    assert len(page.having("circle", "spot")) == 8
    assert len(page.having("path", "arrow")) == 4  # from the baseline to the other method
    assert f"{BASELINE} (baseline)" in page.text


def test_page_holds_the_costs(study):
    texts = [text for text in check_index(study.root).texts if text.strip()]
    start = texts.index(FAIR, texts.index("Steps done"))
    assert texts[start + 1 : start + 9] == [
        "2 of 2", "3.0", "12.0", "1.5", "12.5 GB", "3", "1", "1",
    ]  # fmt: skip


def test_nothing_about_single_persons(study):
    cases = pd.concat(pd.read_csv(path, dtype=str) for path in study.root.rglob("per_case.csv"))
    assert len(cases)
    secrets = {*cases["case"], *(f">{patient}<" for patient in cases["patient"])}
    assert len(secrets) == 36
    for name in ("index.html", "provenance.json", "costs.csv", "rankings.csv"):
        text = (study.root / name).read_text(encoding="utf-8")
        assert not [secret for secret in secrets if secret in text], name


def test_half_finished_study_without_comparison(tmp_path):
    study = StudyFolder(tmp_path)
    step = add_evaluation(study, BASELINE)
    folder = (tmp_path / step.outputs[0]).parent
    folder.mkdir(parents=True)
    factories.two_groups().write(folder)
    study.done(step)
    add_evaluation(study, FAIR)
    add_comparison(study, [step.name])
    write_index(tmp_path)
    page = check_index(tmp_path)
    assert f"{BASELINE} (missing)" in page.text  # nobody has written its report.html
    assert f"{FAIR}: not done yet" in page.text
    assert "No comparison: the comparison of all methods is missing (not done yet)." in page.text
    assert "Nothing can be told yet: the comparison of all methods is missing" in page.text
    assert "Ranks need the comparison, which does not exist yet." in page.text
    assert "rank 1" not in page.text
    assert "any rank" not in page.text


def test_study_that_has_not_begun(tmp_path):
    study = StudyFolder(tmp_path)
    study.add("train", "train", facts=facts(FAIR))
    add_evaluation(study, FAIR)
    write_index(tmp_path)
    page = check_index(tmp_path)
    assert "2 steps of 2 are missing." in page.text
    assert "Definitions" not in page.text
    assert not page.having("svg", "plane")


def test_infinite_and_undefined_values(tmp_path):
    study = StudyFolder(tmp_path)
    result = factories.make_result({"sex": ("f", "m")}, 8, undefined={"dice": ("f",)})
    (comparison, *rest) = result.comparisons
    endless = dataclasses.replace(
        comparison, overall=dataclasses.replace(comparison.overall, mean=float("inf"))
    )
    result = dataclasses.replace(result, comparisons=(endless, *rest))
    step = add_evaluation(study, FAIR)
    (tmp_path / step.outputs[0]).parent.mkdir(parents=True)
    result.write((tmp_path / step.outputs[0]).parent)
    study.done(step)
    write_index(tmp_path)
    page = check_index(tmp_path)
    assert "\N{INFINITY}" in page.text
    assert not {"nan", "inf"} & set(page.text.split())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_stay_text_and_links_work(tmp_path, hostile):
    study = StudyFolder(tmp_path, title=hostile or "?")
    folder = tmp_path / "evaluations" / "a b#c%20" / "x"
    folder.mkdir(parents=True)
    levels = (hostile or "n", "m")
    factories.make_result({"sex": levels}, 9, name=hostile).write(folder)
    (folder / "report.html").write_text("x", encoding="utf-8")
    step = study.add(
        "merge", "merge", outputs=("evaluations/a b#c%20/x/summary.json",),
        facts=facts(hostile, hostile),
    )  # fmt: skip
    study.done(step, attempt(1, gpu=hostile))
    write_index(tmp_path)
    page = check_index(tmp_path)
    assert "evaluations/a b#c%20/x/report.html" in links(page)
    if hostile == HOSTILE[0]:
        assert page.text.count(hostile) > 3


def test_different_versions_are_pointed_out(study, tmp_path):
    assert "Not all steps ran with the same versions" not in check_index(study.root).text
    other = StudyFolder(tmp_path)
    for name in ("a", "b"):
        other.done(other.add(name, "train", facts=facts(FAIR)))
    record = tmp_path / other.steps["b"].record
    content = json.loads(record.read_text(encoding="utf-8"))
    content["versions"]["nnunetv2"] = "2.9.0"
    record.write_text(json.dumps(content), encoding="utf-8")
    write_index(tmp_path)
    text = check_index(tmp_path).text
    assert "Not all steps ran with the same versions: nnunetv2." in text
    assert "2.8.1, 2.9.0" in text


def test_container_is_told_without_its_folder(tmp_path):
    study = StudyFolder(tmp_path)
    step = study.add("a", "train", facts=facts(FAIR))
    Plan("t", {"a": step}, container=("apptainer", "exec", "/secret/fair.sif")).write(tmp_path)
    write_index(tmp_path)
    text = check_index(tmp_path).text
    assert "fair.sif" in text
    assert "/secret" not in text


def test_command(study, tmp_path, capsys):
    assert index.main([str(tmp_path)]) == 1
    assert "it is not the folder of a study" in capsys.readouterr().err
    done = subprocess.run(
        [sys.executable, "-m", "nnunetv2_fair.study.index", str(study.root)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "index.html" in done.stdout
    check_index(study.root)


def test_readonly_folder_is_named(study, monkeypatch, capsys):
    blocked = study.root / "costs.csv"
    kept = blocked.read_text(encoding="utf-8")
    blocked.unlink()
    blocked.mkdir()  # a folder in the way fails for root as well
    assert index.main([str(study.root)]) == 1
    error = capsys.readouterr().err
    blocked.rmdir()
    blocked.write_text(kept, encoding="utf-8")
    assert "run the command again" in error
    assert "costs.csv" in error


def test_the_page_links_to_tables_and_figures(tmp_path):
    study = StudyFolder(tmp_path)
    outputs = ("paper/contents.md", "paper_exact/contents.md")
    study.add("paper", "paper", outputs=outputs)
    study.add("index", "index")
    (tmp_path / "paper").mkdir()
    (tmp_path / outputs[0]).write_text("# Tables and figures\n")
    text = write_index(tmp_path).read_text()
    assert 'href="paper/contents.md"' in text
    assert "exact, for you alone (missing)" in " ".join(text.split())
    assert "Tables and figures" not in write_index(_without_papers(tmp_path / "other")).read_text()


def _without_papers(folder):
    StudyFolder(folder).add("index", "index")
    return folder


def test_the_page_links_to_the_diagnosis(tmp_path):
    folder = StudyFolder(tmp_path)
    folder.add("diagnose", "diagnose", outputs=("diagnosis/diagnosis.html",))
    write_index(tmp_path)
    assert (
        "Which cause the gap has: the diagnosis (missing) (private)." in check_index(tmp_path).text
    )
    (tmp_path / "diagnosis").mkdir()
    (tmp_path / "diagnosis" / "diagnosis.html").write_text("x", encoding="utf-8")
    write_index(tmp_path)
    assert "diagnosis/diagnosis.html" in links(check_index(tmp_path))
