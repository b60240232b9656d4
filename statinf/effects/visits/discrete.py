"""Visits on whole days: a binomial regression of being seen, over all days that a unit is at risk.

With the complementary log-log link its coefficients are those of the proportional intensity (Prentice and Gloeckler 1978), however
many visits share a day; the logit gives the probability of a visit itself, whose inverse weights a day's outcome (Vanderschueren
et al. 2023). The baseline over time is a natural spline.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.effects.visits.intensity import Intensity, IntensityFit, orthonormal
from statinf.effects.visits.spells import Spells
from statinf.errors import DataError
from statinf.formula.design import Design, design
from statinf.inference.moments import Moments
from statinf.learners.spline import expand
from statinf.numerics.glm.families import LINKS, family_of
from statinf.numerics.glm.irls import fit_glm
from statinf.numerics.linear.triangular import solve_triangular
from statinf.results import Estimate, Method

_KNOTS = 5


def fit_discrete(
    formula: str, spells: Spells, weights: np.ndarray, unit: str, time: str, link: str, method: Method, context: Any
) -> Intensity:
    """Fit the days of the spells at risk whose past is known; arguments as those of `fit_intensity`.

    Raises
    ------
    DataError
        If times are no whole numbers, or the columns are linearly dependent, time's own baseline among them.
    """
    which, day = _days(spells, time)
    frame = spells.frame.iloc[which].reset_index(drop=True)
    frame[time] = day
    made = design(formula, frame, response="none", cluster=[unit], weights=weights[which], context=context)
    matrix = made.parts[0].without_intercept()
    which, day, w = which[made.rows], day[made.rows], made.weights
    seen = ((day == spells.stop[which]) & (spells.event[which] > 0)) * 1.0
    if not (seen * w > 0).any():
        raise DataError("no visit is at risk: each unit needs a visit after its first, with its past recorded.")
    x = np.ascontiguousarray(matrix.values)
    inner, upper = orthonormal(x, w, matrix.names, formula)
    base = _baseline(day, seen)
    columns = np.column_stack([base, inner])
    found = fit_glm(columns, seen, family_of("binomial", link), weights=w)
    if not found.kept.all():
        raise DataError(f"a column of {formula!r} depends on time alone, whose own effect on visits is in the model.")
    slope, curvature = _derivatives(found.eta, seen, link)
    inverse = np.linalg.inv((columns * (w * curvature)[:, None]).T @ columns)
    moved = (columns * (w * slope)[:, None]) @ inverse
    count = base.shape[1]
    by_spell = np.zeros((len(spells.row), columns.shape[1]))
    np.add.at(by_spell, which, moved)
    own = solve_triangular(upper, by_spell[:, count:].T).T
    gamma = solve_triangular(upper, found.coef[count:])
    half = solve_triangular(upper, inverse[count:, count:])
    model = solve_triangular(upper, half.T).T
    last = day == spells.stop[which]
    log_ratio = np.full(len(spells.row), np.nan)
    if link == "cloglog":
        derivative, influence = np.full((len(log_ratio), len(gamma)), np.nan), own
        log_ratio[which[last]], derivative[which[last]] = x[last] @ gamma, x[last]
    else:
        derivative, influence = np.full(by_spell.shape, np.nan), by_spell
        chance = LINKS[link].inverse(found.eta[last])
        log_ratio[which[last]] = np.log(chance)
        derivative[which[last]] = (1.0 - chance)[:, None] * columns[last]
    fit = _fit(
        formula, spells, weights, unit, (own, gamma, model), (float(-0.5 * found.deviance), link), method, context
    )
    return Intensity(fit, log_ratio, derivative, influence)


def _days(spells: Spells, time: str) -> tuple[np.ndarray, np.ndarray]:
    """Spell and time of every day at risk."""
    at = np.flatnonzero(spells.at_risk)
    start, stop = spells.start[at], spells.stop[at]
    if not ((start == np.round(start)) & (stop == np.round(stop))).all():
        raise DataError(f"'{time}' holds fractions: visit_model='cloglog' and 'logit' are for whole days; use 'cox'.")
    length = (stop - start).astype(np.intp)
    which = np.repeat(at, length)
    first = np.repeat(np.cumsum(length) - length, length)
    return which, spells.start[which] + 1.0 + (np.arange(len(which)) - first)


def _baseline(day: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """A constant and a natural spline of time, with knots at quantiles of the visits' times."""
    t = (day - day.min()) / max(float(np.ptp(day)), 1.0)
    knots = np.unique(np.quantile(t[seen > 0], np.linspace(0.02, 0.98, _KNOTS)))
    curved = expand(t[:, None], (knots if len(knots) >= 3 else np.empty(0),))
    curved = curved[:, np.ptp(curved, axis=0) > 0]
    return np.column_stack([np.ones(len(t)), curved])


def _derivatives(eta: np.ndarray, seen: np.ndarray, link: str) -> tuple[np.ndarray, np.ndarray]:
    """First and minus second derivative of each day's log likelihood in the linear predictor."""
    chance = LINKS[link].inverse(eta)
    if link == "logit":
        return seen - chance, chance * (1.0 - chance)
    rate = np.exp(np.minimum(eta, 700.0))
    slope = rate * (seen / chance - 1.0)
    return slope, seen * rate**2 * (1.0 - chance) / chance**2 - slope


def _fit(
    formula: str,
    spells: Spells,
    weights: np.ndarray,
    unit: str,
    solved: tuple[np.ndarray, np.ndarray, np.ndarray],
    told: tuple[float, str],
    method: Method,
    context: Any,
) -> IntensityFit:
    """The table of coefficients, one row of influence per spell."""
    made: Design = design(formula, spells.frame, response="none", cluster=[unit], weights=weights, context=context)
    influence, gamma, model = solved
    present = spells.at_risk[made.rows] & (made.weights > 0)
    nobs = int(present.sum())
    df = float(nobs - len(gamma))
    moments = Moments(influence[made.rows], np.eye(len(gamma)), nobs, df, model, present=present)
    events = int(spells.event[made.rows][present].sum())
    estimate = Estimate(
        terms=made.parts[0].without_intercept().names,
        theta=gamma,
        moments=moments,
        nobs=nobs,
        df_resid=df,
        extra={"loglik": told[0], "events": events, "model": told[1]},
    )
    return IntensityFit.of(made, estimate, {"cluster": unit}, method=method)
