"""From two folders of masks to one row of values per case and label, resumable.

Imports masks, metrics and results.
"""

#: What worker processes run; only its name, so that they can be started before it is imported.
WORKER_MODULE = "nnunetv2_fair.evaluation.measuring.one_case"
