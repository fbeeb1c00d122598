"""``nnUNetv2_fair_convert_MAMA_MIA``: a MAMA-MIA download becomes a dataset."""

import argparse
from collections.abc import Sequence

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.conversion_arguments import (
    add_conversion_arguments,
    add_unpaired_argument,
    convert,
    processes_of,
)
from nnunetv2_fair.cli.shared.pairs import check_names
from nnunetv2_fair.cli.shared.table_arguments import add_table_arguments, table_settings
from nnunetv2_fair.errors import UsageError


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_convert_MAMA_MIA",
        "Turn a MAMA-MIA download (images/, segmentations/, clinical_and_imaging_info.xlsx,\n"
        "train_test_splits.csv, patient_info_files/) into an nnU-Net dataset. The experts' masks\n"
        "are the labels, the automatic ones are kept alongside for an audit (automaticTr,\n"
        "automaticTs). Files that need no change are copied byte for byte. Age, menopausal\n"
        "status, breast density, ethnicity, site and more go to demographics.csv, the breast\n"
        "boxes to breast_boxes.json (see nnUNetv2_fair_apply_breast_box).",
        "nnUNetv2_fair_convert_MAMA_MIA -i MAMA-MIA -d 60 --phases 0,1,2",
    )
    add_conversion_arguments(parser, "MAMA_MIA")
    parser.add_argument(
        "--phases",
        default="0,1,2",
        help="phases that become channels: 0 is before contrast, 1 the first after it; nnU-Net "
        "needs the same number in every case, so patients without one of them are left out",
    )
    parser.add_argument(
        "--isotropic",
        action="store_true",
        help="turn to RAS and resample to 1 mm (images linearly, masks by nearest neighbour)",
    )
    parser.add_argument(
        "--pooled-zscore",
        action="store_true",
        help="normalise by mean and standard deviation over all phases of the examination, as the "
        "authors of MAMA-MIA recommend, instead of nnU-Net's normalisation of each channel",
    )
    parser.add_argument(
        "--labels",
        choices=("expert", "automated"),
        default="expert",
        help="whose masks models are trained on; test labels are always the experts'. With "
        "automated, the experts' masks of training cases go to expertTr",
    )
    add_table_arguments(parser, ("patient",), "the challenge's age groups", ranges=False)
    add_unpaired_argument(
        parser,
        "patients who lack images, mask or row: refuse, or leave out and count by group",
    )
    parser.add_argument(
        "--test-ratio",
        type=float,
        help="share of patients to draw for the test part (the official parts by default)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of that choice")
    return parser


def _convert(args: argparse.Namespace) -> None:
    from nnunetv2_fair.dataset_conversion.mama_mia.codes import COLUMNS
    from nnunetv2_fair.dataset_conversion.mama_mia.plan import MamaMiaSettings, plan_mama_mia

    try:
        phases = tuple(int(text) for text in args.phases.split(","))
    except ValueError:
        raise UsageError(f"--phases {args.phases}: expected numbers such as 0,1,2.") from None
    reading = table_settings(args)
    check_names("--columns", reading.columns, ("patient", *COLUMNS))
    check_names("--values", reading.values, tuple(COLUMNS))
    check_names("--dicom-age", reading.dicom_age, ("age",))
    check_names("--bins", reading.bins, ("age",))
    settings = MamaMiaSettings(
        args.i,
        args.d,
        args.n,
        phases,
        isotropic=args.isotropic,
        pooled_zscore=args.pooled_zscore,
        test_ratio=args.test_ratio,
        seed=args.seed,
        unpaired=args.unpaired,
        reading=reading,
        labels=args.labels,
    )
    convert(lambda: plan_mama_mia(settings, processes_of(args)), args)


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
