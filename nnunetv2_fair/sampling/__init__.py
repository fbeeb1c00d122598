"""Group-balanced batches: which cases are drawn for training.

Knows indices of groups, not tables; imports nothing internal.
"""
