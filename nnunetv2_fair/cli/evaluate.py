"""``nnUNetv2_fair_evaluate``: how well each group is segmented, and how far groups are apart."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.evaluation_arguments import (
    add_findings,
    add_processes,
    add_sources,
    add_statistics,
    check_numbers,
    check_sources,
    score_columns,
)
from nnunetv2_fair.cli.shared.pairs import list_pairs, number_pairs, pairs
from nnunetv2_fair.cli.shared.table_arguments import (
    add_attributes,
    add_table_arguments,
    table_settings,
)
from nnunetv2_fair.cli.shared.written import tell_written
from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.files.privacy import meant_to_be_shared
from nnunetv2_fair.tables.settings import TableSettings

if TYPE_CHECKING:
    from nnunetv2_fair.evaluation.request import Masks, Request, ScoresFile
    from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult

logger = logging.getLogger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_evaluate",
        "Measure segmentations case by case and compare groups of patients. Works on the "
        "predictions of any model and needs neither a GPU nor nnU-Net. Writes per_case.csv, "
        "summary.json and report.html.",
        "nnUNetv2_fair_evaluate -gt labelsTs -pred predictions --demographics demographics.csv "
        "-a sex age sex+age --bins age=50,65 -o evaluation",
    )
    add_sources(parser)
    parser.add_argument("-o", type=Path, required=True, help="output folder")
    parser.add_argument(
        "--demographics", type=Path, metavar="CSV",
        help="table with a row per case (CSV, TSV, XLSX); by default demographics.csv next to the "
        "-gt folder",
    )  # fmt: skip
    add_attributes(
        parser,
        "attributes to compare by, such as sex, age or sex+age (intersections); "
        "by default the dataset's default attribute",
    )
    parser.add_argument(
        "--dataset-json", type=Path, metavar="FILE",
        help="labels and regions; by default looked for in -pred, -gt and the folder above -gt",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER",
        help="images <case>_0000.<ending> for the pictures; by default imagesTs next to labelsTs",
    )  # fmt: skip
    add_statistics(parser)
    parser.add_argument(
        "--allow-missing", action="store_true",
        help="evaluate although predictions are missing, and report the missing ones by group",
    )  # fmt: skip
    parser.add_argument("--name", default="", help="title; by default the name of the -pred folder")
    add_findings(parser)
    add_table_arguments(
        parser,
        ("case", "patient", "synthetic"),
        "those of the dictionary next to the table, else quartiles",
    )
    parser.add_argument(
        "--shareable", action="store_true",
        help="write only what may be shown to others: no cases, no pictures, and nothing of groups "
        "with fewer than five patients or from which they could be worked out",
    )  # fmt: skip
    parser.add_argument(
        "--against", nargs="+", type=Path, default=[], metavar="EARLIER",
        help="with --shareable or --paper: refuse what would reveal something beside these earlier "
        "shareable reports on some of the same patients (folders, or their summary.json)",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier evaluation")
    parser.add_argument(
        "--shard", metavar="I/N",
        help="only measure the I-th of N parts of the cases into -o, for cluster arrays",
    )  # fmt: skip
    parser.add_argument(
        "--merge", action="store_true", help="evaluate from what all shards measured into this -o"
    )
    add_processes(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    return run(_evaluate, _parser(), argv)


def _evaluate(args: argparse.Namespace) -> None:
    from nnunetv2_fair.evaluation.results.output_folder import evaluation_folder

    table = table_settings(args)
    references = pairs(args.reference, "--reference", "sex=male")
    groups = list_pairs(args.groups, "--groups", "ethnicity=White,Black")
    columns = score_columns(pairs(args.score, "--score", "lesion_f1=higher"))
    check_sources(args)
    check_numbers(args)
    shard = _shard(args)
    predictions = args.pred or ()
    inputs = [("-gt", args.gt), *(("-pred", folder) for folder in predictions)]
    _check_earlier(args.against)
    with evaluation_folder(
        args.o, inputs, shareable=args.shareable, overwrite=args.overwrite, shard=shard is not None
    ):
        request = _request(args, table, references, groups, columns)
        _evaluate_into(args, request, shard)


def _check_earlier(against: Sequence[Path]) -> None:
    """Refuse earlier reports that cannot be compared, before anything is measured."""
    from nnunetv2_fair.evaluation.disclosure.differencing import read_earlier

    for earlier in against:
        read_earlier(earlier)


def _evaluate_into(
    args: argparse.Namespace, request: "Request", shard: tuple[int, int] | None
) -> None:
    """Measure and write, in a folder that nobody else uses."""
    from nnunetv2_fair.evaluation.measuring.all_cases import Part
    from nnunetv2_fair.evaluation.measuring.resuming import remove_measured_cases
    from nnunetv2_fair.evaluation.request import answer, measure_shard
    from nnunetv2_fair.evaluation.results.output_folder import measured_folder
    from nnunetv2_fair.report.of_evaluation.page import write_evaluation
    from nnunetv2_fair.report.paper.files import folder_of, paper_files

    kept = measured_folder(args.o, shareable=args.shareable)
    part = Part(kept, shard, args.merge)
    if shard is not None:
        logger.info(
            "Measured %d of %d cases (shard %s) into %s. When all shards are done, run the same "
            "command with --merge instead of --shard.",
            *measure_shard(request, part), args.shard, kept,
        )  # fmt: skip
        return
    answered = answer(request, part)
    # before anything is written, as small groups may leave nothing to publish
    paper = _for_paper(args.paper, answered.result, args.against)
    texts = {} if paper is None else paper_files(paper)
    folder = "" if paper is None else folder_of(paper)
    with meant_to_be_shared() if args.shareable else nullcontext():
        written = write_evaluation(
            answered.result,
            answered.pictures,
            args.o,
            args.tables,
            answered.of_trainings,
            {f"{folder}/{name}": text for name, text in texts.items()},
            partial(remove_measured_cases, kept),
        )
    _tell(answered.result, args.o, written)


def _request(
    args: argparse.Namespace,
    table: TableSettings,
    references: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    columns: "Mapping[str, Literal['higher', 'lower']]",
) -> "Request":
    """Return what the arguments ask for."""
    from nnunetv2_fair.evaluation.discovery.settings import DiscoverySettings
    from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings, parse_thresholds
    from nnunetv2_fair.evaluation.failures.criteria import parse_failures
    from nnunetv2_fair.evaluation.request import Request
    from nnunetv2_fair.evaluation.statistics.equivalence import parse_margins
    from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings

    return Request(
        _source(args, columns),
        args.a,
        table,
        references,
        metrics=tuple(args.metrics) if args.metrics else None,
        tolerance=args.tolerance,
        empty_distance=args.empty_distance,
        statistics=StatisticsSettings(
            args.unit, args.min_patients, args.bootstrap, args.confidence, args.seed
        ),
        name=args.name,
        processes=args.np,
        discover=DiscoverySettings(args.min_support, args.permutations, args.confirm)
        if args.discover
        else None,
        preset=args.preset,
        shareable=args.shareable,
        against=tuple(args.against),
        pictures=True,
        trainings=args.trainings,
        failures=parse_failures(args.failure) if args.failure else None,
        margins=parse_margins(args.margin),
        adjust=tuple(args.adjust),
        boundary_maps=args.boundary_maps,
        groups=groups,
        downstream=DownstreamSettings(
            tuple(dict.fromkeys(args.downstream)), args.frames, parse_thresholds(args.threshold)
        )
        if args.downstream
        else None,
    )


def _for_paper(
    paper: str | None, result: "EvaluationResult", against: Sequence[Path]
) -> "EvaluationResult | None":
    """Return the result that a manuscript is made of; None if none is asked for."""
    from nnunetv2_fair.evaluation.disclosure.differencing import shareable_beside

    if paper is None:
        return None
    # what is shareable already was checked
    return result if paper == "exact" or result.shareable else shareable_beside(result, against)


def _source(
    args: argparse.Namespace, columns: "Mapping[str, Literal['higher', 'lower']]"
) -> "Masks | ScoresFile":
    from nnunetv2_fair.evaluation.request import Masks, ScoresFile

    if args.from_csv is not None:
        return ScoresFile(args.from_csv, "csv", columns, args.demographics)
    if args.from_summary is not None:
        return ScoresFile(args.from_summary, "summary", demographics=args.demographics)
    return Masks(
        args.gt,
        args.pred[0] if len(args.pred) == 1 else tuple(args.pred),
        args.demographics,
        args.dataset_json,
        args.images,
        args.allow_missing,
        number_pairs(args.labels, "--labels"),
        (args.suffix_gt, args.suffix_pred),
    )


def _tell(result: "EvaluationResult", out: Path, written: Sequence[Path]) -> None:
    """Print tables, notes, and what was left out and written."""
    from nnunetv2_fair.evaluation.results.tables.of_trainings import trainings_table
    from nnunetv2_fair.evaluation.results.tables.printed_tables import tables_of
    from nnunetv2_fair.evaluation.results.tables.text_table import aligned
    from nnunetv2_fair.report.terminal.evaluation import console_table

    for attribute in result.attributes:
        logger.info("\n%s", console_table(result, attribute))
    for table in tables_of(result):
        if table.name == "subgroups" or table in result.preset_tables:
            logger.info("\n%s", aligned(table))
    if result.trainings:
        logger.info("\n%s", aligned(trainings_table(result, [result.headline_label])))
    # what was decided in reading the table was told when it was read
    told = f"{Path(result.settings.get('demographics', '')).name}: "
    for note in result.notes:
        if not note.startswith(told):
            logger.info("Note: %s", note)
    for exclusion in result.exclusions:
        number = f" (cases: {len(exclusion.cases)})" if exclusion.cases else ""
        logger.info("Left out%s: %s", number, exclusion.reason)
    tell_written(out, written)


def _shard(args: argparse.Namespace) -> tuple[int, int] | None:
    if args.shard is None:
        return None
    if args.merge:
        raise UsageError("--shard measures a part, --merge puts all parts together: choose one.")
    number, _, total = args.shard.partition("/")
    if not (number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
        raise UsageError(f"--shard {args.shard}: expected a part and their number, such as 2/8.")
    return int(number), int(total)
