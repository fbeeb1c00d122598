"""Whether the tables and figures that a study asks for can be made of what it evaluates."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nnunetv2_fair.errors import did_you_mean, shorten
from nnunetv2_fair.study.plan.check_results import Findings, parsed
from nnunetv2_fair.study.plan.datasets import Dataset, find_dataset
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.study.study_file.paper_items import (
    COMMON,
    KEYS,
    FigureItem,
    PaperItem,
    TableItem,
)
from nnunetv2_fair.subgroups.schema import INTERSECTION

if TYPE_CHECKING:
    from nnunetv2_fair.subgroups.schema import Schema

#: Kinds of which a method must be evaluated by an attribute, with the metrics that they show.
_METRICS = {"medians": ("dice", "hd"), "fairness": ("dice",), "equity": ("dice", "iou")}


def check_papers(found: Findings) -> None:
    """Refuse tables and figures that no evaluation of the study could fill.

    Args:
        found: Mistakes are added there.
    """
    settings = found.settings
    items: list[PaperItem] = [*settings.tables, *settings.figures]
    found.twice([(item.name, item.line("name"), "table or figure") for item in items])
    for item in items:
        if item.needs:
            continue
        kind = item.kind if isinstance(item, TableItem | FigureItem) else None
        if kind is None:
            known = shorten(_kinds_of(item), 12)
            found.add(
                item.line(),
                f"'{item.name}' has no kind. Add one of {known}, or say with needs what it waits "
                "for",
            )
            continue
        extra = sorted(item.model_fields_set - COMMON - KEYS[kind])
        for key in extra:
            found.add(
                item.line(key),
                f"'{item.name}': a {kind} has no key '{key}'. Keys: "
                f"{', '.join(sorted(KEYS[kind]))}. Remove it, or choose another kind",
            )
        if not extra:
            _check_item(found, item, kind)


def _kinds_of(item: PaperItem) -> list[str]:
    tables = ("cohort", "medians", "fairness", "equity", "challenge")
    figure = isinstance(item, FigureItem)
    return [kind for kind in KEYS if (kind not in tables) == figure]


def _check_item(found: Findings, item: PaperItem, kind: str) -> None:
    if "by" in KEYS[kind] and not item.by:
        found.add(item.line(), f"'{item.name}': a {kind} needs the key by, such as by: sex")
        return
    if isinstance(item, TableItem) and kind == "cohort":
        _check_cohort(found, item)
        return
    chosen = datasets_of(item, found.datasets)
    if item.dataset and not chosen:
        names = [on.dataset.name for on in found.datasets]
        found.add(
            item.line("dataset"),
            f"'{item.name}': '{item.dataset}' is not a dataset of this study. Expected the id or "
            f"name of one of {shorten(names, 12)}",
        )
        return
    for key, known in (
        ("configuration", [c for on in chosen for c in on.entry.configurations]),
        ("plans", [p for on in chosen for p in on.entry.plans]),
        ("test", [t.name for on in chosen for t in on.tests]),
    ):
        _check_name(found, item, key, getattr(item, key), known)
    methods = [name for on in chosen for name in on.methods(item.test)]
    for name, method in item.methods.items():
        _check_name(found, item, "methods", method, methods, name)
    if isinstance(item, FigureItem):
        if "series" in KEYS[kind] and not item.series:
            found.add(
                item.line(),
                f"'{item.name}': a {kind} needs the key series, such as {{Oversampling: "
                "{nnUNetTrainer: 0, nnUNetTrainerOversampling_sex: 1}}",
            )
        if kind == "curve" and not item.axis:
            found.add(
                item.line(),
                f"'{item.name}': a curve needs the key axis, which says what its numbers are",
            )
        for name, points in item.series.items():
            for trainer in points:
                _check_name(found, item, "series", trainer, methods, name, trainer)
    _check_evaluated(found, item, kind, chosen)


def _check_evaluated(
    found: Findings, item: PaperItem, kind: str, chosen: Sequence[StudyDataset]
) -> None:
    """Refuse attributes, groups, labels, metrics and presets that are not evaluated."""
    from nnunetv2_fair.evaluation.metrics.registry import DEFAULT_METRICS
    from nnunetv2_fair.evaluation.papers.presets import PRESETS

    options = found.settings.evaluation
    usual = PRESETS[options.preset].metrics if options.preset else DEFAULT_METRICS
    metrics = options.metrics or usual
    wanted = _METRICS.get(kind, ())
    if isinstance(item, FigureItem):
        wanted = (item.metric,)
    for metric in wanted:
        if metric not in metrics:
            found.add(
                item.line("metric"),
                f"'{item.name}': {metric} is not measured. Add it to evaluation: metrics (now "
                f"{', '.join(metrics)})",
            )
    if kind == "challenge" and options.preset != "mama-mia":
        found.add(
            item.line("kind"),
            f"'{item.name}': a challenge needs evaluation: {{preset: mama-mia}}",
        )
    for on in chosen:
        labels = [*_labels_of(on.dataset), "average"]
        _check_name(found, item, "label", item.label, labels)
        if "by" not in KEYS[kind]:
            continue
        if item.by not in on.attributes:
            found.add(
                item.line("by"),
                f"'{item.name}': {on.dataset.name} is not evaluated by '{item.by}'. Add it to "
                f"evaluation: attributes (now {', '.join(on.attributes)})",
            )
        elif kind == "heatmap" and item.by.count(INTERSECTION) != 1:
            found.add(
                item.line("by"),
                f"'{item.name}': a heatmap is by two attributes, such as sex+age, not '{item.by}'",
            )
        else:
            _check_groups(found, item, on.dataset.name, on.dataset.schema)


def _labels_of(dataset: Dataset) -> list[str]:
    ignored = {"background", "ignore"}
    return [name for name in dataset.content["labels"] if name not in ignored]


def _check_cohort(found: Findings, item: TableItem) -> None:
    """Refuse people who are not there, and columns that their table does not have."""
    chosen = datasets_of(item, found.datasets)
    others = []
    if item.dataset and not chosen:
        with found.blamed(item.line("dataset")):
            others.append(find_dataset(item.dataset, found.environment))
    if not item.columns:
        found.add(item.line(), f"'{item.name}': a cohort needs the key columns, such as [age]")
    for dataset in [*(on.dataset for on in chosen), *others]:
        with found.blamed(item.line("by")):
            parsed(dataset.name, dataset.schema, item.by)
            _check_groups(found, item, dataset.name, dataset.schema)
        for column in item.columns:
            _check_name(found, item, "columns", column, list(dataset.schema.attributes))
        folder = dataset.origin.raw / ("labelsTr" if item.part == "training" else "labelsTs")
        if not folder.is_dir():
            found.add(
                item.line("part"),
                f"'{item.name}': {dataset.name} has no {item.part} part ({folder}). Convert it "
                "with one, or choose the other part",
            )


def _check_groups(found: Findings, item: PaperItem, owner: str, schema: "Schema") -> None:
    if not item.groups or INTERSECTION in item.by:
        return
    (attribute,) = parsed(owner, schema, item.by)
    cut = found.settings.evaluation.bins
    if item.by not in cut and attribute.groups:
        for group in item.groups:
            _check_name(found, item, "groups", group, attribute.groups)


def _check_name(
    found: Findings,
    item: PaperItem,
    key: str,
    name: str,
    known: Iterable[str],
    *place: str,
) -> None:
    names = list(dict.fromkeys(known))
    if name and name not in names:
        found.add(
            item.line(key, *place),
            f"'{item.name}', {key}: there is no '{name}' here.{did_you_mean(name, names)} "
            f"Expected one of {shorten(names, 20)}",
        )


def datasets_of(item: PaperItem, datasets: Sequence[StudyDataset]) -> list[StudyDataset]:
    """Return the datasets of the study that a table or figure is about."""
    return [on for on in datasets if not item.dataset or on.dataset.is_called(item.dataset)]
