"""What a training tells about its groups, epoch by epoch: which values, to whom, and in which form.

``values`` is what methods add, ``visible`` decides what may be told, ``subgroup_log`` keeps the
table, ``picture`` draws it, ``uploads`` passes values to nnU-Net's other loggers. May import what
``trainers`` may.
"""
