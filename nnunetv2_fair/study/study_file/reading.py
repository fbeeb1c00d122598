"""Reading a study's file: settings, and all mistakes of form at once, each with its line."""

from pathlib import Path

from pydantic import ValidationError

from nnunetv2_fair.study.study_file.form import Listed, Reading
from nnunetv2_fair.study.study_file.problems import Problem
from nnunetv2_fair.study.study_file.settings import DatasetEntry, Settings
from nnunetv2_fair.study.study_file.validation_problems import problems_of, useless
from nnunetv2_fair.study.study_file.yaml_lines import Document, read_yaml


class _DatasetRest(DatasetEntry):
    configurations: Listed[str] = ()


class _Rest(Settings):
    """What is left of a file without its mistakes: not enough for a study."""

    title: str = ""
    datasets: Listed[_DatasetRest] = ()
    trainers: Listed[str] = ()


def read_settings(path: Path) -> tuple[Settings, list[Problem]]:
    """Read a study's file.

    Returns:
        What it says, without what is wrong, so that the rest can be checked for its meaning at the
        same time; and the mistakes of form. Mistakes of meaning are those of
        :mod:`nnunetv2_fair.study.plan.checks`.

    Raises:
        StudyError: If it is missing or not YAML, or PyYAML is not installed.
    """
    document = read_yaml(path)
    problems = list(document.problems)
    settings: Settings
    try:
        settings = Settings.model_validate(document.data, context=Reading(path.parent))
    except ValidationError as error:
        problems += problems_of(document, error)
        settings, document = _rest(document, error)
    settings.put(document)
    return settings, problems


def _rest(document: Document, error: ValidationError) -> tuple[_Rest, Document]:
    """Return the settings from what is valid, and the document without what is not."""
    reading = Reading(document.path.parent, is_rest=True)
    while True:
        shorter = document.without({document.nearest(useless(e)) for e in error.errors()})
        if shorter.data == document.data:  # an error that points at no place would never end this
            raise error
        document = shorter
        try:
            return _Rest.model_validate(document.data, context=reading), document
        except ValidationError as again:
            # the rest of a list or a mapping may be too short to be valid
            error = again
