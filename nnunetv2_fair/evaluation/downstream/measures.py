"""What is measured: every measure with its unit and definition, and the labels it is taken from."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nnunetv2_fair.errors import UsageError, shorten
from nnunetv2_fair.evaluation.results.values import MetricInfo

RADIOMICS, CARDIAC, CUP_DISC, TUMOUR = "radiomics", "cardiac", "cup_disc", "tumour"

_EMPTY = "0 for an empty mask; undefined where both masks are empty."
_LV, _MYOCARDIUM, _RV, _DISC, _RIM, _CUP = (
    "LV_cavity", "LV_myocardium", "RV_cavity", "disc", "rim", "cup",
)  # fmt: skip

#: Name -> title, kind of unit, definition.
_MEASURES: Mapping[str, tuple[str, str, str]] = {
    "surface_area": (
        "surface area", "area",
        f"Area of the mesh around a volume; area inside the outline of a picture. {_EMPTY}",
    ),
    "perimeter": (
        "perimeter", "length",
        f"Length of the outline, which runs half-way between pixels inside and outside. {_EMPTY}",
    ),
    "energy": (
        "energy", "",
        "Sum of the squared intensities of the first channel inside the mask, as the header of the "
        "image scales them, without spacing and without shift; of colour pictures those of "
        f"their luminance. {_EMPTY}",
    ),
    "volume": ("volume", "volume", f"Number of voxels times their size. {_EMPTY}"),
    "diameter": (
        "largest diameter", "length", f"Largest distance of two points of the outline. {_EMPTY}"
    ),
    "lvedv": ("end-diastolic volume", "volume", "Volume of the left ventricle at ED."),
    "lvesv": ("end-systolic volume", "volume", "Volume of the left ventricle at ES."),
    "lvsv": ("stroke volume", "volume", "End-diastolic minus end-systolic volume."),
    "ef": (
        "ejection fraction", "%",
        "Stroke volume over end-diastolic volume; undefined where the latter is 0.",
    ),
    "rvedv": ("end-diastolic volume", "volume", "Volume of the right ventricle at ED."),
    "rvesv": ("end-systolic volume", "volume", "Volume of the right ventricle at ES."),
    "rvef": (
        "ejection fraction", "%",
        "End-diastolic minus end-systolic volume of the right ventricle over the former; undefined "
        "where that is 0.",
    ),
    "lvm": ("mass", "g", "Volume of the myocardium at ED times 1.05 g/ml."),
    "vertical_cdr": (
        "vertical cup-to-disc ratio", "",
        "Rows from the first to the last of the cup over those of the disc (rim and cup); 0 "
        "without a cup, undefined without a disc.",
    ),
    "area_cdr": (
        "area cup-to-disc ratio", "",
        "Pixels of the cup over those of the disc (rim and cup); 0 without a cup, undefined "
        "without a disc.",
    ),
}  # fmt: skip

#: Set -> its measures; those of radiomics differ between pictures and volumes.
SETS: Mapping[str, tuple[str, ...]] = {
    RADIOMICS: ("surface_area", "perimeter", "energy", "volume", "diameter"),
    CARDIAC: ("lvedv", "lvesv", "lvsv", "ef", "rvedv", "rvesv", "rvef", "lvm"),
    CUP_DISC: ("vertical_cdr", "area_cdr"),
    TUMOUR: ("volume", "diameter"),
}

#: Part -> names that datasets give it, in small letters and without other signs.
_ALSO: Mapping[str, frozenset[str]] = {
    _LV: frozenset({"lvcavity", "lv", "lvc", "lvbp", "lvbloodpool", "leftventricle", "lvendo"}),
    _MYOCARDIUM: frozenset({"lvmyocardium", "myocardium", "myo", "mlv", "lvmyo", "lvm"}),
    _RV: frozenset({"rvcavity", "rv", "rvc", "rvbp", "rvbloodpool", "rightventricle"}),
    _DISC: frozenset({"disc", "disk", "opticdisc", "opticdisk"}),
    _RIM: frozenset({"rim", "opticrim", "neuroretinalrim"}),
    _CUP: frozenset({"cup", "opticcup"}),
    TUMOUR: frozenset({"tumour", "tumor", "lesion", "cancer", "mass", "gtv"}),
}
_EXAMPLES = {
    CARDIAC: f"--labels {_LV}=1 {_MYOCARDIUM}=2 {_RV}=3",
    CUP_DISC: f"--labels {_RIM}=1 {_CUP}=2",
    TUMOUR: "--labels tumour=1",
}


@dataclass(frozen=True)
class Parts:
    """Labels that measures are taken from, small enough to send to another process.

    Attributes:
        shapes: Label -> its measures of one mask, in the order to show; those of radiomics are
            chosen by the number of dimensions.
        regions: Label -> its values.
        heart: ``LV_cavity``, ``LV_myocardium`` or ``RV_cavity`` -> label of the dataset.
        cup: Label of the cup; empty if it is not asked for.
        disc_values: Values of the disc: rim and cup.
    """

    shapes: Mapping[str, tuple[str, ...]]
    regions: Mapping[str, tuple[int, ...]]
    heart: Mapping[str, str] = field(default_factory=dict)
    cup: str = ""
    disc_values: tuple[int, ...] = ()


def parts_of(sets: Sequence[str], regions: Mapping[str, Sequence[int]]) -> Parts:
    """Return which labels the sets of measures are taken from.

    Args:
        sets: Names of the sets.
        regions: Label or region -> its values.

    Raises:
        UsageError: If a label that a set needs does not exist; all problems at once.
    """
    names = _names(regions)
    problems = list(_problems(sets, regions, names))
    if problems:
        raise UsageError(" ".join(problems))
    shapes: dict[str, tuple[str, ...]] = {}
    for name in sets:
        labels = [*regions] if name == RADIOMICS else [_tumour(regions, names)]
        if name in (RADIOMICS, TUMOUR):
            for label in labels:
                shapes[label] = tuple(dict.fromkeys((*shapes.get(label, ()), *SETS[name])))
    disc: dict[int, None] = {}
    if CUP_DISC in sets:
        for part in (_DISC, _RIM, _CUP):
            disc |= dict.fromkeys(regions[names[part]] if part in names else ())
    return Parts(
        shapes,
        {label: tuple(values) for label, values in regions.items()},
        {part: names[part] for part in (_LV, _MYOCARDIUM, _RV) if part in names}
        if CARDIAC in sets
        else {},
        names[_CUP] if CUP_DISC in sets else "",
        tuple(disc),
    )


def parts_of_any(sets: Sequence[str], values: Iterable[int]) -> Parts:
    """Return the measures of every label, where it is not known yet which labels there are.

    Args:
        sets: Names of sets that do not go by names of labels.
        values: Values that occur.
    """
    names = tuple(dict.fromkeys(name for chosen in sets for name in SETS[chosen]))
    regions = {str(value): (value,) for value in sorted(values)}
    return Parts(dict.fromkeys(regions, names), regions)


def measured(parts: Parts) -> tuple[tuple[str, str], ...]:
    """Return every label and measure, in the order to show."""
    found = [(parts.heart[part], name) for part, name in HEART if part in parts.heart]
    if parts.cup:
        found += [(parts.cup, name) for name in SETS[CUP_DISC]]
    found += [(label, name) for label, names in parts.shapes.items() for name in names]
    return tuple(found)


#: Every measure of the heart, and the part that it is told of.
HEART: tuple[tuple[str, str], ...] = (
    (_LV, "lvedv"), (_LV, "lvesv"), (_LV, "lvsv"), (_LV, "ef"),
    (_RV, "rvedv"), (_RV, "rvesv"), (_RV, "rvef"), (_MYOCARDIUM, "lvm"),
)  # fmt: skip


def measure_info(name: str, unit: str) -> MetricInfo:
    """Return how to read a measure.

    Args:
        name: Its name.
        unit: Unit of distances: ``mm`` or ``px``.
    """
    title, kind, definition = _MEASURES[name]
    units = {
        "length": unit,
        "area": f"{unit}\N{SUPERSCRIPT TWO}",
        "volume": "ml" if unit == "mm" else f"{unit}\N{SUPERSCRIPT THREE}",
    }
    return MetricInfo(name, title, units.get(kind, kind), "lower", definition, lowest=0.0)


def _names(regions: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Return part -> label of the dataset, of those that exist."""
    plain = {label: re.sub("[^a-z0-9]", "", label.lower()) for label in regions}
    found = {}
    for part, known in _ALSO.items():
        fitting = [label for label, name in plain.items() if name in known]
        exact = [label for label in fitting if label == part]
        if fitting:
            found[part] = (exact or fitting)[0]
    return found


def _tumour(regions: Mapping[str, Sequence[int]], names: Mapping[str, str]) -> str:
    return names.get(TUMOUR, next(iter(regions)))


def _problems(
    sets: Sequence[str], regions: Mapping[str, Sequence[int]], names: Mapping[str, str]
) -> Iterator[str]:
    missing = {
        CARDIAC: f"{_LV} or {_RV}" if not {_LV, _RV} & set(names) else "",
        CUP_DISC: (
            _CUP
            if _CUP not in names
            else ""
            if {_DISC, _RIM} & set(names)
            else f"{_RIM} or {_DISC}"
        ),
        TUMOUR: "tumour" if TUMOUR not in names and len(regions) > 1 else "",
    }
    for name in sets:
        if missing.get(name):
            yield (
                f"--downstream {name} needs the label {missing[name]} (found: "
                f"{shorten(regions, 12)}). Name the labels, each with its value: {_EXAMPLES[name]}"
            )
