"""Density ratio by probabilistic classification of source against target rows.

Qin (1998, Biometrika 85); Bickel, Brueckner and Scheffer (2009, Journal of Machine Learning Research 10). With a logit
for "target" fitted on both samples together, p_T(x) / p_S(x) = (n / m) exp(f'g): exact where the log ratio is linear in
the columns of the formula, as for two normal laws with linear, squared and product terms. The parameters g solve a
likelihood equation over both samples, so the ratio has influence values and standard errors downstream are stacked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import map_threads
from statinf.brief import Brief
from statinf.errors import ConvergenceError, DataError, NotIdentifiedError
from statinf.numerics.glm.families import family_of
from statinf.numerics.glm.irls import GlmSolution, fit_glm
from statinf.numerics.glm.separation import separating_direction
from statinf.numerics.linear.aliases import alias_map, breaks_alias
from statinf.numerics.linear.products import PARALLEL_FROM, RowExpansion, centred_products, row_products
from statinf.results.options import Options
from statinf.shifts.overlap import describe_uncovered
from statinf.shifts.ratio_estimate import Multiples, RatioEstimate, RatioMethod
from statinf.shifts.samples import Samples


@dataclass(frozen=True, repr=False)
class LogLinear(Brief):
    """The ratio exp(constant + (x - centre)'slope).

    Attributes
    ----------
    constant : float
    slope, centre : ndarray, shape (p,)
    kept : ndarray of bool, shape (p + 1,)
        Which of the constant and the columns have a coefficient of their own.
    aliases : ndarray, shape (k, p + 1 - k)
        How these make the others; a row in which they do not has no ratio.
    """

    constant: float
    slope: np.ndarray
    centre: np.ndarray
    kept: np.ndarray
    aliases: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, constant: float, slope: np.ndarray, centre: np.ndarray, kept: np.ndarray) -> LogLinear:
        """The rule of a fit to rows x (n, p) that kept some of the columns."""
        aliases = np.empty((len(kept), 0)) if kept.all() else alias_map(with_constant(x), kept)
        return cls(constant, slope, centre, kept, aliases)

    def curve(self, u: np.ndarray) -> np.ndarray:
        """The ratio as a function of the predictor."""
        with np.errstate(over="ignore"):
            return np.exp(u)

    def at(self, x: np.ndarray) -> np.ndarray:
        ratio = self.curve(self.constant + centred_products(x, self.centre, self.slope))
        if not self.kept.all():
            ratio[breaks_alias(with_constant(x), self.kept, self.aliases)] = np.nan
        return ratio


def with_constant(x: np.ndarray) -> np.ndarray:
    """Columns with a constant before them, shape (n, p + 1)."""
    return np.column_stack([np.ones(len(x)), x])


def estimate(samples: Samples, options: Options) -> RatioEstimate:
    """Fit the logit on centred and scaled columns, and its influence values.

    Raises
    ------
    DataError
        If there are as many columns as rows.
    NotIdentifiedError
        If columns separate the samples.
    """
    n, m, p = len(samples.xs), len(samples.xt), samples.xs.shape[1]
    if p + 1 >= min(n, n + m - 1):
        raise DataError(
            f"{p} columns for {n} source and {m} target rows: a logit would separate the samples. Use fewer columns, or a "
            "kernel method (method='kmm' or 'ulsif')."
        )
    features = _features(samples)
    label = np.repeat([0.0, 1.0], [n, m])
    w = np.concatenate([samples.ws, samples.wt])
    family = family_of("binomial")
    try:
        solution = fit_glm(features, label, family, weights=w)
    except ConvergenceError:
        _name_separation(samples, features, label, np.ones(p + 1, dtype=bool))
        raise
    share = family.link.inverse(solution.eta)
    if (np.minimum(share, 1.0 - share) < 1e-7).any():
        _name_separation(samples, features, label, solution.kept)
    return _with_influence(samples, features, label - share, w, solution)


def _features(samples: Samples) -> np.ndarray:
    """A constant and the centred and scaled columns of both samples, shape (n + m, p + 1)."""
    n, m, p = len(samples.xs), len(samples.xt), samples.xs.shape[1]
    out = np.empty((n + m, p + 1), order="F")
    out[:, 0] = 1.0
    centre, spread = samples.scaling.centre, samples.scaling.spread

    def column(j: int) -> None:
        for part, x in ((out[:n, j + 1], samples.xs), (out[n:, j + 1], samples.xt)):
            np.subtract(x[:, j], centre[j], out=part)
            part /= spread[j]

    map_threads(column, range(p), parallel=out.size > PARALLEL_FROM)
    return out


def _with_influence(
    samples: Samples, features: np.ndarray, residual: np.ndarray, w: np.ndarray, solution: GlmSolution
) -> RatioEstimate:
    n = len(samples.xs)
    used = features if solution.kept.all() else features[:, solution.kept]
    inverse = np.linalg.inv(solution.factor)
    through, pull = inverse @ inverse.T, w * residual
    coef = np.where(solution.kept, solution.coef, 0.0)
    constant = float(coef[0] + np.log(samples.ws.sum() / samples.wt.sum()))
    both = samples.xs if solution.kept.all() else np.concatenate([samples.xs, samples.xt])
    rule = LogLinear.of(both, constant, coef[1:] / samples.scaling.spread, samples.scaling.centre, solution.kept)
    ratio = rule.at(samples.xs)
    facts = {"logit coefficients": int(solution.kept.sum()), "iterations": solution.iterations}
    return RatioEstimate(
        rule,
        ratio,
        {},
        Multiples(used[:n], ratio),
        lambda: row_products(used[:n], through, pull[:n]),
        lambda: row_products(used[n:], through, pull[n:]),
        facts,
        expansion=lambda factor: RowExpansion(used[:n], ratio * factor, pull[:n], through, used[n:], pull[n:]),
    )


def _name_separation(samples: Samples, features: np.ndarray, label: np.ndarray, kept: np.ndarray) -> None:
    """Raise a `NotIdentifiedError` that names the separating columns, if there are any."""
    x = features[:, kept]
    direction = separating_direction(x, label == 0, label == 1)
    if direction is None:
        return
    names = [name for name, k in zip(("Intercept", *samples.names), kept, strict=True) if k]
    scale = np.abs(direction) * np.ptp(x, axis=0)
    guilty = [names[j] for j in np.argsort(-scale) if scale[j] > 1e-6]
    where = describe_uncovered(samples.xs, samples.xt, samples.names)
    raise NotIdentifiedError(
        f"no overlap: {', '.join(map(repr, guilty[:5]))} separate source from target rows, so the density ratio has no "
        f"logistic estimate{'; ' + where if where else ''}. Leave these columns out, restrict both samples to where they "
        "overlap, or use a kernel method (method='kmm')."
    )


METHOD = RatioMethod(
    verb="density_ratio",
    name="logistic",
    estimate=estimate,
    drawn=False,
    summary="a logit that tells target from source rows; the log ratio is linear in the columns",
    citation="Qin (1998); Bickel, Brückner and Scheffer (2009)",
    guarantee="right if the log ratio is linear in the columns; stacked standard errors downstream",
    vignette="covariate-shift",
    traits={
        "weights doubled": "weights count rows: doubled in one sample alone they change its share of the pooled logit"
    },
)
