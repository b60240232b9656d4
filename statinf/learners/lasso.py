"""The lasso for a whole path of penalties, the penalty chosen by cross-validation (Tibshirani 1996).

Minimises ``1/2 sum_i w_i (y_i - b0 - x_i'b)^2 / sum(w) + penalty * |b|_1`` on standardised columns by
coordinate descent on the Gram matrix (Friedman, Hastie and Tibshirani 2010). Folds need no second pass over
the rows: each training Gram matrix is the total less the fold's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.errors import ConvergenceError, OptionError
from statinf.learners.base import check_rows
from statinf.learners.cells import cell_sums, standardise
from statinf.learners.crossfit import fold_ids
from statinf.learners.linear import FittedLinear


@dataclass(frozen=True)
class FittedLasso(FittedLinear):
    """Coefficients at the chosen penalty, and the whole path.

    Attributes
    ----------
    penalties : ndarray, shape (k,)
    path : ndarray, shape (k, p)
        Coefficients for the columns as given.
    errors : ndarray, shape (k,)
        Cross-validated mean squared errors; empty if the penalty was given.
    """

    penalties: np.ndarray
    path: np.ndarray
    errors: np.ndarray


@dataclass(frozen=True)
class LassoPath:
    """The lasso with its penalty chosen by cross-validation.

    Parameters
    ----------
    penalty : float, optional
        Use this one and choose nothing.
    count : int
        Penalties on the path, from the smallest that leaves no column down to `ratio` times it.
    ratio : float
    folds : int
    rule : {"min", "1se"}
        The penalty of least error, or the largest within one standard error of it.
    """

    penalty: float | None = None
    count: int = 60
    ratio: float = 1e-4
    folds: int = 5
    rule: str = "min"

    def __post_init__(self) -> None:
        if self.penalty is not None and not self.penalty > 0:
            raise OptionError(f"penalty={self.penalty!r} must be positive; use 'lm' for none.")
        if self.count < 2 or not 0 < self.ratio < 1 or self.folds < 2 or self.rule not in ("min", "1se"):
            raise OptionError(
                "a lasso path needs count and folds of at least 2, ratio in (0, 1) and rule 'min' or '1se'."
            )

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedLasso:
        """Fit to X (n, p), y (n,), weights (n,); `seed` draws the folds."""
        X, y, w = check_rows(X, y, w)
        made = standardise(X, w)
        folds = fold_ids(len(y), min(self.folds, len(y)), seed=seed)
        count = int(folds.max()) + 1
        centred = (y - w @ y / w.sum())[:, None]
        sums = cell_sums(made.z, centred, folds, count, w)
        gram, moment = sums.gram.sum(axis=0), sums.moment.sum(axis=0)[:, 0]
        total = sums.weight.sum()
        largest = float(np.abs(moment[1:]).max() / total) if X.shape[1] else 1.0
        if self.penalty is not None:
            penalties = np.array([self.penalty])
        else:
            penalties = max(largest, 1e-300) * self.ratio ** np.linspace(0.0, 1.0, self.count)
        path = lasso_path(gram / total, moment / total, penalties)
        errors = np.empty(0) if self.penalty is not None else _errors(sums, penalties)
        best = _choose(errors, self.rule) if len(errors) else 0
        mean = float(w @ y / w.sum())
        raw = [made.raw(b + np.eye(1, len(b), 0)[0] * mean) for b in path]
        return FittedLasso(
            *raw[best], penalties, np.stack([r[1] for r in raw]), errors.mean(axis=0) if errors.ndim > 1 else errors
        )


def lasso_path(gram: np.ndarray, moment: np.ndarray, penalties: np.ndarray, *, tolerance: float = 1e-10) -> np.ndarray:
    """Coordinate descent from one penalty to the next; the first column is the free intercept.

    Parameters
    ----------
    gram : ndarray, shape (p, p)
        Per unit of weight.
    moment : ndarray, shape (p,)
    penalties : ndarray, shape (k,)
        Decreasing.

    Returns
    -------
    ndarray, shape (k, p)

    Raises
    ------
    ConvergenceError
        If coordinate descent does not settle.
    """
    p = len(moment)
    diagonal = np.diag(gram)
    scale = float(np.sqrt(np.abs(moment).max())) or 1.0
    b, gradient = np.zeros(p), moment.copy()
    out = np.empty((len(penalties), p))

    def sweep(columns: np.ndarray, penalty: float) -> float:
        largest = 0.0
        for j in columns:
            if diagonal[j] <= 1e-14:
                continue
            z = gradient[j] + diagonal[j] * b[j]
            new = z / diagonal[j] if j == 0 else np.sign(z) * max(abs(z) - penalty, 0.0) / diagonal[j]
            move = new - b[j]
            if move != 0.0:
                gradient[:] -= gram[:, j] * move
                b[j] = new
                largest = max(largest, abs(move) * np.sqrt(diagonal[j]))
        return largest

    every = np.arange(p)
    for i, penalty in enumerate(penalties):
        for _ in range(1000):
            if sweep(every, penalty) <= tolerance * scale:
                break
            active = np.flatnonzero((b != 0) | (every == 0))
            for _ in range(10_000):
                if sweep(active, penalty) <= 0.1 * tolerance * scale:
                    break
        else:
            raise ConvergenceError("the lasso's coordinate descent did not settle; raise its smallest penalty.")
        out[i] = b
    return out


def _errors(sums: object, penalties: np.ndarray) -> np.ndarray:
    """Mean squared error of every fold (rows) and penalty (columns), from sums alone."""
    gram, moment = sums.gram, sums.moment[:, :, 0]  # type: ignore[attr-defined]
    squares, weight = sums.squares[:, 0], sums.weight  # type: ignore[attr-defined]
    out = np.empty((len(gram), len(penalties)))
    for k in range(len(gram)):
        rest = weight.sum() - weight[k]
        path = lasso_path((gram.sum(axis=0) - gram[k]) / rest, (moment.sum(axis=0) - moment[k]) / rest, penalties)
        inside = squares[k] - 2.0 * path @ moment[k] + np.einsum("ij,jk,ik->i", path, gram[k], path)
        out[k] = inside / weight[k]
    return out


def _choose(errors: np.ndarray, rule: str) -> int:
    mean = errors.mean(axis=0)
    best = int(np.argmin(mean))
    if rule == "min":
        return best
    bound = mean[best] + errors[:, best].std(ddof=1) / np.sqrt(len(errors))
    return int(np.flatnonzero(mean <= bound)[0])
