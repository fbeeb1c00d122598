"""A heat map of each method: the mean of every pair of groups of two attributes."""

from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_evaluation.exported import group_numbers
from nnunetv2_fair.report.of_evaluation.heatmap import heat_figure, parts_of
from nnunetv2_fair.study.asked import Asked, Place
from nnunetv2_fair.study.papers.made import Made, NotMadeError, made_figure
from nnunetv2_fair.study.papers.sources import Sources


def heatmap_at(asked: Asked, sources: Sources, place: Place, name: str) -> Made:
    """Return the heat map of one method evaluated at a place.

    Args:
        asked: What is asked for.
        sources: Evaluations.
        place: Where the method was evaluated.
        name: The method, as it is printed.

    Raises:
        NotMadeError: If there is nothing to show.
    """
    result, why = sources.of(place, asked.methods[name])
    if result is None:
        raise NotMadeError(why)
    label = asked.label or result.headline_label
    comparison = result.comparison(asked.by, asked.metric, label)
    metric = result.metric(asked.metric)
    rows, columns = parts_of(asked.by)
    figure = heat_figure(result, comparison, metric, (rows, columns))
    if figure is None:
        raise NotMadeError(f"hidden, as too little may be shown of '{asked.by}'")
    title = asked.title or f"Mean {metric_heading(metric)} by {rows} and {columns}"
    return made_figure(
        figure.drawing,
        f"{title}: {name} ({place.words})",
        "n: patients or images with a value. Hatched: nobody, hidden, or too few to compare.",
        group_numbers([(metric, comparison)]),
    )
