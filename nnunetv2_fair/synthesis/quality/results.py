"""Quality of a pack as a table on the screen, as JSON and as CSV."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nnunetv2_fair.files.tabular import protected
from nnunetv2_fair.synthesis.quality.of_pack import GroupQuality, PackQuality


def lines_of(group: str, found: GroupQuality) -> list[str]:
    """Return the table of one group, line by line."""
    width = max(map(len, found.measured))
    lines = [
        f"{group}: {found.synthetic} synthetic images, {found.real} real ones; compared: "
        f"{found.n} with {found.n}",
        f"  {'measure':{width}}  synthetic  real (floor)",
    ]
    for name, value in found.measured.items():
        lines.append(f"  {name:{width}}  {value:9.3f}  {found.floor[name]:12.3f}")
    return lines


def as_json(found: PackQuality, made: Mapping[str, Any]) -> str:
    """Return ``quality.json``.

    Args:
        found: The measures.
        made: How: seed, draws, version.
    """
    content = {**made, **asdict(found)}
    content["unmeasured"] = {
        group: {"synthetic": synthetic, "real": real}
        for group, (synthetic, real) in found.unmeasured.items()
    }
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


def as_csv(found: PackQuality) -> str:
    """Return ``quality.csv``: a row for each group and measure."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["group", "n", "measure", "synthetic", "floor"])
    for group, own in found.groups.items():
        for name, value in own.measured.items():
            row = [protected(group), own.n, name, f"{value:.6g}", f"{own.floor[name]:.6g}"]
            writer.writerow(row)
    return text.getvalue()
