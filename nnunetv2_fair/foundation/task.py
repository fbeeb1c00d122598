"""What is segmented in a dataset, and where its images are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_fair.errors import DatasetError, UsageError, shorten
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.paths import DATASET_JSON

_EXPECTED = "Expected nnU-Net's dataset.json; convert the data again, or write it by hand."


@dataclass(frozen=True)
class Target:
    """A label or a region: what one box is drawn around.

    Attributes:
        name: As ``dataset.json`` has it.
        values: Values in a label map that belong to it.
        written: Value that its mask has in a prediction.
    """

    name: str
    values: tuple[int, ...]
    written: int


@dataclass(frozen=True)
class Task:
    """What is segmented, and in which channel it is looked for.

    Attributes:
        dataset: Name of the dataset.
        ending: Of all its image files, such as ``.nii.gz``.
        targets: In the order in which they are written; later ones lie over earlier ones if
            ``overlapping``.
        overlapping: Whether they are regions.
        channel: Number of the channel that the model is shown.
        is_ct: Whether its values are Hounsfield units.
    """

    dataset: str
    ending: str
    targets: tuple[Target, ...]
    overlapping: bool
    channel: int
    is_ct: bool

    def images(self, folder: Path) -> dict[str, Path]:
        """Return the image of each case in a folder.

        Raises:
            DatasetError: If there is none.
        """
        pattern = re.compile(rf"(.+)_{self.channel:04d}{re.escape(self.ending)}")
        found = {}
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if fitting := pattern.fullmatch(path.name):
                found[fitting[1]] = path
        if not found:
            raise DatasetError(
                f"{folder} holds no image named <case>_{self.channel:04d}{self.ending}. Pass the "
                "folder of the images with -i, or another channel with --channel."
            )
        return found

    def masks(self, folder: Path, cases: Sequence[str], option: str) -> dict[str, Path]:
        """Return the label map of each case in a folder.

        Raises:
            DatasetError: If one is missing.
        """
        found = {case: folder / f"{case}{self.ending}" for case in cases}
        missing = [path.name for path in found.values() if not path.is_file()]
        if missing:
            raise DatasetError(
                f"{folder} lacks label maps of {len(missing)} of {len(found)} images: "
                f"{shorten(missing)}. Add them, pass another folder with {option}, or take these "
                "images out of -i."
            )
        return found


def read_task(raw: Path, channel: int = 0) -> Task:
    """Read what is segmented in a dataset.

    Args:
        raw: Its folder in ``nnUNet_raw``.
        channel: Number of the channel that the model is shown.

    Raises:
        DatasetError: If ``dataset.json`` is missing or damaged.
        UsageError: If there is no such channel.
    """
    path = raw / DATASET_JSON
    content = read_json_object(path, DatasetError, _EXPECTED)
    labels, ending = content.get("labels"), content.get("file_ending")
    channels = content.get("channel_names")
    if not (isinstance(labels, dict) and isinstance(ending, str) and isinstance(channels, dict)):
        raise DatasetError(f'{path} lacks "labels", "file_ending" or "channel_names". {_EXPECTED}')
    if str(channel) not in channels:
        raise UsageError(
            f"--channel {channel}: {raw.name} has the channels {', '.join(sorted(channels))}."
        )
    order = content.get("regions_class_order")
    try:
        targets = _targets(labels, order)
    except (TypeError, ValueError, IndexError) as error:
        raise DatasetError(
            f'{path}: "labels" or "regions_class_order" is not as nnU-Net has it. {_EXPECTED}'
        ) from error
    is_ct = str(channels[str(channel)]).casefold() == "ct"
    return Task(raw.name, ending, targets, order is not None, channel, is_ct)


def _targets(labels: dict[str, Any], order: Any) -> tuple[Target, ...]:
    found: list[Target] = []
    for name, value in labels.items():
        values = tuple(map(int, value)) if isinstance(value, list) else (int(value),)
        if name not in ("background", "ignore") and values != (0,):
            written = values[0] if order is None else int(order[len(found)])
            found.append(Target(name, values, written))
    if not found:
        raise ValueError(labels)
    return tuple(found)
