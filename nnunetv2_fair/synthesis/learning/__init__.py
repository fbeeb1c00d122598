"""How networks of masks and images are trained: one loop for all of them."""
