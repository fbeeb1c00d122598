"""Losses that know which group each sample is in.

They know tensors of group indices, not tables, and import nothing internal.
"""
