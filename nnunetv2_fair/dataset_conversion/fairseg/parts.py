"""Which FairSeg files go where: by lists, ``data_summary.csv``, folders, or a split of our own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nnunetv2_fair.dataset_conversion.fairseg.lists import (
    FileLists,
    Part,
    Summary,
    SyntheticName,
    part_of_folders,
)
from nnunetv2_fair.dataset_conversion.shared.holdout import choose_test_patients
from nnunetv2_fair.errors import counted, shorten

NOT_LISTED = "in no list"
NOT_THERE = "named in a list or table, but not there"

Unpaired = Literal["error", "skip"]


@dataclass
class Choice:
    """What happens to each file.

    Attributes:
        real: Part of each number that is converted.
        real_weights: How often a number counts in training, where that is not once.
        synthetic: How often each synthetic file counts in training.
        left_out: Numbers of original files that are not converted.
        absent: Names of files that should be there.
        problems: What is wrong, in words.
        notes: What was decided.
    """

    real: dict[int, Part] = field(default_factory=dict)
    real_weights: dict[int, int] = field(default_factory=dict)
    synthetic: dict[SyntheticName, int] = field(default_factory=dict)
    left_out: list[int] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def by_lists(
    lists: FileLists,
    real: Mapping[int, Path],
    synthetic: Mapping[SyntheticName, Path],
    unpaired: Unpaired,
) -> Choice:
    """Follow lists: repeats become weights, files in no list are left out.

    Args:
        lists: What was read.
        real: Original files by number.
        synthetic: Synthetic files by name.
        unpaired: Whether listed files that are absent are refused or left out.
    """
    choice = Choice(problems=list(lists.problems))
    for part, numbers in lists.real.items():
        for number, count in numbers.items():
            if number in real:
                choice.real[number] = part
                if part == "train" and count > 1:
                    choice.real_weights[number] = count
            else:
                choice.absent.append(f"data_{number:05d}.npz")
    for name, count in lists.synthetic.items():
        if name in synthetic:
            choice.synthetic[name] = count
        else:
            choice.absent.append(f"{name.group}/data/{name.number:06d}.npz")
    choice.left_out = sorted(set(real) - set(choice.real))
    unlisted = len(synthetic) - len(choice.synthetic)
    if unlisted:
        choice.notes.append(f"{unlisted} synthetic files are in no list and left out")
    repeats = sum(lists.real["train"].values()) - len(lists.real["train"])
    if repeats:
        choice.notes.append(
            f"{repeats} of the lines in train.txt repeat a file: such cases have a sampling_weight"
        )
    hint = ""
    if lists.synthetic and not synthetic:
        hint = f" The list has {len(lists.synthetic)} synthetic files: name their folder with "
        hint += "--synthetic."
    _check_absent(choice, unpaired, "the lists name", hint)
    return choice


def by_summary(
    summary: Summary,
    real: Mapping[int, Path],
    synthetic: Mapping[SyntheticName, Path],
    unpaired: Unpaired,
) -> Choice:
    """Follow ``data_summary.csv``; all synthetic files are for training."""
    choice = Choice(synthetic=dict.fromkeys(synthetic, 1))
    choice.real = {n: part for n, part in summary.parts.items() if n in real}
    choice.absent = [f"data_{n:05d}.npz" for n in summary.parts if n not in real]
    choice.left_out = sorted(set(real) - set(choice.real))
    choice.notes.append(f"training and test part as in {summary.path.name}")
    _check_absent(choice, unpaired, f"{summary.path} names", "")
    if choice.left_out and unpaired == "error":
        listed = shorten(f"data_{n:05d}" for n in choice.left_out)
        choice.problems.append(
            f"{counted(len(choice.left_out), 'file has', 'files have')} no row in "
            f"{summary.path}: {listed}. Add the rows, "
            "leave such files out with --unpaired skip, or choose a test part with --test-ratio"
        )
    return choice


def by_folders(
    folder: Path, real: Mapping[int, Path], synthetic: Mapping[SyntheticName, Path]
) -> Choice | None:
    """Follow folders called ``Training`` and ``Test``, as a copy of the set has them.

    Args:
        folder: The download.
        real: Original files by number.
        synthetic: Synthetic files by name; all are for training.

    Returns:
        None unless every file is in one of the two, and both have files.
    """
    parts = {n: part_of_folders(path.relative_to(folder).parts[:-1]) for n, path in real.items()}
    named = {n: part for n, part in parts.items() if part is not None}
    if len(named) < len(real) or len(set(named.values())) < 2:
        return None
    return Choice(
        real=named,
        synthetic=dict.fromkeys(synthetic, 1),
        notes=["training and test part as in the folders of these names"],
    )


def by_chance(
    values: Mapping[int, Mapping[str, str]],
    patients: Mapping[int, str],
    order: Sequence[str],
    synthetic: Mapping[SyntheticName, Path],
    ratio: float,
    seed: int,
) -> Choice:
    """Choose the test part by person, every group keeping its share.

    Args:
        values: Group of each attribute of each number, empty where unknown.
        patients: Person of each number.
        order: Attributes, the most important one first.
        synthetic: Synthetic files; all are for training.
        ratio: Share of people for the test part.
        seed: Seed of the choice.
    """
    strata: dict[str, tuple[str, ...]] = {}
    for number, row in values.items():
        strata.setdefault(patients[number], tuple(row[name] for name in order))
    chosen = choose_test_patients(strata, ratio, seed)
    return Choice(
        real={n: "test" if patients[n] in chosen else "train" for n in values},
        synthetic=dict.fromkeys(synthetic, 1),
        notes=[f"test part chosen by person, every group keeping its share (seed {seed})"],
    )


def _check_absent(choice: Choice, unpaired: Unpaired, what: str, hint: str) -> None:
    if choice.absent and unpaired == "error":
        choice.problems.append(
            f"{what} {counted(len(choice.absent), 'file that is', 'files that are')} not there: "
            f"{shorten(choice.absent)}."
            f"{hint} Complete the download, or continue without them with --unpaired skip"
        )
