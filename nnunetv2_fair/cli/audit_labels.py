"""``nnUNetv2_fair_audit_labels``: are automated masks flawed for a group, and what follows?"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.evaluation_arguments import (
    add_processes,
    add_statistics,
    check_numbers,
)
from nnunetv2_fair.cli.shared.pairs import list_pairs, number_pairs, pairs
from nnunetv2_fair.cli.shared.table_arguments import (
    add_attributes,
    add_table_arguments,
    table_settings,
)
from nnunetv2_fair.cli.shared.written import tell_written
from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.files.outputs import output_folder, refuse_unfinished
from nnunetv2_fair.paths import AUDIT_CASES_CSV, AUDIT_HTML, AUDIT_JSON

if TYPE_CHECKING:
    from nnunetv2_fair.audit.labels.request import AuditRequest

logger = logging.getLogger(__name__)

_COMMAND = "nnUNetv2_fair_audit_labels"


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        _COMMAND,
        "Audit automated masks against expert masks: their quality by group, what a model's gap is "
        "against either, and whether training on them widens it. Needs neither a GPU nor nnU-Net. "
        "Writes audit.html, audit.json, audit_cases.csv and a full evaluation of the automated "
        "masks; all of it is private.",
        "nnUNetv2_fair_audit_labels -expert expert -automated automated -pred predictions "
        "--demographics demographics.csv -a age ethnicity --bins age=50 --adjust site "
        "--source site -o audit",
    )
    parser.add_argument(
        "-expert", type=Path, required=True, metavar="FOLDER",
        help="folder with the expert masks, of all cases or of some",
    )  # fmt: skip
    parser.add_argument(
        "-automated", type=Path, required=True, metavar="FOLDER",
        help="folder with the automated masks; every case with an expert mask needs one",
    )  # fmt: skip
    parser.add_argument("-o", type=Path, required=True, help="output folder")
    parser.add_argument(
        "-pred", type=Path, nargs="+", default=[], metavar="FOLDER",
        help="predictions of a model, whose gap is measured against both kinds of masks",
    )  # fmt: skip
    parser.add_argument(
        "-pred-expert", type=Path, nargs="+", default=[], metavar="FOLDER",
        help="predictions of models that were trained on expert masks",
    )  # fmt: skip
    parser.add_argument(
        "-pred-automated", type=Path, nargs="+", default=[], metavar="FOLDER",
        help="predictions of models that were trained on automated masks",
    )  # fmt: skip
    parser.add_argument(
        "--second-expert", type=Path, metavar="FOLDER",
        help="masks of a second expert: how far humans agree, by group",
    )  # fmt: skip
    parser.add_argument(
        "--trainings", choices=("repeats", "folds"),
        help="-pred, -pred-expert and -pred-automated each name several trainings (a folder for "
        "each, or one that holds them), which differ in their random seed (repeats) or fold",
    )  # fmt: skip
    parser.add_argument(
        "--demographics", type=Path, metavar="CSV",
        help="table with a row per case (CSV, TSV, XLSX); by default demographics.csv next to the "
        "-expert folder",
    )  # fmt: skip
    add_attributes(
        parser,
        "attributes to compare by, such as age, ethnicity or sex+age (intersections); "
        "by default the dataset's default attribute",
    )
    parser.add_argument(
        "--adjust", nargs="+", action="extend", default=[], metavar="COLUMN",
        help="confounders: columns of the table to adjust the quality of the masks for, all "
        "together, such as site",
    )  # fmt: skip
    parser.add_argument(
        "--source", default="", metavar="COLUMN",
        help="column with the source of each case, such as site: gaps in every source, and "
        "whether they differ",
    )  # fmt: skip
    parser.add_argument(
        "--dataset-json", type=Path, metavar="FILE",
        help="labels and regions; by default looked for next to the masks",
    )  # fmt: skip
    parser.add_argument(
        "--labels", nargs="+", action="extend", default=[], metavar="NAME=LABEL",
        help="names of the labels where there is no dataset.json, such as tumour=1",
    )  # fmt: skip
    parser.add_argument(
        "--suffix-expert", default="", metavar="TEXT",
        help="what names of expert masks have behind the case, such as _mask",
    )  # fmt: skip
    parser.add_argument(
        "--suffix-automated", default="", metavar="TEXT",
        help="what names of automated masks have behind the case",
    )  # fmt: skip
    add_statistics(parser)
    parser.add_argument(
        "--name", default="", help="title; by default the name of the -automated folder"
    )
    add_table_arguments(
        parser,
        ("case", "patient", "synthetic"),
        "those of the dictionary next to the table, else quartiles",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier audit")
    add_processes(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    return run(_audit, _parser(), argv)


def _audit(args: argparse.Namespace) -> None:
    check_numbers(args)
    _check(args)
    request = _request(args)
    names = (AUDIT_JSON, AUDIT_CASES_CSV, AUDIT_HTML, "its figures, tables and evaluation")
    with output_folder(args.o, _COMMAND, names, overwrite=args.overwrite):
        _audit_into(args.o, request)


def _audit_into(out: Path, request: "AuditRequest") -> None:
    """Measure and write, in a folder that nobody else uses."""
    from nnunetv2_fair.audit.labels.request import audit
    from nnunetv2_fair.audit.labels.wording import KINDS
    from nnunetv2_fair.evaluation.measuring import WORKER_MODULE
    from nnunetv2_fair.files.pool import prepare_workers
    from nnunetv2_fair.report.of_audit.page import write_audit
    from nnunetv2_fair.report.terminal.audit import audit_lines
    from nnunetv2_fair.report.terminal.evaluation import console_table

    prepare_workers(request.quality.processes, WORKER_MODULE)
    found = audit(request)
    written = write_audit(found, out)
    for attribute in found.attributes:
        logger.info("\n%s", console_table(found.quality, attribute))
        logger.info("\n%s", audit_lines(found.findings, KINDS, attribute))
    for note in found.notes:
        logger.info("Note: %s", note)
    tell_written(out, written)


def _check(args: argparse.Namespace) -> None:
    """Refuse arguments that are wrong regardless of what the files hold."""
    given = [
        ("-expert", args.expert), ("-automated", args.automated),
        ("--second-expert", args.second_expert), *(("-pred", path) for path in args.pred),
        *(("-pred-expert", path) for path in args.pred_expert),
        *(("-pred-automated", path) for path in args.pred_automated),
    ]  # fmt: skip
    places: dict[Path, str] = {}
    for option, folder in given:
        if folder is None:
            continue
        if folder.resolve() == args.o.resolve():
            raise UsageError(
                f"-o {args.o} is the folder of {option}; choose another one for the results."
            )
        other = places.setdefault(folder.resolve(), option)
        if other != option:
            raise UsageError(
                f"{other} and {option} both name {folder}: nothing can be learned from masks "
                "compared with themselves. Pass different folders."
            )
        refuse_unfinished(folder)
    if bool(args.pred_expert) != bool(args.pred_automated) and not args.pred_automated:
        raise UsageError(
            "-pred-expert is compared with models trained on automated masks: pass their "
            "predictions with -pred-automated, or leave out -pred-expert."
        )
    if args.labels and args.dataset_json is not None:
        raise UsageError("--labels and --dataset-json both name the labels: pass one of them.")
    if args.trainings and not (args.pred or args.pred_automated):
        raise UsageError(
            "--trainings is about predictions of models: pass -pred or -pred-automated, or leave "
            "out --trainings."
        )


def _request(args: argparse.Namespace) -> "AuditRequest":
    """Return what the arguments ask for."""
    from nnunetv2_fair.audit.labels.request import AuditRequest
    from nnunetv2_fair.evaluation.request import Masks, Request
    from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings

    masks = Masks(
        args.expert,
        args.automated,
        args.demographics,
        args.dataset_json,
        label_names=number_pairs(args.labels, "--labels"),
        suffixes=(args.suffix_expert, args.suffix_automated),
    )
    quality = Request(
        masks,
        args.a,
        table_settings(args),
        pairs(args.reference, "--reference", "sex=male"),
        metrics=tuple(args.metrics) if args.metrics else None,
        tolerance=args.tolerance,
        empty_distance=args.empty_distance,
        statistics=StatisticsSettings(
            args.unit, args.min_patients, args.bootstrap, args.confidence, args.seed
        ),
        name=args.name,
        processes=args.np,
        adjust=tuple(args.adjust),
        groups=list_pairs(args.groups, "--groups", "ethnicity=White,Black"),
    )
    return AuditRequest(
        quality,
        tuple(args.pred),
        tuple(args.pred_expert),
        tuple(args.pred_automated),
        args.second_expert,
        args.trainings,
        args.source,
    )
