"""Networks that complement nnU-Net's: they read, hide or change the embedding.

They know tensors of group indices, not tables, and import nothing internal.
"""
