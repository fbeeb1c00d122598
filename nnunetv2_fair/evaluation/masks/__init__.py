"""Reading label maps and pictures, their geometry and foreground.

Imports only files.
"""
