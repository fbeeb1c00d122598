"""Versions of packages. Also read as a script by interpreters that know nothing of this package."""

import importlib.metadata
import json
import platform
import sys

#: Packages whose version can change a result.
PACKAGES = (
    "nnunetv2_fair", "nnunetv2", "torch", "numpy", "scipy", "pandas", "scikit-learn", "SimpleITK",
    "batchgenerators", "batchgeneratorsv2", "dynamic-network-architectures",
)  # fmt: skip


def installed_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(installed_versions()) + "\n")
