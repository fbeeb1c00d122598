"""Whether weights of prompted models can be used, found out in a separate process."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.study.plan.trainer_facts import answer_of

_MODULE = "nnunetv2_fair.foundation.describe"


def ask_weights(
    models: Sequence[tuple[str, Path, str | None]], environment: Mapping[str, str]
) -> dict[str, str]:
    """Return why weights cannot be used, by name; empty for those that can.

    Args:
        models: Names, weights and families.
        environment: Of the process.

    Raises:
        StudyError: If torch does not start here.
    """
    asked = [{"name": n, "weights": str(path), "family": family} for n, path, family in models]
    failure = "The weights could not be looked at"
    answer: dict[str, str] = answer_of(_MODULE, asked, environment, failure)
    return answer
