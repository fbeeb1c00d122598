"""What the log may tell: nothing about a single patient, no small number of cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nnunetv2_fair.trainers.shared.introduction import (
    GroupSize,
    counted_alone,
    has_small_group,
)

Part = Literal["train", "val"]


@dataclass(frozen=True)
class Visible:
    """What may be told of the groups of one fold.

    Attributes:
        sizes: ``train`` and ``val`` -> size of every group, cases of unknown group included as if
            they were a group.
    """

    sizes: Mapping[Part, Mapping[str, GroupSize]] = field(repr=False)

    def shows(self, part: Part, group: str) -> bool:
        """Return whether values of a group may be shown: it holds more than one patient."""
        size = self.sizes[part].get(group)
        return size is not None and size.patients > 1

    def cases(self, part: Part, group: str) -> int | None:
        """Return how many cases a group has; None where the screen does not tell it alone."""
        sizes = self.sizes[part]
        return sizes[group].cases if group in counted_alone(sizes) else None

    def shows_sizes(self) -> bool:
        """Return whether values may be shown that the sizes of all groups follow from."""
        return not has_small_group(self.sizes["train"])
