"""cropping."""
