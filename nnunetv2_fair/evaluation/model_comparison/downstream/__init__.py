"""Models compared by the errors of measures that clinicians take from their masks.

Imports what its parent room imports.
"""
