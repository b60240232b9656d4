"""Density ratio by probabilistic classification of source against target rows.

Qin (1998, Biometrika 85); Bickel, Brueckner and Scheffer (2009, Journal of Machine Learning Research 10). With a logit
for "target" fitted on both samples together, p_T(x) / p_S(x) = (n / m) exp(f'g): exact where the log ratio is linear in
the columns of the formula, as for two normal laws with linear, squared and product terms. The parameters g solve a
likelihood equation over both samples, so the ratio has influence values and standard errors downstream are stacked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import map_threads
from statinf.brief import Brief
from statinf.errors import ConvergenceError, DataError, NotIdentifiedError
from statinf.numerics.glm.families import family_of
from statinf.numerics.glm.irls import GlmSolution, fit_glm
from statinf.numerics.glm.links import sigmoid
from statinf.numerics.glm.many_rows import MANY_ROWS
from statinf.numerics.glm.separation import separating_direction
from statinf.numerics.linear.aliases import alias_map, breaks_alias
from statinf.numerics.linear.products import PARALLEL_FROM, RowExpansion, centred_products, over_blocks, row_products
from statinf.numerics.linear.stacked import StackedRows
from statinf.results.options import Options
from statinf.shifts.overlap import describe_uncovered
from statinf.shifts.ratio_estimate import Multiples, RatioEstimate, RatioMethod
from statinf.shifts.samples import Samples
from statinf.shifts.scaling import Scaling, unscaled

_CERTAIN = float(np.log(1e7))
"""Size of a log odds from which a row may be one of those that separate the samples."""
_FEW = 4096
_NEAR = 10.0
"""Means in spreads below which sums of products lose two digits at most to where columns stand."""


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
    label, w = np.repeat([0.0, 1.0], [n, m]), np.concatenate([samples.ws, samples.wt])
    made = _as_they_stand(samples, label, w) or _scaled(samples, label, w)
    solution = made.solution
    residual = np.empty(n + m)

    def block(rows: slice) -> float:
        np.subtract(label[rows], sigmoid(solution.eta[rows]), out=residual[rows])
        return float(np.abs(solution.eta[rows]).max())

    if max(over_blocks(block, n + m, 1)) > _CERTAIN:
        _name_separation(samples, label, solution.kept)
    return _with_influence(samples, made, residual, w)


@dataclass(frozen=True)
class _LabelLogit:
    """The logit of the label in columns ``(x - centre) / spread`` behind a constant.

    Attributes
    ----------
    columns : ndarray or StackedRows, shape (n + m, p + 1)
    scaling : Scaling
    solution : GlmSolution
    """

    columns: Any
    scaling: Scaling
    solution: GlmSolution


def _scaled(samples: Samples, label: np.ndarray, w: np.ndarray) -> _LabelLogit:
    """The logit on columns centred and scaled."""
    features = _features(samples)
    try:
        return _LabelLogit(features, samples.scaling, fit_glm(features, label, family_of("binomial"), weights=w))
    except ConvergenceError:
        _name_separation(samples, label, np.ones(features.shape[1], dtype=bool), features)
        raise


def _as_they_stand(samples: Samples, label: np.ndarray, w: np.ndarray) -> _LabelLogit | None:
    """The same on many rows of columns near zero, which are not copied; None for others."""
    part, target = samples.source.parts[0], samples.target
    if len(label) < MANY_ROWS or not samples.whole or not part.intercept:
        return None
    some = slice(None, None, max(1, len(label) // _FEW))
    near = np.concatenate([samples.xs[some], samples.xt[some]])
    if not (np.abs(near.mean(axis=0)) < _NEAR * near.std(axis=0)).all():
        return None
    columns = StackedRows(part.values, target.parts[samples.role])
    try:
        solution = fit_glm(columns, label, family_of("binomial"), weights=w)  # type: ignore[arg-type]
    except ConvergenceError:
        return None
    return _LabelLogit(columns, unscaled(len(part.names) - 1), solution) if solution.kept.all() else None


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


def _with_influence(samples: Samples, made: _LabelLogit, residual: np.ndarray, w: np.ndarray) -> RatioEstimate:
    n, solution = len(samples.xs), made.solution
    upper, lower = made.columns[:n], made.columns[n:]
    if not solution.kept.all():
        upper, lower = upper[:, solution.kept], lower[:, solution.kept]
    inverse = np.linalg.inv(solution.factor)
    through, pull = inverse @ inverse.T, w * residual
    coef = np.where(solution.kept, solution.coef, 0.0)
    constant = float(coef[0] + np.log(samples.ws.sum() / samples.wt.sum()))
    both = samples.xs if solution.kept.all() else np.concatenate([samples.xs, samples.xt])
    # The sizes in the constant are sums over rows: without their part the logit's constant would move with the samples' shares.
    first, others_first = samples.ws / samples.ws.sum(), -samples.wt / samples.wt.sum()
    scaling = made.scaling
    rule = LogLinear.of(both, constant, coef[1:] / scaling.spread, scaling.centre, solution.kept)
    ratio = rule.at(samples.xs)
    facts = {"logit coefficients": int(solution.kept.sum()), "iterations": solution.iterations}
    return RatioEstimate(
        rule,
        ratio,
        {},
        Multiples(upper, ratio),
        lambda: _with_sizes(row_products(upper, through, pull[:n]), first),
        lambda: _with_sizes(row_products(lower, through, pull[n:]), others_first),
        facts,
        expansion=lambda factor: RowExpansion(
            upper, ratio * factor, pull[:n], through, lower, pull[n:], first, others_first
        ),
    )


def _with_sizes(influence: np.ndarray, first: np.ndarray) -> np.ndarray:
    influence[:, 0] += first
    return influence


def _name_separation(samples: Samples, label: np.ndarray, kept: np.ndarray, features: np.ndarray | None = None) -> None:
    """Raise a `NotIdentifiedError` that names the separating columns, if there are any."""
    x = (_features(samples) if features is None else features)[:, kept]
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
