"""Models that are prompted with boxes, beside the trainers of a study: SAM, MedSAM, LiteMedSAM.

``choose`` checks what the file says and makes methods of it, ``apple_steps`` trains on their
embedding, ``commands`` predicts. Imports the rest of the plan; starts nothing but the process that
looks at weights.
"""
