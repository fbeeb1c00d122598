"""Public name of the surface distances; they are computed in ``metrics``."""

from nnunetv2_fair.evaluation.metrics.surface_distances import surface_metrics

__all__ = ["surface_metrics"]
