"""The layers over nnU-Net's trainer that every trainer here stands on, one reason to change each.

``named`` reads the trainer's name, ``grouped`` the table, ``discreet`` keeps groups out of what is
passed on, ``continued`` adds to checkpoints, ``averaged`` averages weights; ``subgroup_trainer``
puts them together, in the order in which a training needs them, with functions of the other
modules. May import what ``trainers`` may, but for ``trainers`` itself.
"""

from nnunetv2_fair.trainers.base.subgroup_trainer import SubgroupTrainer

__all__ = ["SubgroupTrainer"]
