"""From results to pages written for people: `html` is shared, one room per kind of page.

``from nnunetv2_fair.report import write_evaluation, write_comparison`` are the public names.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnunetv2_fair.report.of_comparison.page import write_comparison
    from nnunetv2_fair.report.of_evaluation.page import write_evaluation

__all__ = ["write_comparison", "write_evaluation"]

_MODULES = {"write_comparison": "of_comparison.page", "write_evaluation": "of_evaluation.page"}


def __getattr__(name: str) -> Any:
    # late, so that a part of this package does not load all of it
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
