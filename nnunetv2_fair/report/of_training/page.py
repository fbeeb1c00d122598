"""``training.html``: the curves of all trainers beside each other, on the same axes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.report.drawing.lines import Line
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers
from nnunetv2_fair.report.html.document import document
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.figure import Figure
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.of_training.logs import TrainingLog, curves
from nnunetv2_fair.report.of_training.plots import line_plot, look_of, scales
from nnunetv2_fair.training_log import columns
from nnunetv2_fair.training_log.averages import gap

_FOOTER = (
    "Made by nnunetv2_fair from what trainings logged about validation patches. It shows how "
    "trainings went; it is no evaluation of the models."
)
_HIDDEN = (
    "Groups of fewer than five patients are left out, and with them the smallest other group, so "
    "that nothing about them can be worked out. Of logs that do not say how large groups are, "
    "nothing is shown."
)


@dataclass(frozen=True)
class _Quantity:
    """One quantity: column of the log, title, axis title, how to read it, and its axis."""

    column: str
    title: str
    y_title: str
    hint: str
    of_groups: bool = True
    from_zero: bool = True


_QUANTITIES = (
    _Quantity(
        columns.EMA_PSEUDO_DICE, "Pseudo Dice by group", "pseudo Dice",
        "nnU-Net's moving average over the epochs, mean over the folds. Higher is better.",
        from_zero=False,
    ),
    _Quantity(
        columns.GAP_OF_EMA, "Gap of pseudo Dice", "gap",
        "Best minus worst group's moving average. It also holds what chance makes of few "
        "validation patches.", of_groups=False,
    ),
    _Quantity(
        columns.TRAIN_LOSS, "Training loss per sample by group", "loss per sample",
        "Cross-entropy plus soft Dice of each sample, the same quantity for every method, whatever "
        "it minimises.", from_zero=False,
    ),
    _Quantity(
        columns.VAL_LOSS, "Validation loss per sample by group", "loss per sample",
        "The same over the validation patches.", from_zero=False,
    ),
    _Quantity(
        columns.Q, "Weights q of GroupDRO", "q",
        "Where one group has nearly all of it, the others hardly train.",
    ),
    _Quantity(
        columns.WEIGHT, "Weights of cases", "weight",
        "Of a case of the group in the loss; of FairMedSeg the mean over the group's cases.",
    ),
    _Quantity(
        columns.ACCURACY, "Accuracy of the discriminator", "accuracy",
        "Share of each group's samples that it guesses correctly.",
    ),
    _Quantity(
        columns.DRAWN_SHARE, "Shares of the samples drawn", "share",
        "Of each group among the training samples of an epoch.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class _Part:
    title: str
    hint: str
    key: Sequence[Line]
    figures: Sequence[tuple[str, Html]]


@dataclass(frozen=True)
class _End:
    trainer: str
    folds: int
    epochs: str
    values: Sequence[float]


def render_training(
    title: str,
    logs: Sequence[TrainingLog],
    unlogged: Sequence[str],
    created: str,
    *,
    shared: bool = False,
) -> tuple[str, Downloads]:
    """Return the page as HTML, and its figures and tables.

    Args:
        title: Of the study.
        logs: Of all folds that have one.
        unlogged: Trainings that log no groups, such as nnU-Net's own, and damaged logs.
        created: ISO 8601 time.
        shared: Whether the logs are those to be shared with others.
    """
    downloads = Downloads()
    settings: dict[tuple[str, ...], list[TrainingLog]] = {}
    for log in logs:
        settings.setdefault((log.attribute or "groups", *log.setting), []).append(log)
    navigation, sections = [], []
    for i, (setting, own) in enumerate(settings.items()):
        notes = [*_notes(own), *(_without(unlogged) if i == 0 else ())]
        navigation.append((f"setting-{i}", ", ".join(setting[:2])))
        sections.append(_section(f"setting-{i}", setting, own, notes, downloads))
    trainers = {log.trainer for log in logs}
    facts = [
        numbers.count(len(trainers), "trainer"),
        numbers.count(len(logs), "training"),
        f"created {created[:10]}",
    ]
    if shared:
        facts.insert(2, "may be shown to others")
    text = document(title, "Trainings by group", facts, navigation, sections, _FOOTER)
    return text, downloads


def _notes(logs: Sequence[TrainingLog]) -> list[str]:
    return [_HIDDEN] if any(log.hidden for log in logs) else []


def _without(unlogged: Sequence[str]) -> list[str]:
    return [f"No curves of {name}." for name in unlogged]


def _section(
    anchor: str,
    setting: Sequence[str],
    logs: Sequence[TrainingLog],
    notes: Sequence[str],
    downloads: Downloads,
) -> Html:
    by_trainer: dict[str, list[TrainingLog]] = {}
    for log in logs:
        by_trainer.setdefault(log.trainer, []).append(log)
    groups = list(dict.fromkeys(group for log in logs for group in log.groups))
    parts = [_part(q, setting, by_trainer, groups, downloads) for q in _QUANTITIES]
    return render(
        "report/of_training/templates/setting.html",
        anchor=anchor,
        title=setting[0],
        rest=setting[1:],
        notes=notes,
        table=_ends(setting, by_trainer, groups, downloads),
        parts=[part for part in parts if part is not None],
    )


def _part(
    quantity: _Quantity,
    setting: Sequence[str],
    by_trainer: Mapping[str, Sequence[TrainingLog]],
    groups: Sequence[str],
    downloads: Downloads,
) -> _Part | None:
    """Return a quantity of all trainers that have it; None if none has."""
    names: Sequence[str | None] = groups if quantity.of_groups else [None]
    found = {
        (trainer, name): curve
        for trainer, logs in by_trainer.items()
        for name in names
        if len(curve := curves(logs, quantity.column, name))
    }
    if not found:
        return None
    means = {key: curve.mean(axis=1) for key, curve in found.items()}
    axes = scales(list(means.values()), from_zero=quantity.from_zero)
    if not quantity.of_groups:
        looks = {trainer: look_of(i, trainer) for i, trainer in enumerate(by_trainer)}
        own = {trainer: mean for (trainer, _), mean in means.items()}
        figure = line_plot(own, looks, axes, quantity.y_title, _in_words(quantity.title, own))
        cells = {trainer: found[trainer, None] for trainer in own}
        added = _added(quantity, setting, "", figure, cells, downloads)
        return _Part(quantity.title, quantity.hint, [looks[t] for t in own], [("", added)])
    looks = {group: look_of(i, group) for i, group in enumerate(groups)}
    figures = []
    for trainer in by_trainer:
        own = {g: means[trainer, g] for g in groups if (trainer, g) in means}
        if own:
            description = _in_words(f"{quantity.title}, {trainer}", own)
            figure = line_plot(own, looks, axes, quantity.y_title, description)
            cells = {group: found[trainer, group] for group in own}
            added = _added(quantity, setting, trainer, figure, cells, downloads)
            figures.append((trainer, added))
    shown = [g for g in groups if any((trainer, g) in means for trainer in by_trainer)]
    return _Part(quantity.title, quantity.hint, [looks[g] for g in shown], figures)


def _in_words(title: str, means: Mapping[str, pd.Series]) -> str:
    told = [
        f"{name} from {mean.iloc[0]:.3f} to {mean.iloc[-1]:.3f}" for name, mean in means.items()
    ]
    last = max(int(mean.index[-1]) for mean in means.values())
    return f"{title} up to epoch {last}: {'; '.join(told)}"


def _added(
    quantity: _Quantity,
    setting: Sequence[str],
    trainer: str,
    figure: Figure,
    cells: Mapping[str, pd.DataFrame],
    downloads: Downloads,
) -> Html:
    """Add a figure with its numbers: every fold of every curve, epoch by epoch."""
    folds = list(dict.fromkeys(str(fold) for curve in cells.values() for fold in curve))
    rows: list[tuple[Cell, ...]] = []
    for name, curve in cells.items():
        whole = curve.reindex(columns=folds)
        for epoch, values in zip(whole.index, whole.to_numpy(dtype=float).tolist(), strict=True):
            known = [value for value in values if not math.isnan(value)]
            rows.append((int(epoch), name, sum(known) / len(known), *values))
    what = "group" if trainer else "trainer"
    heading = ("epoch", what, f"mean_{quantity.column}", *(f"fold_{fold}" for fold in folds))
    title = ", ".join(filter(None, (quantity.title, trainer, *setting)))
    words = (quantity.column, "by", *setting[:1], trainer, *setting[1:])
    stem = [part for part in words if part]
    return downloads.figure(stem, title, figure, Numbers(heading, tuple(rows)))


def _ends(
    setting: Sequence[str],
    by_trainer: Mapping[str, Sequence[TrainingLog]],
    groups: Sequence[str],
    downloads: Downloads,
) -> Html:
    """Return the table of the last epochs' moving averages."""
    rows = []
    for trainer, logs in by_trainer.items():
        values = []
        for group in groups:
            last = [_last(log, group) for log in logs]
            values.append(float(pd.Series(last, dtype=float).mean()))
        gaps = [gap(_last(log, group) for group in groups) for log in logs]
        epochs = sorted({int(log.rows[columns.EPOCH].max()) + 1 for log in logs})
        text = f"{epochs[0]:,}" + (f" to {epochs[-1]:,}" if len(epochs) > 1 else "")
        mean_gap = float(pd.Series(gaps, dtype=float).mean())
        rows.append(_End(trainer, len(logs), text, [*values, mean_gap]))
    table = render("report/of_training/templates/ends.html", groups=groups, rows=rows)
    heading = ("trainer", "folds", "epochs", *groups, columns.GAP_OF_EMA)
    cells: tuple[tuple[Cell, ...], ...] = tuple(
        (row.trainer, row.folds, row.epochs, *row.values) for row in rows
    )
    name = ("at", "the", "end", "by", *setting)
    title = f"Pseudo Dice at the end of training: {', '.join(setting)}"
    return downloads.table(name, title, table, Numbers(heading, cells))


def _last(log: TrainingLog, group: str) -> float:
    own = log.rows.loc[log.rows[columns.GROUP] == group, columns.EMA_PSEUDO_DICE]
    return float(own.iloc[-1]) if len(own) else float("nan")
