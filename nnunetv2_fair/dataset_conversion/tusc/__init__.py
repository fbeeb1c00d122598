"""tusc."""
