"""The trainers that a diagnosis needs and a study's file does not have to name."""

import re

from nnunetv2_fair.study.study_file.settings import DatasetEntry, Settings

_EQUAL = "nnUNetTrainerMonitor{}_cohortequal{}"
#: Trainers from which that one differs in its cases alone, with what says how long they train.
_PLAIN = re.compile(r"nnUNetTrainer(?:Monitor)?(_\d+epochs?)?")


def balanced_trainer(trainer: str, attribute: str) -> str:
    """Return the trainer that differs from another one by equal numbers of each group alone.

    Args:
        trainer: The other one.
        attribute: Attribute expression; empty for the dataset's default.

    Returns:
        Empty if there is none.
    """
    plain = _PLAIN.fullmatch(trainer)
    if plain is None:
        return ""
    return _EQUAL.format(f"_{attribute}" if attribute else "", plain[1] or "")


def with_balanced_trainers(settings: Settings) -> Settings:
    """Return the settings with the balanced trainers of a diagnosis, unless a file names others.

    Args:
        settings: What the file says.
    """
    options = settings.diagnose
    if options is None or options.balanced is not None or "representation" in options.skip:
        return settings
    if (settings.repeats or 1) < 2 or not settings.datasets:
        return settings  # nothing could be said of one training
    position, entry = diagnosed_entry(settings)
    owner = entry if entry.trainers else settings
    known = owner.trainers
    trainer = options.trainer or settings.baseline or (known[0] if known else "")
    named = entry.attributes or settings.attributes
    attributes = options.attributes or named or ("",)
    # one that is written with a wildcard would be listed twice
    wild = balanced_trainer(trainer, "{attribute}")
    there = {*known, *(balanced_trainer(trainer, a) for a in named if wild in known)}
    wanted = [balanced_trainer(trainer, attribute) for attribute in attributes]
    trainers = (*known, *(name for name in wanted if name and name not in there))
    if owner is settings:
        return settings.model_copy(update={"trainers": trainers})
    datasets = list(settings.datasets)
    datasets[position] = entry.model_copy(update={"trainers": trainers})
    return settings.model_copy(update={"datasets": tuple(datasets)})


def diagnosed_entry(settings: Settings) -> tuple[int, DatasetEntry]:
    """Return the dataset whose model is diagnosed, and its position; the first if none fits."""
    wanted = settings.diagnose.dataset if settings.diagnose is not None else ""
    for position, entry in enumerate(settings.datasets):
        if wanted and wanted == entry.id:
            return position, entry
    return 0, settings.datasets[0]
