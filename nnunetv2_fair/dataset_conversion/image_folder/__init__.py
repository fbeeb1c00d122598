"""Any folder of images and masks with a table; QDUS is one.

Imports shared, writing and subgroups.
"""
