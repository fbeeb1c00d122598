"""The steps of a plan: commands, resources and fingerprints of each kind of step.

Each module adds one kind to the builder. Imports the rest of the plan; starts nothing.
"""
