"""What all pages share: the frame, terms with their definitions, settings, writing the file."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.report.html.markup import Html, clean, element, escape, join, name, shortened
from nnunetv2_fair.report.html.script import SCRIPT, policy
from nnunetv2_fair.report.html.style import CSS

#: Titles of the fairness measures.
MEASURES: Mapping[str, str] = {
    "fairness_gap": "Fairness gap",
    "delta": "Delta",
    "std": "Spread (SD)",
    "ser": "SER",
    "skew": "SKEW",
    "es_std": "ES (SD)",
    "es_absolute": "ES (absolute)",
}

#: Titles of the statistics that an evaluation defines.
_STATISTICS: Mapping[str, str] = {
    "cliffs_delta": "Cliff's delta",
    "detectable_gap": "Detectable difference",
    "corrected_p": "Corrected p-value",
    "welch_t": "Welch's t",
    "unit": "What is counted",
    "iqr": "Quartiles",
    "std_within": "Spread within a group",
    "overall": "All groups",
}

_LONGEST_TERM = 600
_LONGEST_SETTING = 300


def measure_title(key: str) -> str:
    """Return how a measure or statistic is written; unknown ones by their name."""
    known = MEASURES.get(key) or _STATISTICS.get(key)
    return known or clean(key).replace("_", " ").capitalize()


def metric_heading(metric: MetricInfo) -> str:
    """Return ``Dice`` or ``HD95 (mm)``."""
    return f"{metric.title} ({metric.unit})" if metric.unit else metric.title


class Terms:
    """Words that the page explains: each use links to the definition and shows it on hover."""

    def __init__(self, metrics: Sequence[MetricInfo], definitions: Mapping[str, str]) -> None:
        self._entries: dict[str, tuple[str, str]] = {}
        for metric in metrics:
            direction = f"{metric.better.capitalize()} is better."
            text = metric.definition
            text += "" if direction.lower() in text.lower() else f" {direction}"
            self._entries[metric.name] = (metric_heading(metric), text)
        for key, text in definitions.items():
            self._entries.setdefault(key, (measure_title(key), text))
        self._anchors = {key: f"term-{i}" for i, key in enumerate(self._entries)}

    def link(self, key: str, text: str) -> Html:
        """Return ``text`` as link to the definition of ``key``; plain if there is none."""
        if key not in self._entries:
            return escape(text)
        hover = shortened(self._entries[key][1], _LONGEST_TERM)
        return element("a", text, class_="term", href=f"#{self._anchors[key]}", title=hover)

    def section(self) -> Html:
        """Return the list of definitions."""
        rows = []
        for key, (title, text) in self._entries.items():
            rows.append(element("dt", name(title), id=self._anchors[key]))
            rows.append(element("dd", clean(text)))
        return element(
            "section",
            element("h2", "Definitions"),
            element("div", element("dl", *rows, class_="terms"), class_="card"),
            id="definitions",
        )


#: Settings that are paths: a page shows their names only, because folders above tell of persons
#: and projects; ``summary.json`` keeps them whole.
_PATHS = frozenset({"references", "predictions", "demographics", "dataset_json"})


def settings_section(
    settings: Mapping[str, Any], versions: Mapping[str, str], inputs_sha256: str, created: str
) -> Html:
    """Return the section that makes the result reproducible."""
    rows = [("Created", created)] if created else []
    rows += [
        (key.replace("_", " "), PurePath(value).name if key in _PATHS else _setting(value))
        for key, value in settings.items()
    ]
    if inputs_sha256:
        rows.append(("SHA-256 of all inputs", inputs_sha256))
    if versions:
        rows.append(("Versions", ", ".join(f"{k} {v}" for k, v in versions.items())))
    terms = []
    for key, value in rows:
        terms.append(element("dt", name(key[:1].upper() + key[1:])))
        terms.append(element("dd", element("code", shortened(value, _LONGEST_SETTING))))
    return element(
        "section",
        element("h2", "Settings and versions"),
        element("div", element("dl", *terms, class_="terms"), class_="card"),
        id="settings",
    )


def _setting(value: Any) -> str:
    if value is None or value == "" or (isinstance(value, (list, tuple, dict)) and not value):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(entry) for entry in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {entry}" for key, entry in value.items())
    return str(value)


def notes_card(notes: Sequence[str]) -> Html:
    """Return a card of sentences that the reader must know; empty if there are none."""
    if not notes:
        return Html("")
    items = [element("li", clean(note)) for note in notes]
    return element("div", element("h3", "To read with"), element("ul", *items, class_="notes"),
                   class_="card")  # fmt: skip


def document(
    title: str,
    kicker: str,
    facts: Iterable[object],
    navigation: Sequence[tuple[str, str]],
    sections: Iterable[Html],
    footer: str,
) -> str:
    """Return a complete page.

    Args:
        title: From data; heading and window title.
        kicker: Our words above the heading.
        facts: Short facts below it.
        navigation: (id of the section, words) of each link.
        sections: The page's content.
        footer: Our closing words.
    """
    links = [
        element("li", element("a", shortened(words, 40), href=f"#{target}"))
        for target, words in navigation
    ]
    head = element(
        "header",
        element("p", kicker, class_="kicker"),
        element("h1", name(title, 120)),
        element("p", *[element("span", fact) for fact in facts], class_="facts"),
        class_="page-head",
    )
    body = join(
        [
            element("a", "Skip to the content", class_="skip", href="#content"),
            head,
            element("nav", element("ul", *links), aria_label="Sections"),
            element("main", *sections, id="content"),
            element("footer", footer, class_="page-foot"),
        ]
    )
    window = escape(f"{shortened(title)} \N{MIDDLE DOT} {kicker}")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy())}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{window}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n{body}\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
