"""Quantile regression with instruments (Chernozhukov and Hansen 2005, 2006, 2008).

The model is y = d a(u) + x'b(u), increasing in u, with u uniform given covariates x and instruments z; at level tau it says that
P(y <= d a + x'b | x, z) = tau. Estimand: a(tau), the effect of the treatment on the tau-quantile of potential outcomes, for
everyone under rank similarity. Assumptions: instruments that are as good as random given x, reach the outcome through the
treatment alone, and move it where outcomes are near the quantile; linearity in x.

The estimate is the a for which the quantile regression of y - d a on x and the projected treatment gives the latter no weight:
the root is exact. Standard errors have kernel densities; sets by inversion hold however weak the instruments are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.effects.instruments import k_class, structural_rss
from statinf.effects.iv_problem import IVProblem
from statinf.effects.ivqr_fit import QuantileIVFit
from statinf.effects.ivqr_solved import SolvedIvqr
from statinf.effects.linear_iv import reduced
from statinf.effects.method import EffectMethod
from statinf.errors import DataError, NumericalWarning, issue_warning
from statinf.inference.levels import levels_of
from statinf.numerics.linear.aliases import alias_map
from statinf.numerics.quantreg.bandwidth import BANDWIDTHS
from statinf.numerics.quantreg.inverse import InverseSolution, inverse_quantile
from statinf.results import Estimate
from statinf.results.options import Options, choice, count, value

_WIDEST = 4.0
"""Half-width of the first grid: effects of so many standard deviations of the outcome per one of the treatment."""
_ERRORS = 8.0
"""Its half-width in standard errors of 2SLS, if that is more."""


def _levels(name: str, given: Any) -> np.ndarray:
    return levels_of(given)


@dataclass(frozen=True, kw_only=True)
class IvqrOptions(Options):
    """Options of quantile regression with instruments."""

    tau: Any = value(0.5, "levels of the quantiles", "a number in (0, 1), or a list of them", _levels)
    bandwidth: str = choice("hall-sheather", BANDWIDTHS, "rule for the window of the density estimates")
    grid: int = count(
        41, "values of the effect among which roots are looked for; denser about the estimate of 2SLS", low=5
    )


def estimate(problem: IVProblem, options: IvqrOptions) -> Estimate:
    """The effect at every level, with the coefficients of the covariates."""
    made, tau = problem.design, np.atleast_1d(np.asarray(options.tau, float))
    names, covariates, instruments = problem.names, problem.part("covariates"), problem.part("instruments")
    if len(names) > 1:
        raise DataError(
            f"method='ivqr' takes one endogenous column; the formula has {len(names)}: {', '.join(names)}. Instrument one "
            "of them and leave the others out, or use method='2sls'."
        )
    small, kept = reduced(problem)
    name = problem.names[0]
    a = len(covariates.names)
    estimable = np.append(True, kept[:a])
    draft = SolvedIvqr(
        made, small, kept, problem.columns.units.only(estimable), problem.indicator, tau, (), options.bandwidth
    )
    rows = draft.rows()
    used = np.flatnonzero(made.weights > 0)
    w = made.weights[used]
    instrument, X, d, y = (
        np.ascontiguousarray(c[used]) for c in (rows.fitted_first[:, 0], rows.exogenous, rows.endogenous[:, 0], rows.y)
    )
    grid = _grid(small, options.grid)
    found: list[InverseSolution] = []
    for t in tau:
        one = inverse_quantile(instrument, X, d, y, float(t), None if (w == 1.0).all() else w, grid)
        _warn_roots(one.roots, float(t), name)
        found.append(one)
    solved = SolvedIvqr(made, small, kept, draft.units, problem.indicator, tau, tuple(found), options.bandwidth)
    theta = np.full((len(tau), len(estimable)), np.nan)
    theta[:, estimable] = [draft.units.raw(np.append(one.alpha, one.coef)) for one in found]
    unit = draft.units.outcome_scale / draft.units.scale[0]
    columns = (name, *covariates.names)
    aliases = alias_map(covariates.values, kept[:a], made.weights)
    aliases = np.vstack([np.zeros((1, aliases.shape[1])), aliases])
    strength = float(np.sum(small.first**2)) / small.b / (float(np.sum(small.rest[:-1, :-1] ** 2)) / small.df_first)
    told = {} if problem.arms is None else problem.arms.facts
    return Estimate(
        terms=columns if len(tau) == 1 else tuple(f"q{t:g}: {c}" for t in tau for c in columns),
        theta=theta.ravel(),
        moments=solved.moments,
        covary=solved.covariance,
        nobs=small.nobs,
        df_resid=float(small.df_resid),
        facts={**told, "First-stage F": strength},
        extra={
            "tau": tau,
            "columns": columns,
            "endogenous": name,
            "instruments": tuple(n for n, k in zip(instruments.names, kept[a:], strict=True) if k),
            "roots": tuple(one.roots * unit for one in found),
            "aliases": aliases,
            "indicator": problem.indicator,
            "solved": solved,
        },
    )


def _grid(small: Any, size: int) -> np.ndarray:
    """Values about 2SLS: steps of half a standard error near it, wide ones at the ends."""
    beta, _, bread = k_class(small, 1.0)
    error = float(np.sqrt(structural_rss(small, beta) / small.df_resid * bread[0, 0]))
    reach = max(_WIDEST, _ERRORS * error)
    bend = np.arcsinh(max(2.0 * reach / (error * size), 1.0)) if error > 0 else 1.0
    return float(beta[0]) + reach * np.sinh(bend * np.linspace(-1.0, 1.0, size)) / np.sinh(bend)


def _warn_roots(roots: np.ndarray, tau: float, name: str) -> None:
    if not len(roots):
        issue_warning(
            f"at tau={tau:g} no effect of '{name}' takes all weight off the instruments: the estimate makes that weight "
            "smallest and its standard error means little; read region() instead.",
            NumericalWarning,
        )
    elif len(roots) > 1:
        issue_warning(
            f"at tau={tau:g} {len(roots)} effects of '{name}' take all weight off the instruments (fit.roots); the estimate is "
            "the middle one. Instruments are weak there: read region() instead.",
            NumericalWarning,
        )


METHOD = EffectMethod(
    verb="iv",
    name="ivqr",
    estimate=estimate,
    options=IvqrOptions,
    fit=QuantileIVFit,
    summary="quantile regression with instruments: exact inverse quantile regression, robust sets by inversion",
    citation="Chernozhukov and Hansen (2006), Instrumental quantile regression inference",
    guarantee="root-n with strong instruments; sets by inversion whatever their strength",
    vignette="quantile-effects",
)
