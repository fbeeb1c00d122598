"""What a conversion did, left out and changed: kept with the dataset it made."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LOG_TXT = "conversion_log.txt"

#: Name of the group whose value is not known.
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Skipped:
    """One original that did not become a case.

    Attributes:
        item: File or table row.
        reason: Why, in words that are the same for all such items: they are counted by it.
        groups: Group of each attribute, as far as known. Only counts of it are stored.
    """

    item: str
    reason: str
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass
class ConversionLog:
    """Filled by a converter, completed and stored by the writer.

    Attributes:
        converter: Name of the command.
        settings: Everything that was chosen, by name; plain values only.
        skipped: Originals left out. Leaving out can itself bias a dataset, hence the groups.
        renamed: Case name by original name, where they differ.
        notes: Anything else a reader of the dataset should know.
        counts: Further counts, such as images and patients found.
    """

    converter: str
    settings: dict[str, Any] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def skipped_by_group(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return counts of skipped items: reason -> attribute -> group -> count."""
        result: dict[str, dict[str, dict[str, int]]] = {}
        for reason in dict.fromkeys(entry.reason for entry in self.skipped):
            entries = [entry for entry in self.skipped if entry.reason == reason]
            attributes = dict.fromkeys(name for entry in entries for name in entry.groups)
            result[reason] = {
                name: dict(sorted(Counter(e.groups.get(name, UNKNOWN) for e in entries).items()))
                for name in attributes
            }
        return result

    def to_dict(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of ``conversion_log.json``.

        Args:
            written: What the writer adds: versions, counts of cases, patients and groups.
        """
        return {
            "converter": self.converter,
            **written,
            "counts": self.counts,
            "settings": self.settings,
            "notes": self.notes,
            "renamed": self.renamed,
            "skipped_by_group": self.skipped_by_group(),
            "skipped": [{"item": entry.item, "reason": entry.reason} for entry in self.skipped],
        }


def part_text(part: str, numbers: Mapping[str, int]) -> str:
    """Return how many cases and patients a part has, for people.

    Args:
        part: ``train`` or ``test``.
        numbers: Counts of ``cases``, ``patients`` and, where there may be any, ``synthetic`` cases.
    """
    text = f"{part}: {numbers['cases']} cases of {numbers['patients']} patients"
    synthetic = numbers.get("synthetic", 0)
    return f"{text} ({synthetic} of the cases are synthetic)" if synthetic else text


def log_text(content: Mapping[str, Any]) -> str:
    """Return the log as text for people.

    Args:
        content: As returned by :meth:`ConversionLog.to_dict`.
    """
    lines = [f"{content['dataset']}, written by {content['converter']} ({content['version']})", ""]
    for part, numbers in content["cases"].items():
        lines.append(part_text(part, numbers))
    lines += [f"{name}: {number}" for name, number in content["counts"].items()]
    for attribute, parts in content["groups"].items():
        lines += ["", f"Cases by {attribute}:"]
        for part, groups in parts.items():
            counted = ", ".join(f"{name} {number}" for name, number in groups.items())
            lines.append(f"  {part}: {counted}")
    if content["notes"]:
        lines += ["", "Notes:", *(f"  - {note}" for note in content["notes"])]
    if content["skipped"]:
        lines += ["", f"Left out: {len(content['skipped'])}"]
        for reason, attributes in content["skipped_by_group"].items():
            items = [entry["item"] for entry in content["skipped"] if entry["reason"] == reason]
            lines.append(f"  {reason}: {len(items)}")
            for attribute, groups in attributes.items():
                counted = ", ".join(f"{name} {number}" for name, number in groups.items())
                lines.append(f"    by {attribute}: {counted}")
            lines += [f"    {item}" for item in items]
    if content["renamed"]:
        lines += ["", "Renamed:"]
        lines += [f"  {old} -> {new}" for old, new in content["renamed"].items()]
    lines += ["", "Settings:"]
    lines += [f"  {name}: {value}" for name, value in content["settings"].items()]
    return "\n".join(lines) + "\n"
