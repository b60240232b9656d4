"""Solved quantile regressions with instruments: residuals, moments of all levels, robust tests of one value.

With residual e = y - d a - x'b, instrument p (the endogenous column projected on instruments and covariates) and P = (p, x),
the scores are w (tau - 1{e < 0}) P and their derivative is J = -sum w f P (d, x)', f a Gaussian kernel in the residuals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import block_diag, solve

from statinf.brief import Brief
from statinf.effects.estimate import cluster_codes
from statinf.effects.instruments import System
from statinf.effects.iv_columns import Units, columns_of
from statinf.effects.iv_rows import IVRows, rows_of
from statinf.errors import NotIdentifiedError
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.numerics.quantreg.bandwidth import kernel_densities
from statinf.numerics.quantreg.inverse import InverseSolution
from statinf.numerics.quantreg.solver import solve_quantiles
from statinf.results import stack_scores

_SINGULAR = 1e-10


@dataclass(frozen=True, repr=False)
class SolvedIvqr(Brief):
    """Levels of a model in centred and scaled columns.

    Attributes
    ----------
    design : Design
    system : System
    kept : ndarray of bool, shape (a + b,)
        Covariates and instruments that are not aliased.
    units : Units
    indicator : tuple of float
    tau : ndarray, shape (k,)
    found : tuple of InverseSolution
        One per level.
    rule : str
        Bandwidth of the densities.
    """

    design: Design
    system: System
    kept: np.ndarray
    units: Units
    indicator: tuple[float, float]
    tau: np.ndarray
    found: tuple[InverseSolution, ...]
    rule: str

    def rows(self) -> IVRows:
        """The columns behind the solution."""
        return rows_of(self.design, columns_of(self.design, self.indicator), self.system, self.kept)

    def psi(self, rows: IVRows, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Tau - 1{e < 0}, with subgradients at rows that are interpolated, and the residuals e, shape (n,) each."""
        one, used = self.found[k], np.flatnonzero(rows.weights > 0)
        e = rows.y - one.alpha * rows.endogenous[:, 0] - rows.exogenous @ one.coef
        basis = used[one.basis]
        e[basis] = 0.0
        psi = np.where(rows.weights > 0, self.tau[k] - (e < 0), 0.0)
        psi[basis] = one.dual
        return psi, e

    def scaled_moments(self) -> Moments:
        """Scores of all levels, and their inverse derivative, of centred and scaled columns.

        Raises
        ------
        NotIdentifiedError
            If the residuals have no density, or instruments do not move the treatment where it counts.
        """
        rows, made = self.rows(), self.design
        columns, regressors = rows.second_stage, np.column_stack([rows.endogenous, rows.exogenous])
        w, used = rows.weights, rows.weights > 0
        units, breads, models = [], [], []
        for k, tau in enumerate(self.tau):
            psi, e = self.psi(rows, k)
            f = np.zeros(len(e))
            f[used] = kernel_densities(e[used], float(tau), self.rule, "ker")
            units.append(columns * psi[:, None])
            breads.append(_inverse((columns * (w * f)[:, None]).T @ regressors, float(tau)))
            density = float(w @ f / w.sum())
            models.append(_inverse(density * (columns * w[:, None]).T @ regressors, float(tau)))
        unit = np.concatenate(units, axis=1)
        stacked = {} if made.weights_object is None else stack_scores(made.weights_object, made.rows, unit)
        brownian = np.minimum.outer(self.tau, self.tau) - np.outer(self.tau, self.tau)
        meat = np.kron(brownian, (columns * w[:, None] ** 2).T @ columns)
        every = block_diag(*models)
        return Moments(
            unit * w[:, None],
            block_diag(*breads),
            self.system.nobs,
            float(self.system.df_resid),
            every @ meat @ every.T,
            **stacked,
        )

    @property
    def carry(self) -> np.ndarray:
        """What takes coefficients of all levels, and their errors, to the columns as given, shape (k q, k q)."""
        return np.kron(np.eye(len(self.tau)), self.units.carry)

    def moments(self) -> Moments:
        """Influence values of the coefficients of the columns as given."""
        own = self.scaled_moments()
        bread = self.carry @ own.bread
        return Moments(
            own.total @ bread.T,
            np.eye(own.q),
            own.nobs,
            own.df_resid,
            outside=None if own.outside is None else own.outside @ bread.T,
            outside_rows=own.outside_rows,
            weights_fixed=own.weights_fixed,
        )

    def covariance(self, kind: Any) -> Covariance:
        """Covariance of the coefficients of the columns as given, by its normal form."""
        found = covariance(self.scaled_moments(), kind, cluster_codes(self.design, kind), normal=True)
        carry = self.carry
        return Covariance(
            carry @ found.matrix @ carry.T, found.kind, f"{found.label}, kernel density", found.df, carry @ found.root
        )


def _inverse(J: np.ndarray, tau: float) -> np.ndarray:
    size = np.sqrt(np.abs(np.diag(J)).max() or 1.0)
    values = np.linalg.svd(J, compute_uv=False)
    if not values[-1] > _SINGULAR * max(values[0], size**2):
        raise NotIdentifiedError(
            f"at tau={tau:g} the instruments do not move the treatment among rows near the quantile, so that there are no "
            "standard errors; region() needs none."
        )
    return np.linalg.inv(J)


@dataclass(frozen=True, repr=False)
class RobustTest(Brief):
    """Score tests of values of the endogenous coefficient, valid however weak the instruments are.

    Under the value a the quantile regression of y - a d on the covariates leaves residuals whose signs have no relation to
    the instruments. Instruments are taken less their projection on the covariates, weighted by the density of the residuals.

    Attributes
    ----------
    rows : IVRows
    tau : float
    kind : object
        Covariance of the scores, in normal form.
    rule : str
    """

    rows: IVRows
    tau: float
    kind: Any
    rule: str

    def statistics(self, values: np.ndarray, start: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Chi-square statistics of values (m,) of the coefficient of scaled columns, and coefficients of the covariates.

        Parameters
        ----------
        values : ndarray, shape (m,)
        start : ndarray, shape (m, p), optional
            Coefficients that may be near, for speed.

        Returns
        -------
        statistics : ndarray, shape (m,)
        coef : ndarray, shape (m, p)
        """
        rows, used = self.rows, np.flatnonzero(self.rows.weights > 0)
        y = rows.y[used] - np.asarray(values)[:, None] * rows.endogenous[used, 0]
        X, w = np.ascontiguousarray(rows.exogenous[used]), rows.weights[used]
        plain = bool((w == 1.0).all())
        found = solve_quantiles(X, y, np.full(len(y), self.tau), None if plain else w, start=start)
        out = np.empty(len(y))
        for i, (response, coef, basis, dual) in enumerate(zip(y, found.coef, found.basis, found.dual, strict=True)):
            residual = response - X @ coef
            residual[basis] = 0.0
            psi = self.tau - (residual < 0)
            psi[basis] = dual
            out[i] = self._one(used, X, w, psi, residual)
        return out, found.coef

    def _one(self, used: np.ndarray, X: np.ndarray, w: np.ndarray, psi: np.ndarray, residual: np.ndarray) -> float:
        rows = self.rows
        Z = rows.excluded[used]
        try:
            f = w * kernel_densities(residual, self.tau, self.rule, "ker")
            Z = Z - X @ solve((X * f[:, None]).T @ X, (X * f[:, None]).T @ Z, assume_a="pos")
        except (NotIdentifiedError, np.linalg.LinAlgError):
            pass  # the instruments are orthogonal to the covariates as they are
        scores = np.zeros((len(rows.y), Z.shape[1]))
        scores[used] = Z * (w * psi)[:, None]
        model = self.tau * (1.0 - self.tau) * (Z * w[:, None] ** 2).T @ Z
        s = rows.system
        moments = Moments(scores, np.eye(Z.shape[1]), s.nobs, float(s.df_resid), model, present=rows.weights > 0)
        V = covariance(moments, self.kind, rows.clusters(self.kind), normal=True).matrix
        total = scores.sum(axis=0)
        return float(total @ np.linalg.lstsq(V, total, rcond=None)[0])
