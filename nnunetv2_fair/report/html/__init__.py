"""What all pages share: the frame, safe text, numbers, figures.

Imports only evaluation results.
"""
