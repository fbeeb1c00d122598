"""Measured cases on disk: what an interrupted evaluation and the shards of a large one leave.

One line of JSON per case, written as soon as the case is measured. A line counts only for the same
files, byte for byte, the same options and the same code; of what else is measured (and of the
images that this reads), too. It holds no demographics.
"""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import nnunetv2_fair
from nnunetv2_fair.errors import DamagedFileError
from nnunetv2_fair.evaluation.measuring.one_case import (
    CaseMeasures,
    CasePair,
    CaseTask,
    FurtherMeasures,
    LabelMeasures,
)
from nnunetv2_fair.files.fingerprints import files_hash, text_hash
from nnunetv2_fair.files.integrity import image_hash
from nnunetv2_fair.paths import MEASURED_CASES

logger = logging.getLogger(__name__)

#: All modules that one_case imports from this package: they read masks or measure them.
_MEASURING = (
    "evaluation/masks/*.py",
    "evaluation/metrics/*.py",
    "evaluation/measuring/one_case.py",
    "files/fingerprints.py",
    "files/formats/*.py",
    "files/integrity.py",
    "files/json_files.py",
    "files/labels.py",
    "files/nifti.py",
)
_SHARD = re.compile(r"measured_cases_(\d+)_of_(\d+)\.jsonl")


class CaseStore:
    """Measured cases of one task in one folder; a context manager that keeps a file open."""

    def __init__(self, folder: Path, task: CaseTask, shard: tuple[int, int] | None = None) -> None:
        """Read what was measured before.

        Args:
            folder: Output folder of the evaluation; it need not exist.
            task: What is measured; lines of other tasks are skipped.
            shard: (number from 1, number of shards) if this is one of several runs.
        """
        name = "measured_cases" + ("" if shard is None else f"_{shard[0]}_of_{shard[1]}")
        self.path = folder / f"{name}.jsonl"
        self._task = _fingerprint(task)
        self._n_metrics = len(task.metrics)
        self._further = task.further
        self._found: dict[str, dict[tuple[str, ...], CaseMeasures]] = {}
        self._file: TextIO | None = None
        for path in sorted(folder.glob(MEASURED_CASES)):
            self._read(path)

    def __enter__(self) -> "CaseStore":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been measured."""
        return not self._found

    def find(self, pair: CasePair) -> CaseMeasures | None:
        """Return the measures of a case; None if there are none or its files have changed."""
        found = self._found.get(pair.case)
        if found is None:
            return None
        files = [path for path in (pair.reference, pair.prediction) if path is not None]
        if self._further is not None and pair.prediction is not None:
            files += self._further.files(pair.case)
        try:
            return found.get(tuple(map(image_hash, files)))
        except (DamagedFileError, OSError):
            return None  # measuring it says what is wrong

    def add(self, measured: CaseMeasures) -> None:
        """Write the measures of a case, unless it has problems."""
        if measured.problems:
            return
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8", buffering=1)
            if self.path.stat().st_size:
                self._file.write("\n")  # the last line may be incomplete
        entry = {key: value for key, value in asdict(measured).items() if key != "problems"}
        if measured.further is None:
            del entry["further"]
        self._file.write(json.dumps({"task": self._task, **entry}) + "\n")

    def _read(self, path: Path) -> None:
        damaged = 0
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                if entry["task"] == self._task:
                    measured = _measures(entry)
                    if any(len(m.values) != self._n_metrics for m in measured.labels.values()):
                        raise ValueError("another number of metrics")
                    self._check_further(measured)
                    key = measured.sha256
                    if measured.further is not None:
                        key += measured.further.sha256
                    self._found.setdefault(measured.case, {})[key] = measured
            except (ValueError, KeyError, TypeError, AttributeError):
                damaged += 1
        if damaged:
            logger.info("%s: cases measured again, as their lines are damaged: %d", path, damaged)

    def _check_further(self, measured: CaseMeasures) -> None:
        if self._further is None:
            return
        if measured.further is not None:
            self._further.check(measured.further.values)
        elif len(measured.sha256) > 1:
            raise ValueError("not all that is asked for")


def number_of_shards(folder: Path) -> int | None:
    """Return into how many shards the files of a folder divide the cases; None if not clear."""
    matches = [_SHARD.fullmatch(path.name) for path in folder.glob(MEASURED_CASES)]
    totals = {int(match.group(2)) for match in matches if match is not None}
    return totals.pop() if len(totals) == 1 else None


def shard_of(pairs: Sequence[CasePair], shard: tuple[int, int]) -> Sequence[CasePair]:
    """Return the cases of a shard: every n-th, so that shards are alike.

    Args:
        pairs: All cases, sorted.
        shard: (number from 1, number of shards).
    """
    return pairs[shard[0] - 1 :: shard[1]]


def remove_measured_cases(folder: Path) -> None:
    """Remove the files of measured cases (individual patients), and the folder if empty."""
    for path in folder.glob(MEASURED_CASES):
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _measures(entry: Mapping[str, Any]) -> CaseMeasures:
    labels = {
        str(name): LabelMeasures(
            tuple(map(float, label["values"])),
            int(label["reference_voxels"]),
            int(label["prediction_voxels"]),
        )
        for name, label in entry["labels"].items()
    }
    further = entry.get("further")
    return CaseMeasures(
        case=str(entry["case"]),
        labels=labels,
        reference_values=tuple(map(int, entry["reference_values"])),
        prediction_values=tuple(map(int, entry["prediction_values"])),
        diagonal=float(entry["diagonal"]),
        sha256=tuple(map(str, entry["sha256"])),
        further=None
        if further is None
        else FurtherMeasures(further["values"], tuple(map(str, further["sha256"]))),
    )


@cache
def measuring_code(*further: str) -> str:
    """Return a hash of the source of everything that turns two files into measures.

    A metric that an update has changed is measured again; measures of old and new never mix.

    Args:
        further: Further source files, as patterns of paths inside the package.
    """
    folder = Path(nnunetv2_fair.__file__).parent
    parts = (*_MEASURING, *further)
    return files_hash(sorted({path for part in parts for path in folder.glob(part)}))


def _fingerprint(task: CaseTask) -> str:
    """Return a hash of all that changes the measures of a case, apart from its files."""
    regions = None if task.regions is None else [[n, list(v)] for n, v in task.regions.items()]
    known = None if task.known is None else sorted(task.known)
    further = None if task.further is None else task.further.about
    about = [measuring_code(), task.metrics, task.tolerance, regions, task.ignore, known, further]
    return text_hash(json.dumps(about))
