"""Models of filled-up datasets among those of the dataset that they are made of."""

from collections.abc import Sequence

from nnunetv2_fair.study.plan.check_results import Findings
from nnunetv2_fair.study.plan.model_checks import check_unknown
from nnunetv2_fair.study.plan.study_dataset import Filled, StudyDataset
from nnunetv2_fair.study.study_file.settings import SINGLE


def filled_of(
    found: Findings, on: StudyDataset, datasets: Sequence[StudyDataset]
) -> tuple[Filled, ...]:
    """Return the filled-up datasets whose models are tested with those of a dataset.

    Args:
        found: Mistakes are added there.
        on: A dataset with its test sets and models.
        datasets: All of the study.
    """
    chosen = [
        Filled(other, other.dataset.filling.end)
        for other in datasets
        if other.dataset.filling is not None and other.dataset.origin.name == on.dataset.name
    ]
    names = on.methods()
    taken = set(names)
    for filled in chosen:
        entry = filled.on.entry
        for method in filled.methods():
            if method.model.name in taken:
                found.add(
                    entry.line("synthesis"),
                    f"synthesis: {on.dataset.name} would have two models called "
                    f"{method.model.name}. Name one of both: synthesis: {{..., name: NAME}}",
                )
            taken.add(method.model.name)
            if method.trained.per_group and method.trained.name not in names:
                with found.blamed(method.trained.line):
                    check_unknown(found, on, method.trained)
        if not any(
            filled.covers(plans, configuration)
            for plans in on.entry.plans
            for configuration in on.entry.configurations
        ):
            found.add(
                entry.line("synthesis", "dataset"),
                f"synthesis: {on.dataset.name} and {filled.on.dataset.name} have no configuration "
                "in common (plans, too). Give both the same",
            )
        if SINGLE in found.settings.prediction.folds and set(on.entry.folds) != set(entry.folds):
            found.add(
                entry.line("folds"),
                f"{filled.on.dataset.name} has other folds here than {on.dataset.name}, so that "
                "single folds cannot be compared. List the same folds, or leave single out of "
                "prediction",
            )
    return tuple(chosen)
