"""Whether weights can be used, for programs that must not import torch.

``python -m nnunetv2_fair.foundation.describe`` reads a list of
``{"name": ..., "weights": path, "family": name or null}`` from standard input and writes
``{name: what is wrong, or an empty text}`` to standard output.
"""

import contextlib
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from nnunetv2_fair.errors import FairError
from nnunetv2_fair.foundation.model import PromptedModel
from nnunetv2_fair.foundation.weights import read_weights


def describe_weights(models: Iterable[Mapping[str, str | None]]) -> dict[str, str]:
    """Say what is wrong with weights, having built the models that they are of.

    Args:
        models: ``name``, ``weights`` and ``family`` of each; without a family it is found.

    Returns:
        Name -> what is wrong; empty if the weights can be used.
    """
    found = {}
    for model in models:
        problem = ""
        try:
            PromptedModel(read_weights(Path(str(model["weights"])), model["family"]))
        except FairError as error:
            problem = str(error)
        found[str(model["name"])] = problem
    return found


def main() -> None:
    """Answer what standard input asks."""
    with contextlib.redirect_stdout(sys.stderr):
        answer = describe_weights(json.load(sys.stdin))
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
