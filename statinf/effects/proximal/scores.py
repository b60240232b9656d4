"""From bridges to averages and a linear projection of the effect, with influence values that count the bridges' estimation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from statinf.effects.proximal.bridges import Bridges
from statinf.effects.proximal.rows import ProximalProblem
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.numerics.linear.least_squares import solve
from statinf.results import stack_scores
from statinf.results.clusters import fit_clusters

NAMES = ("pdr", "por", "pipw")


@dataclass(frozen=True)
class Averages:
    """The average effect in three ways.

    Attributes
    ----------
    estimates, errors : mapping of str to float
        By "pdr" (doubly robust), "por" (outcome bridge) and "pipw" (treatment bridge); no errors of the last two with bridges
        that are cross-fitted.
    """

    estimates: Mapping[str, float]
    errors: Mapping[str, float]

    def facts(self) -> dict[str, str]:
        """What the summary prints."""
        told = {}
        for name, label in zip(NAMES, ("doubly robust", "outcome bridge", "treatment bridge"), strict=True):
            value, error = self.estimates[name], self.errors.get(name, np.nan)
            told[f"Average effect, {label}"] = f"{value:.4g}" + (f" ({error:.4g})" if np.isfinite(error) else "")
        return told


@dataclass(frozen=True)
class Projected:
    """The linear projection of the effect."""

    theta: np.ndarray
    aliases: np.ndarray
    moments: Moments
    nobs: int
    df_resid: float


def _values(found: Bridges) -> dict[str, np.ndarray]:
    sign = 2.0 * found.a - 1.0
    return {"pdr": found.psi, "por": found.h1 - found.h0, "pipw": sign * found.q * found.y}


def _pushed(found: Bridges, name: str, v: np.ndarray, phi: np.ndarray) -> np.ndarray | float:
    """What the estimation of parametric bridges adds to each row's score, per unit of weight, shape (n, k).

    Parameters
    ----------
    phi : ndarray, shape (n, k)
        Columns that the values are regressed on.
    """
    if found.linear is None or found.inverse is None:
        return 0.0
    sign = (2.0 * found.a - 1.0)[:, None]
    h, q = found.linear, found.inverse
    own = np.where(found.a == 1.0, found.h1, found.h0)
    by_g = np.where((q.q <= found.q)[:, None], q.by_g, 0.0)  # capped rows do not move
    total: np.ndarray | float = 0.0
    if name != "pipw":
        by_b = h.by_arm - (sign * found.q[:, None] * h.columns if name == "pdr" else 0.0)
        total = total + h.influence @ (by_b.T @ (phi * v[:, None]))
    if name != "por":
        left = found.y - own if name == "pdr" else found.y
        total = total + q.influence @ ((by_g * sign * left[:, None]).T @ (phi * v[:, None]))
    return total


def averages(design: Design, found: Bridges, clusters: Sequence[str]) -> Averages:
    """Averages over the rows, with standard errors by their influence values, summed by the columns `clusters`."""
    v, ones = design.weights, np.ones((design.n, 1))
    kind = {"cluster": list(clusters), "type": "HC0"} if clusters else "HC0"
    codes = fit_clusters(design, kind)
    estimates, errors = {}, {}
    for name, values in _values(found).items():
        estimates[name] = float(np.average(values, weights=v))
        if name != "pdr" and found.linear is None:
            continue
        unit = (values - estimates[name])[:, None] + _pushed(found, name, v, ones)
        moments = Moments(unit * v[:, None] / v.sum(), np.eye(1), design.n, design.n - 1.0)
        errors[name] = float(np.sqrt(covariance(moments, kind, codes, normal=True).matrix[0, 0]))
    return Averages(estimates, errors)


def projection(problem: ProximalProblem, phi: Matrix, found: Bridges) -> tuple[tuple[str, ...], Projected]:
    """Least squares of the doubly robust score on the modifiers, and the names of its coefficients."""
    design, v = problem.design, problem.design.weights
    solution = solve(phi.values, found.psi, v)
    x = phi.values[:, solution.kept]
    unit = x * (found.psi - x @ solution.coef[solution.kept])[:, None] + _pushed(found, "pdr", v, x)
    nobs = int(np.count_nonzero(v))
    df = float(nobs - x.shape[1])
    stacked = stack_scores(design.weights_object, design.rows, unit)
    moments = Moments(unit * v[:, None], solution.inverse_gram, nobs, df, factor=solution.factor, **stacked)
    terms = tuple(problem.name if n == "Intercept" else f"{problem.name}:{n}" for n in phi.names)
    return terms, Projected(solution.coef, solution.aliases, moments, nobs, df)
