"""Quantile levels as callers give them."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import NumericalWarning, OptionError, issue_warning


def levels_of(tau: Any) -> np.ndarray:
    """Levels in increasing order, or an `OptionError` that names the one outside (0, 1)."""
    levels = given_levels(tau)
    ordered = np.unique(levels)
    if len(ordered) != len(levels) or (ordered != levels).any():
        issue_warning("the levels tau were sorted and repeated ones dropped.", NumericalWarning)
    return ordered


def given_levels(tau: Any) -> np.ndarray:
    """Levels in the order given, or an `OptionError` that names the one outside (0, 1), or those of one name."""
    try:
        levels = np.atleast_1d(np.asarray(tau, dtype=np.float64))
    except (TypeError, ValueError):
        raise OptionError(f"tau={tau!r} is not a level or a list of levels in (0, 1).") from None
    if levels.ndim != 1 or not len(levels):
        raise OptionError(f"tau={tau!r}: give one level or a list of levels in (0, 1).")
    bad = levels[~((levels > 0) & (levels < 1))]
    if len(bad):
        raise OptionError(f"tau={bad[0]:g} is outside (0, 1).")
    names, counts = np.unique([f"{t:g}" for t in np.unique(levels)], return_counts=True)
    if (counts > 1).any():
        raise OptionError(
            f"tau holds levels that are all but equal to {names[np.argmax(counts)]}; six digits of each are its name, in "
            "which levels must differ."
        )
    return levels


def positions(given: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Where each of the increasing levels stands first among the levels in the order given, shape (m,)."""
    return np.argmax(given == levels[:, None], axis=1)
