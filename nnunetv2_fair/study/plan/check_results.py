"""What the checks of a study find: mistakes, and the datasets as far as they are valid."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nnunetv2_fair.errors import FairError
from nnunetv2_fair.study.plan.environment import study_environment
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.study.study_file.problems import Problem
from nnunetv2_fair.study.study_file.settings import Settings

if TYPE_CHECKING:
    from nnunetv2_fair.study.plan.diagnosis.diagnosed import Diagnosed
    from nnunetv2_fair.subgroups.schema import Attribute, Schema


class Findings:
    """What the checks of a study find.

    Args:
        settings: The study's settings.

    Attributes:
        environment: Variables that steps are run with.
        datasets: Datasets of which enough is valid to continue.
        problems: All mistakes.
        diagnosed: Which gap is diagnosed, and how; None: none.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.environment = study_environment(settings)
        self.datasets: list[StudyDataset] = []
        self.problems: list[Problem] = []
        self.diagnosed: Diagnosed | None = None

    @contextmanager
    def blamed(self, line: int) -> Iterator[None]:
        """Turn an error into a mistake on a line."""
        try:
            yield
        except (FairError, OSError) as error:
            self.problems.append(Problem(line, str(error).rstrip(".")))

    def add(self, line: int, text: str) -> None:
        """Add a mistake."""
        self.problems.append(Problem(line, text))

    def twice(self, listed: Sequence[tuple[str, int, str]]) -> None:
        """Add a mistake for each name that is listed twice.

        Args:
            listed: Names with their lines, and what they are names of.
        """
        first: dict[str, int] = {}
        for name, line, what in listed:
            if name in first:
                self.add(line, f"{what} '{name}' is listed twice, first on line {first[name]}")
            first.setdefault(name, line)


def parsed(owner: str, schema: "Schema", expression: str | None) -> "tuple[Attribute, ...]":
    """Return the attributes of an expression; messages name the owner."""
    try:
        return schema.parse_expression(expression)
    except FairError as error:
        raise type(error)(f"{owner}: {error}") from error
