"""Pages are written by Jinja2 templates: where these are, and what makes data in them harmless.

Escaping is on in every template, a variable that is not given is an error, and characters that
HTML forbids or that change the reading direction are replaced wherever a value is printed.

A line break in a template is layout, not content: it disappears next to a tag (``>``, ``<``) or a
statement (``{% %}``) and between two values, and is one space anywhere else.
"""

import functools
import math
import re
from typing import TYPE_CHECKING, Any

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, clean, printable, shortened
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.titles import metric_heading

if TYPE_CHECKING:
    from jinja2 import Environment

_STATEMENT_OR_BREAK = re.compile(r"\{[{%#].*?[}%#]\}|\s*\n\s*", re.DOTALL)


def render(template: str, **values: object) -> Html:
    """Fill in a template.

    Args:
        template: Its path below the package, such as ``report/html/templates/page.html``.
        values: What the template prints: text is escaped, :class:`Html` is kept.
    """
    return Html(environment().get_template(template).render(**values))


@functools.cache
def environment() -> "Environment":
    """Return the environment that all templates share; each is compiled once."""
    # commands that only print need not load Jinja2
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("nnunetv2_fair", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printed,
        auto_reload=False,
        cache_size=-1,
        extensions=[_layout_extension()],
    )
    made.filters.update(clean=clean, shortened=shortened)
    made.tests.update(data=_is_data, nan=math.isnan, finite=math.isfinite)
    made.globals.update(numbers=numbers, NO_INTERVAL=NO_INTERVAL, metric_heading=metric_heading)
    return made


def without_layout(source: str) -> str:
    """Remove the line breaks from a template's text; errors still name the right line."""

    def replaced(found: "re.Match[str]") -> str:
        text = found.group()
        if text.startswith("{"):
            return text
        before, after = source[: found.start()], source[found.end() :]
        layout = (
            before.endswith((">", "%}", "#}"))
            or after.startswith(("<", "{%", "{#"))
            or (before.endswith("}}") and after.startswith("{{"))
            or not before
            or not after
        )
        # a comment keeps the numbers of the lines and prints nothing
        return "{#" + "\n" * text.count("\n") + "#}" + ("" if layout else " ")

    return _STATEMENT_OR_BREAK.sub(replaced, source)


def _layout_extension() -> Any:
    from jinja2.ext import Extension

    class Layout(Extension):
        """Reads templates without their line breaks."""

        def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
            return without_layout(source)

    return Layout


def _printed(value: object) -> object:
    return value if hasattr(value, "__html__") else printable(str(value))


def _is_data(value: object) -> bool:
    return isinstance(value, Data)
