"""What several trainers use: names, checkpoints, logs, seeds, averages, variants.

Only ``describe`` imports the trainers themselves.
"""
