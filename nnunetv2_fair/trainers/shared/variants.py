"""nnU-Net's other trainers as the ground that a method stands on: ``_onDA5`` in a name."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import nnunetv2
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunetv2_fair.errors import TrainerNameError, closest, shorten
from nnunetv2_fair.registration import EXTERNAL_TRAINERS, plugin_folder
from nnunetv2_fair.trainers.shared.names import Option

_CLASS = re.compile(r"^class\s+(\w+)\s*\(", re.MULTILINE)
#: Trainers that differ in their length only; ``_<N>epochs`` does that.
_LENGTH = re.compile(r"\d+epochs?")


def variant_option() -> Option:
    """Return the option that names the trainer to combine a method with."""

    def parse(text: str) -> str:
        if not re.fullmatch(r"[A-Z0-9][A-Za-z0-9]*", text):
            raise ValueError(text)
        return text

    return Option(
        "on",
        "nnUNetTrainer",
        parse,
        "the name of a trainer of nnU-Net without 'nnUNet', 'Trainer' and underscores, the first "
        "letter large: DA5, NoMirroring, PrimusM",
        "which trainer the method is combined with",
        begins=r"[A-Z0-9]",
    )


def token_of(name: str) -> str:
    """Return how a trainer is written after ``_on``: ``PrimusM`` for ``nnUNet_Primus_M_Trainer``.

    Args:
        name: Name of a trainer class.
    """
    short = name.replace("nnUNet", "", 1).replace("Trainer", "", 1).replace("_", "")
    return short[:1].upper() + short[1:]


def _names() -> Iterator[str]:
    """Yield names of classes where nnU-Net searches for trainers; nothing is imported."""
    own = Path(nnunetv2.__path__[0]) / "training" / "nnUNetTrainer"
    external = os.environ.get(EXTERNAL_TRAINERS, "").split(os.pathsep)
    folders = [own, *(Path(part) for part in external if part and part != plugin_folder())]
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            yield from _CLASS.findall(path.read_text(encoding="utf-8", errors="replace"))


def find_variant(token: str) -> type[nnUNetTrainer]:
    """Return the trainer that ``_on<token>`` means.

    Args:
        token: As :func:`token_of` writes it.

    Raises:
        TrainerNameError: If nnU-Net finds none, or it is one of another length only.
    """
    names = {token_of(name): name for name in _names()}
    if _LENGTH.fullmatch(token):
        raise TrainerNameError(f"'on{token}': write the number of epochs as '_{token}' at the end.")
    if token not in names:
        known = sorted(name for name in names if name and not _LENGTH.fullmatch(name))
        meant = closest(token, known)
        hint = f"Did you mean 'on{meant}'? " if meant else ""
        raise TrainerNameError(
            f"'on{token}': nnU-Net has no such trainer. {hint}There are {shorten(known, 60)}."
        )
    found = recursive_find_trainer_class_by_name(names[token])
    if not issubclass(found, nnUNetTrainer):
        raise TrainerNameError(f"'on{token}': {names[token]} is not a trainer of nnU-Net.")
    return found


def check_combination(method: type[nnUNetTrainer], variant: type[nnUNetTrainer]) -> None:
    """Refuse a method and a variant of which one would replace what the other does.

    A method's hook that calls ``super()`` goes together with any hook of the variant; one that
    does not would silently replace it.

    Args:
        method: A trainer of this package.
        variant: A trainer that nnU-Net finds.

    Raises:
        TrainerNameError: If two hooks collide; both are named.
    """
    theirs = _hooks(variant)
    for name, (owner, hook) in _hooks(method).items():
        if name in theirs and not _calls_super(hook):
            other = theirs[name][0].__name__
            raise TrainerNameError(
                f"{method.__name__} cannot be combined with {variant.__name__}: "
                f"{owner.__name__}.{name} would replace {other}.{name}. Combine it with another "
                "trainer, or train the two one by one."
            )


def _hooks(trainer: type) -> dict[str, tuple[type, Any]]:
    """Return the methods that a trainer has and nnUNetTrainer has, too: owner and function."""
    found: dict[str, tuple[type, Any]] = {}
    for owner in reversed(trainer.__mro__[: trainer.__mro__.index(nnUNetTrainer)]):
        for name, value in vars(owner).items():
            function = getattr(value, "__func__", value)
            if isinstance(function, FunctionType) and hasattr(nnUNetTrainer, name):
                found[name] = (owner, function)
    return found


def _calls_super(function: FunctionType) -> bool:
    return "super" in function.__code__.co_names
