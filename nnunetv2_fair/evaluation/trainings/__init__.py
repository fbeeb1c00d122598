"""Several trainings of one method: found in folders, checked, and put together as the method.

Imports results, statistics and findings; of masks it knows only what files are called.
"""
