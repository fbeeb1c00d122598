"""What a trainer's name says: attribute, options, number of epochs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_fair.trainers.shared.names import (
    Option,
    choice_option,
    number_option,
    whole_number_option,
)
from nnunetv2_fair.trainers.shared.variants import variant_option


class NamedTrainer(nnUNetTrainer):
    """A trainer whose name is an experiment (see :mod:`nnunetv2_fair.trainers.shared.names`).

    Class attributes are set by the name:

    Attributes:
        attribute: Attribute expression that defines the groups; None takes the default.
        epochs: Number of epochs; None takes nnU-Net's.
        chosen_options: Options in the name.
        OPTIONS: Options that this class knows.
        takes_group: Whether the name must say one group to train on.
    """

    attribute: ClassVar[str | None] = None
    epochs: ClassVar[int | None] = None
    chosen_options: ClassVar[Mapping[str, Any]] = {}
    takes_group: ClassVar[bool] = False
    OPTIONS: ClassVar[tuple[Option, ...]] = (
        choice_option(
            "unknown",
            "exclude",
            ("exclude", "own", "error"),
            "what to do with training cases of unknown group",
        ),
        variant_option(),
        whole_number_option(
            "run",
            None,
            1,
            999,
            "which of several trainings that differ by chance alone; seeds initialisation, "
            "sampling and augmentation",
        ),
        number_option(
            "ema",
            None,
            0.5,
            0.99999,
            "decay of the average of the weights that is validated, saved and predicted with",
        ),
        whole_number_option(
            "minority",
            None,
            1,
            100_000,
            "how many patients of the smallest group are trained with; cohorts of fewer are part "
            "of those of more",
        ),
        choice_option(
            "cohort",
            "all",
            ("all", "equal"),
            "equal: trains with as many patients of each group as the smallest has; every run "
            "draws others",
        ),
    )

    @classmethod
    def known_options(cls) -> dict[str, Option]:
        """Return all options of this class and its bases."""
        return {
            option.name: option
            for base in reversed(cls.__mro__)
            for option in vars(base).get("OPTIONS", ())
        }

    @classmethod
    def option(cls, name: str) -> Any:
        """Return the value of an option: the name's, else the default."""
        return cls.chosen_options.get(name, cls.known_options()[name].default)

    @classmethod
    def check_options(cls) -> None:
        """Refuse options of the name that exclude each other; called when the name is read.

        Raises:
            TrainerNameError: If there are any.
        """
