"""Arguments and endings that several commands share.

May import whatever commands may.
"""
