"""Whether a maximum likelihood estimate exists: directions along which the likelihood never falls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def separating_direction(columns: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray | None:
    """A direction that pushes every outcome towards the boundary it lies on, or None.

    Parameters
    ----------
    columns : ndarray, shape (n, k)
        Of full rank.
    lower, upper : ndarray of bool, shape (n,)
        Whether the row's outcome lies on the lower end of its range (0 for counts and binary outcomes),
        or on the upper end (1 for binary ones). A row on neither end must not move.

    Returns
    -------
    ndarray, shape (k,), or None
        Found by the linear programme of Konis (2007): maximise the sum of signed movements, each of them
        at least zero, over the unit box; a positive optimum is separation, quasi-complete included.
    """
    from scipy.optimize import linprog

    scale = np.maximum(np.abs(columns).max(axis=0), np.finfo(float).tiny)
    x = columns / scale
    sign = np.where(upper, 1.0, -1.0)
    moving = lower | upper
    signed = x[moving] * sign[moving, None]
    fixed = x[~moving]
    result = linprog(
        -signed.sum(axis=0),
        A_ub=-signed if len(signed) else None,
        b_ub=np.zeros(len(signed)) if len(signed) else None,
        A_eq=fixed if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None,
        bounds=[(-1.0, 1.0)] * x.shape[1],
        method="highs",
    )
    if result.x is None or -result.fun <= 1e-7 * max(1, len(signed)):
        return None
    return result.x / scale


def separating_columns(
    columns: np.ndarray, names: Sequence[str], lower: np.ndarray, upper: np.ndarray
) -> tuple[list[str], int] | None:
    """The columns that separate outcomes, those that move the predictor most first, and the rows they settle.

    Parameters
    ----------
    columns, lower, upper
        As `separating_direction` takes them.
    names : sequence of str
        Of the columns; "Intercept" is never blamed.
    """
    direction = separating_direction(columns, lower, upper)
    if direction is None:
        return None
    reach = np.abs(direction) * np.abs(columns).max(axis=0)
    return guilty_columns(names, reach), int(np.count_nonzero(np.abs(columns @ direction) > 1e-7))


def guilty_columns(names: Sequence[str], reach: np.ndarray) -> list[str]:
    """Names of the columns that move a predictor, by how far (k,); "Intercept" is never blamed."""
    order = sorted(range(len(names)), key=lambda j: -reach[j])
    return [names[j] for j in order if reach[j] > 1e-6 and names[j] != "Intercept"]
