"""``nnUNetv2_fair_doctor``: shows whether everything is in place, and how to fix what is not."""

import argparse
import importlib.util
import logging
import os
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair import paths, registration
from nnunetv2_fair.cli.shared.common import command_parser, require_nnunet, run
from nnunetv2_fair.errors import FairError, UsageError, counted
from nnunetv2_fair.files.pool import LONGEST_TEMPORARY

if TYPE_CHECKING:
    from nnunetv2_fair.subgroups.table import DemographicsTable

logger = logging.getLogger(__name__)

_EVALUATOR = ("nnunetv2_fair", "numpy", "pandas", "scipy", "SimpleITK")
_FOLDERS = (paths.RAW, paths.PREPROCESSED, paths.RESULTS)
_TRAINING = ("nnunetv2", "torch", "batchgenerators", "scikit-learn")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see :func:`nnunetv2_fair.cli.shared.common.run` for the exit codes."""
    parser = command_parser(
        "nnUNetv2_fair_doctor",
        "Check registration with nnU-Net, versions, paths, GPU and demographics tables. Exits 1 "
        "if something keeps training or evaluation from working.",
        "nnUNetv2_fair_doctor",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--register",
        action="store_true",
        help="register with nnU-Net for this environment (needed once after 'pip install -e .')",
    )
    which.add_argument("--unregister", action="store_true", help="undo --register")
    which.add_argument(
        "--sam", type=Path, metavar="FILE",
        help="say what these weights are (SAM, MedSAM, LiteMedSAM: a .pth file or a folder of "
        "Hugging Face), and whether they can be used",
    )  # fmt: skip
    return run(examine, parser, argv)


def examine(args: argparse.Namespace) -> None:
    """Register or unregister if asked to; else report."""
    if args.unregister:
        remove_registration()
        return
    if args.sam is not None:
        _check_weights(args.sam)
        return
    if args.register:
        write_registration()
        problems = _check_registration()
    elif _evaluator_only():
        logger.info(
            "installation   evaluator only (no torch, no nnunetv2): evaluate, compare and the "
            "index of a study work. To train, predict and convert: pip install nnunetv2_fair"
        )
        problems = _check_versions(_EVALUATOR)
    else:
        problems = [
            *_check_registration(),
            *_check_versions(_EVALUATOR + _TRAINING),
            *_check_paths(),
            *_check_temporary_folder(),
            *_check_device(),
            *_check_tables(),
        ]
    if problems:
        listed = "\n".join(f"  {i}. {problem}" for i, problem in enumerate(problems, start=1))
        what = counted(len(problems), "thing needs", "things need")
        raise FairError(f"{what} attention:\n{listed}")
    unset = [name for name in _FOLDERS if not os.environ.get(name)]
    if unset and not (args.register or _evaluator_only()):
        logger.info(
            "Everything is installed. Before you convert data or train, tell nnU-Net where its "
            "folders are (evaluating predictions needs none of them):"
        )
        for variable in unset:
            logger.info("  export %s=/path/to/%s", variable, variable)
    else:
        logger.info("Everything is in place.")


def _check_weights(path: Path) -> None:
    """Tell what weights are, having built the model that they are of.

    Raises:
        FairError: If they cannot be used.
    """
    require_nnunet()
    from nnunetv2_fair.foundation.model import PromptedModel
    from nnunetv2_fair.foundation.weights import read_weights

    try:
        weights = read_weights(path)
        family = f"{weights.family.title} ({weights.reason})"
    except UsageError:
        weights = read_weights(path, "sam")
        family = "SAM or MedSAM, which look alike: say which with --family sam or --family medsam"
    PromptedModel(weights)
    sizes = weights.sizes
    logger.info("%-14s %s", "family", family)
    logger.info("%-14s %s, %.1f million parameters", "model", weights.encoder,
                weights.n_parameters / 1e6)  # fmt: skip
    logger.info("%-14s %d x %d pixels", "image", sizes.image, sizes.image)
    logger.info("%-14s %d x %d x %d", "embedding", sizes.channels, sizes.grid, sizes.grid)
    logger.info("%-14s %s", "SHA-256", weights.sha256)
    logger.info("The weights can be used.")


def registration_file() -> Path:
    """Return where the registration belongs: the environment's site-packages."""
    folder = Path(sysconfig.get_path("purelib"))
    if not os.access(folder, os.W_OK) and site.ENABLE_USER_SITE:
        return Path(site.getusersitepackages()) / registration.PTH_NAME
    return folder / registration.PTH_NAME


def write_registration() -> None:
    """Write the line that Python reads at its start."""
    target = registration_file()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(registration.PTH_LINE, encoding="ascii")
    logger.info("Registered: wrote %s", target)


def remove_registration() -> None:
    """Remove that line again."""
    target = registration_file()
    existed = target.exists()
    target.unlink(missing_ok=True)
    logger.info("Unregistered: %s %s", target, "removed" if existed else "was not there")


def _check_registration() -> list[str]:
    variable, ours = registration.EXTERNAL_TRAINERS, registration.plugin_folder()
    own = [
        part for part in os.environ.get(variable, "").split(os.pathsep) if part not in ("", ours)
    ]
    # a new interpreter is asked, because this one started before a change made just now
    command = [sys.executable, "-c", f"import os; print(os.environ.get({variable!r}, ''))"]
    environment = {**os.environ, variable: os.pathsep.join(own)}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ours in answer.stdout.strip().split(os.pathsep):
        logger.info("registration   nnU-Net finds the trainers (%s)", ours)
        return []
    if registration.is_registered():
        logger.info("registration   nnU-Net finds the trainers (variable set by hand)")
        return []
    logger.info("registration   MISSING: nnU-Net does not know the trainers")
    return [
        "nnU-Net does not find the trainers. Run: nnUNetv2_fair_doctor --register\n     or set by "
        f'hand: export {variable}="{os.pathsep.join([*own, ours])}"'
    ]


def _evaluator_only() -> bool:
    return not any(importlib.util.find_spec(name) for name in ("torch", "nnunetv2"))


def _check_versions(packages: Sequence[str]) -> list[str]:
    problems = []
    for name in packages:
        try:
            logger.info("%-14s %s", name, metadata.version(name))
        except metadata.PackageNotFoundError:
            logger.info("%-14s MISSING", name)
            problems.append(f"{name} is not installed. Run: pip install {name}")
    return problems


def _check_paths() -> list[str]:
    problems = []
    for variable in _FOLDERS:
        value = os.environ.get(variable, "")
        folder = Path(value)
        if not value:
            state = "not set"
        elif not folder.is_dir():
            state = f"{value} (does not exist)"
            problems.append(
                f"{variable} names {value}, which does not exist. Run: mkdir -p {value}"
            )
        elif not os.access(folder, os.W_OK):
            state = f"{value} (read-only)"
        else:
            state = value
        logger.info("%-20s %s", variable, state)
    return problems


def _check_temporary_folder() -> list[str]:
    folder = tempfile.gettempdir()
    length = len(os.fsencode(folder))
    if os.name != "posix" or length <= LONGEST_TEMPORARY:
        return []
    logger.info("%-20s %s (too long)", "temporary folder", folder)
    return [
        f"the temporary folder {folder} has a path of {length} characters. nnU-Net's own commands "
        f'fail with more than {LONGEST_TEMPORARY} ("AF_UNIX path too long"); those of this '
        "package, and its trainers, do not. Set TMPDIR to a shorter one: export TMPDIR=/tmp"
    ]


def _check_device() -> list[str]:
    code = (
        "import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else "
        "'mps' if torch.backends.mps.is_available() else '')"
    )
    # in a process of its own: only here is torch needed, and a broken driver cannot hurt
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        return [f"torch does not start: {last}. Reinstall it: pip install --force-reinstall torch"]
    device = answer.stdout.strip()
    logger.info("%-14s %s", "device", device or "no GPU: train with -device cpu")
    return []


def _check_tables() -> list[str]:
    from nnunetv2_fair.subgroups.table import missing_file, read_dataset_table

    problems = []
    for variable in (paths.RAW, paths.PREPROCESSED):
        folder = Path(os.environ.get(variable, ""))
        if not os.environ.get(variable) or not folder.is_dir():
            continue
        for table in sorted(folder.glob(f"Dataset*/{paths.DEMOGRAPHICS_CSV}")):
            missing = missing_file(table.parent) if variable == paths.RAW else None
            if missing is not None:
                problems.append(missing)
                continue
            try:
                found = read_dataset_table(table.parent)
                logger.info(
                    "%-14s %s: %d cases, attributes %s (default %s)", "demographics",
                    table.parent.name, len(found.cases), ", ".join(found.schema.attributes),
                    found.schema.default,
                )  # fmt: skip
                if variable == paths.PREPROCESSED:
                    _check_folds(table.parent, found)
            except FairError as error:
                problems.append(str(error))
    return problems


def _check_folds(folder: Path, table: "DemographicsTable") -> None:
    """Show what trainings would say about a dataset's folds; raise what they would refuse."""
    from nnunetv2_fair.subgroups.folds import checked_folds
    from nnunetv2_fair.subgroups.prepare import cases_of

    raw = Path(os.environ.get(paths.RAW, ""), folder.name)
    known = (raw / paths.DATASET_JSON).is_file()
    folds, warnings = checked_folds(folder, table, cases_of(raw)[0] if known else table.cases)
    logger.info("%-14s %s: %d", "folds", folder.name, len(folds))
    for sentence in warnings:
        logger.warning("WARNING: %s.", sentence)
