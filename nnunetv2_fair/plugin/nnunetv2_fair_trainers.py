"""Makes the trainers of ``nnunetv2_fair.trainers`` visible to nnU-Net's trainer search.

nnU-Net forgets modules that it loads from this folder, so no class may live here.
"""

from nnunetv2_fair import trainers


def __getattr__(name: str) -> object:
    return getattr(trainers, name)
