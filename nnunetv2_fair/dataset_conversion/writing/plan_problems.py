"""Every reason not to write a dataset, found before the first byte is written."""

import os
import shutil
from pathlib import Path

from nnunetv2_fair.dataset_conversion.writing.dataset_plan import (
    PARTS,
    DatasetPlan,
    TargetOptions,
)
from nnunetv2_fair.dataset_conversion.writing.safe_names import (
    is_safe_case,
    is_safe_dataset_name,
    repeated,
)
from nnunetv2_fair.errors import DemographicsError, counted, shorten
from nnunetv2_fair.files.atomic import nearest_existing
from nnunetv2_fair.paths import (
    DEMOGRAPHICS_CSV,
    PREPROCESSED,
    RAW,
    RESULTS,
    environment_folder,
)
from nnunetv2_fair.subgroups.schema import CASE, PATIENT
from nnunetv2_fair.subgroups.table import check_table


def plan_problems(plan: DatasetPlan, raw: Path, *, overwrite: bool = False) -> list[str]:
    """Return every reason not to write, in words; nothing is changed on disk.

    Args:
        plan: What to write.
        raw: Folder of the datasets (``nnUNet_raw``); it need not exist.
        overwrite: Whether a dataset of the same name may be replaced.
    """
    problems = plan.description.problems()
    problems += target_problems(
        plan.description.dataset_id,
        plan.description.name,
        raw,
        overwrite=overwrite,
        options=plan.options,
    )
    problems += _case_problems(plan)
    problems += _space_problems(plan, raw)
    return problems


def target_problems(
    dataset_id: int,
    name: str,
    raw: Path,
    *,
    overwrite: bool = False,
    options: TargetOptions | None = None,
) -> list[str]:
    """Return the reasons why a dataset of that id and name cannot be written there, in words.

    Args:
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_``.
        raw: Folder of the datasets (``nnUNet_raw``); it need not exist.
        overwrite: Whether a dataset of the same name may be replaced.
        options: What the command calls the choice of id and place.
    """
    called = options or TargetOptions()
    problems = []
    if not 1 <= dataset_id <= 999:
        problems.append(
            f"dataset id {dataset_id}: expected a number from 1 to 999 ({called.dataset_id})"
        )
    if not is_safe_dataset_name(name):
        problems.append(
            f"dataset name '{name}': expected letters, digits, minus and underscore only (-n)"
        )
    folder_name = f"Dataset{dataset_id:03d}_{name}"
    target = raw / folder_name
    if target.exists() and not overwrite:
        problems.append(
            f"{target} already exists. Choose another id ({called.dataset_id}), or add --overwrite "
            "to replace it"
        )
    folders = {RAW: raw}
    for variable in (PREPROCESSED, RESULTS):
        if os.environ.get(variable, "").strip():
            folders[variable] = environment_folder(variable)
    for variable, folder in folders.items():
        others = sorted(
            path.name
            for path in folder.glob(f"Dataset{dataset_id:03d}_*")
            if path.name != folder_name
        )
        if others:
            problems.append(
                f"dataset id {dataset_id} is taken by {shorten(others)} in {variable} "
                f"({folder}); nnU-Net needs one name per id. Choose another id "
                f"({called.dataset_id})"
            )
    parent = nearest_existing(raw)
    if not parent.is_dir():
        problems.append(
            f"{parent} is a file; {raw} cannot be made there. Name a folder ({called.folder})"
        )
    elif not os.access(parent, os.W_OK | os.X_OK):
        problems.append(
            f"{parent} is read-only for this user. Change its permissions (chmod u+w {parent}) or "
            f"name another folder ({called.folder})"
        )
    return problems


def _case_problems(plan: DatasetPlan) -> list[str]:
    problems = []
    names = [job.case for job in plan.jobs]
    unsafe = [name for name in names if not is_safe_case(name)]
    if unsafe:
        problems.append(
            f"case names {shorten(map(repr, unsafe))}: expected letters, digits, dot, minus and "
            "underscore only, beginning with a letter or digit"
        )
    twice = repeated(names)
    if twice:
        problems.append(f"case names occur more than once: {shorten(twice)}")
    if not plan.cases("train"):
        problems.append("there is no training case; nnU-Net cannot train without one")
    rows = set(plan.demographics[CASE])
    if set(names) != rows:
        without, extra = sorted(set(names) - rows), sorted(rows - set(names))
        if without:
            problems.append(
                f"{counted(len(without), 'case has', 'cases have')} no demographics row: "
                f"{shorten(without)}"
            )
        if extra:
            problems.append(
                f"{counted(len(extra), 'demographics row has', 'demographics rows have')} no "
                f"case: {shorten(extra)}"
            )
    else:
        problems += _shared_patients(plan)
        try:
            check_table(plan.demographics, plan.schema, Path(DEMOGRAPHICS_CSV))
        except DemographicsError as error:
            problems.append(str(error))
    return problems


def _shared_patients(plan: DatasetPlan) -> list[str]:
    patient_of = dict(zip(plan.demographics[CASE], plan.demographics[PATIENT], strict=True))
    train, test = ({patient_of[case] for case in plan.cases(part)} for part in PARTS)
    shared = sorted(train & test)
    if not shared:
        return []
    return [
        f"{counted(len(shared), 'patient has', 'patients have')} cases in both training and test "
        f"part: {shorten(shared)}; "
        "results on such a test part would be too good. Put all cases of a patient in one part"
    ]


def _space_problems(plan: DatasetPlan, raw: Path) -> list[str]:
    needed = sum(job.n_bytes for job in plan.jobs)
    work = raw / f".{plan.description.folder_name}.partial"
    if work.is_dir():
        needed -= sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
    free = shutil.disk_usage(nearest_existing(raw)).free
    if needed <= free:
        return []
    return [
        f"{raw} has {gigabytes(free)} free; the dataset may need up to {gigabytes(needed)}. "
        f"Free some space or name a folder on another disk ({plan.options.folder})"
    ]


def gigabytes(n_bytes: int) -> str:
    """Return an amount of bytes for people."""
    return f"{n_bytes / 2**30:.3g} GiB"
