"""Arguments and endings that several commands share.

May import anything that commands may.
"""
