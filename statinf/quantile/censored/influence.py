"""Influence of each row on censored quantile regressions.

The martingale equation of Peng and Huang (2008) at level t, linear in the errors of all levels up to it, is a recursion:
errors(t) = -B(t)^-1 (scores(t) + sum over u < t of J(u) errors(u) dH(u)), where B = E[x x' f(seen)] and J = E[x x' f] hold
the densities at the fit of outcomes that are seen and of all. Densities are difference quotients of neighbouring fits
(Hendricks and Koenker 1991). The redistribution of Portnoy (2003) has the same limit (Peng 2012, Journal of Multivariate
Analysis 105).
"""

from __future__ import annotations

import numpy as np

from statinf.backend import progress_bar
from statinf.errors import NotIdentifiedError
from statinf.numerics.quantreg.bandwidth import bandwidths

_ON = 1e-9
_CONDITION = 1e12
_SMALLEST = 0.1


def influence(
    X: np.ndarray,
    y: np.ndarray,
    event: np.ndarray,
    w: np.ndarray,
    grid: np.ndarray,
    path: np.ndarray,
    taus: np.ndarray,
    rule: str,
) -> np.ndarray:
    """Influence per unit of weight of each row on the coefficients at `taus`, shape (k, n, p).

    Parameters
    ----------
    X, y, event, w : (n, p), (n,), (n,), (n,)
    grid : (m,)
        Levels, `taus` among them.
    path : (m, p)
        Coefficients at them.
    rule : {"hall-sheather", "bofinger"}

    Raises
    ------
    NotIdentifiedError
        If densities vanish in some direction of the regressors.
    """
    m, near = len(grid), _ON * np.ptp(y)
    hazard = np.diff(-np.log1p(-np.concatenate([[0.0], grid])))
    reach = bandwidths(len(y), grid, rule)
    out = []
    before = np.zeros_like(X)
    compensator, above = np.zeros(len(y)), np.ones(len(y), bool)
    for j, t in enumerate(progress_bar(grid, label="levels")):
        if t > taus[-1]:
            break
        fitted = X @ path[j]
        low, high = _window(grid, j, reach[j])
        bottom, top = X @ path[low], X @ path[high]
        apart, width = _widths(bottom, top, near)
        compensator += above * hazard[j]
        above = y >= fitted - near
        density = w * above * apart * (grid[high] - grid[low]) / width / (1.0 - t)
        score = event * (y <= fitted + near) - compensator
        found = -np.linalg.solve(_positive((X * density[:, None]).T @ X, t), (X * score[:, None] + before).T).T
        if np.any(np.isclose(taus, t, rtol=0.0, atol=1e-12)):
            out.append(found)
        if j + 1 < m:
            around = w * apart * ((y > bottom + near) & (y <= top + near)) / width
            before += found @ ((X * around[:, None]).T @ X) * hazard[j + 1]
    return np.stack(out)


def _window(grid: np.ndarray, j: int, h: float) -> tuple[int, int]:
    """Positions of the levels about h below and above the j-th, at least one step where there is one."""
    last = len(grid) - 1
    low = min(int(np.searchsorted(grid, grid[j] - h)), max(j - 1, 0))
    high = max(min(int(np.searchsorted(grid, grid[j] + h)), last), min(j + 1, last))
    return low, high


def _widths(bottom: np.ndarray, top: np.ndarray, near: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows at which the upper fit is above the lower one, and the distance.

    Fits may share a row that they interpolate, and be all but equal in the rows beside it: there the distance says nothing of
    the density, and is taken as a tenth of the mean.
    """
    width = top - bottom
    return width > near, np.maximum(width, max(near, _SMALLEST * float(np.maximum(width, 0.0).mean())))


def _positive(matrix: np.ndarray, t: float) -> np.ndarray:
    scale = np.sqrt(np.maximum(np.diag(matrix), 0.0))
    flat = not (scale > 0).all()
    if flat or np.linalg.cond(matrix / np.outer(scale, scale)) > _CONDITION:
        raise NotIdentifiedError(
            f"the density of the outcome at level {t:g} vanishes in some direction of the regressors, so that standard "
            "errors have no estimate; use vcov='boot'."
        )
    return matrix
