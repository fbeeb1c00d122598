"""Values per group and epoch that a method adds to the log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

#: What a value tells besides what it is: nothing; the sizes of all groups (see ``visible``).
Tells = Literal["nothing", "sizes"]


@dataclass(frozen=True)
class GroupValues:
    """One column of the log: what a method computed for every group in the epoch that ends.

    Attributes:
        column: Its name in the table.
        title: What it is, for lines and pictures.
        values: ``(G,)`` in the order of the groups; NaN where there is none.
        tells: ``sizes`` if the sizes of groups can be worked out from it: it is then neither in
            nnU-Net's log nor uploaded, and left out if a group is small.
    """

    column: str
    title: str
    values: Sequence[float] = field(repr=False)
    tells: Tells = "nothing"
