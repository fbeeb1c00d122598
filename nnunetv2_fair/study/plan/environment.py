"""Environment variables of a study's steps. Every job imports this, so it imports little."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair import paths
from nnunetv2_fair.study.study_file.values import absolute

if TYPE_CHECKING:
    from nnunetv2_fair.study.study_file.settings import Settings

FOLDERS = (paths.RAW, paths.PREPROCESSED, paths.RESULTS)
#: Variables of the planning shell that change what the steps do, and so go into the plan.
ALLOW_CHANGED_TABLE = "nnUNet_fair_allow_changed_table"
BASE_CHECKPOINT = "nnUNet_fair_base_checkpoint"
_KEPT = ("nnUNet_extTrainer", BASE_CHECKPOINT, ALLOW_CHANGED_TABLE)


def study_environment(settings: "Settings") -> dict[str, str]:
    """Return the variables that every step is run with.

    Those of the study's file, and those of nnU-Net that are set where the study is planned.
    Folders of the file may be relative to it.
    """
    found = {name: os.environ[name] for name in (*FOLDERS, *_KEPT) if os.environ.get(name)}
    beside = settings.path.parent
    for name, value in settings.environment.items():
        found[name] = str(absolute(value, beside)) if name in FOLDERS else value
    for name in FOLDERS:
        if name in found:
            found[name] = str(Path(found[name]).absolute())
    return found
