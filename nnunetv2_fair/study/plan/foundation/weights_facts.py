"""Whether weights of prompted models can be used, found out in a separate process."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.errors import StudyError

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
    done = subprocess.run(
        [sys.executable, "-m", _MODULE],
        input=json.dumps(asked),
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise StudyError(
            f"The weights could not be looked at, because torch does not start here. Run "
            f"nnUNetv2_fair_doctor. The last output was:\n{last}"
        )
    answer: dict[str, str] = json.loads(done.stdout)
    return answer
