"""``python -m nnunetv2_fair`` lists the commands."""

import sys

from nnunetv2_fair import __version__
from nnunetv2_fair.console.streams import lasting_streams

_PURPOSES = {
    "nnUNetv2_fair_apply_breast_box": "set predictions outside the breast box to background",
    "nnUNetv2_fair_audit_labels": "automated against expert masks: for whom, and what follows",
    "nnUNetv2_fair_backgrounds": "images with other backgrounds, to find shortcuts",
    "nnUNetv2_fair_balance": "folds in which groups are equally difficult to train on",
    "nnUNetv2_fair_compare": "compare evaluations of several models on the same cases",
    "nnUNetv2_fair_convert_FairSeg": "Harvard-FairSeg, FairDiff's images -> nnU-Net dataset",
    "nnUNetv2_fair_convert_image_folder": "images, masks and a table -> nnU-Net dataset",
    "nnUNetv2_fair_convert_MAMA_MIA": "MAMA-MIA breast DCE-MRI -> nnU-Net dataset",
    "nnUNetv2_fair_convert_QDUS": "QDUS-like thyroid ultrasound -> nnU-Net dataset",
    "nnUNetv2_fair_convert_TUSC": "thyroid ultrasound cine-clips -> nnU-Net dataset",
    "nnUNetv2_fair_convert_UKBB_CMR": "UK Biobank style heart MRI -> nnU-Net dataset",
    "nnUNetv2_fair_crop": "dataset -> the same, cropped around the organ",
    "nnUNetv2_fair_degrade_labels": "dataset -> twins with worse training labels of one group",
    "nnUNetv2_fair_demo": "the whole chain on phantoms, on a CPU, in minutes",
    "nnUNetv2_fair_diagnose": "which causes of a gap the evidence supports",
    "nnUNetv2_fair_doctor": "check the installation; register with nnU-Net",
    "nnUNetv2_fair_equal_scale": "groups of equal size, filled up with synthetic cases",
    "nnUNetv2_fair_evaluate": "predictions -> metrics per group, gaps, report",
    "nnUNetv2_fair_inspect_latent": "what a model's bottleneck knows about the groups",
    "nnUNetv2_fair_phantoms": "make images with a planted, known bias",
    "nnUNetv2_fair_predict_SAM": "masks of SAM, MedSAM or LiteMedSAM from boxes",
    "nnUNetv2_fair_predict_cascade": "find the organ, segment the crop around it, paste back",
    "nnUNetv2_fair_predict_InD": "predict each case with the model of its group (nnUNetTrainerInD)",
    "nnUNetv2_fair_prepare": "describe and check demographics, write folds",
    "nnUNetv2_fair_relabel": "dataset -> its twin with other training labels",
    "nnUNetv2_fair_study": "methods x attributes x folds from one file, here or on Slurm",
    "nnUNetv2_fair_synthesize": "synthetic masks of small groups, learnt from training masks",
    "nnUNetv2_fair_train_APPLE_SAM": "APPLE on the embedding of SAM, MedSAM or LiteMedSAM",
    "nnUNetv2_fair_trial": "add a small configuration for trying out on a CPU",
}


def main() -> int:
    """Write the list to standard output."""
    width = max(map(len, _PURPOSES))
    lines = [f"nnunetv2_fair {__version__}", "", "Commands (each has --help):"]
    lines += [f"  {name:<{width}}  {purpose}" for name, purpose in sorted(_PURPOSES.items())]
    lines += ["", "Trainers: nnUNetv2_train DATASET CONFIG FOLD -tr nnUNetTrainerOversampling"]
    with lasting_streams():  # a reader such as head may leave early
        sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
