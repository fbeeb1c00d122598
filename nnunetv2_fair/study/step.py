"""The elements of a study: steps, each a few commands whose outcome is a file on disk."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from nnunetv2_fair.files.atomic import write_text

Kind = Literal[
    "prepare",
    "synthesize",
    "preprocess",
    "train",
    "predict",
    "evaluate",
    "merge",
    "compare",
    "diagnose",
    "paper",
    "index",
]
#: Folder of the study's own state, inside the study's folder.
STATE = ".study"
PLAN_JSON = f"{STATE}/plan.json"


@dataclass(frozen=True)
class Resources:
    """Resources of one step; what is empty or 0 is left to the cluster.

    Attributes:
        cpus: Cores.
        gpus: GPUs.
        memory_mb: Main memory.
        runtime_min: Time limit of one attempt.
        partition: Slurm partition.
        account: Slurm account.
        constraint: Slurm constraint, such as ``a100``.
    """

    cpus: int = 1
    gpus: int = 0
    memory_mb: int = 4000
    runtime_min: int = 60
    partition: str = ""
    account: str = ""
    constraint: str = ""


@dataclass(frozen=True)
class Step:
    """One job.

    Attributes:
        name: Unique in the study, safe as a file name, reveals nothing about people:
            ``train.d042.2d.nnUNetTrainerAPPLE_sex.f0``.
        kind: What it does.
        commands: Programs with their arguments, run one after the other in the study's folder.
        needs: Names of the steps that must have succeeded before.
        outputs: Files that exist afterwards; relative to the study's folder, or absolute.
        fingerprint: Hash over everything that its outcome depends on: commands, contents of
            outside inputs (tables, dataset.json), fingerprints of the steps it needs. A changed
            one makes the step run again, and with it exactly those that need it.
        resources: What it asks for.
        attempts: How often it may be started, resuming after a time limit or a pre-emption.
        resume: Arguments appended to the last command if one of ``checkpoints`` exists.
        checkpoints: Files any of which means that an earlier attempt can be resumed.
        finished: File whose existence without a record of this study means that the step was
            already done outside the study; it is then reused, never overwritten. Empty: none.
        facts: What tables show with it: dataset, configuration, trainer, fold, part ...
    """

    name: str
    kind: Kind
    commands: tuple[tuple[str, ...], ...]
    needs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    fingerprint: str = ""
    resources: Resources = field(default_factory=Resources)
    attempts: int = 1
    resume: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    finished: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def record(self) -> str:
        """Path of its record once it has succeeded, relative to the study's folder."""
        return f"{STATE}/done/{self.name}/{self.fingerprint}.json"

    @property
    def log(self) -> str:
        """Where all its attempts write to, relative to the study's folder."""
        return f"logs/{self.name}.log"


@dataclass(frozen=True)
class Plan:
    """All steps of a study, each after those that it needs.

    Attributes:
        title: Name of the study.
        steps: By name, in an order in which they could run one after the other.
        setup: Shell lines before every step, such as ``module load`` and ``source activate``.
        environment: Variables set for every step; among them nnU-Net's three folders.
        container: Command that every step is run in, such as ``apptainer exec --nv image.sif``.
        source: The study's file, seen from the study's folder.
    """

    title: str
    steps: Mapping[str, Step]
    setup: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    container: tuple[str, ...] = ()
    source: str = ""

    def of_kind(self, kind: str) -> Step | None:
        """Return the first step of a kind; None if there is none."""
        return next((step for step in self.steps.values() if step.kind == kind), None)

    def write(self, folder: Path) -> None:
        """Write the plan into a study's folder."""
        path = folder / PLAN_JSON
        path.parent.mkdir(parents=True, exist_ok=True)
        content = asdict(self) | {"steps": [asdict(step) for step in self.steps.values()]}
        write_text(path, json.dumps(content, indent=1) + "\n")


def read_plan(folder: Path) -> Plan:
    """Read the plan of a study's folder.

    Raises:
        OSError: If there is none.
    """
    content = json.loads((folder / PLAN_JSON).read_text(encoding="utf-8"))
    steps = [_step(entry) for entry in content["steps"]]
    return Plan(
        content["title"],
        {step.name: step for step in steps},
        tuple(content["setup"]),
        content["environment"],
        tuple(content["container"]),
        content["source"],
    )


def _step(entry: dict[str, Any]) -> Step:
    return Step(
        **entry
        | {
            "commands": tuple(tuple(command) for command in entry["commands"]),
            "needs": tuple(entry["needs"]),
            "outputs": tuple(entry["outputs"]),
            "resume": tuple(entry["resume"]),
            "checkpoints": tuple(entry["checkpoints"]),
            "resources": Resources(**entry["resources"]),
        }
    )
