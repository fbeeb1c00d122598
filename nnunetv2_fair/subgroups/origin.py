"""Whether the demographics in ``nnUNet_raw`` are still those that a preparation has copied.

Trainers read the copy. Without a record of what it was made of, nobody could tell a table that
was corrected afterwards from one that the options of the preparation have changed.
"""

import json
import os
from pathlib import Path
from typing import Any

from nnunetv2_fair import paths
from nnunetv2_fair.errors import FairError, TableError
from nnunetv2_fair.files import tabular
from nnunetv2_fair.files.fingerprints import text_hash
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.subgroups.table import prepare_command

_HASH = "source_sha256"


def origin_text(raw: Path) -> str:
    """Return the content of ``demographics_prepared.json``.

    Args:
        raw: The dataset's folder in ``nnUNet_raw``, whose table and dictionary can be read.
    """
    return json.dumps({_HASH: _meaning(raw)}, indent=1) + "\n"


def changed_since(folder: Path) -> list[str]:
    """Return a sentence, without a full stop, if a dataset's demographics have changed since.

    Args:
        folder: The dataset's folder in ``nnUNet_preprocessed``. Nothing is said where it holds no
            record, or where ``nnUNet_raw`` does not have the dataset, as on another machine.
    """
    raw = Path(os.environ.get(paths.RAW, ""), folder.name)
    try:
        recorded = read_json_object(folder / paths.PREPARED_JSON, TableError, "").get(_HASH)
        now = _meaning(raw) if (raw / paths.DEMOGRAPHICS_CSV).is_file() else recorded
    except (FairError, OSError):
        return []
    if recorded is None or now == recorded:
        return []
    return [
        f"{raw / paths.DEMOGRAPHICS_CSV} or its dictionary has changed since the copy in {folder} "
        f"was made, which trainings read. To copy it again: {prepare_command(folder.name)}"
    ]


def _meaning(raw: Path) -> str:
    """Return a hash that the order of rows, line ends and quotes do not change."""
    table = tabular.read_table(raw / paths.DEMOGRAPHICS_CSV)
    described: dict[str, Any] = read_json_object(raw / paths.DEMOGRAPHICS_JSON, TableError, "")
    rows = sorted(list(row) for row in table.rows)
    return text_hash(json.dumps([list(table.header), rows, described], sort_keys=True))
