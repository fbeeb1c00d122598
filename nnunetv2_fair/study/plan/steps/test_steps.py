"""Steps after the trainings: predict, evaluate, compare."""

from collections.abc import Iterator
from dataclasses import replace

from nnunetv2_fair import paths
from nnunetv2_fair.study.plan.datasets import TestSet
from nnunetv2_fair.study.plan.foundation.commands import prompted_command
from nnunetv2_fair.study.plan.foundation.methods import PromptedMethod
from nnunetv2_fair.study.plan.models import Model
from nnunetv2_fair.study.plan.steps.cascade_commands import cascade_command
from nnunetv2_fair.study.plan.steps.commands import Command
from nnunetv2_fair.study.plan.steps.evaluation_arguments import (
    comparison_arguments,
    evaluation_arguments,
    table_arguments,
)
from nnunetv2_fair.study.plan.steps.predictions import (
    Ensemble,
    Prediction,
    Single,
    ways_of,
)
from nnunetv2_fair.study.plan.steps.step_builder import StepBuilder
from nnunetv2_fair.study.plan.steps.step_names import (
    configuration_name,
    learning_step,
    shard_step,
    step_on_test_set,
)
from nnunetv2_fair.study.plan.steps.task import Task
from nnunetv2_fair.study.plan.steps.training_steps import Training
from nnunetv2_fair.study.plan.study_dataset import (
    CASCADE,
    CASCADE_NEEDS,
    Cascade,
    CascadeMethod,
    StudyDataset,
)
from nnunetv2_fair.study.step import Kind


def add_tests(builder: StepBuilder, on: StudyDataset) -> None:
    """Add predictions, evaluations and comparisons of a dataset's models on all its test sets."""
    for plans in on.entry.plans:
        for configuration in sorted(on.entry.configurations, key=lambda c: c == CASCADE):
            for test in on.tests:
                for way in ways_of(builder.settings.prediction.folds, on.models):
                    bench = _Bench(builder, on, plans, configuration, test, way)
                    for model in on.models:
                        bench.predict(model)
                        bench.evaluate(model)
                    for filled in on.filled:
                        if filled.covers(plans, configuration):
                            for own in filled.methods():
                                bench.predict(own.model, own.trained, filled.on)
                                bench.evaluate(own.model)
                    cascade = on.cascades.get(test.name)
                    if cascade is not None and cascade.covers(plans, configuration):
                        for method in cascade.methods():
                            bench.predict_crops(cascade, method)
                            bench.evaluate(method.model)
                    if on.is_home(plans, configuration) and not isinstance(way, Single):
                        for prompted in on.prompted:
                            bench.predict_prompted(prompted)
                            bench.evaluate(prompted.model)
                    bench.compare()


def add_further_test(
    builder: StepBuilder,
    on: StudyDataset,
    plans: str,
    configuration: str,
    test: TestSet,
    model: Model,
) -> str:
    """Add the evaluation of one model on a test set that only it is tested on.

    Args:
        builder: Steps are added there, those of the model's own test sets before.
        on: What the model is trained on.
        plans: nnU-Net plans.
        configuration: nnU-Net configuration.
        test: The test set; predicted, too, unless its predictions are another one's.
        model: The model.

    Returns:
        Folder of the evaluation, in the study's folder.
    """
    bench = _Bench(builder, on, plans, configuration, test, Ensemble())
    if not test.predicted_as:
        bench.predict(model)
    return bench.evaluate(model)


def evaluation_folder(
    on: StudyDataset, plans: str, configuration: str, test: TestSet, model: Model
) -> str:
    """Return where a study keeps the evaluation of a model whose folds predict together."""
    place = configuration_name(plans, configuration)
    return f"evaluations/{on.dataset.name}/{place}/{test.name}/{model.name}"


class _Bench:
    """All models of one configuration on one test set, predicted with in one way."""

    def __init__(
        self,
        builder: StepBuilder,
        on: StudyDataset,
        plans: str,
        configuration: str,
        test: TestSet,
        way: Ensemble | Single,
    ) -> None:
        self._builder = builder
        self._on = on
        self._plans = plans
        self._configuration = configuration
        self._test = test
        self._way = way
        self._evaluated: dict[str, str] = {}
        self._where = self._place(configuration)
        self._facts = {
            "dataset": on.dataset.name,
            "configuration": configuration,
            "plans": plans,
            "test": test.name,
            **dict(way.facts),
        }

    def _place(self, configuration: str, test: str = "") -> str:
        folder = configuration_name(self._plans, configuration)
        return f"{self._on.dataset.name}/{folder}/{test or self._test.name}"

    @property
    def _predictions(self) -> str:
        """Folder of the predictions, which may be those of another test set."""
        return self._folder(
            "predictions", self._place(self._configuration, self._test.predicted_as)
        )

    def _name(self, kind: Kind, trainer: str = "", configuration: str = "") -> str:
        on, configuration = self._on, configuration or self._configuration
        own = (self._test.predicted_as if kind == "predict" else "") or self._test.name
        test = f"{own}{self._way.mark}"
        return step_on_test_set(kind, on.dataset, self._plans, configuration, test, trainer)

    def _folder(self, what: str, where: str = "") -> str:
        return f"{what}{self._way.suffix}/{where or self._where}"

    def predict(
        self, model: Model, trained: Model | None = None, trained_on: StudyDataset | None = None
    ) -> None:
        """Add the predictions that are evaluated together.

        Args:
            model: What is evaluated.
            trained: The model as it was trained, where that has another name.
            trained_on: What it was trained on, where that is another dataset.
        """
        on = trained_on or self._on
        as_trained = self._way.of(trained or model, on)
        for own, prediction in zip(as_trained, self._way.of(model, on), strict=True):
            self._predict(model, prediction, own.run.name, on)

    def _predict(
        self, model: Model, prediction: Prediction, trainer: str, on: StudyDataset
    ) -> None:
        builder, run = self._builder, prediction.run
        out = f"{self._predictions}/{prediction.folder}"
        what = [
            "-d", on.dataset.name, "-i", str(self._test.images), "-o", out,
            "-tr", trainer, "-p", self._plans, "-c", self._configuration, "-f", *prediction.folds,
        ]  # fmt: skip
        options = builder.settings.prediction
        what += self._options
        needs = list(self._trainings(on, prediction))
        needs += [self._test.made_by] if self._test.made_by else []
        if self._configuration == CASCADE:
            before = self._folder("predictions", self._place(CASCADE_NEEDS))
            what += ["-prev_stage_predictions", f"{before}/{prediction.folder}"]
            needs.append(self._predicted(prediction, CASCADE_NEEDS))
        how = self._device
        inputs = [self._test.inputs[0]]
        script = "nnUNetv2_predict"
        if model.per_group:
            script = "nnUNetv2_fair_predict_InD"
            what += ["--demographics", str(self._test.table)]
            # of the attribute alone; numbers out of range are refused by the evaluation
            what += table_arguments(replace(self._test.reading, ranges={}))
            chosen = options.unknown_model.get(model.attribute or "")
            what += [] if chosen is None else ["--unknown-model", chosen]
            how.append("--overwrite")
            inputs.append(self._test.people)
        else:
            how.append("--disable_progress_bar")
        method = {"method": model.name} if model.is_repeated else {}
        builder.add(
            Task(
                self._predicted(prediction),
                "predict",
                (Command(script, tuple(what), tuple(how)),),
                {**self._facts, "trainer": run.name, **method},
                needs=tuple(needs),
                inputs=tuple(inputs),
                outputs=(f"{out}/{paths.DATASET_JSON}",),
            )
        )

    @property
    def _options(self) -> list[str]:
        """Arguments of all predictions that change the outcome."""
        options = self._builder.settings.prediction
        step = [] if options.step_size is None else ["-step_size", f"{options.step_size:g}"]
        return step if options.mirroring else [*step, "--disable_tta"]

    @property
    def _device(self) -> list[str]:
        """Arguments of all predictions that do not."""
        half = str(max(1, int(self._builder.cpus("predict")) // 2))
        return ["-device", self._builder.settings.device, "-npp", half, "-nps", half]

    def predict_crops(self, cascade: Cascade, method: CascadeMethod) -> None:
        """Add the predictions of a model of crops, pasted back into the full images."""
        builder, on, cropped = self._builder, self._on, cascade.cropped
        firsts = list(self._way.of(method.localizer or cascade.localizer, on))
        seconds = list(self._way.of(method.segmenter, cropped))
        for number, prediction in enumerate(self._way.of(method.model, cropped)):
            second = seconds[number]
            first = None if method.localizer is None else firsts[number]
            out = f"{self._predictions}/{prediction.folder}"
            command = cascade_command(
                cascade, self._test, out, None if first is None else (on.dataset, first), second,
                ("-p", self._plans, "-c", self._configuration), self._options,
                (*self._device, "-np", builder.cpus("predict"), "--overwrite"),
            )  # fmt: skip
            facts = {**self._facts, "trainer": prediction.run.name}
            if method.model.is_repeated:
                facts["method"] = method.model.name
            needs = list(self._trainings(cropped, second))
            needs += [] if first is None else self._trainings(on, first)
            builder.add(
                Task(
                    self._predicted(prediction), "predict", (command,), facts,
                    needs=tuple(needs), inputs=self._test.inputs,
                    outputs=(f"{out}/{paths.DATASET_JSON}",),
                )
            )  # fmt: skip

    def predict_prompted(self, method: PromptedMethod) -> None:
        """Add the predictions of a prompted model, or of the boxes that it would be given."""
        builder, on, options = self._builder, self._on, self._builder.settings.sam
        assert options is not None
        given = [] if method.boxes is None else list(self._way.of(method.boxes, on))
        predictions = self._way.of(method.model, on)
        for prediction, run in zip(predictions, method.runs, strict=True):
            out = f"{self._predictions}/{prediction.folder}"
            boxes = given[run.boxes] if given else None
            folder = "" if boxes is None else f"{self._predictions}/{boxes.folder}"
            command = prompted_command(
                options, on, self._test, method, run, out, folder, builder.settings.device
            )
            needs = [] if boxes is None else [self._predicted(boxes)]
            if run.training:
                needs.append(learning_step(on.dataset, run.training, options.fold))
            facts = {**self._facts, "trainer": prediction.run.name}
            if method.model.is_repeated:
                facts["method"] = method.model.name
            weights = () if method.of is None else (method.of.fingerprint,)
            builder.add(
                Task(
                    self._predicted(prediction), "predict", (command,), facts,
                    needs=tuple(needs), inputs=(*self._test.inputs, *weights),
                    outputs=(f"{out}/{paths.DATASET_JSON}",),
                )
            )  # fmt: skip

    def _predicted(self, prediction: Prediction, configuration: str = "") -> str:
        return self._name("predict", f"{prediction.run.name}{prediction.end}", configuration)

    def _trainings(self, on: StudyDataset, prediction: Prediction) -> Iterator[str]:
        for trainer in prediction.run.trainings:
            for fold in prediction.folds:
                yield Training(on, self._plans, self._configuration, trainer, fold).name

    def evaluate(self, model: Model) -> str:
        """Add the evaluation: one step, or shards and the step that merges them.

        Returns:
            Its folder, in the study's folder.
        """
        builder, evaluated = self._builder, self._way.name_of(model)
        out = f"{self._folder('evaluations')}/{evaluated}"
        predictions = list(self._way.of(model, self._on))
        kind = self._way.trainings(model)
        shards = builder.settings.evaluation.shards
        arguments = evaluation_arguments(
            builder.settings.evaluation,
            self._on.attributes,
            builder.settings.seed,
            self._test.reading,
        )
        what = (
            "-gt", str(self._test.labels),
            "-pred", *(f"{self._predictions}/{p.folder}" for p in predictions),
            *(() if kind is None else ("--trainings", kind)),
            "--demographics", str(self._test.table), "-o", out, "--name", evaluated, *arguments,
        )  # fmt: skip
        if "radiomics" in builder.settings.evaluation.downstream:
            # energy is taken of the images, which need not be beside the references
            what += ("--images", str(self._test.images))
        if self._test.made_by and "--allow-missing" not in arguments:
            what += ("--allow-missing",)
        how = ("--overwrite", "-np", builder.cpus("evaluate"))
        inputs = (self._test.inputs[1], self._test.people)
        predicted = tuple(self._predicted(prediction) for prediction in predictions)
        attributes = " ".join(self._on.attributes)
        facts = {**self._facts, "trainer": evaluated, "attributes": attributes}
        if evaluated != model.name:
            facts["method"] = model.name
        outputs = tuple(
            f"{out}/{file}" for file in (paths.SUMMARY_JSON, paths.PER_CASE_CSV, paths.REPORT_HTML)
        )
        command = "nnUNetv2_fair_evaluate"
        name = self._name("evaluate", evaluated)
        self._evaluated[evaluated] = name
        if shards == 1:
            builder.add(
                Task(
                    name, "evaluate", (Command(command, what, how),), facts,
                    needs=predicted, inputs=inputs, outputs=outputs,
                )
            )  # fmt: skip
            return out
        parts = []
        for number in range(1, shards + 1):
            parts.append(shard_step(name, number, shards))
            part = ("--shard", f"{number}/{shards}")
            builder.add(
                Task(
                    parts[-1], "evaluate", (Command(command, (*what, *part), how),),
                    {**facts, "shard": part[1]}, needs=predicted, inputs=inputs,
                )
            )  # fmt: skip
        merged = self._name("merge", evaluated)
        self._evaluated[evaluated] = merged
        merging = Command(command, (*what, "--merge"), ("--overwrite", "-np", "1"))
        builder.add(
            Task(
                merged, "merge", (merging,), facts,
                needs=(*predicted, *parts), inputs=inputs, outputs=outputs,
            )
        )  # fmt: skip
        return out

    def compare(self) -> None:
        """Add the comparison with the baseline, if there is something to compare."""
        settings = self._builder.settings
        names = list(self._evaluated)
        if len(names) < 2:
            return
        chosen = [m for m in self._on.models if m.name == settings.baseline]
        baseline = self._way.name_of((chosen or self._on.models)[0])
        ordered = [baseline, *(name for name in names if name != baseline)]
        out = "/".join(filter(None, (self._folder("comparisons"), self._way.part)))
        what = (
            *(f"{self._folder('evaluations')}/{name}" for name in ordered),
            "-o", out, "--names", *ordered,
            *comparison_arguments(settings.evaluation, settings.seed),
        )  # fmt: skip
        self._builder.add(
            Task(
                self._name("compare", self._way.part),
                "compare",
                (Command("nnUNetv2_fair_compare", what, ("--overwrite",)),),
                {**self._facts, "attributes": " ".join(self._on.attributes)},
                needs=tuple(self._evaluated[name] for name in ordered),
                outputs=tuple(
                    f"{out}/{file}" for file in (paths.COMPARISON_JSON, paths.COMPARISON_HTML)
                ),
            )
        )
