"""Why groups differ: whose masks they are measured against, and what a gap may come from.

Builds on evaluations and their statistics; imports neither torch nor nnunetv2.
"""
