"""Harvard-FairSeg: optic cup and disc in SLO fundus images.

Imports shared, writing and subgroups.
"""
