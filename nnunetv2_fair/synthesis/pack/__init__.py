"""The folder that synthetic cases are kept in: written and read here and nowhere else.

May import `cropping`.
"""
