"""Likelihood against weighted likelihood: a Hausman-type test, excess risks, importance-weighted cross-validation.

Hausman (1978, Econometrica 46) for the idea: under a right model both estimate the same coefficients, so that their
difference is noise whose covariance the two influence functions give. Sugiyama, Krauledat and Mueller (2007, Journal of
Machine Learning Research 8) for cross-validation weighted by the density ratio.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.errors import DataError, OptionError
from statinf.inference.distributions import chi2_sf
from statinf.inference.hypotheses import WaldTest
from statinf.numerics.glm.irls_batch import refit_glm
from statinf.results import Fit, Weights, to_caller
from statinf.shifts import mle
from statinf.shifts.shift_fit import ShiftFit
from statinf.shifts.verb import as_weights, dispersion_of, find_ratio, information

RELATIVE_CUT = 1e-10


def both_fits(fit: ShiftFit, ratio: Any) -> tuple[Fit, Fit, Weights]:
    """The unweighted and the weighted regression on the same source rows, and the ratio."""
    design = fit._need_rows("comparisons with the weighted fit")
    if fit.target_frame is None:
        raise DataError(
            "comparisons with the weighted fit need the target frame, which a saved fit leaves out; fit again."
        )
    source = design.frame.native
    settings = dict(fit.ratio_options)
    options = {"family": fit.family, "link": fit.link, "cluster": None, "na_action": settings["na_action"]}
    options |= {"context": settings["context"]}
    if ratio is None and fit.ratio is not None:
        plain = mle.regress(fit.formula, source, weights=settings["weights"], vcov="HC0", **options)
        return plain, fit.inner, as_weights(fit.ratio, design)
    found = find_ratio(
        tuple((settings | ({} if ratio is None else {"method": ratio})).items()), source, fit.target_frame
    )
    weighted = mle.regress(fit.formula, source, weights=found, vcov="HC0", **options)
    plain = (
        fit.inner
        if fit.ratio is None
        else mle.regress(fit.formula, source, weights=settings["weights"], vcov="HC0", **options)
    )
    return plain, weighted, as_weights(found, weighted._need_rows("weights"))


def _difference(plain: Fit, weighted: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Weighted minus unweighted coefficients, and their covariance from influence values over both samples."""
    if not np.array_equal(plain.estimable, weighted.estimable):
        raise DataError(
            "the weighted fit leaves out other columns than the unweighted one; the two cannot be compared."
        )
    first, second = plain.moments(), weighted.moments()
    a, b = plain._need_rows("influence"), weighted._need_rows("influence")
    moves = np.zeros((a.n_total, first.q))
    moves[a.rows] -= first.influence
    moves[b.rows] += second.influence
    covariance = moves.T @ moves
    if second.outside is not None:
        outside = second.outside @ second.bread.T
        if second.outside_rows is None:
            covariance += outside.T @ outside
        else:
            moves[second.outside_rows] += outside
            covariance = moves.T @ moves
    ok = plain.estimable
    return weighted.theta[ok] - plain.theta[ok], covariance


def specification_test(fit: ShiftFit, ratio: Any = None) -> WaldTest:
    """Chi-square test of equal limits; see `ShiftFit.specification_test`."""
    plain, weighted, _ = both_fits(fit, ratio)
    gap, covariance = _difference(plain, weighted)
    scale = np.sqrt(np.maximum(np.diag(plain.moments().bread), np.finfo(float).tiny))
    # In units of the coefficients' own spread a direction without variance is one that the weights leave alone.
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    own = plain.moments()
    level = np.trace((own.influence.T @ own.influence) / np.outer(scale, scale)) / len(scale)
    used = values > RELATIVE_CUT * max(level, values.max(initial=0.0))
    df = int(used.sum())
    along = vectors[:, used].T @ (gap / scale)
    statistic = float(np.sum(along**2 / values[used]))
    p = float(chi2_sf(statistic, df)) if df else 1.0
    return WaldTest("likelihood = weighted likelihood", statistic, df, np.inf, p)


def risk(fit: ShiftFit, ratio: Any = None) -> Any:
    """Variance and squared bias on the target; see `ShiftFit.risk`."""
    import pandas as pd

    plain, weighted, _ = both_fits(fit, ratio)
    target = fit.target
    assert target is not None
    gap, covariance = _difference(plain, weighted)
    curvature = information(target.x, weighted.theta, target.weights, target.offset, fit._family) / dispersion_of(
        weighted
    )
    # The squared gap estimates the squared bias plus its own noise, whose mean is known.
    bias = 0.5 * max(0.0, float(gap @ curvature @ gap - np.trace(curvature @ covariance)))
    rows = []
    for name, one, squared in (("mle", plain, bias), ("mwle", weighted, 0.0)):
        variance = 0.5 * float(np.trace(curvature @ one.with_vcov("HC0").cov.matrix))
        rows.append(
            {"estimator": name, "variance": variance, "squared_bias": squared, "excess_risk": variance + squared}
        )
    return to_caller(pd.DataFrame(rows), fit.kind)


def cross_validate(fit: ShiftFit, powers: np.ndarray, folds: int, ratio: Any, seed: int) -> Any:
    """Held-out deviance weighted by the ratio, all powers and folds refitted in one batch."""
    import pandas as pd

    if not np.isfinite(powers).all() or (powers < 0).any() or (powers > 1).any():
        raise OptionError(f"powers={powers.tolist()}: powers of the density ratio lie between 0 and 1.")
    plain, weighted, found = both_fits(fit, ratio)
    design = weighted._need_rows("cross-validation")
    n = design.n
    if not isinstance(folds, int | np.integer) or not 2 <= folds <= n:
        raise OptionError(f"folds={folds!r}: give a whole number between 2 and the {n} source rows.")
    ok = weighted.estimable
    x, y = design.parts[0].values[:, ok], design.y
    values = found.values[np.searchsorted(found.used, design.rows)]
    sampling = plain._need_rows("cross-validation").weights if len(plain._need_rows("").rows) == n else np.ones(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        pure = np.where(sampling > 0, values / sampling, 0.0)
    fold = generator(seed, 7).permutation(n) % folds
    inside = (fold != np.arange(folds)[:, None]).astype(float)
    batch = (sampling * pure ** powers[:, None])[:, None, :] * inside
    coef = _refits(x, y, batch.reshape(-1, n), design.offset, fit, weighted.theta[ok])
    eta = coef.reshape(len(powers), folds, -1) @ x.T + (0.0 if design.offset is None else design.offset)
    held = np.take_along_axis(eta, np.broadcast_to(fold, (len(powers), 1, n)), axis=1)[:, 0]
    with np.errstate(invalid="ignore"):
        loss = fit._family.unit_deviance(y, fit._family.link.inverse(held))
    share = values / values.sum()
    mean = loss @ share
    spread = np.sqrt(((loss - mean[:, None]) * share) ** 2 @ np.ones(n))
    return to_caller(pd.DataFrame({"power": powers, "risk": mean, "std_error": spread}), fit.kind)


def _refits(
    x: np.ndarray, y: np.ndarray, batch: np.ndarray, offset: np.ndarray | None, fit: ShiftFit, start: np.ndarray
) -> np.ndarray:
    """Coefficients under each row of a weight matrix; least squares need one product with the rows' own products."""
    if not (fit.family == "gaussian" and fit.link == "identity"):
        return refit_glm(x, y, fit._family, batch, offset=offset, start=start)
    k = x.shape[1]
    upper, lower = np.triu_indices(k)
    outcome = y if offset is None else y - offset
    gram = np.empty((len(batch), k, k))
    gram[:, upper, lower] = batch @ (x[:, upper] * x[:, lower])
    gram[:, lower, upper] = gram[:, upper, lower]
    return np.linalg.solve(gram, (batch @ (x * outcome[:, None]))[..., None])[..., 0]
