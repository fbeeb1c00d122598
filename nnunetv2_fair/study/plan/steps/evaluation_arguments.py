"""The arguments of ``nnUNetv2_fair_evaluate`` that a study's file stands for."""

from collections.abc import Mapping, Sequence
from typing import Any

#: Keys of the file whose option takes one value.
_SINGLE = (
    "preset", "tolerance", "min_patients", "empty_distance", "unit", "bootstrap", "confidence",
    "discover", "min_support",
)  # fmt: skip
_LISTS = ("metrics", "tables")


def evaluation_arguments(
    options: Mapping[str, Any], attributes: Sequence[str], seed: int | None
) -> list[str]:
    """Return arguments for what is measured and compared, in a fixed order.

    Args:
        options: The file's ``evaluation``, without attributes and shards.
        attributes: Attribute expressions.
        seed: Of the resampling; None for the command's own.
    """
    arguments = ["-a", *attributes]
    for key in _LISTS:
        if key in options:
            arguments += [_flag(key), *options[key]]
    for key in _SINGLE:
        if key in options:
            arguments += [_flag(key), _text(options[key])]
    for name, cuts in options.get("bins", {}).items():
        arguments += ["--bins", f"{name}={','.join(map(_text, cuts))}"]
    for name, group in options.get("reference", {}).items():
        arguments += ["--reference", f"{name}={group}"]
    if options.get("allow_missing"):
        arguments.append("--allow-missing")
    return arguments + seed_arguments(seed)


def comparison_arguments(options: Mapping[str, Any], seed: int | None) -> list[str]:
    """Return arguments of ``nnUNetv2_fair_compare``, which shares a few with the evaluation."""
    arguments = []
    if "tables" in options:
        arguments += ["--tables", *options["tables"]]
    if "bootstrap" in options:
        arguments += ["--bootstrap", _text(options["bootstrap"])]
    return arguments + seed_arguments(seed)


def seed_arguments(seed: int | None) -> list[str]:
    """Return ``--seed`` and its value, or nothing."""
    return [] if seed is None else ["--seed", str(seed)]


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
