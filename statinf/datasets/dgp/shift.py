"""A source and a target sample whose covariate distributions differ."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.datasets.dgp.registry import Draw, count, covariates, dgp, positive, real, share, vector

SAMPLES = ["source", "target"]


def _samples(source: int, target: int) -> Any:
    import pandas as pd

    return pd.Categorical.from_codes(np.repeat([0, 1], [source, target]), categories=SAMPLES)


@dgp("covariate_shift", reference="Sugiyama, Krauledat and Mueller (2007), JMLR 8, 985-1005, for the setting")
def covariate_shift(
    n: int,
    rng: np.random.Generator,
    *,
    n_target: int | None = None,
    tilt: Any = (1.0, -0.5),
    curvature: float = 0.5,
    sd: float = 0.5,
) -> Draw:
    """Source x ~ N(0, I), target x ~ N(tilt, I), same y | x: an exponential tilt of the covariates.

    The density ratio target / source is ``exp(tilt'x - |tilt|^2 / 2)`` (column ``ratio``), log-linear in x, and
    y = 1 + x1 + curvature x1^2 + sd e, so a line fitted on the source is not the best line on the target.

    Parameters
    ----------
    n, rng
        Source rows and generator.
    n_target : int, optional
        Target rows, stacked below the source rows; as many as n by default.
    tilt : sequence of float, shape (p,)
        Mean of the target covariates.
    curvature : float
        Coefficient of x1^2; 0 makes the linear model right.
    sd : float
        Standard deviation of the error.

    Notes
    -----
    ``truth`` has the mean outcome and the best linear predictor (intercept, slope of x1) on either side.
    """
    shift = vector("tilt", tilt)
    rows = n if n_target is None else count("n_target", n_target)
    bend = real("curvature", curvature)
    x = rng.standard_normal((n + rows, shift.size))
    x[n:] += shift
    y = 1.0 + x[:, 0] + bend * x[:, 0] ** 2 + positive("sd", sd, zero=True) * rng.standard_normal(n + rows)
    m = float(shift[0])
    truth = {
        "tilt": shift.tolist(),
        "mean_y_source": 1.0 + bend,
        "mean_y_target": 1.0 + m + bend * (1.0 + m**2),
        # Stein's identity: the slope is E[1 + 2 bend x1].
        "line_source": [1.0 + bend, 1.0],
        "line_target": [1.0 + bend * (1.0 - m**2), 1.0 + 2.0 * bend * m],
        "row_truths": ["ratio"],
    }
    ratio = np.exp(x @ shift - shift @ shift / 2.0)
    return {"sample": _samples(n, rows), "y": y, **covariates(x), "ratio": ratio}, truth


@dgp("shimodaira", reference="Shimodaira (2000), Journal of Statistical Planning and Inference 90, 227-244")
def shimodaira(n: int, rng: np.random.Generator, *, n_target: int | None = None, sd: float = 0.3) -> Draw:
    """Draw the paper's example: y = -x + x^3 + e, source x ~ N(0.5, 0.5^2), target x ~ N(0, 0.3^2).

    Parameters
    ----------
    n, rng
        Source rows and generator.
    n_target : int, optional
        Target rows, stacked below the source rows; as many as n by default.
    sd : float
        Standard deviation of the error.

    Notes
    -----
    ``truth`` has the best line (intercept, slope) on either side; ``ratio`` is the density ratio target / source.
    """
    rows = n if n_target is None else count("n_target", n_target)
    x = rng.standard_normal(n + rows)
    x[:n] = 0.5 + 0.5 * x[:n]
    x[n:] = 0.3 * x[n:]
    y = -x + x**3 + positive("sd", sd, zero=True) * rng.standard_normal(n + rows)
    ratio = 0.5 / 0.3 * np.exp(((x - 0.5) / 0.5) ** 2 / 2.0 - (x / 0.3) ** 2 / 2.0)
    truth = {"line_source": _cubic_line(0.5, 0.25), "line_target": _cubic_line(0.0, 0.09), "row_truths": ["ratio"]}
    return {"sample": _samples(n, rows), "y": y, "x": x, "ratio": ratio}, truth


def _cubic_line(mean: float, variance: float) -> list[float]:
    """Intercept and slope of the best line through -x + x^3 for x ~ N(mean, variance), by Stein's identity."""
    slope = -1.0 + 3.0 * (mean**2 + variance)
    return [-mean + mean**3 + 3.0 * mean * variance - slope * mean, slope]


@dgp(
    "heterogeneous_shift",
    reference="Simchowitz, Ajay, Agrawal and Krishnamurthy (2023), arXiv 2302.13934, for the setting",
)
def heterogeneous_shift(
    n: int,
    rng: np.random.Generator,
    *,
    n_target: int | None = None,
    x_shift: float = 1.0,
    y_shift: float = 0.0,
    correlation: float = 0.0,
    sd: float = 0.3,
) -> Draw:
    """Draw z = x1 - x2 + sin(2 y1) y2 + cos(y3 + y4) + sd e with normal x and y that shift unlike.

    Parameters
    ----------
    n, rng
        Source rows and generator.
    n_target : int, optional
        Target rows, stacked below the source rows; as many as n by default.
    x_shift : float
        Added to x1 and x2 in the target.
    y_shift : float
        Added to y1, ..., y4 in the target, over the root of two: both shifts have one length.
    correlation : float
        Of x1 and y1, in (-1, 1).
    sd : float
        Standard deviation of the error.

    Notes
    -----
    Row truths are the mean and the density ratio target / source of all covariates.
    """
    rows = n if n_target is None else count("n_target", n_target)
    r = share("correlation", abs(real("correlation", correlation))) * np.sign(correlation)
    d = np.repeat([real("x_shift", x_shift), real("y_shift", y_shift) / np.sqrt(2.0)], [2, 4])
    e = rng.standard_normal((n + rows, 6))
    # In these coordinates the law of the source is a standard normal one.
    moved = np.array([(d[0] - r * d[2]) / np.sqrt(1.0 - r**2), *d[1:]])
    e[n:] += moved
    v = e.copy()
    v[:, 0] = r * e[:, 2] + np.sqrt(1.0 - r**2) * e[:, 0]
    mean = v[:, 0] - v[:, 1] + np.sin(2.0 * v[:, 2]) * v[:, 3] + np.cos(v[:, 4] + v[:, 5])
    z = mean + positive("sd", sd, zero=True) * rng.standard_normal(n + rows)
    ratio = np.exp(e @ moved - moved @ moved / 2.0)
    truth = {"coefficients": [1.0, -1.0], "row_truths": ["mean", "ratio"]}
    columns = {"sample": _samples(n, rows), "z": z, **covariates(v[:, :2]), **covariates(v[:, 2:], "y")}
    return {**columns, "mean": mean, "ratio": ratio}, truth
