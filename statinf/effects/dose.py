"""Doubly robust dose-response curves (Kennedy, Ma, McHugh and Small 2017, arXiv 1507.00747).

Estimand: theta(a) = E[Y(a)], the mean outcome if every row had the dose a, for a numeric treatment that is as good as
random given the covariates and whose conditional density is positive. Outcomes are adjusted so that their regression on
the dose is the curve if either the outcome model or the dose's density is right, and regressed on it by local lines, whose
bias is estimated by local cubics and subtracted (Takatsu and Westling 2022, arXiv 2210.06448). Without that correction limits
and bands are those of the curve smoothed at the bandwidth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np

from statinf.effects.arm_means import influence_moments
from statinf.effects.dose_fit import DoseFit
from statinf.effects.dose_nuisances import DoseNuisances, dose_nuisances
from statinf.effects.estimate import cluster_codes
from statinf.effects.method import EffectMethod
from statinf.effects.options import LEARNER, choose_folds, learner_for
from statinf.effects.problem import EffectProblem
from statinf.effects.rows import EffectRows
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.formula.design import Design
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.learners.registry import resolve
from statinf.numerics.order.quantiles import weighted_quantile
from statinf.numerics.rowwise.local_linear import chosen_bandwidth, kernel, local_bend, local_linear
from statinf.results import Estimate
from statinf.results.options import Options, flag, number, value

_POINTS = 20
_FEWEST = 10


def check_doses(name: str, given: Any) -> Any:
    """A whole number of points, or increasing doses."""
    if isinstance(given, Integral) and not isinstance(given, bool) and int(given) >= 2:
        return int(given)
    try:
        points = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 1 or len(points) == 0 or not np.isfinite(points).all() or (np.diff(points) <= 0).any():
        raise OptionError(f"{name}={given!r} is not a number of points, at least 2, or increasing doses.")
    return tuple(points.tolist())


def check_bandwidth(name: str, given: Any) -> float:
    """A positive number."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0.0 < given < np.inf:
        raise OptionError(f"{name}={given!r} is not a positive number.")
    return float(given)


@dataclass(frozen=True, kw_only=True)
class DoseOptions(Options):
    """Options of dose-response curves."""

    doses: Any = value(
        _POINTS,
        "where the curve is estimated: so many points from the 5% to the 95% quantile of the dose, or the doses",
        "a whole number of at least 2, or increasing numbers",
        check_doses,
    )
    bandwidth: Any = value(
        None, "of the local lines, in units of the dose; by leave-one-out error by default", "a positive number",
        check_bandwidth,
    )  # fmt: skip
    bias_correction: bool = flag(
        True,
        "subtract the estimated bias of the local lines and count its variance, so that limits are those of the curve itself",
    )
    outcome_model: Any = value(
        "spline", "learner of the outcome from dose and covariates", LEARNER, learner_for("mean")
    )
    treatment_model: Any = value(
        "lm", "learner of the dose's mean and of its variance from the covariates", LEARNER, learner_for("mean")
    )
    folds: Any = value(5, "folds of cross-fitting; 1 for none", "a whole number of at least 1, or one label per row")
    clip: float = number(
        0.01,
        "conditional densities of a row's own dose are raised to this share of the marginal density",
        low=0.0,
        high=1.0,
        open_high=True,
    )


def estimate(problem: EffectProblem, options: DoseOptions) -> Estimate:
    """The curve at all doses, jointly."""
    rows = problem.rows
    if len(rows.groups) > 1:
        raise OptionError("method='dose' gives one curve; for a curve per group, keep the rows of each.")
    used = rows.w > 0
    if len(np.unique(rows.d[used])) < _FEWEST:
        raise DataError(
            f"'{rows.treatment}' has fewer than {_FEWEST} values: compare them as arms, by method='aipw' for example."
        )
    folds = choose_folds(rows, options.folds, 1, problem.seed, whole=False)
    outcome = resolve(options.outcome_model, "mean", "outcome_model")
    treatment = resolve(options.treatment_model, "mean", "treatment_model")
    split = None if folds is None else next(iter(folds))
    found = dose_nuisances(rows, outcome, treatment, split, problem.seed, options.clip)
    at = _doses(rows, options.doses)
    w = rows.w / rows.w[used].mean()
    spread = float(np.sqrt(np.average((rows.d - np.average(rows.d, weights=w)) ** 2, weights=w)))
    bandwidth = options.bandwidth
    if bandwidth is None:
        n = int(used.sum())
        candidates = spread * np.geomspace(0.3 * n**-0.2, 3.0 * n**-0.2, 16)
        bandwidth = chosen_bandwidth(rows.d[used], found.pseudo[used], w[used], candidates)
    theta, unit = curve(rows, found, at, bandwidth, corrected=options.bias_correction)
    if not np.isfinite(theta).all():
        bad = at[~np.isfinite(theta)][0]
        raise NotIdentifiedError(f"no rows lie near the dose {bad:g}: use a larger bandwidth or fewer doses.")
    moments = influence_moments(rows, unit)
    return Estimate(
        terms=_terms(rows.treatment, at),
        theta=theta,
        moments=moments,
        nobs=moments.nobs,
        df_resid=moments.df_resid,
        facts={"Bandwidth": f"{bandwidth:.4g}", "Clipped rows": found.moved},
        extra={
            "estimand": "dose-response",
            "treatment": rows.treatment,
            "thetas": theta[None],
            "nuisance": {"outcome": found.own, "density_ratio": found.ratio, "pseudo_outcome": found.pseudo},
            "doses": at,
            "bandwidth": float(bandwidth),
        },
        covary=partial(_covariance, rows.design, moments),
    )


def curve(
    rows: EffectRows, found: DoseNuisances, at: np.ndarray, bandwidth: float, *, corrected: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The curve at doses (m,), and each row's influence per unit of weight, shape (n, m).

    Beside the residual of the local line a row moves the curve through the average over covariates (the second term of
    Kennedy et al.'s theorem 3): the outcome model at its covariates, averaged over doses near by as they are distributed.
    A corrected curve is less the bias of the lines, and its rows less what each of them adds to that bias.
    """
    made = local_linear(rows.d, found.pseudo, rows.w, at, bandwidth)
    if not (made.determinant > 0.0).all():
        return np.full(len(at), np.nan), np.zeros((len(rows.d), len(at)))
    steps, k = kernel(rows.d, at, bandwidth)
    unit = made.first_row(steps) * k * (found.pseudo[:, None] - made.level - made.slope * steps)
    near, mass = kernel(found.grid, at, bandwidth)
    through, theta = made.first_row(near), made.level
    if corrected:
        bend = local_bend(rows.d, found.pseudo, rows.w, at, bandwidth)
        theta = theta - bend.bias
        unit -= bend.bias_row(steps) * k * (found.pseudo[:, None] - bend.fitted(steps))
        through = through - bend.bias_row(near)
    return theta, unit + (found.by_dose - found.mean) @ (through * mass * found.mass[:, None])


def _doses(rows: EffectRows, given: Any) -> np.ndarray:
    used = rows.w > 0
    low, high = float(rows.d[used].min()), float(rows.d[used].max())
    if isinstance(given, int):
        ends = weighted_quantile(rows.d[used], np.array([0.05, 0.95]), rows.w[used])
        return np.linspace(ends[0], ends[1], given)
    at = np.asarray(given, np.float64)
    if at[0] < low or at[-1] > high:
        raise OptionError(f"doses= must lie within those of the data, {low:g} to {high:g}.")
    return at


def _terms(name: str, at: np.ndarray) -> tuple[str, ...]:
    for digits in (4, 6, 9, 17):
        terms = tuple(f"{name}[{v:.{digits}g}]" for v in at)
        if len(set(terms)) == len(terms):
            break
    return terms


def _covariance(design: Design, moments: Moments, kind: Any) -> Covariance:
    return covariance(moments, kind, cluster_codes(design, kind), normal=True)


METHOD = EffectMethod(
    verb="effect",
    name="dose",
    estimate=estimate,
    options=DoseOptions,
    fit=DoseFit,
    estimands=("ATE",),
    two_arms=False,
    doses=True,
    summary="doubly robust dose-response curve of a numeric treatment, with pointwise and uniform bands",
    citation="Kennedy, Ma, McHugh and Small (2017); Takatsu and Westling (2022)",
    arxiv="1507.00747",
    guarantee="consistent if the outcome model or the dose's density is right",
    vignette="effects-dose-policy",
    traits={"row order": "folds draw row numbers"},
)
