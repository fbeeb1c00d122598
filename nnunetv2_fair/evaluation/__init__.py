"""Post-hoc evaluation of any predictions; needs neither torch nor nnunetv2."""
