"""Makes the trainers of ``nnunetv2_fair.trainers`` visible to nnU-Net's trainer search.

nnU-Net forgets modules that it loads from this folder, so no class may live here. It asks every
module for names that none of its trainers has: one that is almost ours is refused here, before
nnU-Net says that there is no such trainer.
"""

from nnunetv2_fair import trainers
from nnunetv2_fair.errors import TrainerNameError
from nnunetv2_fair.trainers.shared.names import closest_name
from nnunetv2_fair.trainers.shared.uncaught import print_our_errors_without_traceback

print_our_errors_without_traceback()


def __getattr__(name: str) -> object:
    try:
        return getattr(trainers, name)
    except AttributeError:
        meant = None if name.startswith("__") else closest_name(name, trainers.METHODS)
        if meant is None:
            raise
    raise TrainerNameError(
        f"There is no trainer '{name}', neither in nnU-Net nor in nnunetv2_fair. Did you mean "
        f"'{meant}'?"
    )
