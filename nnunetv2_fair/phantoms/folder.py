"""Writes a phantom dataset laid out like a user's own data: images, masks, a table.

Layout::

    images/p000_0.png ...        grey images (.nii.gz for volumes)
    masks/p000_0.png ...         0 background, 1 nodule
    masks_clean/p000_0.png ...   correct masks of all images; only if a label bias was planted
    metadata.csv                 image, patient, sex, age, split (train or test)
    phantom.json                 what was created, and the bias that was planted
"""

import json
import logging
import shutil
from collections import Counter
from collections.abc import Sequence
from functools import partial
from os.path import lexists
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
from tqdm import tqdm

from nnunetv2_fair import __version__
from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.files.locks import LOCK
from nnunetv2_fair.files.outputs import CONTENT, clean_up, made_beside, publish, workplace
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.phantoms.bias import plant
from nnunetv2_fair.phantoms.drawing import Drawing, draw
from nnunetv2_fair.phantoms.image_files import IMAGES, MASKS, subfolders, write_images
from nnunetv2_fair.phantoms.spec import NODULE_LABEL, PLANTED, PhantomSpec

logger = logging.getLogger(__name__)

METADATA_CSV = "metadata.csv"
PHANTOM_JSON = "phantom.json"

_COLUMNS = ("image", "patient", "sex", "age", "split")

#: Images per task of a worker process: large enough to make handing over negligible.
_CHUNK = 32


def generate(
    spec: PhantomSpec, folder: Path, *, processes: int = 1, overwrite: bool = False
) -> Path:
    """Write a phantom dataset; the folder appears complete or not at all.

    Args:
        spec: What to create. Equal specs give equal bytes, regardless of ``processes``.
        folder: Where to write; parents are created.
        processes: Number of processes that render; more than one pays off from a few thousand
            pictures or a few dozen volumes.
        overwrite: Replace ``folder`` if it is an earlier phantom.

    Returns:
        ``folder``.

    Raises:
        DatasetError: If ``folder`` exists and is not empty, unless it is an earlier phantom and
            ``overwrite`` is set. Nothing else is ever deleted.
        InUseError: If another process writes this phantom.
    """
    folder = Path(folder).resolve()
    clean_up(folder)
    check_target(folder, overwrite=overwrite)
    drawings = [plant(drawing, spec) for drawing in draw(spec)]
    with made_beside(folder) as work:
        check_target(folder, overwrite=overwrite)  # another process may have just finished
        unfinished = work / CONTENT
        if unfinished.exists():
            logger.info("%s: an interrupted run left this; starting over", unfinished)
            shutil.rmtree(unfinished)
        unfinished.mkdir()
        # first of all, so that a folder left by an interrupted run is not mistaken for a user's
        _write_json(unfinished / PHANTOM_JSON, _description(spec, drawings))
        for name in subfolders(spec):
            (unfinished / name).mkdir()
        _write_images(spec, drawings, unfinished, processes)
        metadata(spec, drawings).to_csv(unfinished / METADATA_CSV, index=False, lineterminator="\n")
        publish(folder)
    logger.info("%s: %d images of %d patients", folder, len(drawings), spec.n_patients)
    return folder


def metadata(spec: PhantomSpec, drawings: Sequence[Drawing]) -> pd.DataFrame:
    """Return the table: one row per image, all text, an empty age where it is unknown."""
    rows = [
        (
            drawing.name + spec.file_ending,
            drawing.patient.name,
            drawing.patient.sex,
            str(drawing.patient.age) if drawing.patient.age_known else "",
            drawing.patient.split,
        )
        for drawing in drawings
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object)


def check_target(folder: Path, *, overwrite: bool = False) -> None:
    """Refuse a folder that :func:`generate` must not write to; nothing is changed on disk.

    Raises:
        DatasetError: As :func:`generate`.
    """
    folder = Path(folder).resolve()
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"{folder} is a file, expected a new folder. Choose another -o.")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / PHANTOM_JSON).is_file():
            raise DatasetError(
                f"{folder} is not empty and has no {PHANTOM_JSON}, so it is not a phantom and is "
                "left alone. Choose another -o."
            )
        if not overwrite:
            raise DatasetError(
                f"{folder} already holds a phantom. Choose another -o, or replace it with "
                "--overwrite."
            )
    work = workplace(folder)
    content = work / CONTENT
    if lexists(work) and not (
        work.is_dir()
        and {path.name for path in work.iterdir()} <= {CONTENT, LOCK}
        and (not content.exists() or _is_ours(content))
    ):
        raise DatasetError(
            f"{work} is in the way and was not made by this command. Move it, or choose another -o."
        )


def _is_ours(content: Path) -> bool:
    return content.is_dir() and ((content / PHANTOM_JSON).is_file() or not any(content.iterdir()))


def _write_images(
    spec: PhantomSpec, drawings: Sequence[Drawing], folder: Path, processes: int
) -> None:
    chunks = [drawings[i : i + _CHUNK] for i in range(0, len(drawings), _CHUNK)]
    task = partial(write_images, spec, folder)
    with tqdm(total=len(drawings), desc="phantoms", unit="image") as bar:
        for _, written in map_unordered(task, chunks, processes, lost=_lost, fewest_per_process=1):
            bar.update(written)


def _lost(chunk: Sequence[Drawing], ending: str) -> NoReturn:
    raise DatasetError(f"A process that rendered phantoms {ending}.")


def _description(spec: PhantomSpec, drawings: Sequence[Drawing]) -> dict[str, Any]:
    patients = {drawing.patient.name: drawing.patient for drawing in drawings}
    images = Counter((d.patient.split, d.patient.biased) for d in drawings)
    people = Counter((p.split, p.biased) for p in patients.values())
    counts = {
        split: {
            spec.group if biased else f"not {spec.group}": {
                "patients": people[split, biased],
                "images": images[split, biased],
            }
            for biased in (True, False)
        }
        for split in ("train", "test")
    }
    return {
        "what": (
            "A synthetic, ultrasound-like dataset of nodules. No picture shows a real person. "
            "Apart from the planted bias, the groups do not differ."
        ),
        "planted": PLANTED[spec.bias],
        "biased_attribute": spec.attribute,
        "biased_group": spec.group,
        "counts": counts,
        "labels": {"background": 0, "nodule": NODULE_LABEL},
        "columns": {
            "image": f"file in {IMAGES}/; its mask has the same name in {MASKS}/",
            "patient": "the patient the image shows; images of one patient are alike",
            "sex": "female or male",
            "age": "years; empty means unknown",
            "split": "train or test",
        },
        "spec": spec.to_dict(),
        "version": __version__,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
