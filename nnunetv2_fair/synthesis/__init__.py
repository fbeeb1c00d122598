"""Synthetic cases for small groups: masks, images, their quality, and datasets filled up with them.

``pack`` is the folder that synthetic cases are kept in, ``masks`` and ``images`` make them,
``quality`` compares them with real ones, ``equal_scale`` puts them beside real ones;
``training_cases`` finds and reads what is learnt from, ``learning`` is the loop that trains all
networks, most of which need the extra ``synthesis`` (diffusers); nothing is downloaded.
"""
