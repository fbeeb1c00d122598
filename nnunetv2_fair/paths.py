"""Names of all files that are shared between rooms, and where nnU-Net keeps datasets.

Reads nnU-Net's environment variables directly: importing ``nnunetv2`` would import
torch, which commands such as ``nnUNetv2_fair_evaluate`` must not wait for.
"""

import os
import re
from pathlib import Path

from nnunetv2_fair.errors import DatasetError, shorten

DEMOGRAPHICS_CSV = "demographics.csv"
DEMOGRAPHICS_JSON = "demographics.json"
DATASET_JSON = "dataset.json"
#: In a cropped dataset: where the crops lie in the original images.
CROPS_JSON = "crops.json"
#: Log of a conversion, with its settings.
CONVERSION_LOG_JSON = "conversion_log.json"
#: In a preprocessed dataset: what its copy of the demographics was made of.
PREPARED_JSON = "demographics_prepared.json"
SPLITS_JSON = "splits_final.json"
PLANS_JSON = "plans.json"
#: Beside predictions of a cascade: how they were made.
CASCADE_JSON = "cascade.json"
PER_CASE_CSV = "per_case.csv"
#: What was measured in every case besides, such as ejection fractions.
DOWNSTREAM_CSV = "downstream.csv"
#: Pattern of the files with what an unfinished evaluation has measured so far.
MEASURED_CASES = "measured_cases*.jsonl"
SUMMARY_JSON = "summary.json"
#: Folder in an evaluation of several trainings that holds the evaluation of each.
TRAININGS_FOLDER = "trainings"
#: Folders in an evaluation, or a study, with what a manuscript needs: one that may be published,
#: and one with exact numbers of small groups.
PAPER_FOLDER = "paper"
PAPER_EXACT_FOLDER = "paper_exact"
#: What such folders of a study hold.
CONTENTS_MD = "contents.md"
REPORT_HTML = "report.html"
COMPARISON_JSON = "comparison.json"
COMPARISON_HTML = "comparison.html"
LATENT_JSON = "latent.json"
AUDIT_JSON = "audit.json"
AUDIT_HTML = "audit.html"
AUDIT_CASES_CSV = "audit_cases.csv"
#: Folder in an audit of labels with the evaluation of the automated masks.
QUALITY_FOLDER = "quality"
#: Folder of a study with what is said of the causes of a gap.
DIAGNOSIS_FOLDER = "diagnosis"
DIAGNOSIS_JSON = "diagnosis.json"
DIAGNOSIS_HTML = "diagnosis.html"
#: Beside images with edited backgrounds: whose background each case was given.
BACKGROUNDS_CSV = "backgrounds.csv"
SUBGROUP_LOG_CSV = "subgroup_log.csv"
SUBGROUP_LOG_PNG = "subgroup_log.png"

RAW = "nnUNet_raw"
PREPROCESSED = "nnUNet_preprocessed"
RESULTS = "nnUNet_results"

_DATASET_NAME = re.compile(r"Dataset([0-9]{3})_[^\s/\\]+")


def is_dataset_name(text: str) -> bool:
    """Return whether a text is a dataset's full name, such as ``Dataset042_Lungs``."""
    return _DATASET_NAME.fullmatch(text) is not None


def is_dataset_id(text: str) -> bool:
    """Return whether a text is digits that can be a dataset's id; ² is a digit elsewhere."""
    return text.isascii() and text.isdigit()


def last_name(path: str) -> str:
    """Return the name of a file from a path as some machine wrote it, Windows included."""
    return re.split(r"[/\\]", path)[-1]


def environment_folder(variable: str) -> Path:
    """Return the folder that one of nnU-Net's environment variables points to.

    Args:
        variable: ``nnUNet_raw``, ``nnUNet_preprocessed`` or ``nnUNet_results``.

    Raises:
        DatasetError: If the variable is not set.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        raise DatasetError(
            f"The environment variable {variable} is not set. Set it to the folder nnU-Net "
            f"uses, for example: export {variable}=/data/{variable}"
        )
    return Path(value)


def dataset_name(dataset: str | int, folder: Path) -> str:
    """Return the full name (``Dataset042_Lungs``) of a dataset given by id or name.

    Args:
        dataset: ``42``, ``"42"``, ``"042"`` or ``"Dataset042_Lungs"``.
        folder: Where to look: the value of ``nnUNet_raw`` or ``nnUNet_preprocessed``.

    Raises:
        DatasetError: If no dataset has that id, or more than one has it.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"{folder} does not exist or is not a folder. Create it, or set nnU-Net's environment "
            "variable to the folder that holds the datasets."
        )
    present = sorted(p.name for p in folder.glob("Dataset*") if _DATASET_NAME.fullmatch(p.name))
    text = str(dataset)
    if is_dataset_name(text):
        if text in present:
            return text
    elif is_dataset_id(text):
        matches = [name for name in present if int(name[7:10]) == int(text)]
        if len(matches) == 1:
            return matches[0]
        if len(matches) > 1:
            raise DatasetError(
                f"{folder} holds {len(matches)} datasets with id {text}: {shorten(matches)}. "
                "Give the full name, for example -d " + matches[0]
            )
    else:
        raise DatasetError(
            f"'{text}' is not a dataset: expected an id such as 42 or a name like Dataset042_Lungs."
        )
    known = shorten(present, 8) if present else "none"
    raise DatasetError(f"No dataset '{text}' in {folder}. Datasets found there: {known}.")


def raw_dataset(dataset: str | int) -> Path:
    """Return the dataset's folder in ``nnUNet_raw`` (see :func:`dataset_name`)."""
    folder = environment_folder(RAW)
    return folder / dataset_name(dataset, folder)


def preprocessed_dataset(name: str) -> Path:
    """Return where nnU-Net keeps the preprocessed dataset ``name``; it may not exist yet."""
    return environment_folder(PREPROCESSED) / name
