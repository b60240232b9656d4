"""Bootstrap refits of weighted least squares: every replica from one matrix product."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from statinf.backend import weighted_sums
from statinf.numerics.linear.pairs import pair_products, unpack_symmetric


def refit_solver(
    columns: np.ndarray, response: np.ndarray, weights: np.ndarray, *, studentize: bool = False
) -> Callable[[np.ndarray], np.ndarray]:
    """A solver from replica weights, shape (c, n), to coefficients, shape (c, p).

    With `studentize` the HC1 standard errors of each replica are appended, shape (c, 2 p). Columns are
    orthogonalised first, so that normal equations lose no digits.

    Parameters
    ----------
    columns : ndarray, shape (n, p)
        Of full rank.
    response, weights : ndarray, shape (n,)
    """
    p = columns.shape[1]
    root = np.sqrt(weights)
    factor = np.asarray(np.linalg.qr(columns * root[:, None], mode="r"))
    basis = np.linalg.solve(factor.T, columns.T).T
    back = np.linalg.inv(factor)
    products = pair_products(basis, response, weights)
    pairs = p * (p + 1) // 2
    nobs = int(np.count_nonzero(weights))

    def solve(w: np.ndarray) -> np.ndarray:
        sums = weighted_sums(w, products)
        gram = unpack_symmetric(sums[:, :pairs], p)
        inverse, bad = _inverse(gram)
        coef = np.einsum("cij,cj->ci", inverse, sums[:, pairs:])
        coef[bad] = np.nan
        out = coef @ back.T
        if not studentize:
            return out
        residual = response - coef @ basis.T
        meat = unpack_symmetric((w * residual**2 * weights) @ products[:, :pairs], p)
        bread = back @ inverse
        spread = np.einsum("cij,cjk,cik->ci", bread, meat, bread) * nobs / (nobs - p)
        return np.concatenate([out, np.sqrt(spread)], axis=1)

    return solve


def _inverse(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverses of a stack of Gram matrices, and which of them are singular."""
    condition_floor = 1e-12
    values = np.linalg.eigvalsh(gram)
    bad = values[:, 0] <= condition_floor * values[:, -1]
    safe = np.where(bad[:, None, None], np.eye(gram.shape[1]), gram)
    return np.linalg.inv(safe), bad
