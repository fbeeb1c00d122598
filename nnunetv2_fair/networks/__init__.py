"""Networks beside nnU-Net's: what reads, hides or changes the embedding.

Know tensors of group indices, not tables; import nothing internal.
"""
