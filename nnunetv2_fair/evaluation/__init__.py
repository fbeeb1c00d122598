"""Post-hoc evaluation of any predictions; needs neither torch nor nnunetv2.

``from nnunetv2_fair.evaluation import evaluate`` is the whole evaluation as one call.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnunetv2_fair.evaluation.request import evaluate

__all__ = ["evaluate"]


def __getattr__(name: str) -> Any:
    # late, as commands import parts of this package before they need pandas
    if name == "evaluate":
        from nnunetv2_fair.evaluation.request import evaluate

        return evaluate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
