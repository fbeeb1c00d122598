"""A phantom as an nnU-Net dataset: what the dataset writer needs to write it."""

import math
from functools import partial

from nnunetv2_fair.dataset_conversion.writing.case_files import CaseData, CaseJob, fingerprint
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetDescription, DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.log import ConversionLog
from nnunetv2_fair.files.volumes import ImageGeometry
from nnunetv2_fair.phantoms.bias import plant
from nnunetv2_fair.phantoms.drawing import Drawing, draw
from nnunetv2_fair.phantoms.folder import metadata
from nnunetv2_fair.phantoms.rendering import render
from nnunetv2_fair.phantoms.spec import NODULE_LABEL, PLANTED, PhantomSpec, phantom_schema


def phantom_plan(spec: PhantomSpec, dataset_id: int, name: str) -> DatasetPlan:
    """Return what the dataset writer needs to write a phantom; the test part becomes imagesTs.

    Args:
        spec: What to make.
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_``.
    """
    drawings = [plant(drawing, spec) for drawing in draw(spec)]
    jobs = [
        CaseJob(
            drawing.name,
            drawing.patient.split,
            partial(load_phantom, spec, drawing),
            fingerprint(spec, drawing, drawing.noise_seed),
            n_bytes=2 * math.prod(spec.shape),
        )
        for drawing in drawings
    ]
    table = metadata(spec, drawings)
    table.insert(0, "case", [drawing.name for drawing in drawings])
    description = DatasetDescription(
        dataset_id,
        name,
        channel_names=("ultrasound",),
        labels={"background": 0, "nodule": NODULE_LABEL},
        file_ending=spec.file_ending,
        licence="synthetic",
        reference="made by nnUNetv2_fair_phantoms",
        description=f"Synthetic nodules. Planted bias: {spec.bias}. {PLANTED[spec.bias]}",
    )
    log = ConversionLog("nnUNetv2_fair_phantoms", settings=spec.to_dict())
    return DatasetPlan(
        description, jobs, table[["case", "patient", "sex", "age"]], phantom_schema(), log
    )


def load_phantom(spec: PhantomSpec, drawing: Drawing) -> CaseData:
    """Return the pixels of one image for the dataset writer; runs in its worker processes."""
    made = render(drawing, spec)
    geometry = None
    if spec.spacing_mm is not None:
        x_y_z = tuple(reversed(spec.spacing_mm))
        geometry = ImageGeometry(
            x_y_z, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        )
    return CaseData([made.image], made.mask, geometry)
