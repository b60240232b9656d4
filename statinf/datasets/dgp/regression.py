"""Regressions with known coefficients: linear, logit, Poisson and clustered errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.datasets.dgp.registry import Draw, count, covariates, dgp, positive, real, share, vector
from statinf.errors import OptionError


def _design(n: int, rng: np.random.Generator, intercept: float, beta: Any) -> tuple[np.ndarray, np.ndarray, Draw]:
    """Draw standard normal covariates (n, p), their linear predictor (n,) and the truth common to all regressions."""
    slopes, constant = vector("beta", beta), real("intercept", intercept)
    x = rng.standard_normal((n, slopes.size))
    truth = {"intercept": constant, "beta": slopes.tolist()}
    return x, constant + x @ slopes, (covariates(x), truth)


@dgp("linear", reference="White (1980), Econometrica 48, 817-838, for the heteroscedastic errors")
def linear(
    n: int,
    rng: np.random.Generator,
    *,
    intercept: float = 1.0,
    beta: Any = (1.0, 0.5, -0.5),
    sd: float = 1.0,
    heteroscedastic: float = 0.0,
    df: float | None = None,
) -> Draw:
    """Linear model y = intercept + x'beta + e with normal covariates and optional heteroscedasticity.

    The standard deviation of the error is ``sd * exp(heteroscedastic * x1 / 2)`` (column ``error_sd``), so 0 is
    homoscedastic and 1 (or True) makes the sandwich clearly wider than the classical variance in x1.

    Parameters
    ----------
    n, rng
        Rows and generator.
    intercept : float
    beta : sequence of float, shape (p,)
    sd : float
        Error standard deviation at x1 = 0.
    heteroscedastic : float
        Slope of the log error variance in x1.
    df : float, optional
        Degrees of freedom (above 2) of Student errors scaled to variance one; None for normal errors.
    """
    x, mean, (columns, truth) = _design(n, rng, intercept, beta)
    spread = positive("sd", sd) * np.exp(real("heteroscedastic", heteroscedastic) * x[:, 0] / 2)
    if df is None:
        noise = rng.standard_normal(n)
    else:
        freedom = real("df", df)
        if freedom <= 2.0:
            raise OptionError(f"df={df!r} must be above 2, or the errors have no variance.")
        noise = rng.standard_t(freedom, n) * np.sqrt((freedom - 2) / freedom)
    return {"y": mean + spread * noise, **columns, "error_sd": spread}, {**truth, "row_truths": ["error_sd"]}


@dgp("logit", reference="Cox (1958), Journal of the Royal Statistical Society B 20, 215-242")
def logit(n: int, rng: np.random.Generator, *, intercept: float = -0.5, beta: Any = (1.0, -0.5)) -> Draw:
    """Logistic regression: P(y = 1 | x) = 1 / (1 + exp(-(intercept + x'beta))), normal covariates.

    Parameters
    ----------
    n, rng
        Rows and generator.
    intercept : float
    beta : sequence of float, shape (p,)
        Log odds ratios.
    """
    _, eta, (columns, truth) = _design(n, rng, intercept, beta)
    chance = 1.0 / (1.0 + np.exp(-eta))
    y = (rng.random(n) < chance).astype(np.int64)
    return {"y": y, **columns, "probability": chance}, {**truth, "row_truths": ["probability"]}


@dgp("poisson", reference="Cameron and Trivedi (1986), Journal of Applied Econometrics 1, 29-53")
def poisson(
    n: int,
    rng: np.random.Generator,
    *,
    intercept: float = 0.5,
    beta: Any = (0.5, -0.3),
    overdispersion: float = 0.0,
) -> Draw:
    """Count regression with log mean intercept + x'beta + log(exposure) and variance mu + overdispersion mu^2.

    Parameters
    ----------
    n, rng
        Rows and generator.
    intercept : float
    beta : sequence of float, shape (p,)
        Log rate ratios.
    overdispersion : float
        0 is Poisson; above 0 a gamma mixture, so y is negative binomial (NB2).

    Notes
    -----
    ``exposure`` is uniform on (0.5, 2) and enters the mean proportionally: use ``offset(log(exposure))``.
    """
    _, eta, (columns, truth) = _design(n, rng, intercept, beta)
    exposure = rng.uniform(0.5, 2.0, n)
    mean = exposure * np.exp(eta)
    spread = positive("overdispersion", overdispersion, zero=True)
    rate = mean * rng.gamma(1.0 / spread, spread, n) if spread else mean
    row = {"y": rng.poisson(rate), **columns, "exposure": exposure, "mean": mean}
    return row, {**truth, "overdispersion": spread, "row_truths": ["mean"]}


@dgp("clustered", reference="Petersen (2009), Review of Financial Studies 22, 435-480")
def clustered(
    n: int,
    rng: np.random.Generator,
    *,
    clusters: int = 40,
    intercept: float = 0.0,
    beta: float = 1.0,
    icc_x: float = 0.5,
    icc_error: float = 0.25,
    sd_x: float = 1.0,
    sd_error: float = 2.0,
) -> Draw:
    """One covariate and errors that both share a component within clusters.

    x = sd_x (sqrt(icc_x) a_g + sqrt(1 - icc_x) b_i) and likewise for the error, all normal. For the OLS slope
    the variance is larger than the classical one by about ``1 + (n / clusters - 1) icc_x icc_error``
    (``truth["moulton"]``).

    Parameters
    ----------
    n, rng
        Rows and generator.
    clusters : int
        Number of clusters, at most n; sizes differ by one row at most.
    intercept, beta : float
    icc_x, icc_error : float
        Share of the variance that is between clusters, in [0, 1).
    sd_x, sd_error : float
        Standard deviations.
    """
    groups = count("clusters", clusters, 2)
    if groups > n:
        raise OptionError(f"clusters={clusters!r} must not exceed n={n}.")
    member = np.arange(n) * groups // n

    def component(scale: float, icc: float) -> np.ndarray:
        between, within = rng.standard_normal(groups), rng.standard_normal(n)
        return scale * (np.sqrt(icc) * between[member] + np.sqrt(1.0 - icc) * within)

    shared_x, shared_error = share("icc_x", icc_x), share("icc_error", icc_error)
    x = component(positive("sd_x", sd_x), shared_x)
    error = component(positive("sd_error", sd_error), shared_error)
    start, slope = real("intercept", intercept), real("beta", beta)
    truth = {"intercept": start, "beta": slope, "moulton": 1.0 + (n / groups - 1.0) * shared_x * shared_error}
    return {"y": start + slope * x + error, "x": x, "cluster": member}, truth
