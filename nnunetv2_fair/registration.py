"""Registers the plugin folder with nnU-Net when a Python interpreter starts.

A line in a ``.pth`` file in site-packages calls :func:`register`. It must stay cheap, because
every Python process of the environment runs it: nothing but ``os`` is imported.
"""

import os

EXTERNAL_TRAINERS = "nnUNet_extTrainer"

#: Written into site-packages at installation. It does nothing and prints nothing when
#: the package is gone, because some installers leave such files behind.
PTH_NAME = "nnunetv2_fair_registration.pth"
PTH_LINE = (
    "import importlib.util; importlib.util.find_spec('nnunetv2_fair') and "
    "__import__('nnunetv2_fair.registration', fromlist=['register']).register()\n"
)


def plugin_folder() -> str:
    """Return the folder that nnU-Net has to search for our trainers."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "plugin")


def is_registered() -> bool:
    """Return whether ``nnUNet_extTrainer`` of this process names the plugin folder."""
    parts = os.environ.get(EXTERNAL_TRAINERS, "").split(os.pathsep)
    return plugin_folder() in parts


def register() -> None:
    """Append the plugin folder to ``nnUNet_extTrainer``; the user's own folders come first."""
    if is_registered():
        return
    own = os.environ.get(EXTERNAL_TRAINERS, "")
    parts = [part for part in own.split(os.pathsep) if part]
    os.environ[EXTERNAL_TRAINERS] = os.pathsep.join([*parts, plugin_folder()])
