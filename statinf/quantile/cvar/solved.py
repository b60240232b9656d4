"""Solved CVaR regressions: which rows are the worst, the Hessian, scores, and errors of the VaR and the CVaR.

With (theta, a) the parameters and h the loss, the Hessian of (1 - level) times the objective is
E[1{l > a} l'' z z'] + f(a) E[b b' | l = a] with b = (l' z, -1) and f the density of the losses at the VaR. The second
term is estimated with a kernel in the losses; the threshold is profiled out. The CVaR is a minimum over both, so that its
influence, a + max(l - a, 0) / (1 - level) - CVaR, needs no density.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from statinf.brief import Brief
from statinf.errors import NotIdentifiedError
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.numerics.quantreg.bandwidth import bandwidth, inside
from statinf.numerics.tails.density import near_quantile
from statinf.numerics.tails.minimise import TailSolution
from statinf.numerics.tails.risk import cvar_influence, quantile_limits, quantile_stretch, tail_mean, tail_shares
from statinf.quantile.cvar.problem import CvarProblem
from statinf.results.clusters import fit_clusters

_CONDITION = 1e12


@dataclass(frozen=True, repr=False)
class SolvedTail(Brief):
    """Coefficients of Z with the part of each row in the worst share.

    Attributes
    ----------
    problem : CvarProblem
    theta : ndarray, shape (p,)
    shares, slopes : ndarray, shape (n,)
        Part of each row in the worst share, and that times the loss's slope.
    rule : str
        Bandwidth rule of the density.
    """

    problem: CvarProblem
    theta: np.ndarray
    shares: np.ndarray
    slopes: np.ndarray
    rule: str

    @classmethod
    def at(cls, problem: CvarProblem, theta: np.ndarray, rule: str) -> SolvedTail:
        """Rows of the worst share at any coefficients."""
        losses, slope, _ = problem.loss.slopes(problem.Z @ theta + problem.offset, problem.y)
        var, _ = tail_mean(losses, problem.w, problem.level)
        shares = tail_shares(losses, problem.w, problem.level, var)
        return cls(problem, theta, shares, shares * slope, rule)

    @classmethod
    def of(cls, problem: CvarProblem, found: TailSolution, rule: str) -> SolvedTail:
        """Rows of the worst share as the exact solver left them."""
        return cls(problem, found.theta, found.shares, found.slopes, rule)

    @cached_property
    def terms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Losses, slopes and curvatures of the rows, shape (n,) each."""
        return self.problem.loss.slopes(self.problem.Z @ self.theta + self.problem.offset, self.problem.y)

    @cached_property
    def risk(self) -> tuple[float, float]:
        """VaR and CVaR of the losses."""
        return tail_mean(self.terms[0], self.problem.w, self.problem.level)

    @cached_property
    def hessian(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Hessian with the threshold profiled out (p, p), mean gradient at the threshold (p,), and density.

        Raises
        ------
        NotIdentifiedError
            If losses have no density at the VaR in some direction of the regressors.
        """
        problem = self.problem
        losses, slope, curvature = self.terms
        z, w, level = problem.Z, problem.w, problem.level
        whole = level == 0
        H = (z * (w * (1.0 if whole else self.shares) * curvature)[:, None]).T @ z
        k, density = np.zeros(z.shape[1]), 1.0
        if not whole:
            kernel, density = near_quantile(losses, w, level, inside(level, bandwidth(len(w), level, self.rule)))
            if not density > 0:
                raise NotIdentifiedError(
                    "the losses have no density at their VaR, which standard errors need; use vcov='boot'"
                )
            lead = z * slope[:, None]
            k = lead.T @ (w * kernel) / density
            centred = lead - k
            H = H + (centred * (w * kernel)[:, None]).T @ centred
        if not _definite(H):
            hint = "use si.rq" if whole else "use vcov='boot'"
            raise NotIdentifiedError(
                f"the density of the losses at their VaR vanishes in some direction of the regressors; {hint}"
            )
        return H, k, density

    def unit_scores(self) -> np.ndarray:
        """Scores of theta per unit of weight, the threshold profiled out, shape (n, p)."""
        problem = self.problem
        if problem.level == 0:
            return -problem.Z * self.slopes[:, None]
        k = self.hessian[1]
        return -(problem.Z * self.slopes[:, None] + np.outer((1.0 - problem.level) - self.shares, k))


def _definite(H: np.ndarray) -> bool:
    d = np.diag(H)
    if not (np.isfinite(H).all() and (d > 0).all()):
        return False
    values = np.linalg.eigvalsh(H / np.sqrt(np.outer(d, d)))
    return bool(values[0] * _CONDITION > values[-1])


def moments_of(solved: SolvedTail) -> Moments:
    """Scores and bread of the regressors' coefficients."""
    solved = replace(solved)  # whose Hessian is held no longer than the call
    problem = solved.problem
    return problem.moments(solved.unit_scores(), solved.hessian[0] * float(problem.design.weights.sum()))


def risk_covariance(solved: SolvedTail, kind: object) -> Covariance:
    """Joint covariance of VaR and CVaR; the VaR's part is NaN where its density does not exist."""
    solved = replace(solved)
    problem, made = solved.problem, solved.problem.design
    losses, (var, cvar), level = solved.terms[0], solved.risk, solved.problem.level
    unit = np.full((len(losses), 2), np.nan)
    unit[:, 1] = cvar_influence(losses, level, var, cvar)
    try:
        H, k, density = solved.hessian
        if level > 0:
            moved = solved.unit_scores() @ np.linalg.solve(H, k)
            unit[:, 0] = (solved.shares - (1.0 - level)) / density + moved
    except NotIdentifiedError:
        pass
    known = np.isfinite(unit[0])
    unit = np.where(known, unit, 0.0)
    moments = problem.loss_moments(unit)
    found = covariance(moments, kind, fit_clusters(made, kind))
    return replace(found, matrix=np.where(np.outer(known, known), found.matrix, np.nan), square_root=None)


def var_limits(solved: SolvedTail, error: float, quantile: float) -> tuple[float, float]:
    """Limits of the VaR, in units of the outcome: quantiles of the losses at levels as far from its own as its error says.

    Parameters
    ----------
    solved : SolvedTail
    error : float
        Standard error of the VaR, which over the losses' spacing at the VaR is that of its level.
    quantile : float
        Standard errors on either side.
    """
    problem, unit = solved.problem, solved.problem.loss_unit
    if not np.isfinite(error):
        return np.nan, np.nan
    around = error / unit * solved.hessian[2]
    stretch = quantile_stretch(solved.terms[0] * unit, problem.w, problem.level, around)
    return quantile_limits(stretch, problem.level, quantile * around)
