"""Outcomes whose conditional law changes shape with a covariate, and a mean that no additive model is near."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.datasets.dgp.registry import Draw, count, covariates, dgp, positive, vector
from statinf.errors import OptionError


@dgp(
    "four_normals", reference="Plassier et al. (2025), ICLR, arXiv 2407.01794, for the setting; the constants are ours"
)
def four_normals(
    n: int,
    rng: np.random.Generator,
    *,
    mean_x: Any = (-3.0, -1.0, 1.0, 3.0),
    mean_y: Any = (-2.0, 2.0, -2.0, 2.0),
    sd_y: Any = (0.2, 0.5, 1.0, 2.5),
    correlation: Any = (0.5, -0.5, 0.5, 0.0),
) -> Draw:
    """Draw (x, y) from an equal mixture of four bivariate normals with unit variance in x.

    Given x the outcome is a normal mixture: component k has weight proportional to the normal density of x around
    ``mean_x[k]``, mean ``mean_y[k] + correlation[k] sd_y[k] (x - mean_x[k])`` and standard deviation
    ``sd_y[k] sqrt(1 - correlation[k]^2)``, so that coverage given x can be computed exactly.

    Parameters
    ----------
    n, rng
        Rows and generator.
    mean_x, mean_y, sd_y, correlation : sequence of float, shape (4,)
        Of the components.
    """
    values = {"mean_x": vector("mean_x", mean_x), "mean_y": vector("mean_y", mean_y), "sd_y": vector("sd_y", sd_y)}
    rho = vector("correlation", correlation)
    if len({len(rho), *map(len, values.values())}) != 1:
        raise OptionError("mean_x, mean_y, sd_y and correlation must have one value a component each.")
    if not (np.abs(rho) < 1).all() or not (values["sd_y"] > 0).all():
        raise OptionError("correlation must lie in (-1, 1) and sd_y must be positive.")
    k = rng.integers(0, len(rho), n)
    one, two = rng.standard_normal((2, n))
    y = values["mean_y"][k] + values["sd_y"][k] * (rho[k] * one + np.sqrt(1.0 - rho[k] ** 2) * two)
    truth = {name: value.tolist() for name, value in values.items()} | {"correlation": rho.tolist()}
    return {"y": y, "x": values["mean_x"][k] + one}, truth


@dgp(
    "gated_sine",
    reference="Globus-Harris et al. (2023), ICML, arXiv 2301.13767, for the setting; the functions are ours",
)
def gated_sine(n: int, rng: np.random.Generator, *, noise_sd: float = 0.05, symmetric: bool = False) -> Draw:
    """A sine of one covariate whose sign and height depend on another, so that no sum of functions of each is near it.

    x1 and x2 are uniform on (-2, 2), ``mean = 0.5 + 0.4 sin(2 x1) g`` with g = 1 for x2 > 0 and -0.5 otherwise, and
    ``y = mean + noise_sd e``, cut at 0 and 1. With `symmetric` the sine is of |x1|, and g is 1
    for |x2| > 1 and -1 otherwise: no linear function of the covariates is correlated with y, though stumps are.

    Parameters
    ----------
    n, rng
        Rows and generator.
    noise_sd : float
        Standard deviation of the normal noise.
    symmetric : bool
    """
    if not isinstance(symmetric, bool):
        raise OptionError(f"symmetric={symmetric!r} must be True or False.")
    x = rng.uniform(-2.0, 2.0, (n, 2))
    x1, x2 = (np.abs(x) - (0.0, 1.0)).T if symmetric else x.T
    mean = 0.5 + 0.4 * np.sin(2.0 * x1) * np.where(x2 > 0.0, 1.0, -1.0 if symmetric else -0.5)
    y = np.clip(mean + positive("noise_sd", noise_sd, zero=True) * rng.standard_normal(n), 0.0, 1.0)
    truth = {"noise_variance": noise_sd**2, "row_truths": ["mean"]}
    return {"y": y, **covariates(x), "mean": mean}, truth


@dgp("banana", reference="Feldman, Bates and Romano (2021), JMLR 24 (2023), arXiv 2110.00816")
def banana(n: int, rng: np.random.Generator, *, p: int = 1, d: int = 2, nonlinear: bool = True) -> Draw:
    """Draw two to four outcomes along a bent curve whose length and place depend on covariates.

    Covariates are uniform on (0.8, 3.2) and enter by a weighted mean b: the curve is (z, (1 - cos(b z)) / 2) for z uniform on
    (-pi / b, pi / b), and outcomes lie within 0.1 of it.

    Parameters
    ----------
    n, rng
        Rows and generator.
    p : int
        Covariates; their weights are drawn once, the same for every seed.
    d : {2, 3, 4}
        Outcomes; the third is sin(z), and with four they are cos(sin(z)) + noise and sin(z).
    nonlinear : bool
        Whether the sine of the covariates' mean is added to the second outcome.
    """
    p = count("p", p)
    if d not in (2, 3, 4):
        raise OptionError(f"d={d!r} must be 2, 3 or 4.")
    share = np.random.default_rng(0).random(p)
    share /= share.sum()
    X = rng.uniform(0.8, 3.2, (n, p))
    b = X @ share
    z = rng.uniform(-1.0, 1.0, n) * np.pi / b
    angle, radius = rng.uniform(0.0, 2.0 * np.pi, n), 0.1 * rng.uniform(-1.0, 1.0, n)
    across, up = radius * np.cos(angle), radius * np.sin(angle)
    Y = [z + across, 0.5 * (1.0 - np.cos(b * z)) + up + (np.sin(X.mean(axis=1)) if nonlinear else 0.0)]
    Y += [np.sin(z)] if d == 3 else [np.cos(np.sin(z)) + up * np.cos(angle), np.sin(z)] if d == 4 else []
    return covariates(np.column_stack(Y), "y") | covariates(X), {"weights": share.tolist()}
