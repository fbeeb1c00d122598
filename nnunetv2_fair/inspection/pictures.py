"""The t-SNE picture: one panel per model, one point per case."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito: distinct for every kind of colour vision; shapes distinguish them in grey
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_MARKERS = "os^Dv*P"


def tsne_picture(
    coordinates: Mapping[str, np.ndarray],
    groups: np.ndarray,
    names: Sequence[str],
    attribute: str,
) -> bytes:
    """Return the picture as PNG. Its points are individual patients.

    Args:
        coordinates: Model -> ``(n, 2)``.
        groups: ``(n,)`` group indices.
        names: Names of the groups.
        attribute: Attribute expression, for the legend.
    """
    n_models = len(coordinates)
    columns = min(n_models, 3)
    rows = -(-n_models // columns)
    figure = Figure(figsize=(4.2 * columns, 3.9 * rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    for position, (model, points) in enumerate(coordinates.items()):
        axis = figure.add_subplot(rows, columns, position + 1)
        for index, name in enumerate(names):
            chosen = points[groups == index]
            axis.scatter(
                chosen[:, 0], chosen[:, 1], s=18, alpha=0.75, linewidths=0, label=name,
                color=_COLOURS[index % len(_COLOURS)], marker=_MARKERS[index % len(_MARKERS)],
            )  # fmt: skip
        # a dollar sign would start a formula
        axis.set_title(model.replace("$", r"\$"), fontsize=9)
        axis.set(xticks=[], yticks=[])
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, [label.replace("$", r"\$") for label in labels],
        title=attribute.replace("$", r"\$"), loc="outside lower center", ncols=min(len(names), 4),
    )  # fmt: skip
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()
