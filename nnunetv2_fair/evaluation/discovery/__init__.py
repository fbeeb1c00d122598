"""Searches every combination of groups for subgroups whose scores diverge.

Imports results, estimation and statistics. ``search`` ties the steps together: ``attributes`` and
``rows`` say what is searched, ``permutation`` how sure a divergence is, ``shrinkage`` how large,
``selection`` which subgroups to show, ``confirmation`` whether they hold in other patients.
"""
