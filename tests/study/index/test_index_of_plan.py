"""The index of what a real plan announces: names, facts and folders agree."""

import dataclasses

from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.study.index.index import write_index
from nnunetv2_fair.study.record import Record
from nnunetv2_fair.study.step import Plan
from tests.report import factories
from tests.study.finished_study import attempt
from tests.study.index.test_index import check_index, links

TRAINERS = (
    "nnUNetTrainer", "nnUNetTrainerOversampling_sex", "nnUNetTrainerOversampling_age",
)  # fmt: skip


def evaluations_of(plan: Plan) -> dict[str, str]:
    """Trainer -> folder of its evaluation, as the steps announce it."""
    return {
        step.facts["trainer"]: step.outputs[0].rpartition("/")[0]
        for step in plan.steps.values()
        if step.kind in ("evaluate", "merge") and step.outputs
    }


def finish(study_root, plan: Plan) -> None:
    """Leave what all steps of a plan leave, as far as the index looks at it."""
    plan.write(study_root)
    results = []
    for position, (trainer, folder) in enumerate(evaluations_of(plan).items()):
        result = factories.two_groups(gap=0.1 - 0.04 * position, size=20, name=trainer, seed=3)
        result = dataclasses.replace(result, inputs_sha256=f"{position:064d}")
        (study_root / folder).mkdir(parents=True)
        result.write(study_root / folder)
        (study_root / folder / "report.html").write_text("x", encoding="utf-8")
        results.append(result)
    (step,) = [step for step in plan.steps.values() if step.kind == "compare"]
    folder = (study_root / step.outputs[0]).parent
    folder.mkdir(parents=True)
    start = step.commands[0].index("--names") + 1
    names = step.commands[0][start : start + len(results)]
    assert names == TRAINERS
    compare_models(results, names, n_bootstrap=200).write(folder)
    (folder / "comparison.html").write_text("x", encoding="utf-8")
    for step in plan.steps.values():
        if step.kind != "index":
            record = Record(step.name, step.kind, step.fingerprint, (attempt(36),))
            record.write(study_root / step.record)


def test_index_shows_all_that_a_plan_announces(plan, study_root):
    made = plan()
    finish(study_root, made)
    write_index(study_root)
    page = check_index(study_root)
    assert "Everything is done." in page.text
    folders = evaluations_of(made)
    assert tuple(folders) == TRAINERS
    assert {f"{folder}/report.html" for folder in folders.values()} < links(page)
    assert "comparisons/Dataset901_Tiny/2d/internal/comparison.html" in links(page)
    assert "rank 1 of 3" in page.text
    assert f"{TRAINERS[0]} (baseline)" in page.text


def test_sharded_evaluations_and_plans_that_have_only_begun(plan, study_root):
    made = plan(extra="evaluation: {shards: 3}\n")
    finish(study_root, made)
    write_index(study_root)
    page = check_index(study_root)
    assert "rank 1 of 3" in page.text
    texts = [text for text in page.texts if text.strip()]
    costs = texts[texts.index("Steps done") :]
    # two folds, a prediction, three shards and their merging
    assert costs[costs.index(TRAINERS[1]) + 1] == "7 of 7"
