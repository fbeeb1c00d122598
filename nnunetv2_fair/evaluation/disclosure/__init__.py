"""What may leave a hospital: results without small groups and without what would reveal them.

Imports results and statistics.
"""
