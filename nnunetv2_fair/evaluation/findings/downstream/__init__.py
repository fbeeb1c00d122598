"""What may be claimed about errors of downstream measures, and about decisions at a threshold.

Imports what findings import.
"""
