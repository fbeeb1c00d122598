"""Arranges radiographs of JSRT and masks of SCR as images/, masks/ and metadata.csv.

python examples/arrange_jsrt.py DOWNLOAD jsrt

DOWNLOAD holds what was unpacked, in any folders: *.IMG, CLNDAT_EN.txt and CNNDAT_EN.TXT of JSRT,
and SCR's masks, such as masks/left lung/JPCLN001.gif. Images without all masks are left out.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = {
    "left lung": 1, "right lung": 1, "heart": 2, "left clavicle": 3, "right clavicle": 3,
}  # fmt: skip
SIZE = (256, 256)


def people(download: Path) -> dict[str, tuple[str, str]]:
    """Return name of each image -> sex and age; in both tables the age stands before the sex."""
    found = {}
    for table in download.rglob("C[LN]NDAT_EN.[tT][xX][tT]"):
        for line in table.read_text(encoding="latin-1").splitlines():
            cells = [cell.strip() for cell in line.split("\t")]
            for place, cell in enumerate(cells):
                if cell.lower() in ("male", "female"):
                    found[cells[0].split(".")[0]] = (cell.lower(), cells[place - 1])
    return found


def main(download: Path, out: Path) -> None:
    """Write both folders and the table."""
    for name in ("images", "masks"):
        (out / name).mkdir(parents=True)
    about = people(download)
    rows = []
    for path in sorted(download.rglob("*.IMG")):
        masks = {part: next(download.rglob(f"{part}/{path.stem}.gif"), None) for part in LABELS}
        if None in masks.values() or path.stem not in about:
            continue
        raw = np.fromfile(path, dtype=">u2")  # 12 bits without a header; high values are dark
        side = int(np.sqrt(raw.size))
        image = Image.fromarray((255 - raw.reshape(side, side) // 16).astype(np.uint8))
        image.resize(SIZE, Image.Resampling.BOX).save(out / "images" / f"{path.stem}.png")
        labels = np.zeros(SIZE[::-1], dtype=np.uint8)
        for part, mask in masks.items():
            drawn = Image.open(mask).convert("L").resize(SIZE, Image.Resampling.NEAREST)
            labels[np.asarray(drawn) > 0] = LABELS[part]
        Image.fromarray(labels).save(out / "masks" / f"{path.stem}.png")
        rows.append((f"{path.stem}.png", *about[path.stem]))
    with (out / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "sex", "age"), *rows])
    print(f"{out}: {len(rows)} images")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
