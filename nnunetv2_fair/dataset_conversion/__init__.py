"""From original data to nnU-Net datasets: one room per dataset, on `shared` and `writing`.

No converter imports another one.
"""
