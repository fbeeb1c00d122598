"""The folder that nnU-Net's environment variable ``nnUNet_extTrainer`` points at."""
