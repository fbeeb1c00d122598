"""What a command writes to the screen: nothing that acts on a terminal, and never a traceback.

Imports nothing of this package but ``errors``, ``paths`` and ``files``.
"""
