"""A dataset of discs with a cup in them, whose size depends on the group."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SHAPE = (48, 48)


def eye(rng: np.random.Generator, share: float) -> np.ndarray:
    """Return a disc (1) with a cup (2) of a share of its radius, 48 x 48."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    row, column = rng.normal(24, 1.5, 2)
    radius = rng.uniform(11, 15)
    mask = (np.hypot((rows - row) * rng.uniform(0.95, 1.05), columns - column) < radius).astype(
        np.uint8
    )
    inner = np.hypot(rows - row - rng.normal(0, 0.4), columns - column)
    mask[inner < radius * share * rng.uniform(0.95, 1.05)] = 2
    return mask


def write_eyes(raw: Path, white: int = 40, black: int = 20, unknown: int = 1) -> Path:
    """Write training cases of two groups, one of unknown group and two test cases."""
    folder = raw / "Dataset042_Eyes"
    for part in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = ["case,patient,race"]
    groups = ["White"] * white + ["Black"] * black + [""] * unknown + ["White", "Black"]
    for i, group in enumerate(groups):
        mask = eye(rng, 0.7 if group == "Black" else 0.45)
        part = "Ts" if i >= len(groups) - 2 else "Tr"
        if part == "Ts":  # nothing could be learnt from it
            mask[:] = 0
        Image.fromarray(mask * 100).save(folder / f"images{part}" / f"eye{i:03d}_0000.png")
        Image.fromarray(mask).save(folder / f"labels{part}" / f"eye{i:03d}.png")
        rows.append(f"eye{i:03d},secret{i:03d},{group}")
    content = {
        "channel_names": {"0": "grey"},
        "labels": {"background": 0, "disc": [1, 2], "cup": 2},
        "regions_class_order": [1, 2],
        "numTraining": len(groups) - 2,
        "file_ending": ".png",
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    (folder / "demographics.csv").write_text("\n".join(rows) + "\n")
    levels = {"type": "categorical", "meaning": "race", "levels": ["White", "Black"]}
    (folder / "demographics.json").write_text(
        json.dumps({"default": "race", "attributes": {"race": levels}})
    )
    return folder
