"""The section on downstream measures: how their errors are distributed, by group.

Imports results, findings, drawings and what pages share.
"""
