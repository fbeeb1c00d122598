"""mama_mia."""
