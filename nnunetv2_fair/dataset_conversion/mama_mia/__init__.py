"""MAMA-MIA: breast MRI of four trials, with automated and expert labels.

Imports shared, writing, subgroups and the boxes of cropping.
"""
