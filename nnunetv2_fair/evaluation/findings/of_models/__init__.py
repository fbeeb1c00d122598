"""What a comparison of models claims: changes from the baseline, and ranks.

Imports results and the words that all findings share.
"""
