"""The log of the groups that trainers write, epoch by epoch: its columns, reading, averages.

Trainers write it and pages of studies draw it, so it knows neither torch nor nnU-Net. Imports
nothing internal but the ground.
"""
