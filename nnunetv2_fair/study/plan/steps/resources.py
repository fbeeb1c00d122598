"""Resources of jobs: sensible defaults by kind, and those in the study's file."""

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import get_args

from nnunetv2_fair.study.step import Kind, Resources
from nnunetv2_fair.study.study_file.settings import Settings

KINDS: tuple[Kind, ...] = get_args(Kind)
#: For datasets of a few thousand cases; nnU-Net needs the cores to augment and to resample.
_USUAL: Mapping[Kind, Resources] = {
    "prepare": Resources(cpus=1, memory_mb=4000, runtime_min=30),
    "synthesize": Resources(cpus=4, gpus=1, memory_mb=32_000, runtime_min=24 * 60),
    "preprocess": Resources(cpus=8, memory_mb=32_000, runtime_min=12 * 60),
    "train": Resources(cpus=8, gpus=1, memory_mb=32_000, runtime_min=48 * 60),
    "predict": Resources(cpus=4, gpus=1, memory_mb=24_000, runtime_min=6 * 60),
    "evaluate": Resources(cpus=4, memory_mb=16_000, runtime_min=6 * 60),
    "merge": Resources(cpus=1, memory_mb=8000, runtime_min=60),
    "compare": Resources(cpus=1, memory_mb=8000, runtime_min=60),
    "diagnose": Resources(cpus=4, memory_mb=16_000, runtime_min=120),
    "paper": Resources(cpus=1, memory_mb=8000, runtime_min=120),
    "index": Resources(cpus=1, memory_mb=8000, runtime_min=60),
}
_ON_GPU = ("synthesize", "train", "predict")


class ResourceBook:
    """Resources of every kind of step, and of individual trainers' trainings.

    Args:
        settings: The study's settings.
        most_cpus: Cores available; None if the cluster decides.
    """

    def __init__(self, settings: Settings, most_cpus: int | None = None) -> None:
        self._most_cpus = most_cpus
        self._of_trainers = settings.resources.trainers
        self._of_kind = {kind: _of_kind(settings, kind) for kind in KINDS}

    def of(self, kind: Kind, *names: str) -> Resources:
        """Return what a step asks for.

        Args:
            kind: Its kind.
            names: For trainings: of the trainer, and of the method whose run it is.
        """
        asked = self._of_kind[kind]
        if kind == "train":
            for pattern, own in self._of_trainers.items():
                if any(fnmatchcase(name, pattern) for name in names if name):
                    asked = replace(asked, **own.amounts())
        if self._most_cpus is not None:
            asked = replace(asked, cpus=min(asked.cpus, self._most_cpus))
        return asked


def _of_kind(settings: Settings, kind: Kind) -> Resources:
    """Return what a kind of step asks for: the usual, the file's default, and its own entry."""
    usual, own = _USUAL[kind], settings.resources.of(kind)
    if settings.device != "cuda":
        usual = replace(usual, gpus=0)
    asked = replace(usual, **settings.resources.default.amounts())
    if kind not in _ON_GPU:
        asked = replace(asked, gpus=0)  # a default of gpus is about steps that use them
    return replace(asked, **own.amounts())
