"""What the models' bottlenecks encode about the groups: a section of a page."""

import base64
import math
from collections.abc import Mapping

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.crop_hint import hint_for
from nnunetv2_fair.inspection.result import LatentResult, ModelSeparation
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render


def latent_section(result: LatentResult, pictures: Mapping[str, bytes]) -> Html:
    """Return the section, with id ``latent``.

    Args:
        result: What the inspection found.
        pictures: Picture's name -> PNG.
    """
    told_apart = tuple(
        attribute.attribute
        for attribute in result.attributes
        if any(m.probe_interval.low > attribute.chance for m in attribute.per_model.values())
    )
    return render(
        "report/of_comparison/templates/latent.html",
        hint=hint_for(told_apart) if told_apart else None,
        attributes=result.attributes,
        pictures={
            name: base64.b64encode(picture).decode("ascii") for name, picture in pictures.items()
        },
        changes=change_of_probe,
    )


def change_of_probe(found: ModelSeparation) -> tuple[str, str]:
    """Return how a probe differs from that of the first model, with the interval."""
    if math.isnan(found.change):
        return "first model", ""
    limits = numbers.interval(found.change_interval, signed=True)
    return numbers.number(found.change, signed=True), limits
