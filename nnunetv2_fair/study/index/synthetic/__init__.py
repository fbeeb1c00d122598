"""The part of the index page about synthetic cases: how good those are that the study made.

May import what ``study.index`` may.
"""
