"""What can go wrong with a vignette, and the message for a missing optional package."""

from __future__ import annotations

from types import ModuleType

from statinf import optional
from statinf.errors import StatinfError


class VignetteError(StatinfError):
    """A vignette could not be found, read, run or rendered; the message names the file and the line."""


def need(module: str) -> ModuleType:
    """Import an optional module, or say which extra brings it.

    Parameters
    ----------
    module : str
        Dotted name of the module.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingPackageError
        If the module's package is not installed.
    """
    return optional.need(module, "rendering a vignette")
