"""What the first rows of a stream teach: a model, its residuals and its scores for the rows to come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

from statinf.brief import Brief
from statinf.errors import AliasedWarning, DataError, FormulaError, NotIdentifiedError, OptionError, issue_warning
from statinf.models.existence import at_bounds, check_range, refuse_separation
from statinf.numerics.glm.families import Family, family_of
from statinf.numerics.glm.irls import fit_glm
from statinf.numerics.linear.reduction import TOLERANCE
from statinf.numerics.linear.triangular import solve_triangular
from statinf.stochastic.monitoring.detector import MonitorProblem


def combined(columns: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Columns (n, p) @ matrix (p, q), each row in the same order of sums however many rows there are."""
    out = np.zeros((len(columns), matrix.shape[1]))
    for j in range(columns.shape[1]):
        out += columns[:, j, None] * matrix[j]
    return out


@dataclass(frozen=True, repr=False)
class Reference(Brief):
    """A model of the first rows; without an outcome their means.

    Attributes
    ----------
    centre, spread : ndarray, shape (p,)
        Of the columns.
    kept : ndarray of bool, shape (k,)
        Columns of the design, the constant first, that the first rows tell apart.
    coef : ndarray, shape (q,)
    family : str
        Empty without an outcome.
    intercept : bool
    outcome : str
    """

    centre: np.ndarray
    spread: np.ndarray
    kept: np.ndarray
    coef: np.ndarray
    family: str
    intercept: bool
    outcome: str

    @property
    def model(self) -> Family:
        """The family with its usual link."""
        return family_of(self.family)

    def columns(self, X: np.ndarray) -> np.ndarray:
        """The design of rows X (n, p) in the first rows' units, shape (n, q)."""
        Z = (X - self.centre) / self.spread
        if self.intercept and self.family:
            Z = np.column_stack([np.ones(len(X)), Z])
        return Z[:, self.kept]

    def scores(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Scores of the model at rows X (n, p) with outcomes (n,), shape (n, q)."""
        Z = self.columns(X)
        if not self.family:
            return Z
        self.check(y)
        slope = self.model.terms(combined(Z, self.coef[:, None])[:, 0], y)[0]
        return Z * slope[:, None]

    def residuals(self, X: np.ndarray, y: np.ndarray, *, pearson: bool = False) -> np.ndarray:
        """Outcomes less their means, shape (n,); over the standard deviation that the mean implies if asked for."""
        self.check(y)
        mean = self.model.link.inverse(combined(self.columns(X), self.coef[:, None])[:, 0])
        found = y - mean
        return found / np.sqrt(np.maximum(self.model.variance(mean), 1e-300)) if pearson else found

    def check(self, y: np.ndarray) -> None:
        """Refuse outcomes outside of the family's range."""
        check_range(y, np.ones(len(y)), self.model, self.outcome)


def learn(problem: MonitorProblem, family: str) -> Reference:
    """The model of the first rows.

    Raises
    ------
    DataError
        If there are no more rows than coefficients, or outcomes are out of range.
    FormulaError
        If there is nothing to watch.
    """
    X, y = problem.rows.X, problem.rows.y
    near = X - X[0]
    middle = near.mean(axis=0)
    spread = np.sqrt(((near - middle) ** 2).mean(axis=0))
    # A column that does not vary is told by rounding alone.
    flat = spread <= 1e-12 * np.abs(near).max(axis=0, initial=0.0)
    spread = np.where(flat | (spread == 0.0), 1.0, spread)
    centre = X[0] + middle if problem.intercept or not problem.outcome else np.zeros(X.shape[1])
    made = Reference(
        centre, spread, np.ones(X.shape[1] + int(problem.intercept and bool(problem.outcome)), bool), np.zeros(0),
        family if problem.outcome else "", problem.intercept, problem.outcome,
    )  # fmt: skip
    Z = made.columns(X)
    if not Z.shape[1]:
        raise FormulaError("the formula has no column to watch; write '~ x', 'y ~ 1' or 'y ~ x'.")
    if not problem.outcome:
        kept, coef = ~(flat | (np.ptp(near, axis=0) == 0.0)), np.zeros(0)
    else:
        made.check(y)
        if made.family == "poisson" and not y.any():
            raise DataError(f"the outcome '{made.outcome}' is zero in all of the first {len(y)} rows; raise burn_in=.")
        found = fit_glm(Z, y, made.model, alias_tolerance=TOLERANCE)
        kept, coef = found.kept, found.coef[found.kept]
        if np.ptp(y) > 0 and at_bounds(y, made.model, found.eta).any():
            _refuse_separation(Z, made, problem.names, kept, y)
    if not kept.any():
        raise DataError("no column varies over the first rows: nothing can be learnt of their law; raise burn_in=.")
    names = (*(["Intercept"] if len(kept) > len(problem.names) else []), *problem.names)
    lost = [name for name, keep in zip(names, kept, strict=True) if not keep]
    if lost:
        issue_warning(
            f"the first {len(y)} rows do not tell {', '.join(map(repr, lost))} from the other columns; not watched.",
            AliasedWarning,
        )
    if len(y) <= kept.sum() + 1:
        raise DataError(f"{len(y)} first rows are too few for {int(kept.sum())} coefficients; raise burn_in=.")
    return Reference(centre, spread, kept, coef, made.family, made.intercept, made.outcome)


def _refuse_separation(Z: np.ndarray, made: Reference, names: tuple[str, ...], kept: np.ndarray, y: np.ndarray) -> None:
    every = (*(["Intercept"] if len(kept) > len(names) else []), *names)
    try:
        refuse_separation(Z, every, kept, y, made.model)
    except NotIdentifiedError as error:
        raise NotIdentifiedError(
            f"the first {len(y)} rows: {error} A larger burn_in= may bring outcomes that differ."
        ) from None


def whitening(scores: np.ndarray, lags: int, lost: int) -> np.ndarray:
    """The matrix (q, q) that gives scores (m, q) of the first rows a long-run covariance of one.

    Parameters
    ----------
    scores : ndarray, shape (m, q)
        Of mean zero.
    lags : int
        Autocovariances that count, with Bartlett's weights; 0 for independent rows.
    lost : int
        Coefficients that were estimated: degrees of freedom that the rows have lost.

    Raises
    ------
    DataError
        If the scores do not vary in every direction.
    OptionError
        If there are too many autocovariances for the rows.
    """
    m, q = scores.shape
    if 2 * lags >= m:
        raise OptionError(
            f"lags={lags}: {m} first rows tell their long-run covariance by fewer than {m // 2} autocovariances; lower lags=, or "
            "raise burn_in=."
        )
    size = np.sqrt((scores**2).mean(axis=0))
    if not (size > 0).all() or not np.isfinite(size).all():
        raise DataError(
            "the model fits the first rows without error, or not at all: raise burn_in=, or leave columns out."
        )
    unit = scores / size
    R = np.asarray(qr(unit, mode="r")[0])[:q]
    ends = np.abs(np.diag(R))
    if ends.min() <= 1e-7 * ends.max():
        raise DataError("the scores of the first rows are collinear: raise burn_in=, or leave columns out.")
    if lags:
        whole = unit.T @ unit
        for lag in range(1, min(lags, m - 1) + 1):
            cross = unit[lag:].T @ unit[:-lag]
            whole += (1.0 - lag / (lags + 1.0)) * (cross + cross.T)
        R = np.linalg.cholesky(whole).T
    inverse = solve_triangular(R, np.eye(q)) * np.sqrt(m - lost)
    return inverse / size[:, None]
