"""The trainers that a diagnosis needs and a study's file does not have to name."""

from nnunetv2_fair.study.study_file.settings import DatasetEntry, Settings

_BALANCED = "nnUNetTrainerOversampling"


def balanced_trainer(attribute: str) -> str:
    """Return the trainer with balanced groups; without attribute it takes the dataset's own."""
    return f"{_BALANCED}_{attribute}" if attribute else _BALANCED


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
    attributes = options.attributes or entry.attributes or settings.attributes or ("",)
    owner = entry if entry.trainers else settings
    known = owner.trainers
    added = [name for name in map(balanced_trainer, attributes) if name not in known]
    # one that is written with a wildcard would be listed twice
    wild = f"{_BALANCED}_{{attribute}}"
    if wild in known:
        covered = entry.attributes or settings.attributes
        added = [name for name in added if name not in map(balanced_trainer, covered)]
    trainers = (*known, *added)
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
