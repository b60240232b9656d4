"""Matching beside a pipeline of scikit-learn's nearest neighbours, and targeted maximum likelihood beside one of statsmodels.

Both pipelines do the same work, from a data frame to the estimate and its standard error.
"""

from __future__ import annotations

import importlib.util
import os
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))


def rows(n: int, p: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.standard_normal((n, p))
    t = (random.random(n) < 1 / (1 + np.exp(1 - x[:, 0]))) * 1.0
    y = x.sum(axis=1) + t + random.standard_normal(n)
    frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(p)])
    return frame.assign(t=t, y=y, b=(y > 0) * 1.0)


def formula(data: pd.DataFrame, outcome: str) -> str:
    return f"{outcome} ~ t | " + " + ".join(c for c in data if c[0] == "x")


def matched(data: pd.DataFrame) -> np.ndarray:
    fit = si.effect(formula(data, "y"), data, method="matching", estimand="ATT")
    return np.array([fit.theta[0], fit.std_errors.iloc[0]])


def by_neighbours(data: pd.DataFrame) -> np.ndarray:
    """One match per treated row in Mahalanobis distance, and Abadie and Imbens's variance from two neighbours of the same arm."""
    from sklearn.neighbors import NearestNeighbors

    x, t, y = data.filter(like="x").to_numpy(), data["t"].to_numpy() == 1, data["y"].to_numpy()
    z = x @ np.linalg.cholesky(np.linalg.inv(np.cov(x.T)))
    control = np.flatnonzero(~t)
    found = NearestNeighbors(n_neighbors=1, algorithm="brute", n_jobs=-1).fit(z[control]).kneighbors(z[t])[1][:, 0]
    effect = y[t] - y[control[found]]
    theta, n1 = effect.mean(), int(t.sum())
    times = np.bincount(control[found], minlength=len(y)).astype(float)
    variance = np.zeros(len(y))
    for arm in (t, ~t):
        # Rows that are matches, and all treated: others' variances are not asked for.
        here, asked = np.flatnonzero(arm), np.flatnonzero(arm & (t | (times > 0)))
        near = NearestNeighbors(n_neighbors=3, algorithm="brute", n_jobs=-1).fit(z[here]).kneighbors(z[asked])[1]
        variance[asked] = y[here[near]].var(axis=1, ddof=1)
    total = ((effect - theta) ** 2).sum() + ((times * (times - 1)) * variance)[~t].sum()
    return np.array([theta, np.sqrt(total) / n1])


def targeted(data: pd.DataFrame) -> np.ndarray:
    fit = si.effect(formula(data, "b"), data, method="tmle", clip=0.0)
    return np.array([fit.theta[0], fit.std_errors.iloc[0]])


def by_statsmodels(data: pd.DataFrame) -> np.ndarray:
    """Logits of treatment and outcome by arm, one fluctuation per arm, and the efficient influence function."""
    import statsmodels.api as sm

    x, t, y = sm.add_constant(data.filter(like="x").to_numpy()), data["t"].to_numpy(), data["b"].to_numpy()
    e = sm.GLM(t, x, family=sm.families.Binomial()).fit(tol=1e-12).predict(x)
    means, influence = [], []
    for arm, chance in ((0.0, 1 - e), (1.0, e)):
        here = t == arm
        q = np.clip(sm.GLM(y[here], x[here], family=sm.families.Binomial()).fit(tol=1e-12).predict(x), 0.0005, 0.9995)
        offset, clever = np.log(q / (1 - q)), 1 / chance
        slope = sm.GLM(y[here], clever[here], family=sm.families.Binomial(), offset=offset[here]).fit(tol=1e-12).params
        moved = 1 / (1 + np.exp(-(offset + slope[0] * clever)))
        means.append(moved.mean())
        influence.append(here * clever * (y - moved) + moved - moved.mean())
    gap = influence[1] - influence[0]
    return np.array([means[1] - means[0], np.sqrt(gap @ gap) / len(y)])


def by_zepid(data: pd.DataFrame) -> np.ndarray:
    """The same by zEpid, whose outcome model with all interactions is one logit per arm (0.9.1 needs pandas before 3)."""
    import contextlib
    import io

    from zepid.causal.doublyrobust import TMLE  # type: ignore[import-not-found]

    columns = " + ".join(c for c in data if c[0] == "x")
    with contextlib.redirect_stdout(io.StringIO()):
        made = TMLE(data.drop(columns="y").astype({"t": int, "b": int}), exposure="t", outcome="b")
        made.exposure_model(columns, print_results=False)
        made.outcome_model(f"t * ({columns})", print_results=False)
        made.fit()
    return np.array([made.risk_difference, made.risk_difference_se])


def doses(n: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.standard_normal((n, 4))
    d = 0.5 * x[:, 0] + random.standard_normal(n) * np.exp(0.2 * x[:, 1])
    y = np.sin(d) + x.sum(axis=1) + random.standard_normal(n)
    return pd.DataFrame(x, columns=[f"x{j}" for j in range(4)]).assign(d=d, y=y)


def dose_curve(data: pd.DataFrame) -> np.ndarray:
    models = {"outcome_model": "lm", "treatment_model": "lm"}
    fit = si.effect(
        "y ~ d | x0 + x1 + x2 + x3", data, method="dose", folds=1, clip=0.0, doses=[-1.0, 0.0, 1.0], **models
    )
    return np.append(fit.theta, fit.std_errors)


def dose_by_formulas(data: pd.DataFrame) -> np.ndarray:
    """Kennedy et al. (2017) as their formulas read, with linear models: sums over all pairs of rows and points."""
    x, d, y = data.filter(like="x").to_numpy(), data["d"].to_numpy(), data["y"].to_numpy()
    n, blocks = len(d), range(0, len(d), 10_000)
    spread, one = d.std(), np.column_stack([np.ones(n), x])
    beta = np.linalg.lstsq(np.column_stack([d, one]), y, rcond=None)[0]
    rest, grid = one @ beta[1:], np.linspace(d.min(), d.max(), 60)
    mean = one @ np.linalg.lstsq(one, d, rcond=None)[0]
    square = (d - mean) ** 2
    sd = np.sqrt(np.maximum(one @ np.linalg.lstsq(one, square, rcond=None)[0], 0.05 * square.mean()))
    error = (d - mean) / sd
    h = 1.06 * error.std() * n**-0.2
    at = np.linspace(error.min() - 4 * h, error.max() + 4 * h, 400)
    height = sum(np.exp(-0.5 * ((at - error[b : b + 10_000, None]) / h) ** 2).sum(axis=0) for b in blocks)
    height /= n * h * np.sqrt(2 * np.pi)

    def density(v):
        return np.interp((v - mean) / sd, at, height, left=0.0, right=0.0) / sd

    marginal = np.array([density(g).mean() for g in grid])
    pseudo = (y - rest - beta[0] * d) * np.interp(d, grid, marginal) / density(d) + np.interp(
        d, grid, rest.mean() + beta[0] * grid
    )

    def lines(points, bandwidth):
        sums = np.zeros((5, len(points)))
        for b in blocks:
            u, v = (d[b : b + 10_000, None] - points) / bandwidth, pseudo[b : b + 10_000]
            k = np.exp(-0.5 * u**2) / (bandwidth * np.sqrt(2 * np.pi))
            sums += [k.sum(0), (k * u).sum(0), (k * u * u).sum(0), v @ k, v @ (k * u)]
        s0, s1, s2, t0, t1 = sums
        below = s0 * s2 - s1**2
        return (s2 * t0 - s1 * t1) / below, (s0 * t1 - s1 * t0) / below, s0, s1, s2, below

    points, least, chosen = np.linspace(d.min(), d.max(), 100), np.inf, 0.0
    for bandwidth in spread * np.geomspace(0.3 * n**-0.2, 3.0 * n**-0.2, 16):
        level, _, _, _, s2, below = lines(points, bandwidth)
        left = 1 - np.interp(d, points, s2 / below / (bandwidth * np.sqrt(2 * np.pi)))
        loss = np.inf if not (left > 0).all() else (((pseudo - np.interp(d, points, level)) / left) ** 2).sum()
        least, chosen = min((least, chosen), (loss, bandwidth))
    at = np.array([-1.0, 0.0, 1.0])
    level, slope, _, s1, s2, below = lines(at, chosen)
    u = (d[:, None] - at) / chosen
    k = np.exp(-0.5 * u**2) / (chosen * np.sqrt(2 * np.pi))
    unit = (s2 - s1 * u) / below * k * (pseudo[:, None] - level - slope * u)
    u = (grid[:, None] - at) / chosen
    k = np.exp(-0.5 * u**2) / (chosen * np.sqrt(2 * np.pi)) * (marginal * np.gradient(grid))[:, None]
    unit += (rest - rest.mean())[:, None] * ((s2 - s1 * u) / below * k).sum(axis=0)
    return np.append(level, np.sqrt((unit**2).sum(axis=0)))


def apart(mine: np.ndarray, peers: np.ndarray) -> tuple[float, float]:
    """Largest relative difference of estimate and standard error."""
    return float(np.abs(mine / peers - 1).max()), 0.0


def main() -> None:
    n = 5_000 if QUICK else 100_000
    data = rows(n, 10)
    compare(
        f"matching 1:1 with Abadie-Imbens errors, ATT, n = {n:,}, 10 columns",
        partial(matched, data),
        partial(by_neighbours, data),
        repeat=1,
        check=apart,
        peer_name="scikit-learn NearestNeighbors",
        note="brute force with both cores, faster here than its trees; error: largest relative difference",
    )
    compare(
        f"TMLE, ATE, n = {n:,}, 10 columns",
        partial(targeted, data),
        partial(by_statsmodels, data),
        repeat=3,
        check=apart,
        peer_name="statsmodels GLM",
        note="no clipping in either; error: largest relative difference",
    )
    compare(
        f"TMLE beside zEpid, ATE, n = {n:,}, 10 columns",
        partial(targeted, data),
        partial(by_zepid, data) if importlib.util.find_spec("zepid") else None,
        repeat=3,
        check=apart,
        peer_name="zEpid",
        note="from data frame to standard error in both; zEpid stops at a relative change of the deviance of 1e-8; error: largest "
        "relative difference",
    )
    data = doses(n)
    compare(
        f"dose-response at 3 doses with errors, linear models, n = {n:,}, 4 columns",
        partial(dose_curve, data),
        partial(dose_by_formulas, data),
        repeat=3,
        check=apart,
        peer_name="NumPy",
        note="the formulas in NumPy: all pairs of rows and points; error: largest relative difference",
    )


if __name__ == "__main__":
    main()
