"""nnU-Net trainers that assess and mitigate unfairness; names are experiments.

``nnUNetTrainerOversampling_sex_5epochs`` and all other names of the grammar in
:mod:`nnunetv2_fair.trainers.shared.names` are attributes of this module, built on demand. So is
nnU-Net's own trainer of any number of epochs: what methods are compared with must be trained for
as long as they are.
"""

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.base.baseline import baseline
from nnunetv2_fair.trainers.nnUNetTrainerADV import nnUNetTrainerADV
from nnunetv2_fair.trainers.nnUNetTrainerAPPLE import nnUNetTrainerAPPLE
from nnunetv2_fair.trainers.nnUNetTrainerDecoder import nnUNetTrainerDecoder
from nnunetv2_fair.trainers.nnUNetTrainerFairMedSeg import nnUNetTrainerFairMedSeg
from nnunetv2_fair.trainers.nnUNetTrainerFEBS import nnUNetTrainerFEBS
from nnunetv2_fair.trainers.nnUNetTrainerGroupDRO import nnUNetTrainerGroupDRO
from nnunetv2_fair.trainers.nnUNetTrainerInD import nnUNetTrainerInD
from nnunetv2_fair.trainers.nnUNetTrainerMonitor import nnUNetTrainerMonitor
from nnunetv2_fair.trainers.nnUNetTrainerOversampling import nnUNetTrainerOversampling
from nnunetv2_fair.trainers.nnUNetTrainerOversamplingGroupDRO import (
    nnUNetTrainerOversamplingGroupDRO,
)
from nnunetv2_fair.trainers.nnUNetTrainerOversamplingReweighting import (
    nnUNetTrainerOversamplingReweighting,
)
from nnunetv2_fair.trainers.nnUNetTrainerReweighting import nnUNetTrainerReweighting
from nnunetv2_fair.trainers.nnUNetTrainerReweightingGroupDRO import nnUNetTrainerReweightingGroupDRO
from nnunetv2_fair.trainers.shared.names import parse_name
from nnunetv2_fair.trainers.shared.variants import check_combination, find_variant

METHODS: dict[str, type[SubgroupTrainer]] = {
    method.__name__: method
    for method in (
        nnUNetTrainerMonitor,
        nnUNetTrainerOversampling,
        nnUNetTrainerReweighting,
        nnUNetTrainerGroupDRO,
        nnUNetTrainerOversamplingGroupDRO,
        nnUNetTrainerReweightingGroupDRO,
        nnUNetTrainerOversamplingReweighting,
        nnUNetTrainerFEBS,
        nnUNetTrainerFairMedSeg,
        nnUNetTrainerAPPLE,
        nnUNetTrainerADV,
        nnUNetTrainerInD,
        nnUNetTrainerDecoder,
    )
}

__all__ = ["METHODS", "SubgroupTrainer", *METHODS]


def __getattr__(name: str) -> type[nnUNetTrainer]:
    plain = baseline(name, __name__)
    if plain is not None:
        globals()[name] = plain
        return plain
    experiment = parse_name(
        name,
        {key: cls.known_options() for key, cls in METHODS.items()},
        [key for key, cls in METHODS.items() if cls.takes_group],
    )
    if experiment is None:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    method = METHODS[experiment.method]
    namespace = {
        "__doc__": method.__doc__,
        "__module__": __name__,  # so that instances can be pickled: found here by name
        "attribute": experiment.attribute,
        "chosen_options": experiment.options,
        "epochs": experiment.epochs or method.epochs,
    }
    if method.takes_group:
        namespace["group"] = experiment.group
    bases: tuple[type, ...] = (method,)
    if "on" in experiment.options:
        ground = find_variant(experiment.options["on"])
        check_combination(method, ground)
        bases = (method, ground)
    variant: type[SubgroupTrainer] = type(name, bases, namespace)
    variant.check_options()
    globals()[name] = variant
    return variant
