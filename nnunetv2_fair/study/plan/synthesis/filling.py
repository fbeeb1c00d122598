"""What is known before anything runs of how groups are filled up with synthetic cases."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Filling:
    """How a dataset is filled up.

    Attributes:
        attribute: Attribute whose groups get one size.
        end: What is added to the names of its models.
        groups: Groups that need synthetic cases.
        number: Masks to draw of each of them.
        measured: Whether a group of them is large enough for measures of quality.
        pack: Fingerprint of synthetic cases that are there; empty if the study makes them.
    """

    attribute: str
    end: str
    groups: tuple[str, ...]
    number: int
    measured: bool
    pack: str = ""
