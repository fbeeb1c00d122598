"""Running the steps of a plan: Snakemake, locks, attempts, events.

Imports the plan.
"""
