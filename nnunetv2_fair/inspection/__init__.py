"""Looking inside trained models: what their bottleneck encodes about the groups.

Only `embeddings` imports torch and nnU-Net. Imports evaluation, networks, nnunet, registration and
subgroups.
"""
