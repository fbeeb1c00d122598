"""The arguments of ``nnUNetv2_fair_evaluate`` that a study's file asks for."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

from nnunetv2_fair.study.study_file.settings import EvaluationOptions
from nnunetv2_fair.tables.remedy import list_of, options_of
from nnunetv2_fair.tables.settings import TableSettings

#: Keys of the file whose option takes one value.
_SINGLE = (
    "preset", "tolerance", "min_patients", "empty_distance", "unit", "bootstrap", "confidence",
    "min_support", "permutations", "frames",
)  # fmt: skip
_LISTS = ("metrics", "adjust", "tables", "downstream")
_FLAGS = ("discover", "confirm", "allow_missing")


def evaluation_arguments(
    options: EvaluationOptions,
    attributes: Sequence[str],
    seed: int | None,
    reading: TableSettings,
) -> list[str]:
    """Return arguments for what is measured and compared, in a fixed order.

    Args:
        options: The file's ``evaluation``.
        attributes: Attribute expressions.
        seed: Of the resampling; None for the command's own.
        reading: How the table of the test set is read.
    """
    arguments = ["-a", *attributes]
    for key in _LISTS:
        if given := getattr(options, key):
            arguments += [_flag(key), *given]
    for key in _SINGLE:
        if (given := getattr(options, key)) is not None:
            arguments += [_flag(key), _text(given)]
    arguments += table_arguments(replace(reading, bins=options.bins))
    for name, group in options.reference.items():
        arguments += ["--reference", f"{name}={group}"]
    for name, groups in options.groups.items():
        # another dataset may not be evaluated by it
        if name in attributes:
            arguments += ["--groups", list_of(name, groups)]
    for option in ("failure", "margin"):
        for name, limit in getattr(options, option).items():
            arguments += [_flag(option), f"{name}={limit:.15g}"]
    for name, limits in options.threshold.items():
        for limit in limits:
            arguments += ["--threshold", f"{name}={limit:.15g}"]
    arguments += [_flag(key) for key in _FLAGS if getattr(options, key)]
    return arguments + seed_arguments(seed)


def table_arguments(reading: TableSettings) -> list[str]:
    """Return the options that say how a table is read; those of every command that reads one."""
    return shlex.split(options_of(reading))


def comparison_arguments(options: EvaluationOptions, seed: int | None) -> list[str]:
    """Return arguments of ``nnUNetv2_fair_compare``, which shares a few with the evaluation."""
    arguments = []
    if options.tables:
        arguments += ["--tables", *options.tables]
    if options.bootstrap is not None:
        arguments += ["--bootstrap", str(options.bootstrap)]
    return arguments + seed_arguments(seed)


def seed_arguments(seed: int | None) -> list[str]:
    """Return ``--seed`` and its value, or nothing."""
    return [] if seed is None else ["--seed", str(seed)]


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:g}"
    return str(value)
