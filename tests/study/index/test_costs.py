import math

import pandas as pd
import pytest

from nnunetv2_fair.study.index.costs import costs_of, total, write_costs
from nnunetv2_fair.study.index.progress import read_progress
from nnunetv2_fair.study.step import Resources
from tests.study.finished_study import BASELINE, DATASET, FAIR, StudyFolder, attempt, facts


@pytest.fixture
def study(tmp_path) -> StudyFolder:
    made = StudyFolder(tmp_path)
    made.done(
        made.add("prepare", "prepare", facts={"dataset": DATASET}, resources=Resources(cpus=3)),
        attempt(1800),
    )
    for fold, seconds in enumerate((3600, 7200)):
        step = made.add(
            f"train.{fold}", "train", facts=facts(FAIR, fold=str(fold)),
            resources=Resources(cpus=6, gpus=2),
        )  # fmt: skip
        made.done(
            step,
            attempt(900, -15, gpu="A100", gpus=2, peak_memory_mb=5000),
            attempt(seconds, gpu="V100", gpus=1, peak_memory_mb=4000 + fold, continued=True),
        )
    made.done(made.add("base", "train", facts=facts(BASELINE)), taken_over=True)
    made.failed(made.add("predict", "predict", facts=facts(BASELINE)), attempt(360, 1))
    made.add("merge", "merge", facts=facts(FAIR, "internal"))
    made.add("compare", "compare", facts=facts(test="internal"))
    made.add("index", "index")
    return made


def test_costs_by_hand(study):
    shared, fair, base = costs_of(read_progress(study.root))
    assert (shared.dataset, shared.configuration, shared.trainer) == (DATASET, "", "")
    assert (shared.steps, shared.done, shared.wall_hours, shared.cpu_hours) == (2, 1, 0.5, 1.5)
    assert math.isnan(shared.peak_memory_mb)
    assert (fair.trainer, fair.configuration, fair.plans) == (FAIR, "2d", "nnUNetPlans")
    # two of 15 minutes on two cards, one hour and two hours on one
    assert fair.gpu_hours == pytest.approx(2 * 0.25 * 2 + 1 + 2)
    assert fair.wall_hours == pytest.approx(3.5)
    assert fair.cpu_hours == pytest.approx(3.5 * 6)
    assert fair.peak_memory_mb == 5000
    assert (fair.steps, fair.done, fair.taken_over) == (3, 2, 0)
    assert (fair.attempts, fair.failed, fair.continued) == (4, 2, 2)
    assert fair.gpu == "A100; V100"
    assert (base.steps, base.done, base.taken_over, base.failed) == (2, 0, 1, 1)
    assert base.wall_hours == pytest.approx(0.1)
    assert base.gpu_hours == 0
    assert total((shared, fair, base), "attempts") == 6
    assert total((shared, fair, base), "steps") == 7  # the index itself does not count


def test_table_has_a_row_per_method(study):
    costs = costs_of(read_progress(study.root))
    table = pd.read_csv(write_costs(costs, study.root), keep_default_na=False)
    assert list(table["trainer"]) == ["", FAIR, BASELINE]
    assert list(table["gpu_hours"]) == [0, 4, 0]
    assert list(table["peak_memory_mb"].astype(str)) == ["", "5000.0", ""]


def test_names_do_not_act_as_formulas(tmp_path):
    study = StudyFolder(tmp_path)
    study.done(study.add("a", "train", facts=facts("=1+1")), attempt(1))
    path = write_costs(costs_of(read_progress(tmp_path)), tmp_path)
    assert "'=1+1" in path.read_text(encoding="utf-8")


def test_study_that_has_not_begun_costs_nothing(tmp_path):
    study = StudyFolder(tmp_path)
    study.add("a", "train", facts=facts(FAIR))
    (cost,) = costs_of(read_progress(tmp_path))
    assert (cost.steps, cost.attempts, cost.wall_hours) == (1, 0, 0)
    assert write_costs((), tmp_path).read_text(encoding="utf-8").startswith("dataset,configur")


def test_method_pays_for_the_models_of_its_groups(tmp_path):
    study = StudyFolder(tmp_path)
    method, base = "nnUNetTrainerInD_sex", "nnUNetTrainer"
    names = []
    for trainer in (base, f"{method}=female", f"{method}=male"):
        step = study.add(f"train.{trainer}", "train", names[:1], facts=facts(trainer, fold="0"))
        study.done(step, attempt(3600))
        names.append(step.name)
    study.add("predict", "predict", names[1:], facts=facts(method, "internal"))
    first, second = costs_of(read_progress(tmp_path))
    assert (first.trainer, first.wall_hours) == (base, 1)
    assert (second.trainer, second.wall_hours, second.steps) == (method, 2, 3)


def test_the_runs_of_a_method_are_added_up(tmp_path):
    made = StudyFolder(tmp_path)
    for run in (1, 2):
        of_run = {"method": FAIR}
        for kind, test in (("train", ""), ("predict", "internal")):
            name = f"{FAIR}_run{run}"
            step = made.add(f"{kind}.{name}", kind, facts=facts(name, test) | of_run)
            made.done(step, attempt(1800 * run))
    made.done(made.add("evaluate", "evaluate", facts=facts(FAIR, "internal")), attempt(3600))
    (cost,) = costs_of(read_progress(tmp_path))
    assert (cost.trainer, cost.steps) == (FAIR, 5)
    assert cost.wall_hours == pytest.approx(2 * (0.5 + 1) + 1)
