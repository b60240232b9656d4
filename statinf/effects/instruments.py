"""Linear instrumental variables in orthogonal coordinates: one triangular factor holds every k-class estimate.

Columns [exogenous, instruments, endogenous, outcome], each row scaled by the root of its weight, are
reduced to a triangular factor R. In its coordinates the projection on the instruments is a choice of rows,
so that estimates, first stages and tests of overidentification are computations with a few small blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh

from statinf.errors import NotIdentifiedError
from statinf.numerics.linear.factors import triangular_factor
from statinf.numerics.linear.products import row_products
from statinf.numerics.linear.reduction import TOLERANCE, independent_columns
from statinf.numerics.linear.triangular import solve_triangular

_IRRELEVANT = 1e-9
"""First stages with less than this share of the treatment's variation left do not identify it."""


@dataclass(frozen=True)
class System:
    """Sums of squares and products of a linear instrumental-variable model.

    Attributes
    ----------
    factor : ndarray, shape (m, m)
        Upper triangular; m = a + b + c + 1 columns in the order exogenous (a), instruments (b),
        endogenous (c), outcome.
    a, b, c : int
        Numbers of columns that are not aliased.
    nobs : int
        Rows of positive weight.
    absorbed : int
        Effects that the columns have been projected off, each of which costs a degree of freedom.
    """

    factor: np.ndarray
    a: int
    b: int
    c: int
    nobs: int
    absorbed: int = 0

    @property
    def first(self) -> np.ndarray:
        """Endogenous columns on the instruments, exogenous ones partialled out, shape (b, c)."""
        return self.factor[self.a : self.a + self.b, self.a + self.b : -1]

    @property
    def reduced(self) -> np.ndarray:
        """The outcome on the instruments, exogenous ones partialled out, shape (b,)."""
        return self.factor[self.a : self.a + self.b, -1]

    @property
    def second_stage_factor(self) -> np.ndarray:
        """Triangular factor of projected endogenous columns and exogenous ones, in this order, shape (c + a, c + a)."""
        inside = self.factor[: self.a + self.b]
        both = np.column_stack([inside[:, self.a + self.b : -1], inside[:, : self.a]])
        return np.asarray(np.linalg.qr(both, mode="r"))

    @property
    def rest(self) -> np.ndarray:
        """What instruments leave of [endogenous, outcome], shape (c + 1, c + 1), upper triangular."""
        return self.factor[self.a + self.b :, self.a + self.b :]

    @property
    def df_first(self) -> int:
        """Residual degrees of freedom of a first stage."""
        return self.nobs - self.absorbed - self.a - self.b

    @property
    def df_resid(self) -> int:
        """Residual degrees of freedom of the structural equation."""
        return self.nobs - self.absorbed - self.a - self.c


def system(
    exogenous: np.ndarray,
    instruments: np.ndarray,
    endogenous: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    together: np.ndarray | None = None,
    absorbed: int = 0,
    tolerance: float = TOLERANCE,
) -> tuple[System, np.ndarray]:
    """Reduce the rows to a `System`.

    Parameters
    ----------
    exogenous : ndarray, shape (n, a)
        With the intercept.
    instruments : ndarray, shape (n, b)
    endogenous : ndarray, shape (n, c)
    y : ndarray, shape (n,)
    weights : ndarray, shape (n,), optional
    together : ndarray, shape (n, a + b + c + 1), optional
        All of these columns in this order, where they stand side by side.
    absorbed : int
    tolerance : float
        Share of a column that must be left beside those before it.

    Returns
    -------
    System
    kept : ndarray of bool, shape (a + b,)
        Exogenous columns and instruments that the columns before them do not determine.
    """
    a, b = exogenous.shape[1], instruments.shape[1]
    if together is None:
        factor = triangular_factor(exogenous, weights, np.column_stack([instruments, endogenous, y]))
    else:
        factor = triangular_factor(together, weights)
    nobs = len(y) if weights is None else int(np.count_nonzero(weights))
    return system_of(factor, a, b, endogenous.shape[1], nobs, absorbed=absorbed, tolerance=tolerance)


def system_of(
    factor: np.ndarray, a: int, b: int, c: int, nobs: int, *, absorbed: int = 0, tolerance: float = TOLERANCE
) -> tuple[System, np.ndarray]:
    """The same from the triangular factor of [exogenous (a), instruments (b), endogenous (c), outcome]."""
    kept = independent_columns(factor, a + b, tolerance)
    if not kept.all():
        chosen = np.concatenate([np.flatnonzero(kept), np.arange(a + b, factor.shape[1])])
        factor = np.asarray(np.linalg.qr(factor[:, chosen], mode="r"))
    size = factor.shape[1]
    if len(factor) < size:
        factor = np.vstack([factor, np.zeros((size - len(factor), size))])
    left = int(kept[:a].sum())
    return System(factor, left, int(kept.sum()) - left, c, nobs, absorbed), kept


def check_identified(made: System, names: tuple[str, ...]) -> None:
    """Refuse endogenous columns that the instruments cannot tell apart, or do not move at all."""
    if made.b < made.c:
        raise NotIdentifiedError(
            f"{made.b} {'instrument' if made.b == 1 else 'instruments'} (collinear ones not counted) for {made.c} endogenous "
            f"{'column' if made.c == 1 else 'columns'} ({', '.join(names)}); there must be at least as many instruments."
        )
    first = made.first
    total = np.sqrt((made.factor[made.a :, made.a + made.b : -1] ** 2).sum(axis=0))
    length = np.sqrt((made.factor[:, made.a + made.b : -1] ** 2).sum(axis=0))
    for j, name in enumerate(names):
        if total[j] <= _IRRELEVANT * length[j]:
            raise NotIdentifiedError(
                f"'{name}' is determined by the covariates: nothing of it is left for the instruments to move."
            )
    scaled = first / total
    if np.linalg.svd(scaled, compute_uv=False)[-1] <= _IRRELEVANT:
        raise NotIdentifiedError(
            f"the instruments do not move {', '.join(map(repr, names))} (the first stage has no full rank)."
        )


def k_class(made: System, kappa: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The k-class estimate {X'(I - kappa M)X}^-1 X'(I - kappa M) y; kappa 1 is two-stage least squares.

    Returns
    -------
    endogenous : ndarray, shape (c,)
    exogenous : ndarray, shape (a,)
    bread : ndarray, shape (c + a, c + a)
        {X'(I - kappa M)X}^-1, endogenous coefficients first.
    """
    first, reduced, rest = made.first, made.reduced, made.rest
    inner = first.T @ first + (1.0 - kappa) * rest[:, :-1].T @ rest[:, :-1]
    if kappa == 1.0:
        beta = np.linalg.lstsq(first, reduced, rcond=None)[0]
    else:
        beta = cho_solve(cho_factor(inner), first.T @ reduced + (1.0 - kappa) * rest[:, :-1].T @ rest[:, -1])
    top = made.factor[: made.a, : made.a]
    cross = made.factor[: made.a, made.a + made.b : -1]
    gamma = solve_triangular(top, made.factor[: made.a, -1] - cross @ beta) if made.a else np.empty(0)
    corner = np.linalg.inv(inner)
    inverse = solve_triangular(top, np.eye(made.a)) if made.a else np.empty((0, 0))
    link = -inverse @ cross @ corner
    lower = inverse @ (np.eye(made.a) + cross @ corner @ cross.T) @ inverse.T
    return beta, gamma, np.block([[corner, link.T], [link, lower]])


def liml_kappa(made: System) -> float:
    """Smallest root of the ratio of the residual variation without and with the instruments; at least 1."""
    inside = made.rest.T @ made.rest
    first = np.column_stack([made.first, made.reduced])
    total = inside + first.T @ first
    scale = np.sqrt(np.outer(np.diag(total), np.diag(total)))
    share = eigh(inside / scale, total / scale, eigvals_only=True)[-1]
    return max(1.0 / float(share), 1.0)


def structural_rss(made: System, beta: np.ndarray) -> float:
    """Sum of squares of y - X b at endogenous coefficients `beta` and their exogenous ones."""
    return float(
        ((made.reduced - made.first @ beta) ** 2).sum() + ((made.rest[:, -1] - made.rest[:, :-1] @ beta) ** 2).sum()
    )


def carried(made: System, factor: np.ndarray) -> np.ndarray:
    """What takes [exogenous, instruments] to their orthonormal columns times `factor` (a + b, m), shape (a + b, m)."""
    size = made.a + made.b
    return solve_triangular(made.factor[:size, :size], factor)


def onto(made: System, exogenous: np.ndarray, instruments: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Orthonormal columns of [exogenous, instruments] times `factor` (a + b, m), shape (n, m).

    Kept columns only, weights not applied. The small matrices are multiplied first: the orthonormal columns need not be made.
    """
    inside = carried(made, factor)
    found = row_products(exogenous, inside[: made.a])
    found += row_products(instruments, inside[made.a :])
    return found
