"""What an inspection of the latent space found, as frozen values and as a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.results.json_file import JsonFormat
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.files.outputs import read_as_one
from nnunetv2_fair.paths import LATENT_JSON

#: Command that makes such results.
COMMAND = "nnUNetv2_fair_inspect_latent"
_FILE = JsonFormat(1, COMMAND, "Inspect again")


@dataclass(frozen=True)
class ModelSeparation:
    """How far apart the groups are in one model's bottleneck.

    Attributes:
        probe: Balanced accuracy of the linear probe, 0 to 1.
        probe_interval: Bootstrap interval of it.
        change: ``probe`` minus that of the first model; NaN for the first model itself.
        change_interval: Paired bootstrap interval: both models on the same patients.
        davies_bouldin: Davies-Bouldin index, 0 upwards; lower means that groups are further apart.
        silhouette: Mean silhouette, -1 to 1; higher means that groups are further apart.
    """

    probe: float
    probe_interval: Interval
    change: float
    change_interval: Interval
    davies_bouldin: float
    silhouette: float


@dataclass(frozen=True)
class AttributeSeparation:
    """The groups of one attribute expression, model by model.

    Attributes:
        attribute: Attribute expression, such as ``sex+age``.
        group_patients: Group -> patients; every group that is compared.
        n_cases: Cases of these groups.
        n_patients: Patients they come from.
        n_unknown: Cases of unknown group, which are left out.
        left_out: Group that is too small -> number of its patients.
        n_folds: Folds of the cross-validation.
        per_model: Model -> what was found, in the order given.
        picture: Name of the t-SNE picture next to the file.
    """

    attribute: str
    group_patients: Mapping[str, int]
    n_cases: int
    n_patients: int
    n_unknown: int
    left_out: Mapping[str, int]
    n_folds: int
    per_model: Mapping[str, ModelSeparation]
    picture: str

    @property
    def chance(self) -> float:
        """Balanced accuracy of guessing."""
        return 1 / len(self.group_patients)


@dataclass(frozen=True)
class LatentResult:
    """Everything one inspection found. It holds groups only, no individual cases.

    Attributes:
        models: Names in the order given; changes are measured from the first.
        attributes: One entry per attribute expression, in the order given.
        settings: Options the inspection ran with.
        versions: Versions of Python and the packages used.
        created: ISO 8601 time.
    """

    models: tuple[str, ...]
    attributes: tuple[AttributeSeparation, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

    def write(self, folder: Path) -> None:
        """Write ``latent.json`` into a folder; it appears whole or not at all."""
        _FILE.write(self, folder / LATENT_JSON)

    @classmethod
    def read(cls, folder: Path) -> "LatentResult":
        """Read what :meth:`write` wrote.

        Raises:
            EvaluationError: If the file is missing, damaged or of another format, a picture
                that it names is missing, or the files are not of one run.
        """
        with read_as_one(folder, _FILE.again) as names:
            names.append(LATENT_JSON)
            result = cls._read(folder)
            names.extend(entry.picture for entry in result.attributes)
        return result

    @classmethod
    def _read(cls, folder: Path) -> "LatentResult":
        path = folder / LATENT_JSON
        result = _FILE.read(cls, path)
        for entry in result.attributes:
            if Path(entry.picture).name != entry.picture:
                raise EvaluationError(
                    f"{path} is damaged: the picture {entry.picture!r} is not a file name. "
                    "Inspect again."
                )
        missing = [a.picture for a in result.attributes if not (folder / a.picture).is_file()]
        if missing:
            raise EvaluationError(
                f"{folder} lacks {', '.join(missing)}, which {LATENT_JSON} names. Put the picture "
                "back, or inspect again."
            )
        return result
