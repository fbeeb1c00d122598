"""From embeddings and a table to what the bottleneck encodes about the groups."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

import numpy as np
from tqdm import tqdm

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.files.versions import measuring_versions
from nnunetv2_fair.inspection.clusters import separation, standardised, tsne
from nnunetv2_fair.inspection.pictures import tsne_picture
from nnunetv2_fair.inspection.probe import ProbeScores, held_out_predictions
from nnunetv2_fair.inspection.result import AttributeSeparation, LatentResult, ModelSeparation
from nnunetv2_fair.subgroups.groups import Grouping, group_cases
from nnunetv2_fair.subgroups.splits import make_folds
from nnunetv2_fair.subgroups.table import DemographicsTable

_NOTHING = Interval(float("nan"), float("nan"))


@dataclass(frozen=True)
class LatentSettings:
    """How to inspect.

    Attributes:
        folds: Most folds of the cross-validation; fewer where a group has fewer patients.
        min_patients: Groups with fewer patients are left out; at least 2.
        n_bootstrap: Number of resamples; 0 gives no intervals.
        confidence: Coverage of intervals.
        seed: Seed of folds, resampling and t-SNE.
    """

    folds: int = 5
    min_patients: int = 5
    n_bootstrap: int = 2000
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class AttributePlan:
    """Which cases are compared by one attribute expression, and the folds, the same for all models.

    Attributes:
        attribute: Attribute expression.
        names: Groups that are compared, in the dictionary's order.
        positions: (n,) positions of the compared cases among all cases.
        groups: (n,) index of each one's group.
        patients: (n,) patient of each one.
        folds: Held-out parts: positions among the n.
        n_unknown: Cases of unknown group.
        left_out: Group that is too small -> number of its patients.
    """

    attribute: str
    names: tuple[str, ...]
    positions: np.ndarray
    groups: np.ndarray
    patients: tuple[str, ...]
    folds: tuple[np.ndarray, ...]
    n_unknown: int
    left_out: Mapping[str, int]


def plan_attribute(
    table: DemographicsTable,
    expression: str | None,
    cases: Sequence[str],
    settings: LatentSettings,
) -> AttributePlan:
    """Choose cases and folds, before anything expensive runs.

    Synthetic cases are never used; cases of unknown group and groups of few patients are
    left out and counted.

    Args:
        table: Demographics of at least ``cases``.
        expression: Attribute expression; None takes the dataset's default.
        cases: All cases, in the order of the embeddings.
        settings: How to inspect.

    Raises:
        DemographicsError: If the expression is wrong.
        EvaluationError: If fewer than two groups are large enough, or a fold would have to train
            on one group only.
    """
    grouping = group_cases(table, expression)
    real = [case for case in cases if case not in table.synthetic_cases]
    patients = table.patients
    members = grouping.members(real)
    sizes = {name: len({patients[c] for c in group}) for name, group in members.items()}
    names = tuple(name for name, size in sizes.items() if size >= settings.min_patients)
    if len(names) < 2:
        counts = shorten((f"{name} {size}" for name, size in sizes.items()), 12)
        raise EvaluationError(
            f"{table.source}: fewer than two groups of '{grouping.expression}' have "
            f"{settings.min_patients} patients or more among the {len(real)} cases (patients per "
            f"group: {counts or 'none'}). Pass more cases with -i, choose another attribute with "
            "-a or wider bins, or lower --min-patients."
        )
    chosen = [case for name in names for case in members[name]]
    position = {case: i for i, case in enumerate(chosen)}
    n_folds = min(settings.folds, *(sizes[name] for name in names))
    folds = make_folds(table, grouping, chosen, n_folds, settings.seed)
    groups = np.array([names.index(str(grouping.group_of[case])) for case in chosen])
    held_out = tuple(np.array([position[case] for case in fold["val"]]) for fold in folds)
    _check_folds(held_out, groups, grouping, table)
    where = {case: i for i, case in enumerate(cases)}
    return AttributePlan(
        attribute=grouping.expression,
        names=names,
        positions=np.array([where[case] for case in chosen]),
        groups=groups,
        patients=tuple(patients[case] for case in chosen),
        folds=held_out,
        n_unknown=len(grouping.unknown(real)),
        left_out={name: size for name, size in sizes.items() if name not in names and size},
    )


def _check_folds(
    folds: Sequence[np.ndarray], groups: np.ndarray, grouping: Grouping, table: DemographicsTable
) -> None:
    for held_out in folds:
        if len(np.unique(np.delete(groups, held_out))) < 2:
            raise EvaluationError(
                f"{table.source}: with {len(folds)} folds by patient, a probe of "
                f"'{grouping.expression}' would have to learn from one group only, because a few "
                "patients have most of the cases. Choose other --folds or another --seed, or "
                "raise --min-patients."
            )


def analyse(
    plans: Sequence[AttributePlan],
    features: Mapping[str, np.ndarray],
    settings: LatentSettings,
) -> tuple[LatentResult, dict[str, bytes]]:
    """Measure and draw how far apart the groups are in each model's bottleneck.

    Args:
        plans: One per attribute expression (:func:`plan_attribute`).
        features: Model -> ``(all cases, C)`` embeddings; C may differ between models.
        settings: How to inspect.

    Returns:
        The result, and its pictures: file name -> PNG.

    Raises:
        EvaluationError: If an embedding holds NaN or infinity.
    """
    for model, values in features.items():
        if not np.isfinite(values).all():
            raise EvaluationError(
                f"{model}: the bottleneck gives NaN or infinite values for "
                f"{int((~np.isfinite(values)).any(axis=1).sum())} of {len(values)} cases. Its "
                "training diverged: train it again."
            )
    attributes, pictures = [], {}
    total = len(plans) * len(features)
    with tqdm(total=total, desc="Probing", unit="model", disable=total < 1) as progress:
        for number, plan in enumerate(plans, start=1):
            picture = f"tsne_{number}_{re.sub(r'[^A-Za-z0-9+-]', '-', plan.attribute)}.png"
            measured, drawn = _analyse_attribute(plan, features, settings, picture, progress)
            attributes.append(measured)
            pictures[picture] = drawn
    result = LatentResult(
        models=tuple(features),
        attributes=tuple(attributes),
        settings=asdict(settings),
        versions=measuring_versions(),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    return result, pictures


def _analyse_attribute(
    plan: AttributePlan,
    features: Mapping[str, np.ndarray],
    settings: LatentSettings,
    picture: str,
    progress: tqdm,
) -> tuple[AttributeSeparation, bytes]:
    n_groups = len(plan.names)
    correct, indices, coordinates = [], [], {}
    for model, values in features.items():
        chosen = values[plan.positions]
        correct.append(held_out_predictions(chosen, plan.groups, plan.folds) == plan.groups)
        scaled = standardised(chosen)
        indices.append(separation(scaled, plan.groups))
        coordinates[model] = tsne(scaled, settings.seed)
        progress.update()
    scores = ProbeScores(
        np.array(correct), plan.patients, plan.groups, n_groups,
        settings.n_bootstrap, settings.confidence, settings.seed,
    )  # fmt: skip
    per_model = {}
    for i, model in enumerate(features):
        change = scores.change(i) if i else (float("nan"), _NOTHING)
        per_model[model] = ModelSeparation(*scores.balanced_accuracy(i), *change, *indices[i])
    of_group = [
        {p for p, g in zip(plan.patients, plan.groups, strict=True) if g == index}
        for index in range(n_groups)
    ]
    measured = AttributeSeparation(
        attribute=plan.attribute,
        group_patients={n: len(who) for n, who in zip(plan.names, of_group, strict=True)},
        n_cases=len(plan.groups),
        n_patients=len(set(plan.patients)),
        n_unknown=plan.n_unknown,
        left_out=dict(plan.left_out),
        n_folds=len(plan.folds),
        per_model=per_model,
        picture=picture,
    )
    return measured, tsne_picture(coordinates, plan.groups, plan.names, plan.attribute)
