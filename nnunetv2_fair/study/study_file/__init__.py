"""study_file."""
