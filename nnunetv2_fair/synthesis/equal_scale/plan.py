"""The dataset of real and synthetic cases, checked before anything is written."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from nnunetv2_fair.dataset_conversion.shared.source import (
    SourceCase,
    SourceDataset,
    refuse_weights,
)
from nnunetv2_fair.dataset_conversion.twins.plan import (
    TwinTarget,
    named_folder,
    plan_twin,
    survey,
)
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.log import ConversionLog
from nnunetv2_fair.errors import ConversionError, counted
from nnunetv2_fair.files.tabular import protected
from nnunetv2_fair.subgroups.groups import Grouping, group_cases
from nnunetv2_fair.subgroups.schema import INTERSECTION, PATIENT, SAMPLING_WEIGHT, SYNTHETIC
from nnunetv2_fair.subgroups.table import DemographicsTable
from nnunetv2_fair.synthesis.equal_scale.amounts import Amount, Target, amounts
from nnunetv2_fair.synthesis.equal_scale.pack_cases import check_pack_cases, synthetic_cases
from nnunetv2_fair.synthesis.pack.pack import read_pack

#: File of the new dataset that says how many cases of each group there are.
EQUAL_SCALE_CSV = "equal_scale.csv"


@dataclass(frozen=True)
class EqualScaleSettings:
    """How groups get one size.

    Attributes:
        pack: Folder of synthetic cases.
        target: How many cases all groups are to have.
        subsample: Whether groups above it are sampled down.
        as_published: Whether cases are drawn as in the authors' code.
        seed: Of all draws.
    """

    pack: Path
    target: Target
    subsample: bool = False
    as_published: bool = False
    seed: int = 0


@dataclass(frozen=True)
class EqualScale:
    """What every group gets.

    Attributes:
        settings: As given.
        source: The dataset of real cases.
        table: Its demographics.
        grouping: Its groups.
        found: What every group gets.
        unknown: Training cases of no known group; they stay.
        synthetic: Files of the synthetic cases that are used, by name.
    """

    settings: EqualScaleSettings
    source: SourceDataset
    table: DemographicsTable
    grouping: Grouping
    found: Sequence[Amount]
    unknown: Sequence[str]
    synthetic: Mapping[str, SourceCase]


def groups_to_fill(
    source: SourceDataset, table: DemographicsTable, expression: str | None
) -> tuple[Grouping, dict[str, list[str]]]:
    """Return the groups of a dataset, and the real training cases of each.

    Args:
        source: The dataset of real cases.
        table: Its demographics.
        expression: Attribute; the dataset's default one if None.

    Raises:
        DemographicsError: If there is no such attribute, or it has no groups.
        ConversionError: If groups of it cannot be filled up, the table has sampling weights, or
            synthetic cases are there already.
    """
    refuse_weights(table)
    grouping = group_cases(table, expression)
    attribute = grouping.expression
    if INTERSECTION in attribute or table.schema[attribute].type == "numeric":
        raise ConversionError(
            f"-a {attribute}: a synthetic case has the group of one attribute and no value of a "
            "number. Choose a single attribute with levels (type categorical in "
            f"{source.folder.name}/demographics.json)."
        )
    training = _training(source)
    generated = sorted(set(training) & table.synthetic_cases)
    if generated:
        raise ConversionError(
            f"{source.folder.name} has {counted(len(generated), 'synthetic case')} already. Start "
            "from the dataset of real cases."
        )
    return grouping, grouping.members(training)


def choose_cases(
    source: SourceDataset,
    table: DemographicsTable,
    expression: str | None,
    settings: EqualScaleSettings,
) -> EqualScale:
    """Decide which real and synthetic cases groups get; no image is read.

    Args:
        source: The dataset of real cases.
        table: Its demographics.
        expression: Attribute; the dataset's default one if None.
        settings: How.

    Raises:
        DemographicsError: If there is no such attribute, or it has no groups.
        ConversionError: If groups cannot get that size, or the pack does not fit.
        UsageError: If the settings contradict each other.
    """
    grouping, real = groups_to_fill(source, table, expression)
    pack = read_pack(settings.pack, grouping.expression, images=True)
    cases, members = synthetic_cases(pack, source, grouping.names)
    found = amounts(
        settings.target,
        {group: own for group, own in real.items() if own or group in members},
        members,
        subsample=settings.subsample,
        as_published=settings.as_published,
        seed=settings.seed,
    )
    used = [case for amount in found for case in amount.synthetic]
    return EqualScale(
        settings,
        source,
        table,
        grouping,
        found,
        grouping.unknown(_training(source)),
        {case: cases[case] for case in sorted(used)},
    )


def plan_equal_scale(
    chosen: EqualScale, dataset_id: int, name: str, processes: int = 1
) -> DatasetPlan:
    """Look at all files, and decide what the new dataset consists of.

    Args:
        chosen: As :func:`choose_cases` returned it.
        dataset_id: Id of the new dataset.
        name: Follows ``DatasetXXX_``.
        processes: How many processes read files.

    Raises:
        ConversionError: If files are damaged or do not fit each other; problems are listed
            together.
    """
    settings = chosen.settings
    # synthetic cases have no second masks, and all cases of a dataset have the same ones
    plain = replace(
        chosen.source, cases=tuple(replace(case, further={}) for case in chosen.source.cases)
    )
    facts = survey(plain, {}, processes=processes)
    facts |= check_pack_cases(chosen.synthetic, plain, processes)
    combined = replace(plain, cases=(*plain.cases, *chosen.synthetic.values()))
    table = replace(chosen.table, frame=_rows(chosen), lines=())
    said = {
        "source": chosen.source.folder.name,
        "synthetic": named_folder(settings.pack),
        "target": str(settings.target),
        "subsample": settings.subsample,
        "as_published": settings.as_published,
        "seed": settings.seed,
    }
    target = TwinTarget(
        dataset_id,
        name,
        f"{chosen.source.folder.name} with groups of equal size, synthetic cases included",
        {"equal_scale": {**said, "synthetic_cases": len(chosen.synthetic)}},
        {EQUAL_SCALE_CSV: _text(chosen.found)},
    )
    log = ConversionLog(
        "nnUNetv2_fair_equal_scale", {**said, "attribute": chosen.grouping.expression}
    )
    log.notes = list(_notes(chosen))
    return plan_twin(combined, table, target, {}, facts, log)


def lines_of(found: Sequence[Amount]) -> list[str]:
    """Return a table of what every group gets, for the screen."""
    width = max(len("group"), *(len(amount.group) for amount in found))
    lines = [f"  {'group':<{width}}  present  real  synthetic  together"]
    for a in found:
        numbers = f"{a.present:>7}  {a.drawn:>4}  {len(a.synthetic):>9}  {a.target:>8}"
        lines.append(f"  {a.group:<{width}}  {numbers}")
    return lines


def _rows(chosen: EqualScale) -> pd.DataFrame:
    """Return demographics of all cases; of synthetic ones only the group is known."""
    attribute = chosen.grouping.expression
    frame = chosen.table.frame.copy()
    for amount, group_cases_ in _real_members(chosen):
        for case in group_cases_:
            frame.loc[case, SAMPLING_WEIGHT] = str(amount.real.get(case, 0))
    group_of = {case: a.group for a in chosen.found for case in a.synthetic}
    new = pd.DataFrame("", index=list(chosen.synthetic), columns=frame.columns, dtype=object)
    new[PATIENT], new[SYNTHETIC], new[SAMPLING_WEIGHT] = list(chosen.synthetic), "1", "1"
    new[attribute] = [group_of[case] for case in chosen.synthetic]
    return pd.concat([frame, new])


def _training(source: SourceDataset) -> list[str]:
    return [case.case for case in source.cases if case.part == "train"]


def _real_members(chosen: EqualScale) -> list[tuple[Amount, list[str]]]:
    members = chosen.grouping.members(_training(chosen.source))
    return [(amount, members[amount.group]) for amount in chosen.found]


def _notes(chosen: EqualScale) -> list[str]:
    notes = [
        f"{counted(len(chosen.synthetic), 'synthetic case')}: trained on, never validated or "
        "reported"
    ]
    idle = sum(a.present - len(a.real) for a in chosen.found)
    if idle:
        notes.append(
            f"{counted(idle, 'real case')} are not drawn (sampling_weight 0): validated, not "
            "trained on"
        )
    if chosen.unknown:
        notes.append(
            f"{counted(len(chosen.unknown), 'training case')} of no known group stay, beyond the "
            "target"
        )
    if any(case.further for case in chosen.source.cases):
        notes.append("other masks of the cases are left out, since synthetic cases have none")
    return notes


def _text(found: Sequence[Amount]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["group", "target", "present", "real", "real_cases", "synthetic"])
    for a in found:
        row = [a.target, a.present, a.drawn, len(a.real), len(a.synthetic)]
        writer.writerow([protected(a.group), *row])
    return text.getvalue()
