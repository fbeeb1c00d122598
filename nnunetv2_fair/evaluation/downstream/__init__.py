"""What errors mean downstream: measures that clinicians take from masks, and how wrong they are.

Imports masks, measuring, metrics, results, statistics and failures.
"""
