"""What several converters need: tables, pictures, resampling, held-out cases, source datasets.

Imports writing and subgroups.
"""
