"""From the values that masks hold to the labels of a dataset."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.dataset_conversion.shared.pictures import MOST_VALUES, MaskRules, list_values

#: Name of the only label where none was given.
FOREGROUND = "foreground"


def decide_labels(
    values: Mapping[Path, Sequence[int]], rules: MaskRules, labels: Mapping[str, int]
) -> tuple[dict[str, int], list[str], str]:
    """Return the labels of the dataset, what is wrong with the masks, and what mends it.

    Args:
        values: Different values of each mask file, as stored.
        rules: How they become labels.
        labels: Value of each label name as the user gave them; empty: named after what is found.

    Returns:
        Labels with ``background``; problems in words that offer the exact flag; and that flag,
        empty where none helps.
    """
    given = {name: value for name, value in labels.items() if value != 0}
    plain = {path: set(v) - {0} for path, v in values.items() if rules.threshold_of(path) is None}
    mapped = dict(rules.label_map)
    problems: list[str] = []
    option = ""
    if mapped:
        problems += _unmapped(plain, mapped)
        reached = set(mapped.values()) - {0}
        unnamed = sorted(reached - set(given.values())) if given else []
        if unnamed:
            problems.append(
                f"--label-map gives {list_values(tuple(unnamed))}, which --labels does not name; "
                "name every label, such as --labels lungs=1 heart=2"
            )
    elif len(plain) < len(values):
        reached = {1}  # some or all masks are made binary by a threshold
        problems += _strange(plain, {1}, given)
    else:
        found = set().union(*plain.values()) if plain else set()
        allowed = set(given.values()) if given else set(range(1, len(found) + 1))
        problems += _strange(plain, allowed, given)
        option = _map_option(found) if problems else ""
        reached = found
    if values and not problems and not any(set(v) - {0} for v in values.values()):
        problems.append(
            f"all {len(values)} masks hold nothing but 0: there is nothing to learn. Is "
            f"'{next(iter(values)).parent.name}' the folder of the masks?"
        )
    if not given:
        ordered = sorted(reached)
        given = {FOREGROUND if len(ordered) == 1 else f"label_{value}": value for value in ordered}
    return {"background": 0, **given}, problems, option


def _unmapped(plain: Mapping[Path, set[int]], mapped: Mapping[int, int]) -> list[str]:
    problems = []
    for path, found in plain.items():
        strange = sorted(found - set(mapped))
        if strange:
            problems.append(
                f"{path.parent.name}/{path.name} holds {list_values(tuple(strange))}, which "
                f"--label-map does not mention; add {strange[0]}=<label>, or "
                f"{strange[0]}=0 for background"
            )
    return problems


def _map_option(values: Collection[int]) -> str:
    """Return the option that numbers values from 1 on; empty if they are too many to be labels."""
    if len(values) >= MOST_VALUES - 1 or len(values) > 16:
        return ""
    pairs = " ".join(f"{value}={i}" for i, value in enumerate(sorted(values), start=1))
    return f"--label-map {pairs}"


def _strange(
    plain: Mapping[Path, set[int]], allowed: set[int], given: Mapping[str, int]
) -> list[str]:
    bad = {path: found for path, found in plain.items() if found - allowed}
    if not bad:
        return []
    path, found = next(iter(bad.items()))
    everything = sorted(set().union(*plain.values()))
    others = f" (and {len(bad) - 1} other masks are alike)" if len(bad) > 1 else ""
    expected = list_values((0, *sorted(allowed)))
    named = f" as in --labels {' '.join(f'{n}={v}' for n, v in given.items())}" if given else ""
    option = _map_option(everything)
    if not option:
        remedy = (
            "So many values mean blurred edges or an image among the masks. If the mask is one "
            "white object: --threshold 127"
        )
    else:
        remedy = f"Map the values: {option}"
    return [
        f"{path.parent.name}/{path.name} holds the values {list_values((0, *sorted(found)))}"
        f"{others}; expected {expected}{named}. {remedy}"
    ]
