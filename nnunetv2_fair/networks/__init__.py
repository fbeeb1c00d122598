"""Networks beside nnU-Net's: what reads, hides or changes the embedding; no tables."""
