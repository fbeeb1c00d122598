"""How good synthetic images are, each measure beside what real images reach. Imports no nnU-Net."""
