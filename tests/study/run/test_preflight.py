"""What is checked before a run; these need no Snakemake, which Python 3.10 cannot have."""

import importlib.util

import pytest

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.run.preflight import check_gpus, check_installed, check_room
from nnunetv2_fair.study.step import Resources
from tests.study.stub_plans import stub, write_plan


@pytest.mark.parametrize(
    ("executor", "missing"),
    [("local", "snakemake"), ("slurm", "snakemake_executor_plugin_slurm")],
)
def test_what_runs_studies_is_named_with_the_command_that_installs_it(
    monkeypatch, executor, missing
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find("json")
    )
    with pytest.raises(StudyError) as error:
        check_installed(executor)
    assert f"run by {missing}, which is missing" in str(error.value)
    assert 'pip install "nnunetv2_fair[cluster]"' in str(error.value)


def test_all_steps_that_ask_for_too_many_gpus_are_told_together(tmp_path):
    steps = [stub(f"train.{i}", resources=Resources(gpus=i)) for i in range(4)]
    plan = write_plan(tmp_path, *steps)
    (problem,) = check_gpus(plan, ["0"])
    assert problem.startswith("train.2, train.3: up to 3 GPUs")
    assert "this machine has 1." in problem
    assert check_gpus(plan, ["0", "1", "2"]) == []


def test_room_is_looked_for_where_folders_will_be(tmp_path):
    plan = write_plan(tmp_path, stub("a"), environment={"nnUNet_results": "/proc/none/here"})
    assert any("/proc/none/here" in problem for problem in check_room(tmp_path, plan))
