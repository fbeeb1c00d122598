"""What an evaluation, a comparison and a discovery have found: plain objects, their JSON and CSV.

Imports nothing of evaluation but the registry; everything above imports it.
"""
