"""ukbb_cmr."""
