"""nnU-Net's own files and commands: plans, trained models, prediction.

Reads and extends what nnU-Net keeps on disk and starts its commands as processes; imports neither
torch nor nnunetv2, only ``subgroups`` and ``registration``.
"""
