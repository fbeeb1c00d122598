"""Models that are prompted with boxes, SAM, MedSAM and LiteMedSAM: their weights, masks, APPLE.

Needs the extra ``sam`` (transformers), which is imported where a model is built. Reads local files
only and downloads nothing. May import ``cropping``, ``losses``, ``networks``, ``nnunet``,
``subgroups``, ``tables``, of ``trainers`` the game of APPLE and the log of the groups.
"""
