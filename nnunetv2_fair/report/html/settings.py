"""The section that makes a result reproducible: settings and versions."""

from collections.abc import Mapping
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render

#: Settings that are paths: a page shows their names only, because the folders above reveal people
#: and projects; ``summary.json`` keeps them whole.
_PATHS = frozenset({"references", "predictions", "demographics", "dataset_json", "scores"})

#: Settings whose key needs words.
_TITLES = {
    "dataset_json": "dataset.json",
    "min_patients": "fewest patients of a group",
    "min_support": "smallest share of a subgroup",
    "empty_distance": "distance where a mask is empty",
    "bootstrap": "resamples",
    "unit": "what is counted",
    "allow_missing": "missing predictions allowed",
    "regions": "label values",
    "adjust": "adjusted for",
    "discover": "search for subgroups",
    "table_options": "options of the table",
}


def settings_section(
    settings: Mapping[str, Any], versions: Mapping[str, str], inputs_sha256: str, created: str
) -> Html:
    """Return the section on how a result was made.

    Args:
        settings: Option -> value.
        versions: Package -> version.
        inputs_sha256: Hash of all inputs; empty if there is none.
        created: ISO 8601 time; empty if not known.
    """
    rows = [("Created", created)] if created else []
    rows += [
        (_title(key), PurePath(value).name if key in _PATHS else _written(value))
        for key, value in settings.items()
    ]
    if inputs_sha256:
        rows.append(("SHA-256 of all inputs", inputs_sha256))
    if versions:
        rows.append(("Versions", ", ".join(f"{k} {v}" for k, v in versions.items())))
    return render("report/html/templates/settings.html", rows=rows)


def _written(value: Any) -> str:
    if value is None or value == "" or (isinstance(value, (list, tuple, dict)) and not value):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        # a name may hold a comma: that of an intersection does
        between = " / " if any("," in str(entry) for entry in value) else ", "
        return between.join(_written(entry) for entry in value)
    if isinstance(value, Mapping):
        entries = [f"{_title(str(key))}: {_written(entry)}" for key, entry in value.items()]
        return "; ".join(entries)
    text = str(value)
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(text).is_absolute():
            return kind(text).name
    return text


def _title(key: str) -> str:
    return _TITLES.get(key, key.replace("_", " "))
