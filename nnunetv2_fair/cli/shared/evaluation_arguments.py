"""Arguments of ``nnUNetv2_fair_evaluate``: what is evaluated, and what is written."""

import argparse
import math
import os
from pathlib import Path
from typing import Literal, cast

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.metrics.registry import DEFAULT_METRICS, METRICS

#: The presets of ``evaluation.presets``, which is slow to import.
PRESET_NAMES = ("mama-mia", "lee", "apple", "fairdiff")
#: The formats of ``evaluation.text_table``.
TABLE_FORMATS = ("csv", "md", "tex")
#: The sets of ``evaluation.downstream.measures``.
DOWNSTREAM_SETS = ("radiomics", "cardiac", "cup_disc", "tumour")
_MOST_DEFAULT_PROCESSES = 8


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Add what to evaluate: two folders of masks, or a file with scores."""
    parser.add_argument("-gt", type=Path, help="folder with the reference masks")
    parser.add_argument(
        "-pred", type=Path, nargs="+", metavar="FOLDER",
        help="folder with the predicted masks; with --trainings one for each training, or a folder "
        "that holds them",
    )  # fmt: skip
    parser.add_argument(
        "--suffix-gt", default="", metavar="TEXT",
        help="what names of reference masks have behind the case, such as _mask",
    )  # fmt: skip
    parser.add_argument(
        "--suffix-pred", default="", metavar="TEXT",
        help="what names of predicted masks have behind the case, such as _seg",
    )  # fmt: skip
    parser.add_argument(
        "--labels", nargs="+", action="extend", default=[], metavar="NAME=LABEL",
        help="names of the labels where there is no dataset.json, such as lungs=1 heart=2",
    )  # fmt: skip
    parser.add_argument(
        "--from-csv", type=Path, metavar="CSV",
        help="instead of -gt and -pred: a table that some tool made, with a row per case (column "
        "case, perhaps patient, label and attributes) and columns such as dice or hd95_mm",
    )  # fmt: skip
    parser.add_argument(
        "--from-summary", type=Path, metavar="JSON",
        help="instead of -gt and -pred: the summary.json of nnU-Net's own evaluation",
    )  # fmt: skip
    parser.add_argument(
        "--score", action="append", default=[], metavar="COLUMN=BETTER",
        help="a column of --from-csv with a metric of another name, and whether higher or lower is "
        "better, for example --score lesion_f1=higher; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--trainings", choices=("repeats", "folds"),
        help="evaluate a method by several trainings that differ in their random seed (repeats) or "
        "fold; --from-csv then needs a column training. Without it the results are about one "
        "trained model",
    )  # fmt: skip


def add_statistics(parser: argparse.ArgumentParser) -> None:
    """Add what is measured, and how cases are aggregated."""
    parser.add_argument(
        "--reference", action="append", default=[], metavar="NAME=GROUP",
        help="group that fairness gaps are measured from, for example sex=male; repeatable; by "
        "default the dictionary's choice, else the group with most patients",
    )  # fmt: skip
    parser.add_argument(
        "--groups", action="append", default=[], metavar="NAME=GROUP,GROUP",
        help="compare only these groups, for example ethnicity=White,Black: gaps, tests and "
        "verdicts are about them, the other groups are shown; repeatable for other attributes",
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
        help="groups with fewer patients are shown but excluded from gaps and tests",
    )  # fmt: skip
    parser.add_argument(
        "--empty-distance", choices=("diagonal", "inf", "nan"), default="diagonal",
        help="what an infinite distance (one mask empty) counts as in statistics: the image "
        "diagonal, infinity, or nothing",
    )  # fmt: skip
    parser.add_argument(
        "--unit", choices=("patient", "case"), default="patient",
        help="what statistics count: patients (mean over a patient's cases) or cases",
    )  # fmt: skip
    parser.add_argument("--bootstrap", type=int, default=2000, help="number of resamples")
    parser.add_argument("--confidence", type=float, default=0.95, help="coverage of intervals")
    parser.add_argument("--seed", type=int, default=0, help="seed of the resampling")


def add_findings(parser: argparse.ArgumentParser) -> None:
    """Add what is written in addition to the report."""
    parser.add_argument(
        "--preset", choices=PRESET_NAMES,
        help="print a paper's table: the MAMA-MIA challenge's score, or the tables of Lee et al., "
        "APPLE or FairDiff; measures the metrics it needs unless --metrics names some",
    )  # fmt: skip
    parser.add_argument(
        "--discover", action="store_true",
        help="search all combinations of all attributes for subgroups that diverge",
    )  # fmt: skip
    parser.add_argument(
        "--min-support", type=float, default=0.01, metavar="SHARE",
        help="smallest share of the patients that --discover looks at",
    )  # fmt: skip
    parser.add_argument(
        "--failure", action="append", default=[], metavar="[LABEL:]METRIC=NUMBER",
        help="when a case counts as failed: at this value or worse, for all labels or one, for "
        "example dice=0.1 or lesion:dice=0.3; repeatable; by default dice=0.1",
    )  # fmt: skip
    parser.add_argument(
        "--margin", action="append", default=[], metavar="METRIC=NUMBER",
        help="largest gap of two groups' means that does not matter, for example dice=0.03: says "
        "whether a larger one is excluded; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--permutations", type=int, default=999,
        help="how often --discover permutes the patients to tell divergence from chance",
    )  # fmt: skip
    parser.add_argument(
        "--confirm", action="store_true",
        help="with --discover: search one half of the patients, and test what was found in the "
        "other half",
    )  # fmt: skip
    parser.add_argument(
        "--adjust", nargs="+", action="extend", default=[], metavar="COLUMN",
        help="columns of the table to adjust gaps for, all together, such as site age: the gap "
        "among patients whom either group could have, beside the one found",
    )  # fmt: skip
    parser.add_argument(
        "--boundary-maps", action="store_true",
        help="map where along the outlines each group's errors lie (inside or beyond the "
        "reference, by clock hour and slice), and test whether two groups differ anywhere",
    )  # fmt: skip
    parser.add_argument(
        "--downstream", nargs="+", action="extend", default=[], choices=DOWNSTREAM_SETS,
        metavar="SET",
        help="compare by group how wrong the measures are that are taken from masks: radiomics "
        "(surface area, perimeter, energy, volume, largest diameter), cardiac (volumes, ejection "
        "fraction and mass from the frames ED and ES), cup_disc (cup-to-disc ratios), tumour "
        "(volume, largest diameter); also writes downstream.csv",
    )  # fmt: skip
    parser.add_argument(
        "--frames", metavar="COLUMN",
        help="column of the table that says ED or ES, for --downstream cardiac; by default names "
        "of cases end in _ED and _ES",
    )  # fmt: skip
    parser.add_argument(
        "--threshold", action="append", default=[], metavar="[LABEL:]MEASURE=NUMBER",
        help="with --downstream: where a decision changes, for example ef=50: whose decisions "
        "the predicted mask would change; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--tables", nargs="+", default=[], choices=TABLE_FORMATS, metavar="FORMAT",
        help="also write every table as table_<name>.<format>: csv, md (Markdown) or tex (LaTeX)",
    )  # fmt: skip
    parser.add_argument(
        "--paper", nargs="?", const="shareable", choices=("shareable", "exact"),
        help="also write paper/: methods and results for a manuscript, its tables, and where the "
        "answers to CLAIM, STARD-AI and TRIPOD+AI stand; made of what --shareable would show, so "
        "that it may be published, or with --paper exact of the private result, into paper_exact/",
    )  # fmt: skip


def check_sources(args: argparse.Namespace) -> None:
    """Raise a UsageError unless it is clear what to evaluate."""
    given = [
        option
        for option, value in (
            ("-gt and -pred", args.gt or args.pred or None),
            ("--from-csv", args.from_csv),
            ("--from-summary", args.from_summary),
        )
        if value is not None
    ]
    if len(given) != 1:
        raise UsageError(
            f"Evaluate one thing: found {', '.join(given) or 'nothing'}; expected -gt and -pred, "
            "--from-csv, or --from-summary."
        )
    if (args.gt is None) != (args.pred is None):
        missing = "-gt" if args.gt is None else "-pred"
        raise UsageError(f"{missing} is missing: masks are evaluated with both -gt and -pred.")
    if args.gt is None:
        for option, used in (
            ("--metrics", args.metrics), ("--images", args.images), ("--shard", args.shard),
            ("--merge", args.merge), ("--dataset-json", args.dataset_json),
            ("--allow-missing", args.allow_missing), ("--labels", args.labels),
            ("--suffix-gt", args.suffix_gt), ("--suffix-pred", args.suffix_pred),
            ("--boundary-maps", args.boundary_maps), ("--downstream", args.downstream),
        ):  # fmt: skip
            if used:
                raise UsageError(f"{option} applies to masks, not to {given[0]}.")
        if args.preset == "mama-mia":
            raise UsageError(
                "--preset mama-mia measures masks itself: pass -gt and -pred instead of scores."
            )
    if args.labels and args.dataset_json is not None:
        raise UsageError("--labels and --dataset-json both name the labels: pass one of them.")
    if args.trainings and args.from_summary is not None:
        raise UsageError(
            "--trainings applies to masks (-gt and -pred) and to --from-csv, not to --from-summary."
        )
    if args.score and args.from_csv is None:
        raise UsageError("--score applies only to the columns of --from-csv.")
    if args.confirm and not args.discover:
        raise UsageError("--confirm tests what --discover finds: pass both, or neither.")
    if args.shareable and args.paper == "exact":
        raise UsageError(
            "--paper exact writes exact numbers of small groups, which --shareable hides. Pass "
            "--paper alone, or leave out --shareable."
        )
    if args.against and not args.shareable and args.paper != "shareable":
        raise UsageError(
            "--against compares what is shared with earlier reports: pass --shareable or --paper "
            "too, or leave out --against."
        )
    for option, used in (("--frames", args.frames), ("--threshold", args.threshold)):
        if used and not args.downstream:
            raise UsageError(
                f"{option} is about downstream measures: pass --downstream too, such as "
                f"--downstream cardiac, or leave out {option}."
            )
    if args.shareable and (args.discover or args.preset or args.boundary_maps or args.downstream):
        raise UsageError(
            "--shareable writes neither discovered subgroups nor a paper's table nor boundary "
            "maps nor downstream measures, as small groups could be worked out from them. Leave "
            "out --discover, --preset, --boundary-maps and --downstream, or --shareable."
        )


def score_columns(found: dict[str, str]) -> dict[str, Literal["higher", "lower"]]:
    """Return the columns of ``--score``, checked.

    Raises:
        UsageError: If a column is said to be anything but ``higher`` or ``lower``.
    """
    for column, better in found.items():
        if better not in ("higher", "lower"):
            raise UsageError(f"--score {column}={better}: expected higher or lower.")
    return cast(dict[str, Literal["higher", "lower"]], found)


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Add ``-np``, by default one per processor, 8 at most."""
    parser.add_argument(
        "-np", type=int, default=min(_MOST_DEFAULT_PROCESSES, os.cpu_count() or 1),
        help="number of processes",
    )  # fmt: skip


def check_numbers(args: argparse.Namespace) -> None:
    """Raise a UsageError unless the numbers of :func:`add_statistics` and ``-np`` make sense."""
    for option, value, ok, expected in (
        ("--min-patients", args.min_patients, args.min_patients >= 1, "1 or more"),
        ("--confidence", args.confidence, 0 < args.confidence < 1, "a share such as 0.95"),
        ("--bootstrap", args.bootstrap, *_enough_resamples(args)),
        ("--seed", args.seed, args.seed >= 0, "0 or more"),
        ("--tolerance", args.tolerance, 0 <= args.tolerance < float("inf"), "0 or more"),
        ("-np", args.np, args.np >= 1, "1 or more"),
    ):
        if not ok:
            raise UsageError(f"{option} {value}: expected {expected}.")


def _enough_resamples(args: argparse.Namespace) -> tuple[bool, str]:
    """Return whether the ends of an interval can be told from so many resamples, and how many can.

    One or two resamples would make an interval as narrow as they happen to be.
    """
    if not 0 < args.confidence < 1:
        return True, ""  # refused by itself
    fewest = math.ceil(1 / (1 - args.confidence) - 1e-9)
    enough = args.bootstrap == 0 or args.bootstrap >= fewest
    return enough, f"0 (no intervals), or at --confidence {args.confidence:g} {fewest} or more"
