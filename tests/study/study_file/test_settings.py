import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import nnunetv2_fair
from nnunetv2_fair.cli.shared.evaluation_arguments import TABLE_FORMATS
from nnunetv2_fair.evaluation.statistics.all_comparisons import EmptyDistance
from nnunetv2_fair.evaluation.statistics.group_comparison import Unit
from nnunetv2_fair.study.step import Kind
from nnunetv2_fair.study.study_file.sam import SamOptions
from nnunetv2_fair.study.study_file.settings import (
    DatasetEntry,
    EvaluationOptions,
    JobRequest,
    PredictionOptions,
    ResourceOptions,
    Settings,
)
from nnunetv2_fair.study.study_file.settings import (
    TestEntry as EntryOfTest,
)

PROJECT = Path(nnunetv2_fair.__file__).parents[1]


def test_metrics_are_those_of_the_registry(tmp_path):
    """Nothing repeats their names: a metric that is added there can be asked for here."""
    path = tmp_path / "study.yaml"
    path.write_text(
        "title: x\ndatasets: [{id: 1, configurations: [2d]}]\ntrainers: [nnUNetTrainer]\n"
        "evaluation: {metrics: [brand_new, dise]}\n"
    )
    code = (
        "import pathlib, sys\n"
        "from nnunetv2_fair.evaluation.metrics import registry\n"
        "registry.METRICS = {**registry.METRICS, 'brand_new': registry.METRICS['dice']}\n"
        "from nnunetv2_fair.study.study_file.reading import read_settings\n"
        f"settings, (problem,) = read_settings(pathlib.Path({str(path)!r}))\n"
        "assert settings.evaluation.metrics == ('brand_new',)\n"
        "expected = ', '.join(registry.METRICS)\n"
        "assert str(problem) == 'line 4: evaluation, metrics, entry 2: found \"dise\"; expected '"
        "f'one of {expected}', problem\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_choices_are_those_of_the_commands():
    fields = EvaluationOptions.model_fields
    for name, known in (
        ("empty_distance", get_args(EmptyDistance)),
        ("unit", get_args(Unit)),
        ("tables", TABLE_FORMATS),
    ):
        assert f"{known!r}"[1:-1] in repr(fields[name].annotation), name
        description = " ".join([fields[name].description, repr(fields[name].annotation)])
        assert all(choice in description for choice in known)


def test_resources_can_be_given_for_every_kind_of_step():
    assert set(ResourceOptions.model_fields) == {*get_args(Kind), "default", "trainers"}


def test_the_reference_names_every_key():
    text = (PROJECT / "docs" / "reference" / "study_yaml.md").read_text(encoding="utf-8")
    for part in (
        Settings, DatasetEntry, PredictionOptions, EvaluationOptions, JobRequest, SamOptions,
    ):  # fmt: skip
        for key in part.model_fields:
            # in code, or in the example of resources
            assert re.search(rf"`[^`\n]*\b{key}\b[^`\n]*`|\b{key}: ", text), f"{part}: {key}"
    for key in EntryOfTest.model_fields:
        assert f"`{key}" in text, key
