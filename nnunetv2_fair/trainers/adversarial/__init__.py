"""What APPLE and ADV share: a discriminator that guesses the group, and losses against it.

May import what ``trainers`` may.
"""
