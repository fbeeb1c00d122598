"""``nnUNetv2_fair_compare``: several models on the same cases, utility against fairness."""

import argparse
import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.evaluation_arguments import TABLE_FORMATS
from nnunetv2_fair.cli.shared.written import tell_written
from nnunetv2_fair.errors import UsageError, counted
from nnunetv2_fair.files.outputs import one_unit, output_folder
from nnunetv2_fair.files.privacy import meant_to_be_shared
from nnunetv2_fair.paths import COMPARISON_HTML, COMPARISON_JSON, PER_CASE_CSV

if TYPE_CHECKING:
    from nnunetv2_fair.report.html.markup import Html

logger = logging.getLogger(__name__)

_COMMAND = "nnUNetv2_fair_compare"
_OUTPUTS = (COMPARISON_JSON, COMPARISON_HTML)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        _COMMAND,
        "Compare models that segmented the same cases: paired differences of scores and of "
        "fairness measures, with intervals. Reads output folders of nnUNetv2_fair_evaluate and "
        "writes comparison.json and comparison.html.",
        "nnUNetv2_fair_compare evaluation_baseline evaluation_oversampling "
        "--names baseline oversampling -o comparison",
    )
    parser.add_argument(
        "evaluations", type=Path, nargs="+", metavar="EVALUATION",
        help="output folders of nnUNetv2_fair_evaluate, two or more; the first is the baseline. A "
        "folder that holds those of several trainings is one method (with --trainings)",
    )  # fmt: skip
    parser.add_argument("-o", type=Path, required=True, help="output folder")
    parser.add_argument(
        "--names", nargs="+", metavar="NAME",
        help="names of the models, one per evaluation; by default those of the evaluations",
    )  # fmt: skip
    parser.add_argument(
        "--trainings", choices=("repeats", "folds"),
        help="how the trainings differ whose evaluations are in one folder: in their random seed "
        "(repeats) or fold; not needed for evaluations made with --trainings",
    )  # fmt: skip
    parser.add_argument(
        "--common-cases", action="store_true",
        help="compare on the cases that all evaluations have, instead of refusing different cases",
    )  # fmt: skip
    parser.add_argument(
        "--latent", type=Path, metavar="FOLDER",
        help="output folder of nnUNetv2_fair_inspect_latent, to show in a section of the page",
    )  # fmt: skip
    parser.add_argument("--bootstrap", type=int, default=2000, help="number of resamples")
    parser.add_argument("--seed", type=int, default=0, help="seed of the resampling")
    parser.add_argument(
        "--tables", nargs="+", default=[], choices=TABLE_FORMATS, metavar="FORMAT",
        help="also write every table as table_<name>.<format>: csv, md (Markdown) or tex (LaTeX)",
    )  # fmt: skip
    parser.add_argument(
        "--shareable", action="store_true",
        help="write only what may be shown to others: no counts and means of groups with fewer "
        "than five patients, or from which they could be worked out",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier comparison")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    return run(_compare, _parser(), argv)


def _compare(args: argparse.Namespace) -> None:
    _check(args)
    names = (*_OUTPUTS, "its figures and tables")
    with output_folder(args.o, _COMMAND, names, overwrite=args.overwrite):
        _refuse_private(args)
        _compare_into(args)


def _compare_into(args: argparse.Namespace) -> None:
    """Compare and write, in a folder that nobody else uses."""
    from nnunetv2_fair.evaluation.disclosure.of_comparison import shareable_comparison
    from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
    from nnunetv2_fair.evaluation.results.tables.printed_tables import comparison_tables_of
    from nnunetv2_fair.evaluation.results.tables.text_table import files_of
    from nnunetv2_fair.evaluation.trainings.reading import read_models
    from nnunetv2_fair.report.html.document import put_files
    from nnunetv2_fair.report.of_comparison.page import comparison_files
    from nnunetv2_fair.report.terminal.comparison import console_comparison

    latent = _latent_section(args.latent) if args.latent is not None else None
    results = read_models(args.evaluations, args.trainings)
    compared = compare_models(
        results,
        args.names,
        common_cases=args.common_cases,
        n_bootstrap=args.bootstrap,
        seed=args.seed,
    )
    if args.shareable:
        compared = shareable_comparison(compared, results)
    extra = files_of(comparison_tables_of(compared), args.tables)
    pages = comparison_files(compared, latent)
    outputs = (*_OUTPUTS, *extra)
    mode = meant_to_be_shared() if args.shareable else nullcontext()
    with mode, one_unit(args.o, _COMMAND) as folder:
        compared.put(folder)
        put_files(folder, pages)
        for name, text in extra.items():
            (folder / name).write_text(text, encoding="utf-8")

    for attribute in compared.attributes:
        logger.info("\n%s", console_comparison(compared, attribute))
    for note in compared.notes:
        logger.info("Note: %s", note)
    tell_written(args.o, [args.o / name for name in dict.fromkeys((*outputs, *pages))])


def _latent_section(folder: Path) -> "Html":
    from nnunetv2_fair.inspection.result import LatentResult
    from nnunetv2_fair.report.of_comparison.latent import latent_section

    result = LatentResult.read(folder)
    pictures = {a.picture: (folder / a.picture).read_bytes() for a in result.attributes}
    return latent_section(result, pictures)


def _check(args: argparse.Namespace) -> None:
    """Refuse arguments that are wrong regardless of the files."""
    count = len(args.evaluations)
    if count < 2:
        raise UsageError(
            "One evaluation cannot be compared: pass two or more output folders of "
            "nnUNetv2_fair_evaluate, the baseline first."
        )
    if args.names is not None and len(args.names) != count:
        raise UsageError(
            f"--names has {counted(len(args.names), 'name')} for {counted(count, 'evaluation')}: "
            "give one for each."
        )
    if args.shareable and args.latent is not None:
        raise UsageError(
            "--latent shows a point for every case, so it cannot be shared. Leave out --latent or "
            "--shareable."
        )
    for option, value in (("--bootstrap", args.bootstrap), ("--seed", args.seed)):
        if value < 0:
            raise UsageError(f"{option} {value}: expected 0 or more.")
    for folder in args.evaluations:
        if args.o.resolve() == folder.resolve():
            raise UsageError(
                f"-o {args.o} is one of the evaluations; choose another folder for the comparison."
            )


def _refuse_private(args: argparse.Namespace) -> None:
    private = sorted(p.name for found in (PER_CASE_CSV, "table_*") for p in args.o.glob(found))
    if args.shareable and private:
        raise UsageError(
            f"{args.o} holds {private[0]}, which may reveal individual patients, so it must not "
            "be shared. Choose another -o for --shareable."
        )
