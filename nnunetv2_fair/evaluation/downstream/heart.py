"""Measures of the heart: the two frames of a patient, and what their volumes say."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_fair.errors import UsageError, did_you_mean, shorten, shorten_lines
from nnunetv2_fair.evaluation.downstream.measures import HEART
from nnunetv2_fair.evaluation.downstream.one_case import Pair
from nnunetv2_fair.subgroups.table import DemographicsTable

ED, ES = "ED", "ES"

_PHASES = {
    **dict.fromkeys(("ed", "enddiastole", "enddiastolic", "diastole"), ED),
    **dict.fromkeys(("es", "endsystole", "endsystolic", "systole"), ES),
}
_ENDING = re.compile(r"(?P<heart>.+?)[_\-. ](?P<phase>ED|ES)", re.IGNORECASE)
#: Density of heart muscle, in g/ml.
_DENSITY = 1.05
#: Why a measure is undefined.
NO_VOLUME = "end-diastolic volume 0"


@dataclass(frozen=True)
class Beat:
    """The two frames of a heart.

    Attributes:
        name: Case names without the frame, or the patient.
        frames: ``ED`` and ``ES`` -> case; one is absent if the case is.
    """

    name: str
    frames: Mapping[str, str]

    @property
    def missing(self) -> tuple[str, ...]:
        """Frames without a case."""
        return tuple(phase for phase in (ED, ES) if phase not in self.frames)


def beats_of(
    cases: Sequence[str], table: DemographicsTable, column: str | None
) -> tuple[Beat, ...]:
    """Return the pairs of frames.

    Args:
        cases: Cases that are evaluated.
        table: Demographics.
        column: Column of the table that says ED or ES of every case; the pairs are then those of
            the patients. None takes the end of the case's name: ``P0001_ED`` and ``P0001_ES``.

    Raises:
        UsageError: If the frame of a case cannot be told, a pair has two cases of one frame, or no
            pair is whole; all problems at once.
    """
    frames: dict[str, dict[str, list[str]]] = {}
    unknown = []
    patients = table.patients
    told = _column(table, column) if column is not None else {}
    for case in cases:
        if column is not None:
            heart, phase = patients[case], _phase(told[case])
        else:
            match = _ENDING.fullmatch(case)
            heart, phase = (match["heart"], match["phase"].upper()) if match else (case, None)
        if phase is None:
            unknown.append(case)
        else:
            frames.setdefault(heart, {}).setdefault(phase, []).append(case)
    problems = list(_problems(unknown, frames, told, column))
    if problems:
        raise UsageError(
            f"{problems[0]}." if len(problems) == 1 else
            f"The frames of the heart cannot be told:\n{shorten_lines(problems)}"
        )  # fmt: skip
    return tuple(
        Beat(heart, {phase: found[0] for phase, found in by_phase.items()})
        for heart, by_phase in frames.items()
    )


def heart_measures(
    beat: Beat, volumes: Mapping[str, Mapping[str, Pair]], heart: Mapping[str, str]
) -> Iterator[tuple[str, str, Pair]]:
    """Yield label, measure and values of a pair of frames.

    Args:
        beat: The pair.
        volumes: Case -> label -> volume in ml, of the cases that have a prediction.
        heart: Part of the heart -> label.
    """
    for part, name in HEART:
        if part not in heart:
            continue
        label = heart[part]
        needed = {"lvedv": (ED,), "rvedv": (ED,), "lvm": (ED,), "lvesv": (ES,), "rvesv": (ES,)}
        phases = needed.get(name, (ED, ES))
        absent = [p for p in phases if beat.frames.get(p) not in volumes]
        if absent:
            yield label, name, Pair(math.nan, math.nan, f"no {' and no '.join(absent)} frame")
            continue
        found = [volumes[beat.frames[phase]][label] for phase in phases]
        ours, theirs = (
            _value(name, *(getattr(one, which) for one in found))
            for which in ("reference", "prediction")
        )
        yield label, name, Pair(ours, theirs, NO_VOLUME if math.isnan(ours + theirs) else "")


def _value(name: str, first: float, second: float = math.nan) -> float:
    """Return a measure from its volumes: at ED, or at ES, or at both."""
    if name.endswith("ef"):
        return 100 * (first - second) / first if first > 0 else math.nan
    if name == "lvsv":
        return first - second
    return first * _DENSITY if name == "lvm" else first


def _phase(text: str) -> str | None:
    return _PHASES.get(re.sub("[^a-z]", "", text.lower()))


def _column(table: DemographicsTable, column: str) -> dict[str, str]:
    if column not in table.frame:
        known = list(table.schema.attributes)
        raise UsageError(
            f"--frames {column}: {table.source} has no column '{column}' that is described."
            f"{did_you_mean(column, known)} Attributes: {shorten(known, 12)}. If a dictionary "
            f"({table.source.with_suffix('.json').name}) describes the table, describe the column "
            "in it."
        )
    return dict(table.frame[column])


def _problems(
    unknown: Sequence[str],
    frames: Mapping[str, Mapping[str, Sequence[str]]],
    told: Mapping[str, str],
    column: str | None,
) -> Iterator[str]:
    if unknown and column is not None:
        seen = sorted({told[case] or "nothing" for case in unknown})
        yield (
            f"--frames {column}: the column holds {shorten(seen)} for {_counted(unknown)}; "
            f"expected {ED} (end diastole) or {ES} (end systole)"
        )
    elif unknown:
        yield (
            f"--downstream cardiac: {_counted(unknown)} do not end in _{ED} or _{ES}, which says "
            "the frame. Name the column of the table that does: --frames COLUMN"
        )
    for heart, by_phase in frames.items():
        for phase, found in by_phase.items():
            if len(found) > 1:
                yield (
                    f"'{heart}' has {len(found)} {phase} frames ({shorten(found)}); expected one. "
                    "Name cases HEART_ED and HEART_ES and leave out --frames, or give each pair a "
                    "patient of its own"
                )
    if frames and not any(len(by_phase) == 2 for by_phase in frames.values()):
        only = sorted({phase for by_phase in frames.values() for phase in by_phase})
        if len(only) == 2:
            yield (
                "no heart has both frames, as no two cases belong together: the table's column "
                "'patient' has to name the patient of every case"
                if column is not None
                else "no heart has both frames, as no two cases have the same name before _ED and "
                "_ES"
            )
        else:
            lacking = ES if only == [ED] else ED
            yield f"there is no {lacking} frame: all cases are {only[0]}. Add the {lacking} frames"


def _counted(cases: Iterable[str]) -> str:
    found = list(cases)
    return f"{len(found)} case{'s' if len(found) > 1 else ''} ({shorten(found)})"
