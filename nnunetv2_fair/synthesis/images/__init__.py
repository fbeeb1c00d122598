"""From masks to images: a diffusion model trained on a dataset's own training cases."""
