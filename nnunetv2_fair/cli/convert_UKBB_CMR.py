"""``nnUNetv2_fair_convert_UKBB_CMR``: short-axis cine MRI of the heart becomes a dataset."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.conversion_arguments import (
    add_conversion_arguments,
    add_unpaired_argument,
    convert,
    label_map_of,
    processes_of,
)
from nnunetv2_fair.cli.shared.pairs import check_names
from nnunetv2_fair.cli.shared.table_arguments import add_table_arguments, table_settings
from nnunetv2_fair.errors import ConversionError

if TYPE_CHECKING:
    from nnunetv2_fair.dataset_conversion.ukbb_cmr.plan import CmrPlan
    from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetPlan

logger = logging.getLogger(__name__)

_ATTRIBUTES = ("ethnicity", "sex", "age", "bmi", "height", "weight")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_convert_UKBB_CMR",
        "Turn short-axis cine MRI of the heart, kept as UK Biobank's is (a folder per participant\n"
        "with sa_ED.nii.gz and label_sa_ED.nii.gz, ES, or the whole cycle sa.nii.gz), and a table\n"
        "in any of UK Biobank's spellings into an nnU-Net dataset. End diastole and end systole\n"
        "become two cases of one patient. Participants get random numbers; only the file of\n"
        "--participant-map says whose they are. Clinical sets with the same layout work too.",
        "nnUNetv2_fair_convert_UKBB_CMR -i UKBB -d 45 --table ukb.csv "
        "--participant-map private/map.csv --cohort black=15,white=4221,seed=1",
    )
    add_conversion_arguments(parser, "UKBB_CMR")
    parser.add_argument(
        "--participant-map",
        metavar="FILE",
        type=Path,
        required=True,
        help="file that gets identifier and number of each participant, readable by you alone; "
        "must be outside of nnU-Net's folders. If it exists, its numbers are kept",
    )
    parser.add_argument(
        "--table", metavar="FILE", type=Path, help="table with a row per participant (CSV, XLSX)"
    )
    parser.add_argument(
        "--labels-csv",
        metavar="FILE",
        type=Path,
        help="labels.csv of Lee et al. (case and numeric ethnicity); needs --values ethnicity",
    )
    add_table_arguments(
        parser,
        ("participant",),
        "age=50,65 bmi=18.5,25,30; height and weight at quartiles",
        ranges=False,
    )
    parser.add_argument(
        "--instance",
        type=int,
        default=2,
        help="visit whose age, BMI, height and weight are taken: 2 imaging, 3 repeated imaging",
    )
    parser.add_argument(
        "--frames",
        nargs="+",
        choices=("ED", "ES"),
        default=["ED", "ES"],
        help="frames to take; ED alone for sets whose myocardium is not drawn at end systole",
    )
    parser.add_argument(
        "--label-map",
        nargs="+",
        default=[],
        metavar="VALUE=LABEL",
        help="label of each value in the files (1 LV cavity, 2 LV myocardium, 3 RV cavity), such "
        "as 1=3 2=2 3=1",
    )
    parser.add_argument(
        "--only", metavar="FILE", type=Path, help="list of participants to take (good_eid_sa.csv)"
    )
    parser.add_argument(
        "--exclude",
        metavar="FILE",
        type=Path,
        help="list of participants to leave out, such as those who withdrew",
    )
    parser.add_argument(
        "--cohort",
        metavar="GROUP=N,...",
        help="draw the training part by ethnicity, such as black=15,white=4221,seed=1; everybody "
        "else becomes the test part",
    )
    parser.add_argument(
        "--test-list", metavar="FILE", type=Path, help="list of participants of the test part"
    )
    parser.add_argument(
        "--test-ratio",
        type=float,
        default=0.2,
        help="share of participants for the test part if there is neither --cohort nor --test-list "
        "nor folders called train and test; 0 for an external set that is only predicted on",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of that choice")
    add_unpaired_argument(
        parser,
        "participants without row of the table: refuse, or leave out and list",
    )
    parser.add_argument("--licence", help="terms of the data (default: those of UK Biobank)")
    parser.add_argument("--reference", help="where the data come from (default: UK Biobank)")
    parser.add_argument("--release", default="", help="version of the data")
    return parser


def _convert(args: argparse.Namespace) -> None:
    from nnunetv2_fair.dataset_conversion.ukbb_cmr.cohort import parse_cohort
    from nnunetv2_fair.dataset_conversion.ukbb_cmr.ids import map_problems, read_map, write_map
    from nnunetv2_fair.dataset_conversion.ukbb_cmr.people import LEVELS, PeopleSettings
    from nnunetv2_fair.dataset_conversion.ukbb_cmr.plan import plan_ukbb_cmr
    from nnunetv2_fair.dataset_conversion.ukbb_cmr.settings import CmrSettings
    from nnunetv2_fair.dataset_conversion.writing.writer import raw_folder

    reading = table_settings(args)
    values, bins = reading.values, reading.bins
    numeric = [name for name in _ATTRIBUTES if name not in LEVELS]
    check_names("--columns", reading.columns, ("participant", *_ATTRIBUTES))
    check_names("--values", values, tuple(LEVELS))
    check_names("--bins", bins, tuple(numeric))
    check_names("--dicom-age", reading.dicom_age, ("age",))
    for name, meanings in values.items():
        check_names(f"--values {name}: level", set(meanings.values()), LEVELS[name])
    given = {name: getattr(args, name) for name in ("licence", "reference")}
    settings = CmrSettings(
        folder=args.i,
        dataset_id=args.d,
        name=args.n,
        table=args.table,
        labels_csv=args.labels_csv,
        people=PeopleSettings(reading, args.instance),
        frames=tuple(sorted(set(args.frames))),
        label_map=label_map_of(args.label_map),
        bins=bins,
        only=args.only,
        exclude=args.exclude,
        cohort=parse_cohort(args.cohort) if args.cohort else None,
        test_list=args.test_list,
        test_ratio=args.test_ratio,
        seed=args.seed,
        unpaired=args.unpaired,
        release=args.release,
        **{name: text for name, text in given.items() if text is not None},
    )
    problems = map_problems(args.participant_map, raw_folder(args.o))
    known: dict[str, str] = {}
    if not problems:
        try:
            known = read_map(args.participant_map)
        except ConversionError as error:
            problems.append(str(error))  # listed with what is wrong with the data
    plans: list[CmrPlan] = []

    def planner() -> "DatasetPlan":
        plans.append(plan_ukbb_cmr(settings, known, processes_of(args)))
        return plans[0].dataset

    def keep_map() -> None:
        write_map(args.participant_map, {**known, **plans[0].patients})

    convert(planner, args, problems=problems, before_writing=keep_map)
    if not args.dry_run:
        logger.info("Whose number is whose: %s (keep it private)", args.participant_map.name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 130 when interrupted.
    """
    return run(_convert, _parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
