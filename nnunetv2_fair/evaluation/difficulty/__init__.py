"""How difficult cases are, from their image and reference alone or from held-out predictions.

May import `masks`, `metrics` and `downstream.images` of the evaluation.
"""
