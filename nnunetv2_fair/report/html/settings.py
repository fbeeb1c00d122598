"""The section that makes a result reproducible: settings and versions."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render

#: Settings that are paths: a page shows their names only, because the folders above reveal people
#: and projects; ``summary.json`` keeps them whole.
_PATHS = frozenset({"references", "predictions", "demographics", "dataset_json"})


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
        (key.replace("_", " "), PurePath(value).name if key in _PATHS else _written(value))
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
    if isinstance(value, (list, tuple)):
        return ", ".join(str(entry) for entry in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {entry}" for key, entry in value.items())
    return str(value)
