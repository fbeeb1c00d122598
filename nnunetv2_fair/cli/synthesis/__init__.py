"""Subcommands of ``nnUNetv2_fair_synthesize``: each adds its arguments and acts on them."""
