"""Pages on a study's trainings: logs found, and the page written beside the index.

May import what ``study.index`` may.
"""
