"""``nnUNetv2_fair_evaluate``: how well each group is segmented, and how far groups are apart."""

import argparse
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.evaluation_arguments import (
    add_findings,
    add_sources,
    check_sources,
    score_columns,
)
from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.metrics.registry import DEFAULT_METRICS, METRICS, metrics_named
from nnunetv2_fair.files.atomic import check_output_folder, filled_together
from nnunetv2_fair.paths import (
    DEMOGRAPHICS_CSV,
    MEASURED_CASES,
    PER_CASE_CSV,
    REPORT_HTML,
    SUMMARY_JSON,
)

if TYPE_CHECKING:
    from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
    from nnunetv2_fair.evaluation.results.case_picture import CasePicture
    from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
    from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
    from nnunetv2_fair.subgroups.table import DemographicsTable

logger = logging.getLogger(__name__)

_OUTPUTS = (PER_CASE_CSV, SUMMARY_JSON, REPORT_HTML)
_SHAREABLE_OUTPUTS = (SUMMARY_JSON, REPORT_HTML)
_MOST_DEFAULT_PROCESSES = 8


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
        help="table with a row per case; by default demographics.csv beside the -gt folder",
    )  # fmt: skip
    parser.add_argument(
        "-a", nargs="+", action="extend", default=[], metavar="ATTRIBUTE",
        help="attributes to compare by, such as sex, age or sex+age (intersections); repeatable; "
        "by default the dataset's default attribute",
    )  # fmt: skip
    parser.add_argument(
        "--dataset-json", type=Path, metavar="FILE",
        help="labels and regions; by default looked for in -pred, -gt and the folder above -gt",
    )  # fmt: skip
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER",
        help="images <case>_0000.<ending> for the pictures; by default imagesTs beside labelsTs",
    )  # fmt: skip
    parser.add_argument(
        "--bins", action="append", default=[], metavar="NAME=CUTS",
        help="cut a numeric attribute, for example age=50,65 for <50, 50-<65 and >=65; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--reference", action="append", default=[], metavar="NAME=GROUP",
        help="group that fairness gaps are measured from, for example sex=male; repeatable; by "
        "default the dictionary's choice, else the group with most patients",
    )  # fmt: skip
    parser.add_argument(
        "--metrics", nargs="+", metavar="METRIC",
        help=f"of {', '.join(METRICS)}; by default {', '.join(DEFAULT_METRICS)}",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance", type=float, default=1.0, help="distance that nsd accepts, in mm (or pixels)"
    )
    parser.add_argument(
        "--min-patients", type=int, default=5,
        help="groups with fewer patients are shown but enter no gap and no test",
    )  # fmt: skip
    parser.add_argument(
        "--empty-distance", choices=("diagonal", "inf", "nan"), default="diagonal",
        help="what an infinite distance (one mask empty) counts as in statistics: the image "
        "diagonal, infinity, or nothing",
    )  # fmt: skip
    parser.add_argument(
        "--allow-missing", action="store_true",
        help="evaluate although predictions are missing, and report the missing ones by group",
    )  # fmt: skip
    parser.add_argument(
        "--unit", choices=("patient", "case"), default="patient",
        help="what statistics count: patients (mean over a patient's cases) or cases",
    )  # fmt: skip
    parser.add_argument("--bootstrap", type=int, default=2000, help="number of resamples")
    parser.add_argument("--confidence", type=float, default=0.95, help="coverage of intervals")
    parser.add_argument("--seed", type=int, default=0, help="seed of the resampling")
    parser.add_argument("--name", default="", help="title; by default the name of the -pred folder")
    add_findings(parser)
    parser.add_argument(
        "--shareable", action="store_true",
        help="write only what may be shown to others: no cases, no pictures, and nothing of groups "
        "with fewer than five patients or from which they could be worked out",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier evaluation")
    parser.add_argument(
        "--shard", metavar="I/N",
        help="only measure the I-th of N parts of the cases into -o, for cluster arrays",
    )  # fmt: skip
    parser.add_argument(
        "--merge", action="store_true", help="evaluate from what all shards measured into this -o"
    )
    parser.add_argument(
        "-np", type=int, default=min(_MOST_DEFAULT_PROCESSES, os.cpu_count() or 1),
        help="number of processes",
    )  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    return run(_evaluate, _parser(), argv)


def _evaluate(args: argparse.Namespace) -> None:
    bins = _assignments("--bins", args.bins, "age=50,65")
    cuts = {name: _cuts(name, text) for name, text in bins.items()}
    references = _assignments("--reference", args.reference, "sex=male")
    scores = score_columns(_assignments("--score", args.score, "lesion_f1=higher"))
    check_sources(args)
    _check_numbers(args)
    shard = _shard(args)
    _check_output(args)

    from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
    from nnunetv2_fair.evaluation.discovery import DiscoverySettings, with_discovery
    from nnunetv2_fair.evaluation.measuring.kept_cases import remove_measured_cases
    from nnunetv2_fair.evaluation.papers.presets import with_preset
    from nnunetv2_fair.evaluation.results.printed_tables import tables_of
    from nnunetv2_fair.evaluation.results.text_table import aligned, files_of
    from nnunetv2_fair.report.of_evaluation.groups import console_table
    from nnunetv2_fair.report.of_evaluation.page import write_report

    if args.gt is None:
        result, table, plan = *_from_scores(args, cuts, references, scores), None
    elif shard is not None:
        _measure_shard(args, cuts, references, shard)
        return
    else:
        result, plan = _from_masks(args, cuts, references)
        table = plan.table
    if args.discover is not None:
        settings = DiscoverySettings(args.discover, args.min_support)
        result = with_discovery(result, table, settings)
    if args.preset is not None:
        result = with_preset(result, args.preset, plan, args.np)
    pictures = [] if args.shareable or plan is None else _pictures(args, plan, result)
    if args.shareable:
        result = shareable(result)
    tables = tables_of(result)
    extra = files_of(tables, args.tables)
    outputs = (*_outputs(args), *extra)

    with filled_together(args.o, outputs) as folder:
        result.write(folder)
        write_report(result, pictures, folder / REPORT_HTML)
        for name, text in extra.items():
            (folder / name).write_text(text, encoding="utf-8")
    remove_measured_cases(_measured_folder(args))

    for attribute in result.attributes:
        logger.info("\n%s", console_table(result, attribute))
    for printed in (t for t in tables if t.name == "subgroups" or t in result.preset_tables):
        logger.info("\n%s", aligned(printed))
    for note in result.notes:
        logger.info("Note: %s", note)
    for exclusion in result.exclusions:
        number = f" (cases: {len(exclusion.cases)})" if exclusion.cases else ""
        logger.info("Left out%s: %s", number, exclusion.reason)
    for name in outputs:
        logger.info("Wrote %s", args.o / name)


def _plan(
    args: argparse.Namespace,
    cuts: Mapping[str, Sequence[float]],
    references: Mapping[str, str],
) -> "tuple[EvaluationPlan, tuple[str, ...]]":
    from nnunetv2_fair.evaluation.measuring import WORKER_MODULE
    from nnunetv2_fair.evaluation.measuring.case_pictures import image_folder
    from nnunetv2_fair.evaluation.measuring.plan import plan_evaluation
    from nnunetv2_fair.evaluation.papers.presets import PRESETS, check_preset
    from nnunetv2_fair.files.pool import prepare_workers
    from nnunetv2_fair.subgroups.table import read_table_with_cuts

    prepare_workers(args.np, WORKER_MODULE)
    usual = PRESETS[args.preset].metrics if args.preset is not None else DEFAULT_METRICS
    metrics = tuple(args.metrics or usual)
    metrics_named(metrics)
    image_folder(args.images, args.gt)
    table = read_table_with_cuts(_table_path(args), cuts)
    if args.preset is not None:
        check_preset(args.preset, metrics, table)
    plan = plan_evaluation(
        args.gt,
        args.pred,
        table,
        args.a,
        dataset_json=args.dataset_json,
        references=references,
        allow_missing=args.allow_missing,
    )
    return plan, metrics


def _measure_shard(
    args: argparse.Namespace,
    cuts: Mapping[str, Sequence[float]],
    references: Mapping[str, str],
    shard: tuple[int, int],
) -> None:
    from nnunetv2_fair.evaluation.measuring.all_cases import Part, case_task, measure_all

    plan, metrics = _plan(args, cuts, references)
    part = Part(_measured_folder(args), shard, args.merge)
    measured = measure_all(plan, case_task(plan, metrics, args.tolerance), args.np, part)
    logger.info(
        "Measured %d of %d cases (shard %s) into %s. When all shards are done, run the same "
        "command with --merge in place of --shard.",
        len(measured), len(plan.pairs), args.shard, _measured_folder(args),
    )  # fmt: skip


def _from_masks(
    args: argparse.Namespace,
    cuts: Mapping[str, Sequence[float]],
    references: Mapping[str, str],
) -> "tuple[EvaluationResult, EvaluationPlan]":
    from nnunetv2_fair.evaluation.measuring.all_cases import Part
    from nnunetv2_fair.evaluation.run import EvaluationSettings, run_evaluation

    plan, metrics = _plan(args, cuts, references)
    logger.info("Evaluating %d cases of %s", len(plan.pairs), args.pred)
    settings = EvaluationSettings(
        metrics=metrics,
        tolerance=args.tolerance,
        empty_distance=args.empty_distance,
        statistics=_statistics(args),
        name=args.name,
        processes=args.np,
    )
    return run_evaluation(plan, settings, Part(_measured_folder(args), None, args.merge)), plan


def _from_scores(
    args: argparse.Namespace,
    cuts: Mapping[str, Sequence[float]],
    references: Mapping[str, str],
    columns: "Mapping[str, Literal['higher', 'lower']]",
) -> "tuple[EvaluationResult, DemographicsTable]":
    from nnunetv2_fair.evaluation.papers.presets import check_preset
    from nnunetv2_fair.evaluation.run import ScoredSettings, evaluate_scores
    from nnunetv2_fair.evaluation.scored_cases import table_of_scores
    from nnunetv2_fair.evaluation.scores_from_files import read_nnunet_summary, read_scores_csv
    from nnunetv2_fair.subgroups.table import read_table_with_cuts

    found = (
        read_scores_csv(args.from_csv, columns)
        if args.from_csv is not None
        else read_nnunet_summary(args.from_summary)
    )
    table = (
        table_of_scores(found, cuts)
        if args.demographics is None
        else read_table_with_cuts(args.demographics, cuts)
    )
    if args.preset is not None:
        check_preset(args.preset, tuple(metric.name for metric in found.metrics), table)
    logger.info("Evaluating the scores of %s", found.source)
    settings = ScoredSettings(args.empty_distance, _statistics(args), args.name, references)
    return evaluate_scores(found, table, args.a, settings), table


def _statistics(args: argparse.Namespace) -> "StatisticsSettings":
    from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings

    return StatisticsSettings(
        args.unit, args.min_patients, args.bootstrap, args.confidence, args.seed
    )


def _pictures(
    args: argparse.Namespace, plan: "EvaluationPlan", result: "EvaluationResult"
) -> "list[CasePicture]":
    from nnunetv2_fair.evaluation.measuring.case_pictures import image_folder, make_pictures

    return make_pictures(plan, result, image_folder(args.images, args.gt))


def _outputs(args: argparse.Namespace) -> tuple[str, ...]:
    return _SHAREABLE_OUTPUTS if args.shareable else _OUTPUTS


def _measured_folder(args: argparse.Namespace) -> Path:
    """Return where cases are kept until the report is written: never in a folder to share."""
    out: Path = args.o
    return out.with_name(f"{out.name}_measured") if args.shareable else out


def _assignments(option: str, texts: Sequence[str], example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not separator or not name or not value:
            raise UsageError(f"{option} {text}: expected a form such as {option} {example}.")
        if name in found:
            raise UsageError(f"{option} names '{name}' twice; give it once.")
        found[name] = value
    return found


def _cuts(name: str, text: str) -> tuple[float, ...]:
    try:
        cuts = tuple(float(part) for part in text.split(","))
    except ValueError:
        cuts = ()
    finite = all(abs(cut) < float("inf") for cut in cuts)  # also false for NaN
    if not cuts or not finite or len(set(cuts)) != len(cuts):
        raise UsageError(
            f"--bins {name}={text}: expected different numbers separated by commas, for example "
            "--bins age=50,65."
        )
    return cuts


def _shard(args: argparse.Namespace) -> tuple[int, int] | None:
    if args.shard is None:
        return None
    if args.merge:
        raise UsageError("--shard measures a part, --merge puts all parts together: choose one.")
    number, _, total = args.shard.partition("/")
    if not (number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
        raise UsageError(f"--shard {args.shard}: expected a part and their number, such as 2/8.")
    return int(number), int(total)


def _check_numbers(args: argparse.Namespace) -> None:
    for option, value, ok, expected in (
        ("--min-patients", args.min_patients, args.min_patients >= 1, "1 or more"),
        ("--bootstrap", args.bootstrap, args.bootstrap >= 0, "0 (no intervals) or more"),
        ("--confidence", args.confidence, 0 < args.confidence < 1, "a share such as 0.95"),
        ("--seed", args.seed, args.seed >= 0, "0 or more"),
        ("--tolerance", args.tolerance, 0 <= args.tolerance < float("inf"), "0 or more"),
        ("-np", args.np, args.np >= 1, "1 or more"),
    ):
        if not ok:
            raise UsageError(f"{option} {value}: expected {expected}.")


def _check_output(args: argparse.Namespace) -> None:
    out: Path = args.o
    for option, folder in (("-gt", args.gt), ("-pred", args.pred)):
        if folder is not None and out.resolve() == folder.resolve():
            raise UsageError(
                f"-o {out} is the folder of {option}; choose another one for the results."
            )
    check_output_folder(out, _outputs(args), overwrite=args.overwrite, passed_over=MEASURED_CASES)
    telling = (PER_CASE_CSV, "table_*", MEASURED_CASES)
    private = sorted(path.name for pattern in telling for path in out.glob(pattern))
    if args.shareable and private:
        raise UsageError(
            f"{out} holds {private[0]}, which may tell of single persons, so it is no folder to "
            "share. Choose another -o for --shareable."
        )


def _table_path(args: argparse.Namespace) -> Path:
    if args.demographics is not None:
        return Path(args.demographics)
    beside: Path = args.gt.resolve().parent / DEMOGRAPHICS_CSV
    if not beside.is_file():
        raise UsageError(
            f"There is no {beside}; pass the table that says who the cases are from with "
            "--demographics."
        )
    return beside
