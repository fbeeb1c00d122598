"""What trainers' names mean, for programs that must not import torch.

``python -m nnunetv2_fair.trainers.shared.describe`` reads
``{"names": [...], "attributes": [...], "repeats": 3}`` from standard input and writes
``{name: facts}`` to standard output; the facts are those of :func:`describe_all`, and runs and
bases of the named trainers are described as well.
"""

import contextlib
import inspect
import json
import re
import sys
from collections.abc import Collection, Iterable
from typing import Any

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunetv2_fair import trainers
from nnunetv2_fair.errors import TrainerNameError, closest, shorten
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.base.baseline import is_baseline
from nnunetv2_fair.trainers.shared.names import Option, closest_name, with_run
from nnunetv2_fair.trainers.shared.variants import token_of

#: What a name holds that says which of several trainings it is.
_IS_RUN = re.compile(r"[_-]run\d+(?=[_-]|$)")
#: Placeholder for a group in the name of a method that trains one model per group.
_ANY_GROUP = "group"


def describe(name: str, attributes: Collection[str]) -> dict[str, Any]:
    """Say what a trainer's name means.

    Args:
        name: Of ours, nnU-Net's, or a trainer of the user's. A method that trains one group's
            model may leave the group out: ``nnUNetTrainerInD_sex`` means all of its models.
        attributes: Attributes that datasets have; only needed for such a name, because an
            attribute may hold underscores.

    Returns:
        ``error``: empty, or why there is no such trainer, then the rest is missing; ``ours``:
        whether it is one of this package's, which read the demographics; ``attribute``: the
        one in the name, or None for the dataset's default; ``base``: name of the trainer whose
        finished model it builds on, or None; ``per_group``: None, or the name's parts before and
        after ``=<group>`` if it means a model per group; ``options``: of the method, in words.
    """
    method = name.partition("_")[0]
    known = trainers.METHODS.get(method)
    if known is None:
        return _foreign(name)
    try:
        per_group = None
        full = name
        if known.takes_group and "=" not in name:
            head, rest = per_group = _split(name, attributes)
            full = f"{head}={_ANY_GROUP}{rest}"
        facts = _facts(getattr(trainers, full), per_group)
        if facts["base"] and facts["base"].partition("_")[0] == method:
            raise TrainerNameError(f"'{name}': a model of {method} cannot be the base of another")
        return facts
    except TrainerNameError as error:
        reason = str(error).splitlines()[-1].rstrip(".")
        return {"error": f"{reason}. {_options(known.known_options().values())}"}


def _facts(found: type[SubgroupTrainer], per_group: tuple[str, str] | None) -> dict[str, Any]:
    options = {key: option.default for key, option in found.known_options().items()}
    options.update(found.chosen_options)
    builds = "base" in options and options.get("start") != "scratch"
    return {
        "error": "",
        "ours": True,
        "attribute": found.attribute,
        "base": options["base"] if builds else None,
        "per_group": per_group,
        "options": _options(found.known_options().values()),
    }


def _split(name: str, attributes: Collection[str]) -> tuple[str, str]:
    """Split a name without a group after the longest attribute expression it begins with."""
    tokens = name.split("_")
    for end in range(len(tokens), 1, -1):
        if all(part in attributes for part in "_".join(tokens[1:end]).split("+")):
            return "_".join(tokens[:end]), "".join(f"_{token}" for token in tokens[end:])
    raise TrainerNameError(
        f"'{name}' trains a model for each group, and does not name the attribute: expected "
        f"{tokens[0]}_<attribute>, with an attribute of {shorten(sorted(attributes), 12)}"
    )


def _options(options: Iterable[Option]) -> str:
    listed = "; ".join(f"{o.name} ({o.allowed}; default {o.default})" for o in options)
    return f"Options: {listed}"


def _foreign(name: str) -> dict[str, Any]:
    """Look a name up as nnU-Net does: among its own trainers, then in ``nnUNet_extTrainer``."""
    try:
        recursive_find_trainer_class_by_name(name)
    except (RuntimeError, AssertionError, TrainerNameError):
        return {"error": no_such_trainer(name)}
    return {"error": "", "ours": False, "attribute": None, "base": None, "per_group": None}


def no_such_trainer(name: str) -> str:
    """Return a message about a name that no trainer has, with the one that may have been meant.

    Args:
        name: For which nnU-Net has searched everywhere.
    """
    meant = closest_name(name, trainers.METHODS) or _closest_of_theirs(name)
    hint = (
        f"Did you mean '{meant}'?"
        if meant
        else f"Names of ours begin with {shorten(trainers.METHODS, len(trainers.METHODS))}."
    )
    return (
        f"there is no trainer '{name}', neither of nnunetv2_fair nor of nnU-Net nor in a folder "
        f"of nnUNet_extTrainer. {hint}"
    )


def _closest_of_theirs(name: str) -> str | None:
    """Return the trainer of nnU-Net that may have been meant, by what distinguishes its name."""
    begin = nnUNetTrainer.__name__.removesuffix("r")  # a letter more lets short names be similar
    theirs = {
        key.removeprefix(begin)
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("nnunetv2.training.nnUNetTrainer")
        for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, nnUNetTrainer)
    }
    if not name.startswith(begin):
        return closest(name, [nnUNetTrainer.__name__])
    found = closest(name.removeprefix(begin), sorted(theirs - {"r"}))
    return None if found is None else begin + found


def describe_all(
    names: Iterable[str], attributes: Collection[str], repeats: int | None = None
) -> dict[str, dict[str, Any]]:
    """Describe names, the bases they build on, and so on.

    Args:
        names: Names of trainers.
        attributes: As for :func:`describe`.
        repeats: How often each of ``names`` is trained; None: once, by the name as it is.

    Returns:
        Facts as of :func:`describe`, and for ``names``, with ``repeats``, ``runs``: the names of
        the trainings, which are described, too.
    """
    described: dict[str, dict[str, Any]] = {}

    def add(name: str) -> dict[str, Any]:
        if name not in described:
            described[name] = describe(name, attributes)
            if base := described[name].get("base"):
                add(base)
        return described[name]

    for name in dict.fromkeys(names):
        facts = add(name)
        if repeats is None or facts["error"]:
            continue
        base = facts["base"]
        try:
            _check_repeatable(name, facts, {} if base is None else described[base])
        except TrainerNameError as error:
            described[name] = {"error": str(error)}
            continue
        described[name] = facts | {
            "runs": [with_run(name, run, base) for run in range(1, repeats + 1)]
        }
        for run in described[name]["runs"]:
            add(run)
    return described


def _check_repeatable(name: str, facts: dict[str, Any], base: dict[str, Any]) -> None:
    """Refuse a trainer that has no runs, or is one already.

    Args:
        name: Name of the trainer.
        facts: What it means.
        base: What its base means; empty if it has none.
    """
    for found, whose in ((name, ""), (facts["base"] or "", f"the base of '{name}', ")):
        if _IS_RUN.search(found):
            raise TrainerNameError(
                f"{whose}'{found}' names a run, and repeats makes the names of all runs: leave "
                "_run... out of the name, or leave repeats out"
            )
        if found and not _has_runs(found):
            meant = f"nnUNetTrainerMonitor_on{token_of(found)}"
            raise TrainerNameError(
                f"{whose}'{found}' has no seed, so it cannot be repeated: nnUNetTrainer and the "
                f"trainers of nnunetv2_fair can. Write {meant}, which trains in the same way, or "
                "leave repeats out"
            )
    if base.get("base"):
        raise TrainerNameError(
            f"'{name}' builds on {facts['base']}, which builds on a model, too: its runs have no "
            "names. Leave repeats out, and write the runs as _run{1,2,3}"
        )


def _has_runs(name: str) -> bool:
    return name.partition("_")[0] in trainers.METHODS or is_baseline(name)


def main() -> None:
    """Answer what standard input asks."""
    asked = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):  # nnU-Net prints where it searches
        answer = describe_all(asked["names"], asked["attributes"], asked["repeats"])
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
