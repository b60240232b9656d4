"""Studies of the stochastic family: `si.lsa` by loss and kind of inference, `si.td`, `si.ctd` and `si.monitor`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks import renewable_coverage
from benchmarks.certify.study import Shown, Study, limits
from benchmarks.continuous_coverage import TRUE

INFERENCE = ("multiplier", "plugin", "hac", "batch-means", "random-scaling")
BETA = np.array([0.3, 0.5, -0.5])


def averaged(loss: str, n: int, seed: int) -> Iterator[Any]:
    """Three coefficients, of squared loss under unequal variances."""
    rng = np.random.default_rng([101, n, seed])
    x = rng.standard_normal((n, 2))
    u = BETA[0] + x @ BETA[1:]
    y = {
        "squared": lambda: u + rng.standard_normal(n) * (1 + 0.5 * np.abs(x[:, 0])),
        "logistic": lambda: (rng.random(n) < 1 / (1 + np.exp(-u))).astype(float),
        "poisson": lambda: rng.poisson(np.exp(u)).astype(float),
        "quantile": lambda: u + rng.standard_normal(n),
    }[loss]()
    data = pd.DataFrame({"y": y, "a": x[:, 0], "b": x[:, 1]})
    fit = si.lsa("y ~ a + b", data, loss=loss, replicas=128, seed=seed, inference=INFERENCE)
    for kind in INFERENCE:
        yield limits(fit.with_vcov(kind), slice(None), BETA, f"coefficients, {loss} loss")
    yield Shown(fit, f"coefficients, {loss} loss, region()", bool(fit.region("ellipsoid").contains(BETA)))
    every = fit.conf_int(ci="simultaneous").to_numpy()
    yield Shown(
        fit, f"all coefficients at once, {loss} loss", bool(((every[:, 0] <= BETA) & (every[:, 1] >= BETA)).all())
    )


def renewed(loss: str, n: int, seed: int) -> Iterator[Any]:
    data, truth = renewable_coverage.sample(loss, n, seed)
    fit = si.lsa("y ~ a + b", data, loss=loss, method="renewable", chunk=256)
    yield limits(fit, slice(None), truth, f"coefficients, {loss} loss")


def values(n: int, seed: int) -> Iterator[Any]:
    """The garnet problem, ten states; independent transitions."""
    moves = si.datasets.simulate("garnet", n, seed=seed)
    truth = np.array(moves.attrs["truth"]["value"])
    how = {"next": "next_state", "discount": 0.9}
    fit = si.td("reward ~ 0 + C(state)", moves, replicas=128, seed=seed, inference=("multiplier", "plugin"), **how)
    for kind in ("multiplier", "plugin"):
        yield limits(fit.with_vcov(kind), slice(None), truth, "values of ten states")
    yield limits(
        si.td("reward ~ 0 + C(state)", moves, method="lstd", **how), slice(None), truth, "values of ten states"
    )


def continuous(n: int, seed: int) -> Iterator[Any]:
    """A hundred episodes of an Ornstein-Uhlenbeck process at a step of .01."""
    data = si.datasets.simulate("ornstein_uhlenbeck", n, seed=seed, step=0.01)
    how = {"id": "episode", "time": "time", "discount": 0.5}
    for name, options in (("td0", {}), ("lam = .5", {"lam": 0.5})):
        fit = si.ctd("reward ~ I(x**2)", data, **how, **options)
        yield limits(fit, slice(None), TRUE, f"coefficients of the value, {name}")


def alarms(n: int, seed: int) -> Iterator[Any]:
    """No change in ten times as many rows as come first; no false alarm."""
    rng = np.random.default_rng([102, n, seed])
    first = n // 11
    x = rng.standard_normal((n, 2))
    data = pd.DataFrame({"y": 1 + x.sum(axis=1) + rng.standard_normal(n), "a": x[:, 0], "b": x[:, 1]})
    for method, options in (("cusum", {"horizon": n - first}), ("martingale", {})):
        fit = si.monitor("y ~ a + b", data.head(first), method=method, **options).update(data.iloc[first:])
        yield Shown(fit, "no false alarm", len(fit.alarms) == 0)


STUDIES = (
    *(
        Study(
            f"lsa_{loss}", "lsa", "two normal covariates; one pass" + (", unequal variances" if loss == "squared" else ""),
            (1000, 4000), partial(averaged, loss),
        )
        for loss in ("squared", "logistic", "poisson", "quantile")
    ),
    *(
        Study(
            f"renewable_{loss}", "lsa", "two normal covariates, rows expanded in chunks of 256", (500, 1000, 4000),
            partial(renewed, loss),
        )
        for loss in ("squared", "logistic", "poisson", "multinomial")
    ),
    Study("td", "td", "ten states of a garnet, independent transitions", (2000, 8000), values),
    Study("ctd", "ctd", "a hundred episodes of a stationary process, steps of .01", (20_020, 100_100), continuous),
    Study("monitor", "monitor", "a regression that does not change", (1100, 2200), alarms),
)  # fmt: skip
