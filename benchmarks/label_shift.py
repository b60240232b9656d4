"""Label shift and transport: a million rows beside one sort of them, the EM algorithm in NumPy, and scikit-learn's pieces.

Predictions are given, five classes; ours hold shares, weights and the standard errors of both, the peers shares alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

N, K = 1_000_000, 5
SHARES = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
COLUMNS = [f"p{j}" for j in range(K)]
FORMULA = "C(y) ~ " + " + ".join(COLUMNS)


def predictions(n: int, shares: np.ndarray, seed: int) -> pd.DataFrame:
    """True classes and the right probabilities at equal shares, of scores with unit noise and two more for the class."""
    random = np.random.default_rng(seed)
    y = random.choice(K, size=n, p=shares)
    scores = random.standard_normal((n, K))
    scores[np.arange(n), y] += 2.0
    f = np.exp(2.0 * (scores - scores.max(axis=1, keepdims=True)))
    f /= f.sum(axis=1, keepdims=True)
    return pd.DataFrame(f, columns=COLUMNS).assign(y=y)


SOURCE, TARGET = predictions(N, np.full(K, 1.0 / K), 1), predictions(N, SHARES, 2).drop(columns="y")


def ours(method: str, **options: object) -> np.ndarray:
    found = si.target_shift(FORMULA, SOURCE, TARGET, method=method, learner="given", **options)
    assert np.isfinite(found.shares._se()).all()
    return found.shares.theta


def confusion() -> np.ndarray:
    """Black-box shift estimation by scikit-learn's confusion matrix."""
    from sklearn.metrics import confusion_matrix

    guess = SOURCE[COLUMNS].to_numpy().argmax(axis=1)
    made = confusion_matrix(SOURCE["y"], guess, normalize="true").T
    return np.linalg.solve(made, np.bincount(TARGET.to_numpy().argmax(axis=1), minlength=K) / N)


def expectation_maximisation() -> np.ndarray:
    """The fixed point of Saerens et al., until no share moves by 1e-10."""
    p = np.bincount(SOURCE["y"], minlength=K) / N
    r, q = TARGET.to_numpy() / p, p
    for _ in range(10_000):
        post = r * q
        post /= post.sum(axis=1, keepdims=True)
        last, q = q, post.mean(axis=0)
        if np.abs(q - last).max() < 1e-10:
            break
    return q


def apart(a: np.ndarray, b: np.ndarray) -> float:
    gap = float(np.abs(a - b).max())
    assert gap < 1e-7, gap
    return gap


def beside_a_sort() -> None:
    values = np.random.default_rng(3).random(N)
    for method, options in (("bbse", {}), ("bbse-soft", {}), ("rlls", {}), ("mlls", {})):
        compare(
            f"label shift sort-bound, n = m = 1e6, {K} classes, {method}",
            lambda method=method, options=options: ours(method, **options),
            lambda: np.sort(values),
            repeat=5,
            warmup=1,
            peer_name="np.sort of 1e6 floats",
            note="the ratio is that of one sort to ours, in which both frames are read and errors made",
        )


def transported(n: int = 100_000) -> None:
    """Two outcome models, two logits and the doubly robust mean; the peer has no standard errors."""
    import statsmodels.api as sm

    random = np.random.default_rng(4)
    x, v = random.standard_normal((n, 5)), random.standard_normal((n, 5)) + 0.2
    treat = (random.random(n) < 0.5).astype(float)
    y = 1.0 + x.sum(axis=1) + treat * (1.0 + x[:, 0]) + random.standard_normal(n)
    names = [f"x{j}" for j in range(5)]
    trial = pd.DataFrame(x, columns=names).assign(y=y, treat=treat)
    population = pd.DataFrame(v, columns=names)

    def peer() -> np.ndarray:
        z, u = sm.add_constant(x), sm.add_constant(v)
        part = sm.GLM(np.repeat([0.0, 1.0], n), np.vstack([z, u]), family=sm.families.Binomial()).fit()
        arm = sm.GLM(treat, z, family=sm.families.Binomial()).fit()
        odds, e = np.exp(z @ part.params), arm.fittedvalues
        means = []
        for inside, chance in ((treat == 0, 1 - e), (treat == 1, e)):
            beta = sm.OLS(y[inside], z[inside]).fit().params
            w = (odds / chance)[inside]
            means.append((u @ beta).mean() + w @ (y[inside] - z[inside] @ beta) / w.sum())
        return np.array([means[1] - means[0]])

    compare(
        f"transport, aipw, n = m = {n:,}, 5 covariates",
        lambda: si.transport("y ~ treat | " + " + ".join(names), trial, population).theta,
        peer,
        repeat=3,
        warmup=1,
        check=apart,
        peer_name="statsmodels",
        note="the peer gives no standard error; error: largest difference",
    )


if __name__ == "__main__":
    beside_a_sort()
    compare(
        f"BBSE, n = m = 1e6, {K} classes",
        lambda: ours("bbse"),
        confusion,
        repeat=3,
        warmup=1,
        check=apart,
        peer_name="scikit-learn",
        note="the peer has no weights and no errors; error: largest difference",
    )
    compare(
        f"MLLS without calibration, n = m = 1e6, {K} classes",
        lambda: ours("mlls", calibration=None),
        expectation_maximisation,
        repeat=3,
        warmup=1,
        check=apart,
        peer_name="NumPy EM",
        note="the peer has no weights and no errors; error: largest difference",
    )
    transported()
