"""Outcomes whose conditional law changes shape with a covariate."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.datasets.dgp.registry import Draw, dgp, vector
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
