"""Conformal thresholds whose coverage holds over a class of functions of the covariates.

Gibbs, Cherian and Candes (2023, arXiv 2305.12616): the (n + 1)-th dual variable of the quantile regression of the scores and
an imputed one on the class does not fall as the imputed score grows. A row's threshold is the score at which it reaches a
cutoff, the level by default.

With that dual variable held at the cutoff u, what is left is a quantile regression of the n scores with a linear term
``u phi(x)'b``; its optimal b with the smallest ``phi(x)'b`` gives the threshold. So one linear programme a row is exact,
without a search over imputed scores, and it is unbounded just where the threshold is infinite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import ConvergenceError, DataError
from statinf.numerics.quantreg.solver import solve_quantiles
from statinf.numerics.quantreg.vertex import descend

_LEAST = 2e-8
"""Taken off the cutoff: of several optimal thresholds the smallest is found. Above the solver's tolerance of a dual."""
_BYTES = 16 * 2**20
_DEPENDENT = 1e-9
_OUTSIDE = 1e-6
_CONSTANT = 1e-12


@dataclass(frozen=True)
class FunctionClass:
    """The span of a constant and of columns, in independent columns near zero and of one size.

    Attributes
    ----------
    shift, scale : ndarray, shape (k,)
        Means and standard deviations of the columns on calibration rows.
    kept, rest : ndarray of int
        Independent columns, and those that depend on them.
    dependence : ndarray, shape (len(kept), len(rest))
    """

    shift: np.ndarray
    scale: np.ndarray
    kept: np.ndarray
    rest: np.ndarray
    dependence: np.ndarray

    @classmethod
    def of(cls, columns: np.ndarray) -> FunctionClass:
        """The class that calibration rows (n, k) tell apart."""
        from scipy.linalg import qr

        from statinf.numerics.linear.triangular import solve_triangular

        k = columns.shape[1]
        shift, scale = columns.mean(axis=0), columns.std(axis=0)
        flat = scale <= _CONSTANT * np.abs(shift)
        scale = np.where(flat, np.maximum(np.abs(shift), 1.0), scale)
        even = np.where(flat, 0.0, (columns - shift) / scale)
        if not k or flat.all():
            return cls(shift, scale, np.zeros(0, np.intp), np.arange(k), np.zeros((0, k)))
        r, order = qr(even, mode="r", pivoting=True)
        size = np.abs(np.diag(r))
        rank = int((size > _DEPENDENT * size[0]).sum())
        dependence = solve_triangular(r[:rank, :rank], r[:rank, rank:])
        return cls(shift, scale, order[:rank], order[rank:], dependence)

    @property
    def dimension(self) -> int:
        """Independent functions, the constant among them."""
        return len(self.kept) + 1

    def rows(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Functions at rows, shape (m, dimension), and whether calibration rows determine them there, shape (m,).

        They do not where columns that depend on others in every calibration row, such as that of a group without one, break
        free.
        """
        even = (columns - self.shift) / self.scale
        kept, rest = even[:, self.kept], even[:, self.rest]
        room = 1.0 + np.abs(kept) @ np.abs(self.dependence) + np.abs(rest)
        inside = np.all(np.abs(rest - kept @ self.dependence) <= _OUTSIDE * room, axis=1)
        return np.column_stack([np.ones(len(kept)), kept]), inside


def conditional_thresholds(
    basis: np.ndarray, scores: np.ndarray, new_basis: np.ndarray, level: float, cutoffs: np.ndarray | None = None
) -> np.ndarray:
    """Thresholds (m,) of new rows, exact.

    Parameters
    ----------
    basis : ndarray, shape (n, d)
        Functions at the calibration rows: independent columns whose span holds the constant.
    scores : ndarray, shape (n,)
    new_basis : ndarray, shape (m, d)
    level : float
    cutoffs : ndarray, shape (m,), optional
        In (level - 1, level): uniform draws give sets whose coverage is exact over the class. The level by default.

    Returns
    -------
    ndarray, shape (m,)
        Infinite where the calibration rows do not outweigh the new one; minus infinity (an empty set) only with cutoffs.

    Raises
    ------
    ConvergenceError
        If the optimum of a row could not be certified.

    Examples
    --------
    >>> import numpy as np
    >>> from statinf.inference.function_class import conditional_thresholds
    >>> scores = np.arange(1.0, 20.0)
    >>> group = np.repeat([0.0, 1.0], [9, 10])
    >>> basis = np.column_stack([np.ones(19), group])
    >>> conditional_thresholds(basis, scores, np.array([[1.0, 0.0], [1.0, 1.0]]), 0.8)
    array([ 8., 18.])
    """
    n, d = basis.shape
    if n < d:
        raise DataError(f"{n} calibration rows cannot determine {d} functions; calibrate on more rows.")
    cuts = np.broadcast_to(level if cutoffs is None else cutoffs, (len(new_basis),)) - _LEAST
    # Rows that are alike share a programme.
    cases, number = np.unique(np.column_stack([new_basis, cuts]), axis=0, return_inverse=True)
    start = solve_quantiles(basis, scores, np.array([level])).basis[0]
    out = np.empty(len(cases))
    size = max(1, _BYTES // (8 * n * (d + 6)))
    for at in range(0, len(cases), size):
        phi, cut = cases[at : at + size, :d], cases[at : at + size, d]
        q = len(phi)
        found = descend(
            np.broadcast_to(basis, (q, n, d)),
            np.broadcast_to(scores, (q, n)),
            np.ones((q, n)),
            cut[:, None] * phi,
            np.full(q, level),
            np.tile(start, (q, 1)),
        )
        endless = found.fall < 0.0
        if not (found.optimal | endless).all():
            raise ConvergenceError(
                f"The threshold of {int((~found.optimal & ~endless).sum())} new rows could not be certified; leave columns "
                "that are nearly collinear out of the formula's second part."
            )
        with np.errstate(invalid="ignore"):
            out[at : at + q] = np.where(
                endless, np.where(cut > 0, np.inf, -np.inf), np.einsum("qd,qd->q", phi, found.coef)
            )
    return out[number.reshape(-1)]
