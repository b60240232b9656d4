"""The multiply robust effect with possibly invalid instruments beside its equations by hand: statsmodels, NumPy, differences."""

from __future__ import annotations

import os
import warnings
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))


def rows(n: int) -> pd.DataFrame:
    """Five covariates, an instrument with a direct effect."""
    rng = np.random.default_rng(0)
    x, u = rng.uniform(-1, 1, (n, 5)), rng.choice([-1.0, 1.0], n)
    z = (rng.random(n) < 1 / (1 + np.exp(-0.2 - 0.5 * x[:, 0] + 0.5 * x[:, 1]))) * 1.0
    p = 1 / (1 + np.exp(1.9 - 1.6 * z - 0.2 * x[:, 0] + 0.2 * x[:, 1]))
    a = (rng.random(n) < p + 0.08 * u) * 1.0
    y = 0.5 + (1 + x[:, 0]) * a + 0.7 * z + x.sum(axis=1) + 1.5 * u + rng.normal(size=n)
    return pd.DataFrame(x, columns=[f"x{j}" for j in range(5)]).assign(y=y, a=a, z=z)


def ours(data: pd.DataFrame) -> tuple[float, float]:
    """The average effect and its standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", si.StatinfWarning)
        fit = si.iv("y ~ a | x0 + x1 + x2 + x3 + x4 | z", data, method="invalid")
    return float(fit.theta[0]), float(fit.std_errors.iloc[0])


def by_hand(data: pd.DataFrame) -> tuple[float, float]:
    """Logits by statsmodels, one linear system, and the sandwich with a Jacobian by central differences."""
    import statsmodels.api as sm

    x = np.column_stack([np.ones(len(data)), data.filter(regex="^x")])
    y, a, z = (data[c].to_numpy() for c in ("y", "a", "z"))
    k = x.shape[1]
    t = np.column_stack([x, x * z[:, None]])
    gf = sm.Logit(z, x).fit(disp=0, tol=1e-12).params
    g0, g1 = (sm.Logit(a[z == v], x[z == v]).fit(disp=0, tol=1e-12).params for v in (0, 1))

    def chance(g: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x @ g))

    def scores(eta: np.ndarray) -> np.ndarray:
        gf, g0, g1, c, s = np.split(eta, [k, 2 * k, 3 * k, 4 * k])
        s, kappa, delta = s[:-2], s[-2], s[-1]
        f, p0, p1 = chance(gf), chance(g0), chance(g1)
        left = y - a * (x @ c) - t @ s
        inner = (a - np.where(z == 1, p1, p0)) * left - kappa
        ratio = (2 * z - 1) / np.where(z == 1, f, 1 - f)
        phi = x @ c + ratio / (p1 * (1 - p1) - p0 * (1 - p0)) * inner
        parts = [x * (z - f)[:, None], x * ((z == 0) * (a - p0))[:, None], x * ((z == 1) * (a - p1))[:, None]]
        parts += [x * (ratio * inner)[:, None], t * left[:, None], inner[:, None], (phi - delta)[:, None]]
        return np.hstack(parts)

    f, r = chance(gf), a - np.where(z == 1, chance(g1), chance(g0))
    ratio = (2 * z - 1) / np.where(z == 1, f, 1 - f)
    inner = np.column_stack([x * (r * a)[:, None], t * r[:, None], np.ones(len(y))])
    unknown = np.column_stack([x * a[:, None], t, np.zeros(len(y))])
    left = np.vstack([(x * ratio[:, None]).T @ inner, t.T @ unknown, inner.sum(axis=0)])
    right = np.concatenate([x.T @ (ratio * r * y), t.T @ y, [r @ y]])
    eta = np.concatenate([gf, g0, g1, np.linalg.solve(left, right), [0.0]])
    eta[-1] = scores(eta)[:, -1].mean()
    made, jacobian = scores(eta), np.empty((len(eta), len(eta)))
    for j in range(len(eta)):
        step = np.zeros(len(eta))
        step[j] = 1e-6 * max(1.0, abs(eta[j]))
        jacobian[:, j] = (scores(eta + step) - scores(eta - step)).mean(axis=0) / (2 * step[j])
    influence = made @ np.linalg.inv(jacobian).T[:, -1]
    return float(eta[-1]), float(np.sqrt((influence**2).sum()) / len(y))


def main() -> None:
    n = 5_000 if QUICK else 100_000
    data = rows(n)
    compare(
        f"average effect with a possibly invalid instrument, n = {n:,}, 5 covariates",
        partial(ours, data),
        partial(by_hand, data),
        repeat=1 if QUICK else 3,
        check=lambda mine, peers: (max(abs(m / p - 1) for m, p in zip(mine, peers, strict=True)), 0.0),
        peer_name="statsmodels, NumPy",
        note="the same stacked equations by hand, no package has them; error: relative difference of effect and standard error",
    )


if __name__ == "__main__":
    main()
