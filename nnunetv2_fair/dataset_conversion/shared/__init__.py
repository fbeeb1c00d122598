"""What several converters need: columns of tables, pictures, resampling, held-out cases.

Imports writing and subgroups.
"""
