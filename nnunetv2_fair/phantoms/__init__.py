"""Synthetic ultrasound-like datasets with a known, planted bias: demo, tests, benchmarks.

``spec`` says what to create, ``drawing`` draws every parameter, ``bias`` plants the bias into
the drawn parameters, ``rendering`` turns them into pixels, ``image_files`` and ``folder`` write the
files. ``nnunet_dataset`` alone imports another room besides subgroups: the dataset writer.
"""
