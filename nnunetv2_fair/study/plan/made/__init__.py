"""What datasets have in common that a study makes of others, by cropping or by filling up groups.

Imports the rest of the plan, but no steps; starts nothing.
"""
