"""What ``nnUNetv2_fair_prepare --describe`` does and says."""

import argparse
import logging
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from nnunetv2_fair.cli.shared.table_arguments import table_settings
from nnunetv2_fair.errors import counted, shorten
from nnunetv2_fair.paths import DEMOGRAPHICS_CSV
from nnunetv2_fair.tables.numbers import plain_number
from nnunetv2_fair.tables.remedy import options_of, pair_of
from nnunetv2_fair.tables.settings import TableSettings

if TYPE_CHECKING:
    from nnunetv2_fair.subgroups.describe import DescribedDataset
    from nnunetv2_fair.subgroups.schema import Attribute

logger = logging.getLogger(__name__)

#: Groups of fewer patients enter no gaps and tests of an evaluation.
_FEWEST = 5


def describe(args: argparse.Namespace) -> None:
    """Write the draft, show what was read, and say what to check.

    Args:
        args: Those of the command.
    """
    from nnunetv2_fair.subgroups.describe import describe_dataset

    names = dict.fromkeys(name for expression in args.a for name in expression.split("+"))
    settings = replace(table_settings(args), attributes=tuple(names) or None)
    found = describe_dataset(args.d, args.demographics, settings, overwrite=args.overwrite)
    logger.info(
        "%s, read from %s: %d of %d rows are cases of the dataset",
        found.folder.name, found.source.name, len(found.table.cases), found.n_rows,
    )  # fmt: skip
    if found.left_out:
        logger.info("  left out, no such case: %s", shorten(found.left_out))
    patients = len(set(found.table.patients.values()))
    logger.info(
        "  patient: %s",
        counted(patients, "patient") if found.has_patients else "every case is its own patient",
    )
    for attribute in found.table.schema.attributes.values():
        logger.info("  %s", _how_read(found, attribute))
    logger.info("Wrote %s: %s", found.folder, ", ".join(found.written))
    logger.info("Check the draft:")
    for line in _checks(found, _again(args, found)):
        logger.info("  - %s", line)
    logger.info("Next: nnUNetv2_fair_prepare -d %s", args.d)


def _how_read(found: "DescribedDataset", attribute: "Attribute") -> str:
    values = list(found.table.frame[attribute.name])
    known = [value for value in values if value != ""]
    counts = Counter(attribute.group_of(value) for value in known) if attribute.groups else {}
    listed = ", ".join(f"{name} {counts.get(name, 0)}" for name in attribute.groups)
    column = attribute.meaning.removeprefix("column ").rsplit(" of ", 1)[0]
    text = f"{attribute.name}: column {column}, "
    if attribute.type == "numeric" and known:
        numbers = sorted(map(float, known))
        unit = f" {attribute.unit}" if attribute.unit else ""
        text += f"numbers from {numbers[0]:g} to {numbers[-1]:g}{unit}, cut into {listed}"
    else:
        text += f"{counted(len(attribute.levels), 'level')}: {listed}"
    unknown = len(values) - len(known)
    return f"{text}; unknown {unknown}" if unknown else text


def _again(args: argparse.Namespace, found: "DescribedDataset") -> str:
    """Return the command that describes the table again, to which options can be added."""
    parts = ["nnUNetv2_fair_prepare", "-d", args.d, "--describe", "--overwrite"]
    if args.demographics is not None:
        parts += ["--demographics", str(args.demographics)]
    elif found.source.name != DEMOGRAPHICS_CSV:  # the next run would find the new table instead
        parts += ["--demographics", found.source.name]
    if args.a:
        parts += ["-a", *args.a]
    # what was found out without the user will be found out again
    told = options_of(table_settings(args))
    return f"{shlex.join(parts)} {told}".rstrip()


def _checks(found: "DescribedDataset", command: str) -> Iterator[str]:
    """Yield what people have to look at, with the command that changes it."""
    schema = found.table.schema
    for name, mapping in found.respelt.items():
        by_level: dict[str, list[str]] = {}
        for old, new in mapping.items():
            by_level.setdefault(new, []).append(f"'{old}'")
        listed = "; ".join(
            f"{', '.join(old)} as {new}" for new, old in by_level.items() if old != [f"'{new}'"]
        )
        same = TableSettings(values={name: {old: old for old in mapping}})
        yield (
            f"spellings of '{name}' were put together: {listed}. If they are not the same: "
            f"{command} {options_of(same)}"
        )
    for name in found.with_units:
        yield f"'{name}': ages with a unit were read as years, such as 045Y or 45 y as 45"
    if not found.has_patients:
        yield (
            "No two cases are of one patient? If a column says who they are of: "
            f"{command} --columns patient=<column>"
        )
    for name, patients in found.varying.items():
        yield (
            f"'{name}' differs between cases of the same patient: {shorten(patients)}. Correct "
            "the table if it cannot"
        )
    for attribute in schema.attributes.values():
        name = shlex.quote(attribute.name)
        if attribute.type == "numeric":
            if attribute.name not in found.settings.bins and attribute.bins is not None:
                cuts = ",".join(f"{edge:g}" for edge in attribute.bins.edges[1:-1])
                yield (
                    f"'{attribute.name}' is cut at its quartiles. To cut it elsewhere: {command} "
                    f"--bins {name}={cuts}"
                )
        elif attribute.levels and all(
            plain_number(level) is not None for level in attribute.levels
        ):
            pairs = " ".join(shlex.quote(pair_of(v, "<level>")) for v in attribute.levels)
            yield (
                f"'{attribute.name}' has codes for levels. To give them names: {command} --values "
                f"{name} {pairs}"
            )
        yield from _small_groups(found, attribute)
    yield (
        f'demographics.json: "meaning" (for readers of reports), "default" ({schema.default}), and '
        'if gaps are to be measured from one group, "reference"'
    )


def _small_groups(found: "DescribedDataset", attribute: "Attribute") -> Iterator[str]:
    patients: dict[str, set[str]] = {group: set() for group in attribute.groups}
    for case, value in found.table.frame[attribute.name].items():
        group = attribute.group_of(value) if attribute.groups else None
        if group is not None:
            patients[group].add(found.table.patients[str(case)])
    small = [f"{group} ({len(who)})" for group, who in patients.items() if 0 < len(who) < _FEWEST]
    if small:
        verb = "has" if len(small) == 1 else "have"
        yield (
            f"'{attribute.name}': {', '.join(small)} {verb} fewer than {_FEWEST} patients, too few "
            "for gaps and tests; groups can be put together with "
            + ("--bins" if attribute.type == "numeric" else "--values")
        )
