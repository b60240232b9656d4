"""Inverse probability weighting with a parametric propensity.

Horvitz and Thompson (1952), JASA 47; tilting functions: Li, Morgan and Zaslavsky (2018), "Balancing covariates via propensity
score weighting", JASA 113(521), arXiv 1404.1785.

Estimand: the mean of the conditional effect under the density of the columns times h(e): ATE 1, ATT e, ATC 1 - e, ATO (overlap)
e(1 - e), ATM (matching) min(e, 1 - e), ATEN (entropy) -(e log e + (1-e) log(1-e)). Assumptions: no unmeasured confounding given
the columns, overlap where h is positive, a correct propensity model.

The weight of a row is h(e) over the probability of its own arm. Standard errors count that e is estimated; they agree with R
WeightIt and PSweight (the latter only after standardising columns: it takes a generalised inverse on the raw scale).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from statinf.balancing.arms import Linear, Sample, Solution
from statinf.balancing.cbps import expand_scores
from statinf.balancing.propensity import PropensityFit, likelihood_fit, logit_likelihood, probit_likelihood
from statinf.errors import DataError, OptionError, one_of
from statinf.numerics.glm.families import sigmoid

CITATION = "inverse probability weighting (Hirano, Imbens and Ridder 2003; Li, Morgan and Zaslavsky 2018)"

ESTIMANDS = ("ATE", "ATT", "ATC", "ATO", "ATM", "ATEN")
LINKS = ("logit", "probit")


def solve(
    sample: Sample,
    estimand: str = "ATE",
    *,
    link: str = "logit",
    stabilize: bool = False,
    trim: float | None = None,
    truncate: float | None = None,
    tol: float = 1e-10,
    max_iter: int = 100,
) -> Solution:
    """Propensity weights ``h(e) / P(own arm)``.

    Parameters
    ----------
    sample : Sample
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM", "ATEN"}
    link : {"logit", "probit"}
    stabilize : bool
        Multiply each arm by its share; changes nothing in contrasts of weighted means.
    trim : float, optional
        Drop rows whose propensity lies outside ``[trim, 1 - trim]`` and refit; they get weight zero, and the estimand is the
        effect among the rows that stay. 0.1 is Crump's rule.
    truncate : float, optional
        Cap weights at this quantile of their arm, such as 0.99. The cap is treated as given in the standard errors.
    tol : float
        Largest mean score left.
    max_iter : int
    """
    if estimand not in ESTIMANDS:
        raise OptionError(f"estimand={estimand!r} is not known; choose one of {', '.join(ESTIMANDS)}.")
    one_of("link", link, LINKS)
    full, kept = sample, None
    if trim is not None:
        sample, kept = _trimmed(sample, link, trim, tol, max_iter)
    fit = likelihood_fit(sample, link, tol=tol, max_iter=max_iter)
    t, s = sample.treated, sample.s
    e, de = _probability(fit.eta, link)
    factor, dfactor = tilt(e, t, estimand)
    with np.errstate(invalid="ignore", over="ignore"):
        weight, slope = s * factor, s * dfactor * de
    if not np.all(np.isfinite(weight)):
        raise DataError(
            "A propensity of exactly 0 or 1 gives an infinite weight: restrict the sample with trim=, or use ATO."
        )
    details: dict = {"coefficients": fit.coefficients, "link": link}
    if truncate is not None:
        weight, slope, details["capped"] = _truncated(weight, slope, s, t, truncate)
    share = float(s @ t / s.sum())
    arm = np.where(t, share, 1.0 - share) if stabilize else 1.0
    values = weight * arm

    def linear() -> Linear:
        out = _expand(sample, fit, link, slope * arm)
        return _with_share(out, sample, weight, share) if stabilize else out

    if kept is None:
        return Solution(values, linear, fit.iterations, fit.residual, propensity=e, details=details)
    return _spread(full.n, kept, values, linear, fit, e, details)


def tilt(e: np.ndarray, treated: np.ndarray, estimand: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``h(e) / P(own arm)`` and their derivative in e."""
    own, sign = np.where(treated, e, 1.0 - e), np.where(treated, 1.0, -1.0)
    one = np.ones_like(e)
    if estimand == "ATEN":
        other = 1.0 - e
        h, dh = -(e * np.log(e) + other * np.log(other)), np.log(other) - np.log(e)
    else:
        h, dh = {
            "ATE": (one, 0.0 * one),
            "ATT": (e, one),
            "ATC": (1.0 - e, -one),
            "ATO": (e * (1.0 - e), 1.0 - 2.0 * e),
            "ATM": (np.minimum(e, 1.0 - e), np.where(e < 0.5, 1.0, -1.0)),
        }[estimand]
    return h / own, dh / own - sign * h / own**2


def new_weights(eta: np.ndarray, treated: np.ndarray, estimand: str, link: str = "logit") -> np.ndarray:
    """Weights of rows with a known predictor, shape (n,)."""
    return tilt(_probability(eta, link)[0], treated, estimand)[0]


def _probability(eta: np.ndarray, link: str) -> tuple[np.ndarray, np.ndarray]:
    if link == "logit":
        e = sigmoid(eta)
        return e, e * (1.0 - e)
    return ndtr(eta), np.exp(-0.5 * eta**2) / np.sqrt(2.0 * np.pi)


def _expand(sample: Sample, fit: PropensityFit, link: str, slope: np.ndarray) -> Linear:
    function = {"logit": logit_likelihood, "probit": probit_likelihood}[link]
    _, gradient, curvature = function(fit.eta, sample.treated.astype(np.float64), sample.s)
    return expand_scores(fit.rows.matrix(), -gradient, curvature, slope)


def _with_share(out: Linear, sample: Sample, weight: np.ndarray, share: float) -> Linear:
    """The arm's share is one more estimated parameter of stabilised weights."""
    t, s = sample.treated, sample.s
    derivative = np.where(t, weight, -weight)
    influence = s * (t - share) / s.sum()
    return Linear(
        np.column_stack([out.derivative, derivative]), np.column_stack([out.influence, influence]), out.leverage
    )


def _truncated(
    weight: np.ndarray, slope: np.ndarray, s: np.ndarray, t: np.ndarray, q: float
) -> tuple[np.ndarray, np.ndarray, int]:
    if not 0.5 < q <= 1.0:
        raise OptionError(f"truncate={q!r} must lie in (0.5, 1]: the quantile of the weights at which they are capped.")
    relative = weight / np.where(s > 0, s, 1.0)
    cap = np.empty_like(weight)
    for arm in (t, ~t):
        cap[arm] = np.quantile(relative[arm & (s > 0)], q)
    over = relative > cap
    return np.where(over, cap * s, weight), np.where(over, 0.0, slope), int(over.sum())


def _trimmed(sample: Sample, link: str, trim: float, tol: float, max_iter: int) -> tuple[Sample, np.ndarray]:
    if not 0.0 < trim < 0.5:
        raise OptionError(
            f"trim={trim!r} must lie in (0, 0.5): rows with a propensity outside [trim, 1 - trim] are dropped."
        )
    e, _ = _probability(likelihood_fit(sample, link, tol=tol, max_iter=max_iter).eta, link)
    kept = np.flatnonzero((e >= trim) & (e <= 1.0 - trim))
    t = sample.treated[kept]
    if len(kept) == 0 or t.all() or not t.any():
        raise DataError(f"trim={trim:g} leaves an empty arm; use a smaller value.")
    return Sample(sample.x[kept], t, sample.s[kept], sample.names), kept


def _spread(
    n: int, kept: np.ndarray, values: np.ndarray, linear, fit: PropensityFit, e: np.ndarray, details: dict
) -> Solution:
    """Back to all rows: dropped rows have weight zero and no propensity."""

    def widen(a: np.ndarray, fill: float) -> np.ndarray:
        out = np.full((n, *a.shape[1:]), fill)
        out[kept] = a
        return out

    def wide() -> Linear:
        small = linear()
        return Linear(*(widen(a, 0.0) for a in (small.derivative, small.influence, small.leverage)))

    details = {**details, "dropped": n - len(kept)}
    return Solution(
        widen(values, 0.0), wide, fit.iterations, fit.residual, propensity=widen(e, np.nan), details=details
    )
