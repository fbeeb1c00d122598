"""What the models' bottlenecks know about the groups: a section of a page, and for the terminal."""

import base64
import math
from collections.abc import Mapping

from nnunetv2_fair.inspection.result import LatentResult, ModelSeparation
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.markup import Html, padded, shortened, width
from nnunetv2_fair.report.html.templating import render


def latent_section(result: LatentResult, pictures: Mapping[str, bytes]) -> Html:
    """Return the section, with id ``latent``.

    Args:
        result: What the inspection found.
        pictures: Picture's name -> PNG.
    """
    return render(
        "report/of_comparison/templates/latent.html",
        attributes=result.attributes,
        pictures={
            name: base64.b64encode(picture).decode("ascii") for name, picture in pictures.items()
        },
        changes=_change,
    )


def _change(found: ModelSeparation) -> tuple[str, str]:
    if math.isnan(found.change):
        return "first model", ""
    limits = numbers.interval(found.change_interval, signed=True)
    return numbers.number(found.change, signed=True), limits


def console_latent(result: LatentResult) -> str:
    """Return the result as aligned plain text."""
    blocks = []
    for attribute in result.attributes:
        header = ["", "linear probe", "change", "Davies-Bouldin", "silhouette"]
        rows = [header]
        for model, found in attribute.per_model.items():
            change, limits = _change(found)
            rows.append(
                [
                    shortened(model, 48),
                    f"{numbers.number(found.probe)} [{numbers.interval(found.probe_interval)}]",
                    f"{change} [{limits}]" if limits else change,
                    numbers.number(found.davies_bouldin),
                    numbers.number(found.silhouette),
                ]
            )
        widths = [max(width(row[i]) for row in rows) for i in range(len(header))]
        lines = [
            f"Latent space by {shortened(attribute.attribute)}: {attribute.n_patients} patients, "
            f"{attribute.n_cases} cases; guessing gives {numbers.number(attribute.chance)}"
        ]
        lines += [
            "  " + "  ".join(padded(c, w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        lines += [
            f"  * {shortened(group)} is left out: {numbers.count(size, 'patient')}"
            for group, size in attribute.left_out.items()
        ]
        if attribute.n_unknown:
            lines.append(f"  * {numbers.count(attribute.n_unknown, 'case')} of unknown group")
        blocks.append("\n".join(lines))
    return numbers.ascii_only("\n\n".join(blocks))
