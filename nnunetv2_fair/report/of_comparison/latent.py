"""What the models' bottlenecks know about the groups: a section of a page, and for the terminal."""

import base64
import math
from collections.abc import Mapping

from nnunetv2_fair.inspection.result import AttributeSeparation, LatentResult, ModelSeparation
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.markup import Html, element, escape, name, padded, shortened, width

_LEAD = (
    "How well the groups can be told apart between encoder and decoder, where each case is one "
    "vector: the bottleneck averaged over the image. Linear probe: balanced accuracy of a fresh "
    "logistic regression on patients that it has not seen; at chance, a straight cut tells nothing "
    "about the group. Lower probe accuracy, a higher Davies-Bouldin index and a lower silhouette "
    "all mean that the groups are mixed more. This describes what the model could use, not what it "
    "does use, and a mixed latent space is no proof of equal segmentation."
)
_WARNING = (
    "Each point is one case. Share this page only with people who may see single cases. "
    "Distances and sizes of clusters in a t-SNE picture have no meaning; the numbers above do."
)


def latent_section(result: LatentResult, pictures: Mapping[str, bytes]) -> Html:
    """Return the section, with id ``latent``.

    Args:
        result: What the inspection found.
        pictures: Picture's name -> PNG.
    """
    parts = []
    for attribute in result.attributes:
        parts.append(element("h3", "Groups of ", name(attribute.attribute)))
        table = element("div", _table(attribute), class_="scroll")
        parts.append(element("div", table, _left_out(attribute), class_="card"))
        parts.append(_picture(attribute, pictures[attribute.picture]))
    return element(
        "section",
        element("h2", "Latent space"),
        element("p", _LEAD, class_="lead"),
        *parts,
        id="latent",
    )


def _table(attribute: AttributeSeparation) -> Html:
    head = element(
        "tr",
        *[
            element("th", words, scope="col")
            for words in ("Model", "Linear probe", "Change", "Davies-Bouldin index", "Silhouette")
        ],
    )
    rows = []
    for model, found in attribute.per_model.items():
        change, limits = _change(found)
        rows.append(
            element(
                "tr",
                element("th", name(model), scope="row"),
                element(
                    "td", numbers.number(found.probe),
                    element("small", numbers.interval(found.probe_interval)),
                ),
                element("td", change, element("small", limits)),
                element("td", numbers.number(found.davies_bouldin)),
                element("td", numbers.number(found.silhouette)),
            )
        )  # fmt: skip
    caption = element(
        "caption",
        f"{numbers.count(attribute.n_patients, 'patient')}, "
        f"{numbers.count(attribute.n_cases, 'case')}; {attribute.n_folds} folds by patient, the "
        f"same for all models. Guessing gives {numbers.number(attribute.chance)}. Small print: "
        "intervals that resample patients.",
    )
    return element("table", caption, element("thead", head), element("tbody", *rows))


def _change(found: ModelSeparation) -> tuple[str, str]:
    if math.isnan(found.change):
        return "first model", ""
    limits = numbers.interval(found.change_interval, signed=True)
    return numbers.number(found.change, signed=True), limits


def _left_out(attribute: AttributeSeparation) -> Html:
    items = [
        element("li", name(group), f" is left out: only {numbers.count(size, 'patient')}.")
        for group, size in attribute.left_out.items()
    ]
    if attribute.n_unknown:
        count = numbers.count(attribute.n_unknown, "case")
        items.append(element("li", f"{count} of unknown group left out."))
    return element("ul", *items, class_="notes hint") if items else Html("")


def _picture(attribute: AttributeSeparation, png: bytes) -> Html:
    data = base64.b64encode(png).decode("ascii")
    models = ", ".join(shortened(model, 60) for model in attribute.per_model)
    words = f"t-SNE of the bottleneck by {shortened(attribute.attribute)}: {models}"
    image = Html(
        f'<img src="data:image/png;base64,{data}" alt="{escape(words)}" '
        'style="max-width:100%;height:auto">'
    )
    return element("figure", image, element("figcaption", _WARNING, class_="hint"), class_="card")


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
