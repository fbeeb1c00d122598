"""What several trainers use: names, checkpoints, logs, and the game against a discriminator.

Only ``describe`` imports the trainers themselves.
"""
