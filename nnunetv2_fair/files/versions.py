"""Versions of packages. Also run as a script by interpreters that do not have this package."""

import importlib.metadata
import json
import platform
import sys
from collections.abc import Sequence

#: Packages whose version can change a result.
PACKAGES = (
    "nnunetv2_fair", "nnunetv2", "torch", "numpy", "scipy", "pandas", "scikit-learn", "SimpleITK",
    "batchgenerators", "batchgeneratorsv2", "dynamic-network-architectures",
)  # fmt: skip
#: Those of them that an evaluation's numbers depend on.
MEASURING = ("numpy", "scipy", "pandas", "SimpleITK")


def installed_versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of Python and of those packages that are installed.

    Args:
        packages: Names of the packages.
    """
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def measuring_versions() -> dict[str, str]:
    """Return the versions of this package, Python and what an evaluation's numbers depend on."""
    from nnunetv2_fair import __version__  # not above: a foreign interpreter has no such package

    return {"nnunetv2_fair": __version__, **installed_versions(MEASURING)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(installed_versions()) + "\n")
