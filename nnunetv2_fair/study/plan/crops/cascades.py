"""Which cascades a study predicts its test sets with, and whether they make sense."""

from collections.abc import Mapping, Sequence

from nnunetv2_fair.errors import counted, did_you_mean, shorten
from nnunetv2_fair.study.plan.check_results import Findings
from nnunetv2_fair.study.plan.datasets import TestSet
from nnunetv2_fair.study.plan.models import Model
from nnunetv2_fair.study.plan.study_dataset import CASCADE, Cascade, StudyDataset
from nnunetv2_fair.study.study_file.settings import SINGLE, TestEntry


def cascades_of(
    found: Findings, on: StudyDataset, datasets: Sequence[StudyDataset]
) -> Mapping[str, Cascade]:
    """Return the cascades of a dataset's test sets, by test set; report what is wrong.

    Args:
        found: Mistakes are added there.
        on: A dataset with its test sets and models.
        datasets: All of the study.
    """
    cascades = {}
    tests = {test.name: test for test in on.tests}
    for entry in on.entry.tests:
        if entry.cascade is not None and entry.name in tests:
            cascade = _cascade(found, on, entry, datasets)
            if cascade is not None:
                _check_references(found, on, entry, tests[entry.name])
                cascades[entry.name] = cascade
    return cascades


def check_crops_are_used(found: Findings) -> None:
    """Refuse datasets that the study crops and trains on, and then does not test."""
    used = {c.cropped.dataset.name for on in found.datasets for c in on.cascades.values()}
    asked = [t.cascade.dataset for on in found.datasets for t in on.entry.tests if t.cascade]
    for on in found.datasets:
        source = on.dataset.cropped_from
        named = any(map(on.dataset.is_called, asked))
        if source is not None and on.dataset.name not in used and not named:
            found.add(
                on.entry.line("crop"),
                f"nothing tests the models of {on.dataset.name}: under tests of {source.name}, "
                f"write {{name: internal, cascade: {on.dataset.number}}}",
            )


def _cascade(
    found: Findings, on: StudyDataset, entry: TestEntry, datasets: Sequence[StudyDataset]
) -> Cascade | None:
    options = entry.cascade
    assert options is not None
    line = entry.line("cascade", "dataset")
    if on.dataset.is_cropped:
        found.add(
            line,
            f"cascade: {on.dataset.name} is cropped, and its models cannot find the organ in full "
            "images. Name this test set under the dataset that was cropped",
        )
        return None
    chosen = [other for other in datasets if other.dataset.is_called(options.dataset)]
    if not chosen and options.dataset in [other.id for other in found.settings.datasets]:
        return None  # what is wrong with it is reported there
    if not chosen:
        found.add(
            line,
            f"cascade: '{options.dataset}' is not a dataset of this study. Add it to datasets: "
            f"{{id: {options.dataset}, crop: {on.dataset.number}, configurations: "
            f"[{', '.join(on.entry.configurations)}]}}",
        )
        return None
    cropped = chosen[0]
    origin = (cropped.dataset.content.get("cropped") or {}).get("source")
    if origin != on.dataset.name:
        what = f"was cropped from {origin}" if origin else "is not cropped"
        found.add(
            line,
            f"cascade: {cropped.dataset.name} {what}; expected crops of {on.dataset.name}, made "
            f"with the key crop: {on.dataset.number}",
        )
        return None
    localizer = _localizer(found, on, entry)
    _check_segmenters(found, on, cropped, line)
    if localizer is None or not cropped.models:
        return None
    return Cascade(cropped, localizer, options.factor)


def _localizer(found: Findings, on: StudyDataset, entry: TestEntry) -> Model | None:
    """Return the model that finds the organ: the one named, else the baseline."""
    assert entry.cascade is not None
    models = {model.name: model for model in on.models}
    wanted = entry.cascade.localizer
    if not wanted:
        baseline = found.settings.baseline
        wanted = baseline if baseline in models else next(iter(models), "")
    line = entry.line("cascade", "localizer")
    if wanted not in models:
        if models:
            found.add(
                line,
                f"cascade, localizer: '{wanted}' is not a trainer of {on.dataset.name}."
                f"{did_you_mean(wanted, models)} Expected one of {shorten(models, 12)}",
            )
        return None
    if models[wanted].per_group:
        found.add(
            line,
            f"cascade, localizer: {wanted} is a model for each group, and one model has to find "
            "the organ. Name another trainer",
        )
        return None
    return models[wanted]


def _check_segmenters(found: Findings, on: StudyDataset, cropped: StudyDataset, line: int) -> None:
    """Refuse models of crops that cannot follow a localizer."""
    for model in cropped.models:
        if model.per_group:
            found.add(
                model.line,
                f"{model.name} is a model for each group, which a cascade cannot predict with. "
                f"Give {cropped.dataset.name} trainers of its own, without it",
            )
    places = [
        {(plans, c) for plans in of.entry.plans for c in of.entry.configurations if c != CASCADE}
        for of in (on, cropped)
    ]
    if not places[0] & places[1]:
        found.add(
            line,
            f"cascade: {on.dataset.name} and {cropped.dataset.name} have no configuration in "
            f"common (plans, too; {CASCADE} does not count). Give both the same",
        )
    single = SINGLE in found.settings.prediction.folds
    if single and set(on.entry.folds) != set(cropped.entry.folds):
        found.add(
            cropped.entry.line("folds"),
            f"{cropped.dataset.name} has other folds here than {on.dataset.name}, so that single "
            "folds cannot form cascades. List the same folds, or leave single out of prediction",
        )


def _check_references(found: Findings, on: StudyDataset, entry: TestEntry, test: TestSet) -> None:
    """Refuse images without reference: nothing would say where their organ is."""
    without = test.without_reference(on.dataset.ending)
    if without:
        found.add(
            entry.line("cascade"),
            f"cascade: {counted(len(without), 'image')} of test set '{test.name}' without "
            f"reference, which the upper bound is made of: {shorten(without)}. Take them out of "
            f"{test.images}",
        )
