"""What jobs ask of the machine: sensible amounts by kind, and the study's own."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, get_args

from nnunetv2_fair.study.step import Kind, Resources
from nnunetv2_fair.study.study_file.settings import Settings
from nnunetv2_fair.study.study_file.values import megabytes, minutes

KINDS: tuple[str, ...] = get_args(Kind)
#: For datasets of a few thousand cases; nnU-Net needs the cores to augment and to resample.
_USUAL: Mapping[str, Resources] = {
    "prepare": Resources(cpus=1, memory_mb=4000, runtime_min=30),
    "preprocess": Resources(cpus=8, memory_mb=32_000, runtime_min=12 * 60),
    "train": Resources(cpus=8, gpus=1, memory_mb=32_000, runtime_min=48 * 60),
    "predict": Resources(cpus=4, gpus=1, memory_mb=24_000, runtime_min=6 * 60),
    "evaluate": Resources(cpus=4, memory_mb=16_000, runtime_min=6 * 60),
    "merge": Resources(cpus=1, memory_mb=8000, runtime_min=60),
    "compare": Resources(cpus=1, memory_mb=8000, runtime_min=60),
    "index": Resources(cpus=1, memory_mb=8000, runtime_min=60),
}
_ON_GPU = ("train", "predict")


class ResourceBook:
    """Resources of every kind of step, and of single trainers' trainings.

    Args:
        settings: The study's settings.
        most_cpus: Cores that there are; None if the cluster decides.
    """

    def __init__(self, settings: Settings, most_cpus: int | None = None) -> None:
        self._most_cpus = most_cpus
        self._patterns = settings.trainer_resources
        self._default = settings.resources.get("default", {})
        self._of_kind: dict[str, dict[str, Any]] = {}
        for kind in KINDS:
            usual = vars(_USUAL[kind])
            if kind in _ON_GPU and settings.device != "cuda":
                usual = usual | {"gpus": 0}
            own = settings.resources.get(kind, {})
            self._of_kind[kind] = usual | _values(self._default) | _values(own)
            if kind not in _ON_GPU and "gpus" not in own:
                self._of_kind[kind]["gpus"] = 0  # a default of gpus is about steps that use them

    def of(self, kind: str, trainer: str = "") -> Resources:
        """Return what a step asks for.

        Args:
            kind: Its kind.
            trainer: Name of the trainer, for trainings.
        """
        values = self._of_kind[kind]
        if kind == "train":
            for pattern, own in self._patterns.items():
                if fnmatchcase(trainer, pattern):
                    values = values | _values(own)
        if self._most_cpus is not None:
            values = values | {"cpus": min(values["cpus"], self._most_cpus)}
        return Resources(**values)


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn keys and units of the file into those of :class:`Resources`."""
    values = dict(given)
    if "memory" in values:
        values["memory_mb"] = megabytes(values.pop("memory"))
    if "runtime" in values:
        values["runtime_min"] = minutes(values.pop("runtime"))
    return values
