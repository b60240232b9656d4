"""Densities along both sides of zero, rows of the other side left out."""

from __future__ import annotations

import numpy as np

from statinf.numerics.laws.edge_density import Ranked, later_sums
from statinf.numerics.localpoly.kernels import kernel_values


def side_curve(
    ranked: Ranked, at: np.ndarray, above: bool, order: int, h: float, kernel: str
) -> tuple[np.ndarray, np.ndarray]:
    """Densities and their standard errors at points of one side, each shape (m,).

    Parameters
    ----------
    ranked : Ranked
    at : ndarray, shape (m,)
    above : bool
        Which side of zero the points, and the rows that are used, lie on.
    order : int
        Of the local polynomials.
    h : float
        Bandwidth; wider where it holds too few distinct values.
    kernel : str
    """
    split = int(np.searchsorted(ranked.x, 0.0))
    side = slice(split, ranked.n) if above else slice(0, split)
    x = ranked.x[side]
    distinct = np.unique(x)
    level, error = np.empty(len(at)), np.empty(len(at))
    for i, point in enumerate(at):
        near = np.sort(np.abs(distinct - point))
        width = max(h, 1.01 * near[min(3 * (order + 1), len(near)) - 1])
        low = int(np.searchsorted(x, point - width)) + side.start
        high = int(np.searchsorted(x, point + width, side="right")) + side.start
        window = slice(low, high)
        u = (ranked.x[window] - point) / width
        basis = u[:, None] ** np.arange(order + 1)
        weighted = basis * (kernel_values(kernel, u) / width * ranked.w[window])[:, None]
        row = np.linalg.inv(weighted.T @ basis)[1] / width
        share = ranked.share[window]
        level[i] = row @ (weighted.T @ (share - share.mean()))
        error[i] = np.linalg.norm(later_sums(ranked, (weighted @ row)[:, None], window)[:, 0] * ranked.w[window])
    return level, error
