"""Which gap a study diagnoses, and what can be done about each cause; told before anything runs.

What makes no sense is a mistake of the file. What is impossible with these data (no expert masks,
one training, crops) is kept in words, and the rest goes on.
"""

from collections.abc import Iterator, Mapping, Sequence

from nnunetv2_fair.errors import did_you_mean, shorten
from nnunetv2_fair.study.diagnosis_asked import Impossible
from nnunetv2_fair.study.plan.check_results import Findings
from nnunetv2_fair.study.plan.datasets import TestSet
from nnunetv2_fair.study.plan.diagnosis.balanced_trainers import balanced_trainer
from nnunetv2_fair.study.plan.diagnosis.diagnosed import Chosen, Diagnosed
from nnunetv2_fair.study.plan.diagnosis.masks import expert_test, organ_of
from nnunetv2_fair.study.plan.diagnosis.people import FEWEST, patients_by_group
from nnunetv2_fair.study.plan.models import Model
from nnunetv2_fair.study.plan.study_dataset import CASCADE, StudyDataset
from nnunetv2_fair.study.study_file.diagnose import CAUSE_NAMES, ModelChoice
from nnunetv2_fair.study.study_file.settings import ENSEMBLE
from nnunetv2_fair.study.study_file.wildcards import expand

_FEW_TRAININGS = (
    "one training of either kind cannot tell a cause from chance between trainings; repeats: 2 is "
    "the least, and 5 make it likely that a cause is found"
)
_CROPS = (
    "the images are crops, and what was around them is not in them; diagnose the models of full "
    "images"
)
_NO_BALANCED = (
    "which trainer differs from {} by equal numbers of each group alone is not known; name it with "
    "balanced"
)
_SKIPPED = "left out by skip"


def diagnosed(found: Findings) -> Diagnosed | None:
    """Return what is diagnosed; report what is wrong with it.

    Args:
        found: Checked datasets; mistakes are added there.

    Returns:
        None if the file asks for no diagnosis, or for one that makes no sense.
    """
    options = found.settings.diagnose
    if options is None or not found.datasets:
        return None
    on = _dataset(found, options.dataset)
    if on is None:
        return None
    model = _model(found, on, options.trainer or found.settings.baseline)
    test = next((test for test in on.tests if test.name == options.test), None)
    if test is None:
        _refuse(
            found, "test",
            f"test set '{options.test}' is not one of {on.dataset.name}. There: "
            f"{shorten([t.name for t in on.tests], 12) or 'none'}",
        )  # fmt: skip
    usable = [name for name in on.entry.configurations if name != CASCADE]
    if options.configuration and options.configuration not in usable:
        _refuse(
            found, "configuration",
            f"'{options.configuration}' is not a configuration of {on.dataset.name} that can be "
            f"diagnosed. There: {shorten(usable, 12) or 'none'}",
        )  # fmt: skip
    elif not usable:
        _refuse(found, "dataset", f"{CASCADE} cannot be diagnosed; add another configuration")
    _check_metric(found)
    if ENSEMBLE not in found.settings.prediction.folds:
        found.add(
            found.settings.line("prediction", "folds"),
            "prediction, folds: a diagnosis is of all folds together; add ensemble",
        )
        return None
    attributes = _attributes(found, on)
    if model is None or test is None or not usable or not attributes:
        return None
    groups, impossible = _groups(found, on, test, attributes)
    if not groups:
        return None
    chosen = Diagnosed(
        options,
        Chosen(on, model),
        test,
        on.entry.plans[0],
        options.configuration or usable[0],
        tuple(groups),
    )
    return _with_causes(found, chosen, groups, impossible)


def _with_causes(
    found: Findings,
    chosen: Diagnosed,
    groups: Mapping[str, Mapping[str, set[str]]],
    impossible: Sequence[Impossible],
) -> Diagnosed:
    """Return the diagnosis with what is done about each cause."""
    options, on, test = chosen.options, chosen.of.on, chosen.test
    cannot = [*impossible, *(Impossible(c, "", _SKIPPED) for c in CAUSE_NAMES if c in options.skip)]
    expert, organ, inputs = None, None, ""
    if options.expert is not None:
        expert, why = expert_test(found, on, test, options.expert, groups)
        if chosen.does("labels"):
            cannot += why
    elif chosen.does("labels"):
        cannot.append(
            Impossible(
                "labels", "",
                "there are no expert masks to compare the references with; name a folder with "
                "those of some test cases: expert: FOLDER",
            )
        )  # fmt: skip
    if chosen.does("shortcut") and on.dataset.is_cropped:
        cannot.append(Impossible("shortcut", "", _CROPS))
    elif chosen.does("shortcut"):
        organ, inputs = organ_of(found, test, options.organ)
    balanced = {}
    if chosen.does("representation") and len(chosen.of.model.runs) < 2:
        cannot.append(Impossible("representation", "", _FEW_TRAININGS))
    elif (
        chosen.does("representation")
        and options.balanced is None
        and not balanced_trainer(chosen.of.model.name, "")
    ):
        unnamed = _NO_BALANCED.format(chosen.of.model.name)
        cannot.append(Impossible("representation", "", unnamed))
    elif chosen.does("representation"):
        for attribute in chosen.attributes:
            made = _balanced(found, chosen, attribute)
            if made is not None:
                balanced[attribute] = made
    further = [
        made
        for one in options.further
        if (made := _other(found, chosen, one, "further", "")) is not None
    ]
    return Diagnosed(
        options, chosen.of, test, chosen.plans, chosen.configuration, chosen.attributes,
        tuple(cannot), balanced, tuple(further), expert, organ, inputs,
    )  # fmt: skip


def _refuse(found: Findings, key: str, text: str) -> None:
    found.add(found.settings.line("diagnose", key), f"diagnose, {key}: {text}")


def _dataset(found: Findings, wanted: str) -> StudyDataset | None:
    if not wanted:
        first = found.settings.datasets[0].id
        return next((on for on in found.datasets if on.entry.id == first), None)
    for on in found.datasets:
        if on.dataset.is_called(wanted):
            return on
    if wanted not in [entry.id for entry in found.settings.datasets]:
        names = [on.dataset.name for on in found.datasets]
        _refuse(found, "dataset", f"'{wanted}' is not a dataset of this study. There: "
                f"{shorten(names, 12)}")  # fmt: skip
    return None


def _model(found: Findings, on: StudyDataset, wanted: str, key: str = "trainer") -> Model | None:
    names = [model.name for model in on.models]
    if not names:
        return None
    if not wanted:
        return on.models[0]
    if wanted not in names:
        _refuse(
            found, key,
            f"'{wanted}' is not a trainer of {on.dataset.name}.{did_you_mean(wanted, names)} Add "
            f"it to trainers, or choose one of {shorten(names, 12)}",
        )  # fmt: skip
        return None
    return on.models[names.index(wanted)]


def _check_metric(found: Findings) -> None:
    from nnunetv2_fair.evaluation.metrics.registry import DEFAULT_METRICS
    from nnunetv2_fair.evaluation.papers.presets import PRESETS

    evaluation, metric = found.settings.evaluation, found.settings.diagnose.metric  # type: ignore[union-attr]
    usual = PRESETS[evaluation.preset].metrics if evaluation.preset else DEFAULT_METRICS
    measured = evaluation.metrics or usual
    if metric not in measured:
        _refuse(
            found, "metric",
            f"{metric} is not evaluated. Add it to metrics of evaluation: {shorten(measured, 12)}",
        )  # fmt: skip


def _attributes(found: Findings, on: StudyDataset) -> tuple[str, ...]:
    """Return the attributes to diagnose, all of which are evaluated."""
    options = found.settings.diagnose
    assert options is not None
    wanted = options.attributes or on.entry.attributes or found.settings.attributes
    unknown = [name for name in wanted if name not in on.attributes]
    if unknown and on.attributes:
        _refuse(
            found, "attributes",
            f"'{unknown[0]}' is not evaluated.{did_you_mean(unknown[0], on.attributes)} Correct "
            f"the name, or add it to attributes: {shorten(on.attributes, 12)}",
        )  # fmt: skip
        return ()
    return wanted or on.attributes


def _groups(
    found: Findings, on: StudyDataset, test: TestSet, attributes: Sequence[str]
) -> tuple[dict[str, Mapping[str, set[str]]], list[Impossible]]:
    """Return the patients of each group by attribute, of attributes with two groups or more."""
    groups: dict[str, Mapping[str, set[str]]] = {}
    impossible = []
    with found.blamed(found.settings.line("diagnose")):
        for attribute in attributes:
            people = patients_by_group(found.settings.evaluation, on, test, attribute)
            large = [name for name, patients in people.items() if len(patients) >= FEWEST]
            if len(large) >= 2:
                groups[attribute] = people
                continue
            sizes = ", ".join(f"{name} {len(patients)}" for name, patients in people.items())
            impossible.append(
                Impossible(
                    "", attribute,
                    f"two groups with {FEWEST} patients or more are needed in test set "
                    f"'{test.name}', which has: {sizes or 'none'}",
                )
            )  # fmt: skip
        if not groups:
            for one in impossible:
                _refuse(found, "attributes", f"nothing can be said of {one.attribute}: {one.why}")
    return groups, impossible


def _balanced(found: Findings, chosen: Diagnosed, attribute: str) -> Chosen | None:
    """Return the model with balanced groups."""
    if chosen.options.balanced is not None:
        return _other(found, chosen, chosen.options.balanced, "balanced", attribute)
    on = chosen.of.on
    trainer = chosen.of.model.name
    for name in (balanced_trainer(trainer, attribute), balanced_trainer(trainer, "")):
        for model in on.models:
            if model.name == name:
                return Chosen(on, model)
    return None  # what is wrong with the trainer is reported where it is checked


def _other(
    found: Findings, chosen: Diagnosed, choice: ModelChoice, key: str, attribute: str
) -> Chosen | None:
    """Return another model of the study; it must have been tested on the same cases."""
    on = chosen.of.on if not choice.dataset else _dataset_of(found, choice.dataset, key)
    if on is None:
        return None
    wanted = choice.trainer or chosen.of.model.name
    names: list[str] = []
    with found.blamed(found.settings.line("diagnose", key)):
        names = expand(wanted, [attribute] if attribute else list(chosen.attributes))
    model = _model(found, on, names[0], key) if names else None
    if model is None:
        return None
    if (on, model) == (chosen.of.on, chosen.of.model):
        _refuse(found, key, f"{model.name} is what is diagnosed; name another model")
        return None
    for problem in _unlike(chosen, on):
        _refuse(found, key, problem)
        return None
    return Chosen(on, model)


def _dataset_of(found: Findings, wanted: str, key: str) -> StudyDataset | None:
    for on in found.datasets:
        if on.dataset.is_called(wanted):
            return on
    if wanted not in [entry.id for entry in found.settings.datasets]:
        _refuse(
            found, key,
            f"'{wanted}' is not a dataset of this study. Add it to datasets: {{id: {wanted}, "
            "configurations: [...]}",
        )  # fmt: skip
    return None


def _unlike(chosen: Diagnosed, on: StudyDataset) -> Iterator[str]:
    """Yield why gaps of models of another dataset cannot be compared with the model's."""
    test = next((test for test in on.tests if test.name == chosen.test.name), None)
    if on.dataset.is_made:
        yield f"the study makes {on.dataset.name}, whose models have no test sets of their own"
    elif test is None:
        yield f"{on.dataset.name} has no test set '{chosen.test.name}'; add it to its tests"
    elif test.inputs != chosen.test.inputs:
        yield (
            f"test set '{test.name}' of {on.dataset.name} has other cases than that of "
            f"{chosen.of.on.dataset.name}, so that gaps would be of different patients. Twins of "
            "nnUNetv2_fair_balance and nnUNetv2_fair_relabel keep the test cases"
        )
    if chosen.configuration not in on.entry.configurations or chosen.plans not in on.entry.plans:
        yield (
            f"{on.dataset.name} is not trained with {chosen.plans}, {chosen.configuration} here; "
            "give it the same plans and configurations"
        )
