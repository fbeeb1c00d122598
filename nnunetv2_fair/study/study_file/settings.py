"""The settings of a study: all that its file can say, typed.

Everything that is not written has its default; options of commands that are not written are None,
or empty, and left to the command. ``reading`` reads a file into :class:`Settings`.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from nnunetv2_fair.study.step import Kind
from nnunetv2_fair.study.study_file.crops import CascadeOptions, CropOptions
from nnunetv2_fair.study.study_file.diagnose import DiagnoseOptions
from nnunetv2_fair.study.study_file.form import (
    AnyList,
    Choice,
    Content,
    Cuts,
    DatasetId,
    DownstreamSet,
    Expression,
    Expressions,
    FilePath,
    Fold,
    Given,
    Group,
    Levels,
    Listed,
    Memory,
    MetricName,
    Name,
    Number,
    PresetName,
    Range,
    Runtime,
    Text,
    Thresholds,
    Variable,
    different,
)
from nnunetv2_fair.study.study_file.paper_items import FigureItem, TableItem
from nnunetv2_fair.study.study_file.parts import Part, Placed
from nnunetv2_fair.study.study_file.sam import SamOptions
from nnunetv2_fair.study.study_file.synthesis import SynthesisOptions
from nnunetv2_fair.study.study_file.values import megabytes, minutes
from nnunetv2_fair.study.study_file.yaml_lines import Document, Place
from nnunetv2_fair.tables.settings import TableSettings

INTERNAL = "internal"
#: Whose predictions are evaluated: those of all folds together, or of each fold's model.
ENSEMBLE: Final = "ensemble"
SINGLE: Final = "single"
_A_TEST = (
    "internal (imagesTs and labelsTs of the dataset), or a mapping with name and either dataset, "
    "or images, labels and demographics"
)


_Trainer = Annotated[
    Text,
    Field(description="a trainer's name, such as nnUNetTrainerAPPLE_{attribute}_beta{0.1,1}"),
]


class TableKeys(Part):
    """How a table of people is read: as the options of the same name of the commands."""

    columns: dict[str, Annotated[Text, Field(description="the name of a column")]] = Field(
        default_factory=dict,
        description="roles and attributes with the column that each is in, such as {sex: Gender}",
    )
    values: dict[str, Levels] = Field(
        default_factory=dict,
        description="attributes with what their cells mean, such as {sex: {F: female, M: male}}",
    )
    unknown: Listed[Content] = Field(
        default=(), description='a list of what cells hold that are unknown, such as ["?", 999]'
    )
    dicom_age: Listed[Annotated[Text, Field(description="an attribute, such as age")]] = Field(
        default=(), description="a list of attributes that look like 045Y, such as [age]"
    )
    range: dict[str, Range] = Field(
        default_factory=dict,
        description="attributes with their plausible numbers, such as {bmi: [10, 80]}",
    )
    sheet: Given[Text] = Field(default=None, description="the name of a sheet of an XLSX file")

    def reading(self, others: "TableKeys | None" = None) -> TableSettings:
        """Return how a table is read.

        Args:
            others: Keys that hold where this has none.
        """
        keys = {name: getattr(self, name) for name in TableKeys.model_fields}
        if others is not None:
            keys = {name: value or getattr(others, name) for name, value in keys.items()}
        return TableSettings(
            columns=keys["columns"],
            values=keys["values"],
            unknown=keys["unknown"],
            dicom_age=keys["dicom_age"],
            ranges={name: (low, high) for name, (low, high) in keys["range"].items()},
            sheet=keys["sheet"],
        )


class TestEntry(Placed, TableKeys):
    """A test set as the file names it.

    The keys on how its table is read stand in for those of the evaluation.

    Attributes:
        name: Short name, part of folders' names.
        dataset: Id or name of another dataset; empty for the dataset's own or for folders.
        part: ``test`` or ``training`` cases of that dataset.
        images: Folder of images; None unless folders are given.
        labels: Folder of reference masks.
        demographics: Table of the cases.
        cascade: What else predicts it: models of crops; None: nothing.
    """

    name: Name = Field(description="a short name of letters, digits, _, . and -, for folders")
    dataset: DatasetId = Field(
        default="", description="the id or name of another dataset in nnUNet_raw"
    )
    part: Literal["test", "training"] = Field(
        default="test",
        description="test (imagesTs, labelsTs) or training (imagesTr, labelsTr) of that dataset",
    )
    images: Given[FilePath] = None
    labels: Given[FilePath] = None
    demographics: Given[FilePath] = None
    cascade: Given[CascadeOptions] = Field(
        default=None,
        description="the id or name of a cropped dataset of the study, or a mapping such as "
        "{dataset: 43, localizer: nnUNetTrainer}",
    )

    @model_validator(mode="before")
    @classmethod
    def _internal(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value != INTERNAL:
                raise ValueError
            return {"name": INTERNAL}
        return value


class DatasetEntry(Placed):
    """A dataset as the file names it.

    Attributes:
        id: Id or name.
        configurations: Such as ``2d``.
        plans: Plans identifiers.
        folds: Such as ``0``, or ``all``.
        number_of_folds: How many ``nnUNetv2_fair_prepare`` makes.
        stratify: Attribute expression to stratify folds by; empty for prepare's choice.
        attributes: Replace the study's; empty if it has none of its own.
        trainers: Replace the study's; empty if it has none of its own.
        tests: Test sets.
        crop: What is cropped to make it, and how; None: nothing.
        synthesis: What is filled up with synthetic cases to make it, and how; None: nothing.
    """

    id: DatasetId = Field(description="an id such as 42, or a name such as Dataset042_Lungs")
    configurations: Listed[
        Annotated[Name, Field(description="a configuration such as 2d or 3d_fullres")]
    ] = Field(description="a list of configurations, such as [2d, 3d_fullres]")
    plans: Listed[
        Annotated[
            Name,
            Field(description="a plans identifier such as nnUNetPlans or nnUNetResEncUNetLPlans"),
        ]
    ] = Field(
        default=("nnUNetPlans",), description="a list of plans identifiers, such as [nnUNetPlans]"
    )
    folds: Listed[Fold] = Field(
        default=("0", "1", "2", "3", "4"),
        description="a list of folds, such as [0, 1, 2, 3, 4] or [all]",
    )
    number_of_folds: int = Field(
        default=5,
        ge=2,
        le=20,
        description="how many folds nnUNetv2_fair_prepare splits the training cases into, 2 to 20",
    )
    stratify: Expression = ""
    attributes: Expressions = ()
    trainers: AnyList[_Trainer] = Field(
        default=(), description="a list of trainers by name, instead of the study's"
    )
    tests: Listed[Annotated[TestEntry, Field(description=_A_TEST)]] = Field(
        default_factory=lambda: (TestEntry(name=INTERNAL),),
        description="a list of test sets, such as [internal]",
    )
    crop: Given[CropOptions] = Field(
        default=None,
        description="the id or name of the dataset that is cropped, or a mapping such as "
        "{dataset: 42, margin: 5}",
    )
    synthesis: Given[SynthesisOptions] = Field(
        default=None,
        description="the id or name of the dataset whose groups are filled up with synthetic "
        "cases, or a mapping such as {dataset: 42, attribute: sex}",
    )

    def put(self, document: Document, place: Place = ()) -> None:
        """Set its place in the file, and that of its test sets."""
        super().put(document, place)
        for number, test in enumerate(self.tests):
            test.put(document, (*place, "tests", number))


class PredictionOptions(Part):
    """Options of predictions.

    Attributes:
        mirroring: Whether mirrored images are predicted, too.
        step_size: Of the sliding window, as a share of the patch; None for nnU-Net's.
        unknown_model: Attribute -> group whose model predicts cases of unknown group.
        folds: Whether all folds predict together, each fold's model by itself, or both.
    """

    folds: Annotated[
        Listed[Annotated[Literal["ensemble", "single"], Field(description="ensemble or single")]],
        AfterValidator(different),
    ] = Field(
        default=(ENSEMBLE,),
        description="a list of ensemble (all folds together) and single (each fold's model by "
        "itself)",
    )
    mirroring: bool = Field(default=True, description="true (nnU-Net's way) or false (faster)")
    step_size: Given[float] = Field(
        default=None, gt=0, le=1, description="step of the sliding window, above 0 and at most 1"
    )
    unknown_model: dict[str, Group] = Field(
        default_factory=dict,
        description="attributes of nnUNetTrainerInD with the group whose model predicts cases of "
        "unknown group, such as {sex: male}",
    )


class EvaluationOptions(TableKeys):
    """Options of evaluations: those of the same name of ``nnUNetv2_fair_evaluate``.

    Attributes:
        attributes: Attribute expressions to evaluate by; empty for the datasets' attributes.
        shards: Jobs per evaluation.
    """

    attributes: Expressions = ()
    preset: Given[PresetName] = None
    metrics: Listed[MetricName] = Field(
        default=(), description="a list of metrics, such as [dice, hd95]"
    )
    tolerance: Given[float] = Field(
        default=None, ge=0, description="distance that nsd accepts, 0 or more"
    )
    min_patients: Given[int] = Field(
        default=None, ge=1, description="a number of patients, 1 or more"
    )
    empty_distance: Given[Literal["diagonal", "inf", "nan"]] = Field(
        default=None, description="one of diagonal, inf, nan"
    )
    unit: Given[Literal["patient", "case"]] = Field(default=None, description="patient or case")
    bootstrap: Given[int] = Field(
        default=None, ge=0, description="a number of resamples, 0 or more"
    )
    confidence: Given[float] = Field(
        default=None, gt=0, lt=1, description="a share between 0 and 1, such as 0.95"
    )
    bins: dict[str, Cuts] = Field(
        default_factory=dict,
        description="attributes with the numbers to bin them at, such as {age: [50, 65]}",
    )
    reference: dict[str, Group] = Field(
        default_factory=dict,
        description="attributes with the group that gaps are measured from, such as {sex: male}",
    )
    groups: dict[str, Choice] = Field(
        default_factory=dict,
        description="attributes with the groups to compare, such as {ethnicity: [White, Black]}",
    )
    failure: dict[str, Number] = Field(
        default_factory=dict,
        description="metrics, or label:metric, with the value at which a case counts as failed, "
        'such as {dice: 0.1, "lesion:dice": 0.3}',
    )
    margin: dict[str, Number] = Field(
        default_factory=dict,
        description="metrics with the largest gap that does not matter, such as {dice: 0.03}",
    )
    adjust: Listed[Annotated[Text, Field(description="a column of the table")]] = Field(
        default=(), description="a list of columns of the table, such as [site, age]"
    )
    discover: bool = Field(default=False, description="true or false")
    confirm: bool = Field(
        default=False, description="true or false, and true only with discover: true"
    )
    min_support: Given[float] = Field(
        default=None, gt=0, le=1, description="a share of the patients, above 0 and at most 1"
    )
    permutations: Given[int] = Field(
        default=None, ge=19, description="a number of permutations, 19 or more"
    )
    downstream: Listed[DownstreamSet] = Field(
        default=(), description="a list of measures, such as [cardiac]"
    )
    frames: Given[Text] = Field(
        default=None, description="the column of the table that says ED or ES"
    )
    threshold: dict[str, Thresholds] = Field(
        default_factory=dict,
        description="downstream measures, or label:measure, with the number (or a list of "
        'numbers) at which a decision changes, such as {ef: 50, "LV_cavity:ef": [40, 50]}',
    )
    tables: Listed[
        Annotated[Literal["csv", "md", "tex"], Field(description="one of csv, md, tex")]
    ] = Field(default=(), description="a list of csv, md and tex")
    allow_missing: bool = Field(default=False, description="true or false")
    shards: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="how many jobs each evaluation is split into, 1 to 1000",
    )

    @field_validator("confirm")
    @classmethod
    def _confirms_what_is_discovered(cls, value: bool, others: ValidationInfo) -> bool:
        if value and not others.data.get("discover"):
            raise ValueError
        return value


class JobRequest(Part):
    """What a kind of job asks for; None: as usual."""

    cpus: Given[int] = Field(default=None, ge=1, description="a number of cores, 1 or more")
    gpus: Given[int] = Field(default=None, ge=0, description="a number of GPUs, 0 or more")
    memory: Given[Memory] = None
    runtime: Given[Runtime] = None
    partition: Given[Text] = Field(default=None, description="the name of a Slurm partition")
    account: Given[Text] = Field(default=None, description="the name of a Slurm account")
    constraint: Given[Text] = Field(default=None, description="a Slurm constraint, such as a100")

    def amounts(self) -> dict[str, Any]:
        """Return what is asked for, with names and units of :class:`..step.Resources`."""
        asked = {
            "cpus": self.cpus,
            "gpus": self.gpus,
            "memory_mb": None if self.memory is None else megabytes(self.memory),
            "runtime_min": None if self.runtime is None else minutes(self.runtime),
            "partition": self.partition,
            "account": self.account,
            "constraint": self.constraint,
        }
        return {name: value for name, value in asked.items() if value is not None}


_Job = Annotated[
    JobRequest,
    Field(description="what a job asks for, such as {gpus: 1, cpus: 8, memory: 32G, runtime: 48h}"),
]


class ResourceOptions(Part):
    """What jobs ask for, by kind of step; ``trainers``: trainings by patterns of their names."""

    default: _Job = JobRequest()
    prepare: _Job = JobRequest()
    synthesize: _Job = JobRequest()
    preprocess: _Job = JobRequest()
    train: _Job = JobRequest()
    predict: _Job = JobRequest()
    evaluate: _Job = JobRequest()
    merge: _Job = JobRequest()
    compare: _Job = JobRequest()
    diagnose: _Job = JobRequest()
    paper: _Job = JobRequest()
    index: _Job = JobRequest()
    trainers: dict[str, _Job] = Field(
        default_factory=dict,
        description="trainings of some trainers, by name with * for anything, such as "
        "nnUNetTrainerADV*",
    )

    def of(self, kind: Kind) -> JobRequest:
        """Return what is asked for a kind of step."""
        asked: JobRequest = getattr(self, kind)
        return asked


class Settings(Placed):
    """The content of a study's file.

    Attributes:
        title: Title of the study.
        datasets: Datasets.
        trainers: Trainers, wildcards not yet expanded.
        repeats: How often each of them is trained, as runs with a seed of their own; None: once,
            without a seed.
        attributes: What ``{attribute}`` means; also evaluated unless the evaluation has its
            own.
        baseline: Name of the trainer that others are compared with; empty for the first one.
        prediction: Options of predictions.
        evaluation: Options of evaluations.
        tables: Tables of all methods to make at the end.
        figures: Figures of all methods to make at the end.
        diagnose: Which gap is diagnosed; None: none.
        sam: Which prompted models are assessed beside the trainers; None: none.
        resources: What jobs ask for.
        device: Where trainings and predictions run.
        attempts: How often a job may be started.
        seed: Of folds and intervals; None for the commands' own.
        setup: Shell lines before every step.
        environment: Variables of every step.
        python: Interpreter; empty for this one.
        container: Command that steps run in.
    """

    title: Text = Field(description="the title of the study")
    datasets: Listed[
        Annotated[
            DatasetEntry,
            Field(
                description="a mapping with id and configurations, such as "
                "{id: 42, configurations: [2d]}"
            ),
        ]
    ] = Field(description="a list of datasets, each with id and configurations")
    trainers: Listed[_Trainer] = Field(
        description="a list of trainers by name, such as [nnUNetTrainer, "
        "nnUNetTrainerOversampling_sex]"
    )
    repeats: Given[int] = Field(
        default=None, ge=1, le=20, description="how often each trainer is trained, 1 to 20"
    )
    attributes: Expressions = ()
    baseline: Text = Field(default="", description="the name of one of the trainers")
    prediction: PredictionOptions = Field(
        default_factory=PredictionOptions, description="keys such as mirroring and step_size"
    )
    evaluation: EvaluationOptions = Field(
        default_factory=EvaluationOptions, description="keys such as attributes, preset and shards"
    )
    tables: AnyList[
        Annotated[
            TableItem,
            Field(description="a table, such as {name: table_1, kind: fairness, by: sex}"),
        ]
    ] = Field(default=(), description="a list of tables, each with name and kind")
    figures: AnyList[
        Annotated[
            FigureItem,
            Field(description="a figure, such as {name: figure_1, kind: boxes, by: sex}"),
        ]
    ] = Field(default=(), description="a list of figures, each with name and kind")
    diagnose: Given[DiagnoseOptions] = Field(
        default=None,
        description="keys on the gap that is diagnosed, such as attributes and expert; {} for "
        "what is usual",
    )
    sam: Given[SamOptions] = Field(
        default=None,
        description="keys on models that are prompted with boxes, such as "
        "{models: {MedSAM: medsam_vit_b.pth}}",
    )
    resources: ResourceOptions = Field(
        default_factory=ResourceOptions,
        description="what jobs ask for: default, or a kind of step, such as train",
    )
    device: Literal["cuda", "cpu", "mps"] = Field(
        default="cuda", description="one of cuda, cpu, mps"
    )
    attempts: int = Field(
        default=3, ge=1, le=100, description="how often a job may be started, 1 to 100"
    )
    seed: Given[int] = Field(default=None, ge=0, description="one whole number, 0 or more")
    setup: AnyList[Annotated[Text, Field(description="a line of shell")]] = Field(
        default=(),
        description="a list of shell lines, such as [module load cuda, source venv/bin/activate]",
    )
    environment: dict[str, Variable] = Field(
        default_factory=dict, description="environment variables, such as {nnUNet_n_proc_DA: 8}"
    )
    python: Text = Field(default="", description="the interpreter that runs the steps")
    container: Text = Field(
        default="",
        description="what runs a command in a container, such as apptainer exec --nv image.sif",
    )

    @property
    def path(self) -> Path:
        """The file; the current folder for settings that are not from a file."""
        return Path() if self._document is None else self._document.path

    def put(self, document: Document, place: Place = ()) -> None:
        """Set its place in the file, and that of everything in it."""
        super().put(document, place)
        for number, dataset in enumerate(self.datasets):
            dataset.put(document, (*place, "datasets", number))
        for key, items in (("tables", self.tables), ("figures", self.figures)):
            for number, item in enumerate(items):
                item.put(document, (*place, key, number))
