"""Density ratio by exponential tilting: weights that match the target's means exactly.

Hainmueller (2012, Political Analysis 20), whose entropy balancing is the tilt of Deville and Saerndal (1992, Journal of
the American Statistical Association 87): the weights closest to uniform in Kullback-Leibler divergence under which the
source's means of the formula's columns are the target's. They are exp(a + x'l), the ratio itself where that is
log-linear. The tilt l and its constant solve moment equations in both samples, whence the influence values.
"""

from __future__ import annotations

import numpy as np

from statinf.errors import ConvergenceError, DataError, InfeasibleError
from statinf.numerics.linear.factors import triangular_factor
from statinf.numerics.linear.reduction import independent_columns
from statinf.results.methods import Method
from statinf.results.options import Options
from statinf.shifts.logistic import LogLinear
from statinf.shifts.overlap import describe_uncovered
from statinf.shifts.ratio_estimate import RatioEstimate
from statinf.shifts.samples import Samples


def estimate(samples: Samples, options: Options) -> RatioEstimate:
    """Solve for the tilt on centred and scaled columns.

    Raises
    ------
    DataError
        If there are as many columns as source rows.
    InfeasibleError
        If the target's means lie outside the convex hull of the source rows.
    """
    n, p = samples.xs.shape
    if p >= n:
        raise DataError(
            f"{p} means to match with {n} source rows: the weights are not determined. Use fewer columns, or a kernel "
            "method (method='kmm' or 'ulsif')."
        )
    scaling, ws = samples.scaling, samples.ws
    zs, zt = scaling.apply(samples.xs), scaling.apply(samples.xt)
    share = samples.wt / samples.wt.sum()
    mean = share @ zt
    columns = np.column_stack([np.ones(n), zs])
    kept = independent_columns(triangular_factor(columns), p + 1)[1:]
    _check_aliased(samples, columns, kept, mean)
    centred = (zs - mean)[:, kept]
    scale = np.sqrt(ws @ centred**2 / ws.sum())
    scaled = centred / scale
    tilt, iterations = _solve(samples, scaled)
    log_ratio = scaled @ tilt
    top = log_ratio.max()
    log_constant = float(np.log(ws.sum()) - np.log(ws @ np.exp(log_ratio - top)) - top)
    ratio = np.exp(log_constant + log_ratio)
    slope = np.zeros(p)
    slope[kept] = tilt / scale
    own = np.append(True, kept)
    rule = LogLinear.of(samples.xs, log_constant, slope / scaling.spread, scaling.centre + mean * scaling.spread, own)
    mass = ws * ratio
    curvature = np.linalg.inv(scaled.T @ (scaled * mass[:, None]))
    # Parameters: the log of the constant, then the tilt, for columns around a fixed centre where the target's mean is.
    # That mean is estimated: it moves the tilt, while the constant's equation has no slope in the tilt there.
    on_tilt = -(scaled * mass[:, None]) @ curvature
    on_constant = -(mass - ws) / mass.sum()
    target = ((zt - mean)[:, kept] / scale) * (share * mass.sum())[:, None]
    return RatioEstimate(
        rule,
        ratio,
        {},
        derivative=np.column_stack([ratio, scaled * ratio[:, None]]),
        influence=np.column_stack([on_constant, on_tilt]),
        other_influence=np.column_stack([np.zeros(len(target)), target @ curvature]),
        facts={"moments matched": int(kept.sum()), "iterations": iterations},
    )


def _solve(samples: Samples, scaled: np.ndarray) -> tuple[np.ndarray, int]:
    """Newton steps with halving on the log of the summed tilts."""
    tilt = np.zeros(scaled.shape[1])
    value, gradient, hessian = _dual(scaled, samples.ws, tilt)
    for iteration in range(1, 201):
        step = np.linalg.lstsq(hessian, -gradient, rcond=1e-14)[0]
        slope = float(gradient @ step)
        size = 1.0
        for _ in range(40):
            fresh = _dual(scaled, samples.ws, tilt + size * step)
            if fresh[0] <= value + 1e-4 * size * slope + 1e-15 * abs(value):
                break
            size /= 2.0
        tilt = tilt + size * step
        value, gradient, hessian = fresh
        if np.abs(tilt).max() > 1e3:
            break
        if np.abs(gradient).max() < 1e-13 or (np.abs(gradient).max() < 1e-10 and -slope < 1e-24):
            return tilt, iteration
    _check_hull(samples, scaled)
    if np.abs(gradient).max() < 1e-9 and np.abs(tilt).max() <= 1e3:
        return tilt, iteration
    raise ConvergenceError(
        f"the exponential tilt did not converge (largest moment error {np.abs(gradient).max():.2e} standard deviations); "
        "the target's means lie close to the edge of what the source can reach. Use fewer columns or method='kmm'."
    )


def _dual(scaled: np.ndarray, ws: np.ndarray, tilt: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    score = scaled @ tilt + np.log(ws)
    top = score.max()
    share = np.exp(score - top)
    total = share.sum()
    share /= total
    gradient = share @ scaled
    return float(np.log(total) + top), gradient, scaled.T @ (scaled * share[:, None]) - np.outer(gradient, gradient)


def _check_aliased(samples: Samples, columns: np.ndarray, kept: np.ndarray, mean: np.ndarray) -> None:
    """A column that others determine in the source must be determined alike in the target's means."""
    if kept.all():
        return
    basis = np.concatenate([[True], kept])
    coefficients = np.linalg.lstsq(columns[:, basis], columns[:, 1:][:, ~kept], rcond=None)[0]
    implied = np.concatenate([[1.0], mean])[basis] @ coefficients
    gap = np.abs(implied - mean[~kept])  # in standard deviations of the columns
    if (gap > 1e-8).any():
        guilty = [name for name, k in zip(samples.names, kept, strict=True) if not k]
        raise InfeasibleError(
            f"other columns determine {', '.join(map(repr, guilty))} in the source but not in the target: no weights match "
            "these means. Leave them out."
        )


def _check_hull(samples: Samples, scaled: np.ndarray) -> None:
    from scipy.optimize import linprog

    found = linprog(
        np.zeros(len(scaled)),
        A_eq=np.vstack([scaled.T, np.ones(len(scaled))]),
        b_eq=np.append(np.zeros(scaled.shape[1]), 1.0),
        bounds=(0, None),
        method="highs",
    )
    if found.status != 2:
        return
    mean = samples.wt @ samples.xt / samples.wt.sum()
    low, high = samples.xs.min(axis=0), samples.xs.max(axis=0)
    beyond = [name for j, name in enumerate(samples.names) if not low[j] <= mean[j] <= high[j]]
    what = f"of {', '.join(map(repr, beyond))}" if beyond else "(jointly; each lies in its column's range)"
    where = describe_uncovered(samples.xs, samples.xt, samples.names)
    raise InfeasibleError(
        f"target means {what} lie outside the convex hull of the source rows: no weights match them"
        f"{'; ' + where if where else ''}. Use fewer columns, restrict the target, or use method='kmm'."
    )


METHOD = Method(
    verb="density_ratio",
    name="moment",
    estimate=estimate,
    summary="exponential tilting: the weights closest to equal under which the source has the target's means",
    citation="Deville and Särndal (1992); Hainmueller (2012)",
    guarantee="matches the target's means exactly; stacked standard errors downstream",
    vignette="covariate-shift",
)
