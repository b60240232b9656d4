"""Expectiles and quantile regression with instruments beside what a user would write with statsmodels, on the same rows."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
TAU = (0.1, 0.25, 0.5, 0.75, 0.9)


def rows(n: int, p: int) -> pd.DataFrame:
    """Heavy-tailed errors whose spread varies with the first regressor."""
    random = np.random.default_rng(0)
    X = random.normal(size=(n, p - 1))
    y = 1.0 + X @ random.normal(size=p - 1) + random.standard_t(5, n) * np.exp(0.3 * X[:, 0])
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(1, p)]).assign(y=y)


def our_expectiles(data: pd.DataFrame) -> np.ndarray:
    """Coefficients (k, p), with the joint HC1 covariance made as well."""
    return si.expectile("y ~ " + " + ".join(data.columns.drop("y")), data, tau=list(TAU)).coef


def reweighted(data: pd.DataFrame) -> np.ndarray:
    """Weighted least squares until no residual changes its sign, with HC1 errors of each level."""
    import statsmodels.api as sm

    X, y = np.column_stack([np.ones(len(data)), data.drop(columns="y")]), data["y"].to_numpy()
    out = []
    for tau in TAU:
        above = y >= y.mean()
        while True:
            fit = sm.WLS(y, X, weights=np.where(above, tau, 1 - tau)).fit(cov_type="HC1")
            now = fit.resid >= 0
            if (now == above).all():
                break
            above = now
        out.append(fit.params)
    return np.array(out)


def asymmetric_loss(data: pd.DataFrame, coef: np.ndarray) -> float:
    r = data["y"].to_numpy() - coef[:, :1] - coef[:, 1:] @ data.drop(columns="y").to_numpy().T
    return float((np.abs(np.array(TAU)[:, None] - (r < 0)) * r**2).sum())


def excess(data: pd.DataFrame, mine: np.ndarray, peers: np.ndarray) -> tuple[float, float]:
    """How far either loss is above the lower of both, relative to it."""
    found = [asymmetric_loss(data, coef) for coef in (mine, peers)]
    return found[0] / min(found) - 1.0, found[1] / min(found) - 1.0


def endogenous(n: int) -> pd.DataFrame:
    """A treatment that rises with the outcome's error; the effect is one."""
    random = np.random.default_rng(1)
    x, z, e, v = random.standard_normal((4, n))
    d = 0.8 * z + 0.5 * x + 0.6 * e + 0.5 * v
    return pd.DataFrame({"y": d + x + e, "d": d, "x": x, "z": z})


def our_root(data: pd.DataFrame) -> float:
    return float(si.iv("y ~ d | x | z", data, method="ivqr").params["d"])


def by_grid(data: pd.DataFrame) -> float:
    """The best of 200 values by statsmodels' QuantReg, as codes of the paper's authors search."""
    import statsmodels.api as sm

    Z = np.column_stack([data["z"], np.ones(len(data)), data["x"]])
    values = np.linspace(0.0, 2.0, 201)
    size = [abs(sm.QuantReg(data["y"] - a * data["d"], Z).fit(q=0.5).params.iloc[0]) for a in values]
    return float(values[int(np.argmin(size))])


def instrument_weight(data: pd.DataFrame, mine: float, peers: float) -> tuple[float, float]:
    """What weight the instrument keeps at either estimate, by exact quantile regression."""
    found = []
    for a in (mine, peers):
        fit = si.rq("r ~ z + x", data.assign(r=data["y"] - a * data["d"]), vcov="iid")
        found.append(abs(float(fit.params["z"])))
    return found[0], found[1]


def main() -> None:
    n, p = (2_000, 5) if QUICK else (100_000, 20)
    data = rows(n, p)
    compare(
        f"expectiles at five levels, n = {n:,}, {p} columns",
        partial(our_expectiles, data),
        partial(reweighted, data),
        repeat=1 if QUICK else 3,
        check=partial(excess, data),
        peer_name="statsmodels",
        note="WLS until no sign changes; errors are losses over the lower of both; ours with the covariance joint over levels",
    )
    few = endogenous(500 if QUICK else 5_000)
    compare(
        f"inverse quantile regression, n = {len(few):,}",
        partial(our_root, few),
        partial(by_grid, few),
        repeat=1,
        check=partial(instrument_weight, few),
        peer_name="statsmodels",
        note="QuantReg on a grid of 201 values; errors are the instrument's weight left at the estimate",
    )


if __name__ == "__main__":
    main()
