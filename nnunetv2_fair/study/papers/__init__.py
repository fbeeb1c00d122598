"""Tables and figures of all methods that a study's file asks for, made at its end.

From evaluations on disk to files: `sources` finds the evaluations,
`tables` and `figures` make one thing each, `write` puts them into the study's folder.
"""
