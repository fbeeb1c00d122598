"""Group-balanced batches: which cases are drawn for training.

It knows indices of groups, not tables, and imports nothing internal.
"""
