"""Makes the trainers of ``nnunetv2_fair.trainers`` visible to nnU-Net's trainer search.

nnU-Net forgets modules that it loads from this folder, so no class may live here. It asks every
module for names that none of its trainers has: one that is almost ours is refused here, before
nnU-Net says that there is no such trainer. Of other names nnU-Net's folders may still hold one;
its own error, once it has searched everywhere, is put into words.
"""

import re

from nnunetv2_fair import trainers
from nnunetv2_fair.errors import TrainerNameError
from nnunetv2_fair.trainers.shared.names import closest_name
from nnunetv2_fair.trainers.shared.uncaught import print_our_errors_without_traceback


def _explanation(error: BaseException) -> str:
    from nnunetv2_fair.trainers.shared.describe import no_such_trainer

    found = re.match("Could not find requested nnunet trainer (.*?) in nnunetv2", str(error))
    return no_such_trainer(found[1]) if found else ""


print_our_errors_without_traceback(_explanation)


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
