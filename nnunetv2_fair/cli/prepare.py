"""``nnUNetv2_fair_prepare``: demographics and folds for training."""

import argparse
import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair import paths
from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.errors import DatasetError, DemographicsError, shorten

if TYPE_CHECKING:
    from nnunetv2_fair.subgroups.groups import Grouping
    from nnunetv2_fair.subgroups.splits import Fold
    from nnunetv2_fair.subgroups.table import DemographicsTable

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see :func:`nnunetv2_fair.cli.shared.common.run` for the exit codes."""
    parser = command_parser(
        "nnUNetv2_fair_prepare",
        "Check a dataset's demographics table against its images, copy the table to "
        "nnUNet_preprocessed, and write splits_final.json: folds by patient, stratified by group.",
        "nnUNetv2_fair_prepare -d 42 -a sex+age",
    )
    parser.add_argument("-d", required=True, metavar="ID", help="dataset id or name")
    parser.add_argument(
        "-a",
        metavar="ATTRIBUTE",
        help="attribute expression to stratify by, such as sex or sex+age (default: as many "
        "attributes as leave each joint group a patient per fold)",
    )
    parser.add_argument("--folds", type=int, default=5, help="number of folds")
    parser.add_argument("--seed", type=int, default=12345, help="seed of the folds")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing splits_final.json"
    )
    return run(prepare, parser, argv)


def prepare(args: argparse.Namespace) -> None:
    """Check everything, then copy the table and write the folds."""
    from nnunetv2_fair.files.atomic import filled_together, write_text
    from nnunetv2_fair.subgroups.groups import group_cases
    from nnunetv2_fair.subgroups.schema import read_schema
    from nnunetv2_fair.subgroups.splits import make_folds, missing_groups
    from nnunetv2_fair.subgroups.table import (
        check_against_cases,
        read_table,
        unknown_counts,
    )

    raw = paths.raw_dataset(args.d)
    table_file = raw / paths.DEMOGRAPHICS_CSV
    if not table_file.is_file():
        raise DemographicsError(
            f"{raw} has no {paths.DEMOGRAPHICS_CSV}. The converters write it; for a dataset of "
            "your own, put a CSV with the columns case, patient and your attributes there, and a "
            f"{paths.DEMOGRAPHICS_JSON} that describes them (docs/reference/files.md)."
        )
    table = read_table(table_file, read_schema(raw / paths.DEMOGRAPHICS_JSON))
    train, test = cases_of(raw)
    check_against_cases(table, [*train, *test], str(raw))
    expression = args.a or stratification(table, train, args.folds)
    grouping = group_cases(table, expression)
    folds = make_folds(table, grouping, train, args.folds, args.seed)

    target = paths.preprocessed_dataset(raw.name)
    target.mkdir(parents=True, exist_ok=True)
    names = (paths.DEMOGRAPHICS_CSV, paths.DEMOGRAPHICS_JSON)
    with filled_together(target, names) as unfinished:
        for name in names:
            shutil.copyfile(raw / name, unfinished / name)

    logger.info("%s: %d training and %d test cases of %d patients", raw.name, len(train),
                len(test), len(set(table.patients.values())))  # fmt: skip
    for name, count in unknown_counts(table).items():
        if count:
            logger.info("  %s is unknown for %d cases", name, count)
    splits_file = target / paths.SPLITS_JSON
    if splits_file.exists() and not args.overwrite:
        folds = read_folds(splits_file)
        check_folds(table, folds, splits_file)
        logger.info("%s exists and is kept (--overwrite replaces it).", splits_file)
    else:
        write_text(splits_file, json.dumps(folds, indent=1) + "\n")
        logger.info("Wrote %s: %d folds by patient, stratified by %s.", splits_file, len(folds),
                    grouping.expression)  # fmt: skip
    logger.info("%s", fold_table(grouping, folds, train))
    for sentence in missing_groups(grouping, folds, train):
        logger.warning("WARNING: %s.", sentence)
    logger.info("Demographics copied to %s.", target)
    logger.info("Next: nnUNetv2_plan_and_preprocess -d %d --verify_dataset_integrity",
                int(raw.name[7:10]))  # fmt: skip


def cases_of(raw: Path) -> tuple[list[str], list[str]]:
    """Return the training and test cases of a raw dataset, from its image files.

    Raises:
        DatasetError: If dataset.json or imagesTr is missing or holds no cases.
    """
    try:
        content = json.loads((raw / paths.DATASET_JSON).read_text(encoding="utf-8"))
        ending = content["file_ending"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{raw / paths.DATASET_JSON} is missing or not nnU-Net's: expected JSON with a key "
            f'"file_ending" ({error!r}).'
        ) from error
    suffix = f"_0000{ending}"
    found = [
        sorted(f.name.removesuffix(suffix) for f in (raw / part).glob(f"*{suffix}"))
        for part in ("imagesTr", "imagesTs")
    ]
    if not found[0]:
        raise DatasetError(
            f"{raw / 'imagesTr'} holds no image named <case>{suffix}, the first channel of a "
            "training case in nnU-Net's format. Convert the data first."
        )
    return found[0], found[1]


def stratification(table: "DemographicsTable", cases: Sequence[str], n_folds: int) -> str:
    """Return the attributes to stratify by when the user names none.

    The default attribute first, then the others in the dictionary's order, each only if every
    joint group keeps on average as many patients as there are folds.
    """
    from nnunetv2_fair.subgroups.groups import group_cases

    schema = table.schema
    order = sorted(schema.attributes, key=lambda name: name != schema.default)
    usable = [name for name in order if schema[name].groups]
    if not usable:
        raise DemographicsError(
            f"{table.source}: no attribute forms groups. Add levels or bins to one of "
            f"{shorten(schema.attributes)} in {paths.DEMOGRAPHICS_JSON}."
        )
    n_patients = len({table.patients[case] for case in cases})
    chosen = [usable[0]]
    for name in usable[1:]:
        joint = group_cases(table, "+".join([*chosen, name]))
        n_groups = sum(count > 0 for count in joint.counts(cases).values())
        if n_patients >= 2 * n_folds * n_groups:
            chosen.append(name)
    return "+".join(chosen)


def read_folds(path: Path) -> "list[Fold]":
    """Read an existing splits file.

    Raises:
        DatasetError: If it is no list of ``{"train": [...], "val": [...]}``.
    """
    try:
        folds = json.loads(path.read_text(encoding="utf-8"))
        return [{"train": list(fold["train"]), "val": list(fold["val"])} for fold in folds]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path} is damaged ({error!r}). Remove it or run again with --overwrite."
        ) from error


def check_folds(table: "DemographicsTable", folds: "list[Fold]", path: Path) -> None:
    """Refuse folds that name unknown cases; warn of patients on both sides."""
    known = set(table.cases)
    for number, fold in enumerate(folds):
        strangers = sorted({*fold["train"], *fold["val"]} - known)
        if strangers:
            raise DatasetError(
                f"{path}, fold {number}: {len(strangers)} cases are not in the demographics "
                f"table: {shorten(strangers)}. Add their rows, or make new folds with --overwrite."
            )
        shared = {table.patients[c] for c in fold["train"]} & {
            table.patients[c] for c in fold["val"]
        }
        if shared:
            logger.warning(
                "WARNING: fold %d of %s has %d patients in both its training and its validation "
                "part, so validation results are too good. Make folds by patient with --overwrite.",
                number, path, len(shared),
            )  # fmt: skip


def fold_table(grouping: "Grouping", folds: "list[Fold]", cases: Sequence[str]) -> str:
    """Return how many cases of each group every validation part holds, as aligned text."""
    parts = [cases, *(fold["val"] for fold in folds)]
    counts = [grouping.counts(part) for part in parts]
    unknown = [len(grouping.unknown(part)) for part in parts]
    lines = [[grouping.expression, "all", *(f"fold {i}" for i in range(len(folds)))]]
    lines += [[name, *(str(count[name]) for count in counts)] for name in grouping.names]
    if any(unknown):
        lines.append(["(unknown)", *map(str, unknown)])
    width = max(len(line[0]) for line in lines)
    text = [f"  {line[0]:<{width}}" + "".join(f"{c:>9}" for c in line[1:]) for line in lines]
    return "\n".join(["Cases in the validation part of each fold:", *text])
