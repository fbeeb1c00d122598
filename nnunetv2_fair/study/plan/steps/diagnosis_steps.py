"""Steps of a diagnosis: what the interventions need besides trainings, and the answer."""

from dataclasses import replace
from pathlib import Path

from nnunetv2_fair.paths import BACKGROUNDS_CSV, DIAGNOSIS_FOLDER, DIAGNOSIS_HTML, DIAGNOSIS_JSON
from nnunetv2_fair.study.diagnosis_asked import DiagnosisAsked
from nnunetv2_fair.study.plan.datasets import TestSet
from nnunetv2_fair.study.plan.diagnosis.diagnosed import Chosen, Diagnosed
from nnunetv2_fair.study.plan.steps.commands import Command, diagnosis_command
from nnunetv2_fair.study.plan.steps.evaluation_arguments import seed_arguments, table_arguments
from nnunetv2_fair.study.plan.steps.step_builder import StepBuilder
from nnunetv2_fair.study.plan.steps.step_names import edit_step
from nnunetv2_fair.study.plan.steps.task import Task
from nnunetv2_fair.study.plan.steps.test_steps import add_further_test, evaluation_folder
from nnunetv2_fair.subgroups.tokens import group_token

#: Name of the step that gives the answer.
DIAGNOSE = "diagnose"
#: Folders of ``nnUNetv2_fair_backgrounds``.
_NEUTRALISED, _EXCHANGED, _CONTROL = "neutralised", "exchanged", "control"


def add_diagnosis(builder: StepBuilder, chosen: Diagnosed) -> None:
    """Add all steps, behind those of the datasets' own test sets."""
    of, test, options = chosen.of, chosen.test, chosen.options
    before = set(builder.steps)
    expert = _further_test(builder, chosen, chosen.expert) if chosen.expert is not None else ""
    labels_everywhere = all(
        any(one.cause == "labels" and one.attribute in ("", attribute) for one in chosen.impossible)
        for attribute in chosen.attributes
    )
    edited = _edited(builder, chosen) if chosen.organ is not None else {}
    partly = chosen.expert is not None and not _of_all(chosen)
    difficult = chosen.does("difficulty")
    masks = test.labels if chosen.expert is None else chosen.expert.labels
    asked = DiagnosisAsked(
        name=f"{of.model.name}, {of.on.dataset.name}, {chosen.configuration}, {test.name}",
        attributes=chosen.attributes,
        metric=options.metric,
        label=options.label,
        model=_folder(chosen, of),
        balanced={name: _folder(chosen, one) for name, one in chosen.balanced.items()},
        expert="" if labels_everywhere else expert,
        neutralised=edited.get((_NEUTRALISED, ""), ""),
        exchanged={a: folder for (how, a), folder in edited.items() if how == _EXCHANGED},
        control={a: folder for (how, a), folder in edited.items() if how == _CONTROL},
        further={_title(chosen, one): _folder(chosen, one) for one in chosen.further},
        images=str(test.images) if difficult else "",
        masks=str(masks) if difficult and not partly else "",
        ending=of.on.dataset.ending,
        whole_organ=options.organ is not None,
        impossible=chosen.impossible,
    )
    wanted = {asked.model, *(f for folders in asked.folders().values() for f in folders)}
    needs = [
        name
        for name, step in builder.steps.items()
        if any(output.rpartition("/")[0] in wanted for output in step.outputs)
    ]
    inputs = [*test.inputs, *(chosen.expert.inputs if chosen.expert is not None else ())]
    builder.add(
        Task(
            DIAGNOSE,
            "diagnose",
            (diagnosis_command(asked.to_json()),),
            {"dataset": of.on.dataset.name, "configuration": chosen.configuration},
            needs=(*needs, *(name for name in builder.steps if name not in before)),
            inputs=tuple(dict.fromkeys(inputs)) if difficult else (),
            outputs=tuple(
                f"{DIAGNOSIS_FOLDER}/{file}" for file in (DIAGNOSIS_JSON, DIAGNOSIS_HTML)
            ),
        )
    )


def _of_all(chosen: Diagnosed) -> bool:
    """Return whether every case of the test set has an expert mask."""
    assert chosen.expert is not None
    ending = chosen.of.on.dataset.ending
    numbers = [
        sum(1 for _ in folder.glob(f"*{ending}"))
        for folder in (chosen.expert.labels, chosen.test.labels)
    ]
    return numbers[0] == numbers[1]


def _folder(chosen: Diagnosed, of: Chosen) -> str:
    return evaluation_folder(of.on, chosen.plans, chosen.configuration, chosen.test, of.model)


def _title(chosen: Diagnosed, of: Chosen) -> str:
    other = of.on.dataset.name != chosen.of.on.dataset.name
    return f"{of.model.name}, {of.on.dataset.name}" if other else of.model.name


def _further_test(builder: StepBuilder, chosen: Diagnosed, test: TestSet) -> str:
    return add_further_test(
        builder, chosen.of.on, chosen.plans, chosen.configuration, test, chosen.of.model
    )


def _edited(builder: StepBuilder, chosen: Diagnosed) -> dict[tuple[str, str], str]:
    """Add edited images and what the model makes of them.

    Returns:
        Folder of the evaluation by what was done and by attribute; images without background are
        the same for all attributes.
    """
    made: dict[tuple[str, str], str] = {}
    for number, attribute in enumerate(chosen.attributes):
        name, folder = _edit(builder, chosen, attribute)
        token = group_token(attribute)
        for how in (_NEUTRALISED, _EXCHANGED, _CONTROL):
            if how == _NEUTRALISED and number:
                continue
            of = "" if how == _NEUTRALISED else attribute
            test = replace(
                chosen.test,
                name=f"{chosen.test.name}_{how}" + (f"_{token}" if of else ""),
                images=Path(folder) / how,
                made_by=name,
            )
            made[how, of] = _further_test(builder, chosen, test)
    return made


def _edit(builder: StepBuilder, chosen: Diagnosed, attribute: str) -> tuple[str, str]:
    """Add the step that edits the backgrounds; return its name and folder."""
    test, on, settings = chosen.test, chosen.of.on, builder.settings
    name = edit_step(on.dataset, test.name, attribute)
    folder = f"{DIAGNOSIS_FOLDER}_images/{test.name}/{group_token(attribute)}"
    margin = chosen.options.margin
    reading = replace(test.reading, bins=settings.evaluation.bins)
    what = (
        "-i", str(test.images), "-organ", str(chosen.organ), "-o", folder,
        "--demographics", str(test.table), "-a", attribute, *table_arguments(reading),
        *(() if margin is None else ("--margin", f"{margin:g}")), *seed_arguments(settings.seed),
    )  # fmt: skip
    builder.add(
        Task(
            name,
            "preprocess",
            (
                Command(
                    "nnUNetv2_fair_backgrounds", what,
                    ("-np", builder.cpus("preprocess"), "--overwrite"),
                ),
            ),
            {"dataset": on.dataset.name, "test": test.name},
            inputs=(test.inputs[0], chosen.organ_inputs, test.people),
            outputs=(f"{folder}/{BACKGROUNDS_CSV}",),
        )
    )  # fmt: skip
    return name, folder
