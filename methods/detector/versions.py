"""The versions of what results depend on."""

import importlib.metadata
import platform

PACKAGES = ("keras", "tensorflow", "numpy", "opencv-python-headless")


def versions() -> dict[str, str]:
    """Return the versions of Python and the packages that results depend on."""
    numbers = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            numbers[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return numbers
