"""What can go wrong with a vignette, and the message for a missing optional package."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

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
    StatinfError
        If the module's package is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != top:
            raise
        raise StatinfError(
            f"vignettes need the package {top!r}, which is not installed: pip install statinf[docs]"
        ) from error
