"""Group-balanced batches."""
