"""How much work a vignette does: ``smoke`` for a check, ``reduced`` for the page, ``full`` for the paper's own size."""

from __future__ import annotations

import os
from typing import TypeVar

from statinf.errors import one_of

T = TypeVar("T")

SIZES = ("smoke", "reduced", "full")
VARIABLE = "STATINF_VIGNETTE"


def size() -> str:
    """Size at which the running vignette should do its work.

    Read from the environment variable ``STATINF_VIGNETTE``, which the renderer sets.

    Returns
    -------
    str
        ``"smoke"`` (seconds, checks that every cell runs), ``"reduced"`` (the default: under two minutes) or
        ``"full"`` (the sizes of the paper).

    Raises
    ------
    OptionError
        If the variable holds anything else.

    Examples
    --------
    >>> from statinf.vignette import size
    >>> size() in ("smoke", "reduced", "full")
    True
    """
    return one_of(VARIABLE, os.environ.get(VARIABLE) or "reduced", SIZES)


def pick(*, smoke: T, reduced: T, full: T) -> T:
    """Choose a setting, such as a number of simulation runs, by the size of the vignette.

    Parameters
    ----------
    smoke, reduced, full : object
        The value at each size.

    Returns
    -------
    object
        The one that belongs to `size()`.

    Examples
    --------
    >>> from statinf.vignette import pick
    >>> pick(smoke=20, reduced=200, full=1000) in (20, 200, 1000)
    True
    """
    return {"smoke": smoke, "reduced": reduced, "full": full}[size()]
