"""What may be said about groups and models: verdicts decided from numbers, and their words.

Imports results; pages, the console and ``summary.json`` take every claim from here.
"""
