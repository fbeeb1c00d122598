"""Voxel counts of whole validation cases, predicted as nnU-Net's final validation does."""

from collections.abc import Mapping

import numpy as np
import torch
from nnunetv2.evaluation.evaluate_predictions import compute_tp_fp_fn_tn, region_or_label_to_mask
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import convert_labelmap_to_one_hot

from nnunetv2_fair.networks.bottleneck import unwrapped


def whole_case_counts(trainer: nnUNetTrainer) -> Mapping[str, np.ndarray]:
    """Predict the validation cases of this fold by sliding window, and count voxels.

    Cases are predicted in the preprocessed grid, without mirroring. In a training of several
    processes each takes its share of them.

    Args:
        trainer: Initialised; its network is left in evaluation mode, as nnU-Net's validation
            leaves it.

    Returns:
        Case -> ``(3, K)`` true positive, false positive and false negative voxels of the K
        foreground labels or regions; ignored voxels do not count.
    """
    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    try:
        return _count(trainer)
    finally:
        trainer.set_deep_supervision_enabled(trainer.enable_deep_supervision)


def _count(trainer: nnUNetTrainer) -> dict[str, np.ndarray]:
    _, cases = trainer.do_split()
    if trainer.is_ddp:
        cases = cases[trainer.local_rank :: torch.distributed.get_world_size()]
    dataset = trainer.dataset_class(
        trainer.preprocessed_dataset_folder,
        cases,
        folder_with_segs_from_previous_stage=trainer.folder_with_segs_from_previous_stage,
    )
    predictor = nnUNetPredictor(
        use_mirroring=False,
        perform_everything_on_device=trainer.device.type == "cuda",
        device=trainer.device,
        verbose=False,
        allow_tqdm=False,
    )
    predictor.manual_initialization(
        unwrapped(trainer.network),
        trainer.plans_manager,
        trainer.configuration_manager,
        None,
        trainer.dataset_json,
        type(trainer).__name__,
        trainer.inference_allowed_mirroring_axes,
    )
    labels = trainer.label_manager
    wanted = labels.foreground_regions if labels.has_regions else labels.foreground_labels
    counts = {}
    for case in dataset.identifiers:
        data, reference, previous, _ = dataset.load_case(case)
        image, mask = np.array(data), np.array(reference)[0]
        if trainer.is_cascaded:
            stage = convert_labelmap_to_one_hot(
                np.array(previous), labels.foreground_labels, output_dtype=image.dtype
            )
            image = np.vstack((image, stage))
        logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(image)).cpu()
        predicted = np.asarray(labels.convert_logits_to_segmentation(logits))
        ignored = None if labels.ignore_label is None else mask == labels.ignore_label
        counts[case] = np.array(
            [
                compute_tp_fp_fn_tn(
                    region_or_label_to_mask(mask, label),
                    region_or_label_to_mask(predicted, label),
                    ignored,
                )[:3]
                for label in wanted
            ],
            dtype=float,
        ).T
    return counts
