"""The frame of all pages."""

import base64
import functools
from collections.abc import Iterable, Sequence
from importlib import resources

from nnunetv2_fair.files.fingerprints import text_hash
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render


def disclaimer(done: str) -> str:
    """Return the closing text of a page about cases that were ``done`` ("evaluated")."""
    return (
        "Made by nnunetv2_fair to help assess segmentation models. It describes the cases that "
        f"were {done}; it is not a medical device and does not prove fairness elsewhere."
    )


def document(
    title: str,
    kicker: str,
    facts: Iterable[str],
    navigation: Sequence[tuple[str, str]],
    sections: Iterable[Html],
    footer: str,
) -> str:
    """Return a complete page.

    Args:
        title: From data; heading and window title.
        kicker: Our text above the heading.
        facts: Short facts below it.
        navigation: (id of the section, text) of each link.
        sections: The page's content.
        footer: Our closing text.
    """
    script = _asset("page.js")
    return render(
        "report/html/templates/page.html",
        title=title,
        kicker=kicker,
        facts=facts,
        navigation=navigation,
        sections=sections,
        footer=footer,
        css=_asset("page.css"),
        script=script,
        policy=_policy(script),
    )


@functools.cache
def _asset(name: str) -> Html:
    text = resources.files("nnunetv2_fair.report.html").joinpath(name).read_text(encoding="utf-8")
    return Html(text)


def _policy(script: str) -> str:
    """Return the content security policy: this script only, and nothing from elsewhere."""
    digest = base64.b64encode(bytes.fromhex(text_hash(script))).decode("ascii")
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
