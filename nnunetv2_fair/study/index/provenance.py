"""Where, when and with what every step of a study ran, as one file."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.study.index.progress import Progress, StepProgress

PROVENANCE_JSON = "provenance.json"
PROVENANCE_FORMAT = 1


def write_provenance(progress: Progress, folder: Path) -> Path:
    """Write ``provenance.json`` with an entry per step, and return its path."""
    content = {
        "format": PROVENANCE_FORMAT,
        "title": progress.plan.title,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "container": list(progress.plan.container),
        "steps": [_entry(step) for step in progress.steps],
    }
    path = folder / PROVENANCE_JSON
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path


def distinct_versions(progress: Progress) -> dict[str, tuple[str, ...]]:
    """Return all versions that finished steps ran with; there may be several.

    Returns:
        Package (or ``commit``) -> its versions, in the order of the steps.
    """
    found: dict[str, dict[str, None]] = {}
    for step in progress.steps:
        if step.record is not None:
            for package, version in step.record.versions.items():
                found.setdefault(package, {})[version] = None
    return {package: tuple(versions) for package, versions in found.items()}


def distinct(progress: Progress, name: str) -> tuple[str, ...]:
    """Return the different values of a field of all attempts, such as ``gpu`` or ``host``."""
    values: Iterable[str] = (getattr(a, name) for step in progress.steps for a in step.attempts)
    return tuple(dict.fromkeys(value for value in values if value))


def _entry(step: StepProgress) -> dict[str, Any]:
    attempts = step.attempts
    return {
        "step": step.step.name,
        "kind": step.step.kind,
        "state": step.state,
        **({"waits_for": step.waits_for} if step.waits_for else {}),
        "facts": dict(step.step.facts),
        "fingerprint": step.step.fingerprint,
        "versions": {} if step.record is None else dict(step.record.versions),
        "wall_seconds": round(sum(attempt.seconds for attempt in attempts), 3),
        "peak_memory_mb": max((attempt.peak_memory_mb for attempt in attempts), default=0) or None,
        "gpu": next((attempt.gpu for attempt in reversed(attempts) if attempt.gpu), ""),
        "jobs": list(dict.fromkeys(attempt.job for attempt in attempts if attempt.job)),
        "attempts": [asdict(attempt) for attempt in attempts],
    }
