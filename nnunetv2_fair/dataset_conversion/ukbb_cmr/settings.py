"""What to convert of a set of short-axis cine MRI, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nnunetv2_fair.dataset_conversion.ukbb_cmr.cohort import Cohort
from nnunetv2_fair.dataset_conversion.ukbb_cmr.labels import LABELS
from nnunetv2_fair.dataset_conversion.ukbb_cmr.people import PeopleSettings
from nnunetv2_fair.dataset_conversion.ukbb_cmr.sources import FRAMES
from nnunetv2_fair.errors import UsageError, shorten


@dataclass(frozen=True)
class CmrSettings:
    """What to convert, and how.

    Attributes:
        folder: Holds the participants' folders.
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_``.
        table: Table with a row per participant; None: ``labels_csv`` alone.
        labels_csv: ``labels.csv`` of Lee et al.; None: ``table`` alone.
        people: How these are read.
        frames: Frames to take.
        label_map: Pairs (value in the label files, label); empty: values are labels.
        bins: Where to cut numeric attributes into groups.
        only: List of participants to take; None: all.
        exclude: List of participants to leave out.
        cohort: How many of each ethnicity are trained on; everybody else is tested on.
        test_list: List of participants of the test part.
        test_ratio: Share of participants for the test part, if neither cohort, list nor folders
            say.
        seed: Seed of that choice.
        unpaired: ``error`` refuses participants without a row of the table, ``skip`` leaves them
            out and lists them.
        licence: Terms of the data.
        reference: Where they come from.
        release: Their version.
    """

    folder: Path
    dataset_id: int
    name: str = "UKBB_CMR"
    table: Path | None = None
    labels_csv: Path | None = None
    people: PeopleSettings = field(default_factory=PeopleSettings)
    frames: tuple[str, ...] = FRAMES
    label_map: tuple[tuple[int, int], ...] = ()
    bins: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    only: Path | None = None
    exclude: Path | None = None
    cohort: Cohort | None = None
    test_list: Path | None = None
    test_ratio: float = 0.2
    seed: int = 0
    unpaired: Literal["error", "skip"] = "error"
    licence: str = "UK Biobank: approved research only, not to be passed on"
    reference: str = "https://www.ukbiobank.ac.uk"
    release: str = ""

    def check(self) -> None:
        """Raise UsageError if the settings contradict each other."""
        if self.table is None and self.labels_csv is None:
            raise UsageError("Name a table of participants (--table), or --labels-csv.")
        if self.cohort is not None and self.test_list is not None:
            raise UsageError("--cohort and --test-list exclude each other; choose one.")
        if not 0 <= self.test_ratio < 1:
            raise UsageError(f"--test-ratio {self.test_ratio:g}: expected 0 or more, below 1.")
        wrong = sorted({label for _, label in self.label_map} - set(LABELS.values()))
        if wrong:
            raise UsageError(
                f"--label-map: {shorten(wrong)} is not a label; expected 0 background, 1 cavity of "
                "the left ventricle, 2 its myocardium, 3 cavity of the right ventricle."
            )

    def plain(self) -> dict[str, object]:
        """Return what was chosen as JSON can hold it: no paths, no names of files."""
        content: dict[str, object] = {
            "frames": list(self.frames),
            "label_map": {str(value): label for value, label in self.label_map},
            "instance": self.people.instance,
            "values": {name: dict(pairs) for name, pairs in self.people.reading.values.items()},
            "bins": {name: list(cuts) for name, cuts in self.bins.items()},
            "unpaired": self.unpaired,
            "lists": [n for n in ("only", "exclude", "test_list") if getattr(self, n) is not None],
        }
        if self.cohort is not None:
            content["cohort"] = {**self.cohort.counts, "seed": self.cohort.seed}
        elif self.test_list is None:
            content |= {"test_ratio": self.test_ratio, "seed": self.seed}
        return {name: value for name, value in content.items() if value not in ((), [], {}, "")}
