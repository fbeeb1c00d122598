"""The dictionary next to the table: what every attribute means.

``demographics.json`` looks like this::

    {
      "default": "sex",
      "attributes": {
        "sex": {"type": "categorical", "meaning": "recorded sex",
                "levels": ["female", "male"], "reference": "male"},
        "age": {"type": "numeric", "unit": "years", "minimum": 0, "maximum": 120,
                "bins": {"edges": [null, 50, 65, null], "closed": "left",
                         "labels": ["<50", "50-<65", ">=65"]}}
      }
    }
"""

import math
import reprlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from nnunetv2_fair.errors import DemographicsError, closest, did_you_mean, shorten
from nnunetv2_fair.files.json_files import read_json
from nnunetv2_fair.tables.numbers import plain_number

CASE = "case"
PATIENT = "patient"
SYNTHETIC = "synthetic"
#: How often a training case counts when cases are drawn; 0: it is only validated. Not "weight":
#: people have one.
SAMPLING_WEIGHT = "sampling_weight"
RESERVED_COLUMNS = (CASE, PATIENT, SYNTHETIC, SAMPLING_WEIGHT)

#: Separates the attributes of an intersection in an expression: ``sex+age``.
INTERSECTION = "+"


@dataclass(frozen=True)
class Bins:
    """Intervals that turn a number into a group.

    Attributes:
        edges: Ascending, one more than ``labels``; -inf and inf for open ends.
        labels: Name of each interval, lowest first.
        closed: Which end belongs to the interval: ``left`` means [a, b), ``right`` (a, b].
    """

    edges: tuple[float, ...]
    labels: tuple[str, ...]
    closed: Literal["left", "right"] = "left"

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.labels) + 1 or len(self.labels) < 1:
            raise DemographicsError(
                f"Bins need one edge more than labels, got {len(self.edges)} edges "
                f"{list(self.edges)} and {len(self.labels)} labels {list(self.labels)}."
            )
        if any(a >= b for a, b in pairwise(self.edges)):
            raise DemographicsError(f"Bin edges must ascend, got {list(self.edges)}.")
        if len(set(self.labels)) != len(self.labels):
            raise DemographicsError(f"Bin labels must differ, got {list(self.labels)}.")
        if self.closed not in ("left", "right"):
            raise DemographicsError(
                f'Bins are closed on the "left" or on the "right", got "{self.closed}".'
            )

    @classmethod
    def from_cuts(
        cls, cuts: tuple[float, ...], closed: Literal["left", "right"] = "left"
    ) -> "Bins":
        """Return open-ended bins split at ``cuts``: (50, 65) gives <50, 50-<65, >=65."""
        ordered = tuple(sorted(cuts))
        low, high = ("<", ">=") if closed == "left" else ("<=", ">")
        between = "{:g}-<{:g}" if closed == "left" else ">{:g}-{:g}"
        labels = [f"{low}{ordered[0]:g}"]
        labels += [between.format(a, b) for a, b in pairwise(ordered)]
        labels.append(f"{high}{ordered[-1]:g}")
        return cls((-math.inf, *ordered, math.inf), tuple(labels), closed)

    def label(self, value: float) -> str | None:
        """Return the label of the interval that holds ``value``; None if outside all."""
        for low, high, label in zip(self.edges, self.edges[1:], self.labels, strict=False):
            inside = low <= value < high if self.closed == "left" else low < value <= high
            if inside:
                return label
        return None


@dataclass(frozen=True)
class Attribute:
    """One column of the demographics table.

    Attributes:
        name: Column name.
        type: ``categorical`` or ``numeric``.
        meaning: One sentence for people who did not collect the data.
        unit: Unit of a numeric attribute, such as ``years``.
        levels: Allowed values of a categorical attribute, in the order to show.
        bins: Intervals of a numeric attribute that is used for groups.
        minimum: Lowest plausible number; lower ones are refused.
        maximum: Highest plausible number; higher ones are refused.
        reference: Group that signed gaps are measured from.
    """

    name: str
    type: Literal["categorical", "numeric"]
    meaning: str = ""
    unit: str = ""
    levels: tuple[str, ...] = ()
    bins: Bins | None = None
    minimum: float | None = None
    maximum: float | None = None
    reference: str | None = None

    def __post_init__(self) -> None:
        where = f"Attribute '{self.name}'"
        if self.name in RESERVED_COLUMNS or INTERSECTION in self.name or not self.name:
            raise DemographicsError(
                f"{where}: this name cannot be used. Reserved: {', '.join(RESERVED_COLUMNS)}; "
                f"'{INTERSECTION}' joins attributes."
            )
        if self.type not in ("categorical", "numeric"):
            raise DemographicsError(
                f'{where}: type must be "categorical" or "numeric", got "{self.type}".'
            )
        if self.type == "categorical" and self.bins is not None:
            raise DemographicsError(f"{where} is categorical; only numeric attributes have bins.")
        if self.reference is not None and self.reference not in self.groups:
            raise DemographicsError(
                f"{where}: reference group '{self.reference}' is not one of its groups: "
                f"{shorten(self.groups, 12)}."
            )

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups this attribute can give, in order."""
        if self.type == "categorical":
            return self.levels
        return self.bins.labels if self.bins is not None else ()

    def group_of(self, value: str) -> str | None:
        """Return the group of a checked table value; None if the value is empty (unknown).

        Raises:
            DemographicsError: If the attribute is numeric and has no bins.
        """
        if value == "":
            return None
        if self.type == "categorical":
            return value
        if self.bins is None:
            raise DemographicsError(
                f"Attribute '{self.name}' is numeric and has no bins, so it forms no groups. Add "
                f'"bins" to it in demographics.json, for example {{"edges": [null, 50, 65, null], '
                f'"labels": ["<50", "50-<65", ">=65"], "closed": "left"}}.'
            )
        return self.bins.label(float(value))

    def with_bins(self, bins: Bins, source: Path) -> "Attribute":
        """Return the attribute with other bins.

        Raises:
            DemographicsError: If it is categorical; ``source`` is the file to name.
        """
        if self.type != "numeric":
            raise DemographicsError(
                f"{source}: '{self.name}' is categorical (levels "
                f"{shorten(self.levels, 12)}); only numeric attributes have bins."
            )
        reference = self.reference if self.reference in bins.labels else None
        return replace(self, bins=bins, reference=reference)

    def problem_with(self, value: str) -> str | None:
        """Return what is wrong with a table value, in words, or None if nothing is."""
        if value == "":
            return None
        if self.type == "categorical":
            if value in self.levels:
                return None
            return (
                f"'{value}' is not a level of '{self.name}' (levels: {shorten(self.levels, 12)}); "
                "correct the value, leave it empty if unknown, or add the level to "
                "demographics.json"
            )
        number = plain_number(value)
        if number is None:
            digits = value.rstrip("YyMmDd ")
            is_dicom_age = digits.isdigit() and digits != value
            hint = f"write {float(digits):g}" if is_dicom_age else "correct it"
            return (
                f"'{value}' is not a number, but '{self.name}' is numeric; {hint}, or leave the "
                "cell empty if the value is unknown"
            )
        low, high = self.minimum, self.maximum
        if (low is not None and number < low) or (high is not None and number > high):
            bounds = f"{'-inf' if low is None else low} to {'inf' if high is None else high}"
            allowed = f"{bounds} {self.unit}".rstrip()
            return (
                f"'{value}' is outside the plausible range of '{self.name}' ({allowed}); correct "
                "it, or leave the cell empty if the value is unknown"
            )
        if self.bins is not None and self.bins.label(number) is None:
            return (
                f"'{value}' falls in no bin of '{self.name}' (edges {list(self.bins.edges)}, "
                f"closed on the {self.bins.closed}); correct it, or widen the bins in "
                "demographics.json"
            )
        return None


@dataclass(frozen=True)
class Schema:
    """All attributes of one dataset, and the one that is used when none is named."""

    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    default: str | None = None

    def __post_init__(self) -> None:
        if self.default is not None and self.default not in self.attributes:
            raise DemographicsError(
                f"Default attribute '{self.default}' is not described. "
                f"Attributes: {shorten(self.attributes, 12)}."
            )

    def __getitem__(self, name: str) -> Attribute:
        if name not in self.attributes:
            raise DemographicsError(
                f"There is no attribute '{name}'.{did_you_mean(name, self.attributes)} "
                f"Attributes of this dataset: {shorten(self.attributes, 12) or 'none'}."
            )
        return self.attributes[name]

    def parse_expression(self, expression: str | None) -> tuple[Attribute, ...]:
        """Return the attributes of an expression such as ``sex`` or ``sex+age``.

        Args:
            expression: None or empty takes the dataset's default attribute.

        Raises:
            DemographicsError: If an attribute is unknown or named twice, or if there is no default.
        """
        text = expression or self.default
        if not text:
            raise DemographicsError(
                "No attribute was named and demographics.json has no default. Name one of: "
                f"{shorten(self.attributes, 12)}."
            )
        names = [name.strip() for name in text.split(INTERSECTION)]
        if len(set(names)) != len(names) or "" in names:
            raise DemographicsError(
                f"'{text}' is not an attribute expression: expected one attribute, or several "
                f"different ones joined by '{INTERSECTION}', such as sex+age."
            )
        return tuple(self[name] for name in names)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``demographics.json``; open bin ends become null."""
        described: dict[str, Any] = {}
        for name, attribute in self.attributes.items():
            entry: dict[str, Any] = {"type": attribute.type, "meaning": attribute.meaning}
            if attribute.unit:
                entry["unit"] = attribute.unit
            if attribute.levels:
                entry["levels"] = list(attribute.levels)
            if attribute.bins is not None:
                entry["bins"] = {
                    "edges": [
                        edge if math.isfinite(edge) else None for edge in attribute.bins.edges
                    ],
                    "labels": list(attribute.bins.labels),
                    "closed": attribute.bins.closed,
                }
            for key in ("minimum", "maximum", "reference"):
                if getattr(attribute, key) is not None:
                    entry[key] = getattr(attribute, key)
            described[name] = entry
        return {"default": self.default, "attributes": described}

    @classmethod
    def from_dict(cls, content: Any) -> "Schema":
        """Return the schema described by the content of ``demographics.json``.

        Raises:
            DemographicsError: If a key is missing, unknown or of the wrong kind.
        """
        if not isinstance(content, Mapping) or not isinstance(content.get("attributes"), Mapping):
            raise DemographicsError(
                f'Expected an object with a key "attributes", one entry per attribute; found '
                f"{_kind(content)}."
            )
        attributes = {
            str(name): _attribute_from_dict(str(name), entry)
            for name, entry in content["attributes"].items()
        }
        misspelt = next((key for key in content if closest(key, ["default"])), "default")
        if misspelt != "default" and "default" not in content:
            raise DemographicsError(f'There is no key "{misspelt}". Did you mean "default"?')
        default = content.get("default")
        if default is not None and not isinstance(default, str):
            raise DemographicsError(
                f'"default": expected the name of an attribute, found {_kind(default)}.'
            )
        return cls(attributes, default)


_ATTRIBUTE_KEYS = {
    "type", "meaning", "unit", "levels", "bins", "minimum", "maximum", "reference",
}  # fmt: skip


def _attribute_from_dict(name: str, entry: Any) -> Attribute:
    if not isinstance(entry, Mapping) or "type" not in entry:
        raise DemographicsError(f"Attribute '{name}' needs at least a \"type\".")
    unknown = sorted(set(entry) - _ATTRIBUTE_KEYS)
    if unknown:
        raise DemographicsError(
            f"Attribute '{name}' has unknown keys: {shorten(unknown)}. "
            f"Known keys: {', '.join(sorted(_ATTRIBUTE_KEYS))}."
        )
    bins = None if entry.get("bins") is None else _bins_from_dict(name, entry["bins"])
    levels = entry.get("levels", [])
    if not isinstance(levels, list) or not all(map(_is_simple, levels)):
        raise _wrong(name, "levels", "a list of texts", levels)
    names = [_text(level) for level in levels]
    if len(set(names)) != len(names):
        raise DemographicsError(f"Attribute '{name}', \"levels\": {shorten(names, 12)} repeat.")
    bare = [level for level in names if level != level.strip() or not level]
    if bare:
        raise DemographicsError(
            f"Attribute '{name}', \"levels\": {bare[0]!r} cannot be a level; cells are read "
            "without white space around them, and an empty cell is unknown."
        )
    reference = entry.get("reference")
    if reference is not None and not _is_simple(reference):
        raise _wrong(name, "reference", "a group", reference)
    for key in ("meaning", "unit"):
        if not isinstance(entry.get(key, ""), str):
            raise _wrong(name, key, "a text", entry[key])
    low, high = (_number_or_none(name, entry, key) for key in ("minimum", "maximum"))
    if low is not None and high is not None and low > high:
        raise DemographicsError(
            f'Attribute \'{name}\': its "minimum" {low} is above its "maximum" {high}.'
        )
    return Attribute(
        name=name,
        type=entry["type"],
        meaning=entry.get("meaning", ""),
        unit=entry.get("unit", ""),
        levels=tuple(names),
        bins=bins,
        minimum=low,
        maximum=high,
        reference=None if reference is None else _text(reference),
    )


def _bins_from_dict(name: str, entry: Any) -> Bins:
    edges, labels = (
        (entry.get("edges"), entry.get("labels")) if isinstance(entry, Mapping) else (None, None)
    )
    if not (
        isinstance(edges, list)
        and isinstance(labels, list)
        and all(edge is None or _is_number(edge) for edge in edges)
        and all(map(_is_simple, labels))
    ):
        raise DemographicsError(
            f"Attribute '{name}': bins need \"edges\" (numbers; null at an open end) and "
            f'"labels" (texts), got {reprlib.repr(entry)}.'
        )
    unknown = sorted(set(entry) - {"edges", "labels", "closed"})
    if unknown:
        raise DemographicsError(
            f"Attribute '{name}': its bins have unknown keys: {shorten(unknown)}. "
            "Known keys: closed, edges, labels."
        )
    ends = [
        (-math.inf if i == 0 else math.inf) if edge is None else float(edge)
        for i, edge in enumerate(edges)
    ]
    try:
        return Bins(tuple(ends), tuple(map(_text, labels)), entry.get("closed", "left"))
    except DemographicsError as error:
        raise DemographicsError(f"Attribute '{name}': {error}") from error


def _is_number(value: Any) -> bool:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return False
    # JSON has whole numbers of any length, and Python reads its NaN
    return abs(value) <= sys.float_info.max


def _is_simple(value: Any) -> bool:
    return isinstance(value, str) or _is_number(value)


def _number_or_none(name: str, entry: Mapping[str, Any], key: str) -> float | None:
    value = entry.get(key)
    if value is None or _is_number(value):
        return value
    raise _wrong(name, key, "a number", value)


def _wrong(name: str, key: str, expected: str, found: Any) -> DemographicsError:
    return DemographicsError(
        f"Attribute '{name}', \"{key}\": expected {expected}, found {_kind(found)}."
    )


def _kind(value: Any) -> str:
    """Return what a value of a JSON file is, in words."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"the text '{value}'"
    if isinstance(value, list):
        return f"a list {value}" if len(value) < 6 else f"a list of {len(value)}"
    if isinstance(value, int) and len(str(value)) > 30:
        return "a number of too many digits"
    return "another object" if isinstance(value, Mapping) else repr(value)


def _text(value: str | float) -> str:
    """Return a level as the table's cells have it: 1 for the number 1.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def read_schema(path: Path) -> Schema:
    """Read ``demographics.json``.

    Raises:
        DemographicsError: If the file is missing, is not JSON, or does not describe a valid schema.
    """
    content = read_json(
        path,
        DemographicsError,
        "It describes the attributes of the table next to it; a converter writes both.",
    )
    try:
        return Schema.from_dict(content)
    except DemographicsError as error:
        raise DemographicsError(f"{path}: {error}") from error
