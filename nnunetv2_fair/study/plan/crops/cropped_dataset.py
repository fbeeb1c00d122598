"""A dataset that the study makes by cropping another one: all that is known before it exists."""

from collections.abc import Sequence
from dataclasses import replace

from nnunetv2_fair.errors import did_you_mean, shorten
from nnunetv2_fair.study.plan.check_results import Findings
from nnunetv2_fair.study.plan.datasets import Dataset
from nnunetv2_fair.study.plan.made.made_dataset import made_dataset, refuse_keys, source_of
from nnunetv2_fair.study.study_file.settings import DatasetEntry

_NO_TESTS = (
    "models of crops are tested where full images are: name the cropped dataset with cascade, in a "
    "test set of the dataset that is cropped"
)


def find_cropped(
    found: Findings, entry: DatasetEntry, originals: Sequence[tuple[DatasetEntry, Dataset]]
) -> Dataset | None:
    """Return the cropped dataset of an entry, whether or not it exists; report what is wrong.

    Args:
        found: Mistakes are added there.
        entry: With the key ``crop``.
        originals: Datasets of the study that it does not make.

    Returns:
        None if there is too little to continue with.
    """
    crop = entry.crop
    assert crop is not None
    refuse_keys(found, entry, "a cropped dataset", _NO_TESTS)
    known = source_of(
        found, entry, originals,
        key="crop", wanted=crop.dataset, done="cropped", why="its models find the organ",
    )  # fmt: skip
    if known is None:
        return None
    of_source, source = known
    if source.is_cropped:
        found.add(
            entry.line("crop", "dataset"),
            f"crop: {source.name} is cropped already; crop what it was cropped from",
        )
        return None
    _check_options(found, entry, source)
    with found.blamed(entry.line("id")):
        made = made_dataset(
            entry.id, of_source, source, found.environment,
            end="Cropped", what="crops", mark={"cropped": {"source": source.name}},
        )  # fmt: skip
        return replace(made, cropped_from=source)
    return None


def _check_options(found: Findings, entry: DatasetEntry, source: Dataset) -> None:
    """Refuse labels that the source does not have, and a size of other axes."""
    crop = entry.crop
    assert crop is not None
    labels = [name for name in source.content["labels"] if name not in ("background", "ignore")]
    for label in crop.labels:
        if label not in labels:
            found.add(
                entry.line("crop", "labels"),
                f"crop, labels: {source.name} has no label '{label}'."
                f"{did_you_mean(label, labels)} Labels: {shorten(labels, 12)}",
            )
    axes = crop.axes or "xy"
    if crop.size and len(crop.size) != len(axes):
        expected = "rows and columns" if axes == "xy" else "rows, columns and slices"
        found.add(
            entry.line("crop", "size"),
            f"crop, size: found {len(crop.size)} numbers; with axes: {axes}, expected {expected}",
        )
