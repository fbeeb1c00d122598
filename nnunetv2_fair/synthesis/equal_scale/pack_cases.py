"""Synthetic cases of a pack as cases of a dataset: names of their own, and everything checked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_fair.cropping.images import grid_of_file, is_picture, read_channel
from nnunetv2_fair.dataset_conversion.shared.source import SourceCase, SourceDataset
from nnunetv2_fair.dataset_conversion.twins.cases import (
    LabelsOfFile,
    TwinFacts,
    TwinOrder,
    survey_case,
)
from nnunetv2_fair.errors import ConversionError, counted, shorten, shorten_lines
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.synthesis.pack.pack import PREFIX, SyntheticPack


@dataclass(frozen=True)
class Looks:
    """What images of the dataset look like.

    Attributes:
        shapes: Sizes of all training images, ([slices,] rows, columns).
        spacings: Spacing of each axis of all of them, in mm; empty for pictures.
        n_axes: Axes of the arrays of the channels: one more for pictures in colour.
    """

    shapes: frozenset[tuple[int, ...]]
    spacings: tuple[tuple[float, ...], ...]
    n_axes: int


def looks_of(source: SourceDataset) -> Looks:
    """Return what the training images of a dataset look like; of all but one, headers are read.

    Raises:
        ConversionError: If one is unreadable.
    """
    training = [case for case in source.cases if case.part == "train"]
    grids = [grid_of_file(case.images[0]) for case in training]
    spacings = tuple(g.geometry.spacing_mm for g in grids if g.geometry is not None)
    n_axes = read_channel(training[0].images[0]).ndim
    return Looks(frozenset(grid.shape for grid in grids), spacings, n_axes)


def synthetic_cases(
    pack: SyntheticPack, source: SourceDataset, groups: Collection[str]
) -> tuple[dict[str, SourceCase], dict[str, list[str]]]:
    """Return the cases of a pack under the names that they get, and those of each group.

    Names begin with ``synthetic_``, which no case of the dataset may do.

    Args:
        pack: Synthetic cases with images.
        source: The dataset of real cases.
        groups: Names of its groups.

    Raises:
        ConversionError: If groups, endings, channels or names do not fit; all problems at once.
    """
    problems = []
    strange = sorted(set(pack.groups) - set(groups))
    if strange:
        problems.append(
            f"groups.csv names {shorten(map(repr, strange))}; the groups of '{pack.attribute}' in "
            f"{source.folder.name} are {shorten(groups, 20)}. Correct groups.csv"
        )
    if pack.ending != source.ending:
        problems.append(
            f"its files end in {pack.ending}, those of {source.folder.name} in {source.ending}. "
            "Export them as such"
        )
    needed, there = len(source.cases[0].images), len(pack.cases[0].images)
    if needed != there:
        problems.append(
            f"a case has {counted(there, 'image')}, one of {source.folder.name} has {needed} "
            "(one for each channel). Add the missing channels, or remove those too many"
        )
    cases: dict[str, SourceCase] = {}
    members: dict[str, list[str]] = {}
    for case in pack.cases:
        name = case.case if case.case.startswith(PREFIX) else f"{PREFIX}{case.case}"
        if name in cases:
            problems.append(f"two cases would be called {name}. Rename one of them")
        cases[name] = SourceCase(name, "train", case.images, case.label, {})
        members.setdefault(case.group, []).append(name)
    taken = [case.case for case in source.cases if case.case.startswith(PREFIX)]
    if taken:
        problems.append(
            f"cases of {source.folder.name} are called {shorten(taken)}, as synthetic ones are "
            f"({PREFIX}...). Start from the dataset of real cases, or rename them"
        )
    if problems:
        raise ConversionError(
            f"{pack.folder} does not fit {source.folder.name}:\n{shorten_lines(problems, 30)}"
        )
    return cases, members


@dataclass(frozen=True)
class PackOrder:
    """A synthetic case to look at.

    Attributes:
        case: Its files.
        values: Labels that the dataset has.
        looks: What its images look like.
    """

    case: SourceCase
    values: tuple[int, ...]
    looks: Looks


def check_pack_case(order: PackOrder) -> TwinFacts:
    """Read all files of a synthetic case; raises nothing on bad ones."""
    case = order.case
    # its own mask as other labels: so the labels in it are checked
    facts = survey_case(TwinOrder(case, order.values, LabelsOfFile(case.mask)))
    if facts.problems:
        return facts
    try:
        problems = list(_differences(case, order.looks))
    except (ConversionError, OSError) as error:
        problems = [f"case '{case.case}': {error}"]
    n_bytes = sum(path.stat().st_size for path in case.files)
    return TwinFacts(n_bytes, problems=tuple(problems))


def _differences(case: SourceCase, looks: Looks) -> list[str]:
    found = []
    grid = grid_of_file(case.images[0])
    axes = {read_channel(path).ndim for path in case.images}
    where = f"case '{case.case}' ({case.images[0].name})"
    if axes != {looks.n_axes}:
        kinds = "grey or in colour" if is_picture(case.images[0]) else "2D or 3D"
        return [
            f"{where} has arrays of {shorten(sorted(axes))} axes, training images have "
            f"{looks.n_axes} ({kinds}). Export it as they are"
        ]
    if grid.geometry is None:
        # a picture has no spacing: another size is another scale
        if grid.shape not in looks.shapes:
            found.append(
                f"{where} has {_size(grid.shape)} pixels, training images have "
                f"{shorten(map(_size, sorted(looks.shapes)), 5)}. Resize it, mask included"
            )
        return found
    for axis, spacing in enumerate(grid.geometry.spacing_mm):
        known = [spacings[axis] for spacings in looks.spacings]
        if not 0.99 * min(known) <= spacing <= 1.01 * max(known):
            found.append(
                f"{where} has a spacing of {spacing:.4g} mm along {'xyz'[axis]}, training images "
                f"{min(known):.4g} to {max(known):.4g}. Resample it, mask included"
            )
    return found


def _size(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def check_pack_cases(
    cases: Mapping[str, SourceCase], source: SourceDataset, processes: int
) -> dict[str, TwinFacts]:
    """Read all files of synthetic cases.

    Args:
        cases: Those that are to be written, by name.
        source: The dataset of real cases.
        processes: How many processes read.

    Returns:
        What was found, by case.

    Raises:
        ConversionError: If a file is damaged, or grid, labels, size, spacing or kind of a case
            are not as in the dataset; all cases at once.
    """
    values = {0}
    for value in source.labels.values():
        values.update(value if isinstance(value, tuple) else (value,))
    looks = looks_of(source)
    orders = [PackOrder(case, tuple(sorted(values)), looks) for case in cases.values()]
    facts = {
        order.case.case: found
        for order, found in map_unordered(
            check_pack_case, orders, processes, "checking synthetic cases"
        )
    }
    problems = [problem for name in cases for problem in facts[name].problems]
    if problems:
        raise ConversionError(
            f"Synthetic cases do not fit {source.folder.name}:\n{shorten_lines(problems, 30)}"
        )
    return facts
