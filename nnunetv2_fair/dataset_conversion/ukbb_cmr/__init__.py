"""UK Biobank style cine CMR: frames, labels and the participants' table.

Imports shared, writing and subgroups.
"""
