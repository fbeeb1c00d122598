"""What can be chosen when FairSeg is converted."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nnunetv2_fair.dataset_conversion.fairseg.parts import Unpaired
from nnunetv2_fair.errors import UsageError


@dataclass(frozen=True)
class FairSegSettings:
    """What to convert, and how.

    Attributes:
        folder: Unpacked download; files may be in any folders below.
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_``.
        split_lists: Folders with train.txt and test.txt; of each the first counts.
        synthetic: FairDiff's packs: the folder above the groups.
        race_scheme: ``012`` or ``237``; None decides by what is found.
        regions: Train disc (rim and cup together) and cup instead of rim and cup.
        image_key: Name of the image's array; None: the usual ones.
        mask_key: Name of the mask's array; None: the usual ones.
        crop: (rows, columns) to cut out of the middle.
        size: (rows, columns) to resize to, after the crop.
        test_ratio: Share of people for the test part; None follows ``data_summary.csv`` or
            folders ``Training`` and ``Test`` where there are any, and takes 0.2 otherwise. Lists
            take precedence over all of these.
        seed: Seed of the choice of the test part.
        unpaired: ``error`` refuses lists or tables that name absent files, ``skip`` continues
            without those files.
    """

    folder: Path
    dataset_id: int
    name: str = "FairSeg"
    split_lists: tuple[Path, ...] = ()
    synthetic: Path | None = None
    race_scheme: str | None = None
    regions: bool = False
    image_key: str | None = None
    mask_key: str | None = None
    crop: tuple[int, int] | None = None
    size: tuple[int, int] | None = None
    test_ratio: float | None = None
    seed: int = 0
    unpaired: Unpaired = "error"

    def check(self) -> None:
        """Refuse settings that make no sense.

        Raises:
            UsageError: If a number is out of range or two options exclude each other.
        """
        for flag, size in (("--center-crop", self.crop), ("--resize", self.size)):
            if size is not None and min(size) < 1:
                raise UsageError(f"{flag} {size[0]} {size[1]}: expected 1 or more.")
        if self.test_ratio is not None:
            if not 0 <= self.test_ratio < 1:
                raise UsageError(f"--test-ratio {self.test_ratio:g}: expected 0 or more, below 1.")
            if self.split_lists:
                raise UsageError("--split-lists and --test-ratio exclude each other; choose one.")

    def plain(self) -> dict[str, Any]:
        """Return what was chosen as JSON can hold it, without paths of this machine."""
        chosen = asdict(self)
        chosen |= {
            "folder": self.folder.absolute().name,
            "split_lists": [path.absolute().name for path in self.split_lists],
            "synthetic": None if self.synthetic is None else self.synthetic.absolute().name,
        }
        # not "in (None, [], False)": a seed of 0 equals False
        return {n: v for n, v in chosen.items() if v is not None and v is not False and v != []}
