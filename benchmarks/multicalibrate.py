"""Level-set boosting beside the authors' arithmetic, and multicalibration of probabilities beside packages that are installed.

The authors' code fits one model of scikit-learn per level set and round; here that loop is written in NumPy, without its
process pools, which at these sizes cost more than they save. `multicalibration` and `mcgrad` are run where they are installed:
both have algorithms of their own, so that the errors of both sides are beside the times.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

import statinf as si
from benchmarks.harness import compare

M, TOL = 30, 1e-5
GROUPS = tuple("abcdefgh")


def loops(model, X: np.ndarray, y: np.ndarray, most: int) -> np.ndarray:
    """One model per level set and round; predictions (n,) of the rows."""

    def rounded(f):
        return np.clip(np.floor(f * M + 0.5 + 1e-9), 0, M).astype(int)

    codes = rounded(np.clip(model().fit(X, y).predict(X), 0, 1))
    error = np.mean((codes / M - y) ** 2)
    for _ in range(most):
        moved = codes.copy()
        for v in np.unique(codes):
            rows = np.flatnonzero(codes == v)
            if len(rows) > 5:
                moved[rows] = rounded(np.clip(model().fit(X[rows], y[rows]).predict(X[rows]), 0, 1))
        found = np.mean((moved / M - y) ** 2)
        if error - found < TOL * y.var():
            break
        codes, error = moved, found
    return codes / M


def ours(data: pd.DataFrame, formula: str, learner: str, most: int) -> np.ndarray:
    """The same by the verb, formula, frame and measured errors included."""
    fit = si.multicalibrate(
        formula, data, learner=learner, levels=M, valid=0, bounds=(0, 1), min_rows=5, max_rounds=most, tol=TOL
    )
    return fit.predict()["estimate"].to_numpy()


def distance(a: np.ndarray, b: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Mean squared errors of both, whose predictions are the same in all but a few rows at the edge of a level."""
    if np.mean(np.abs(a - b) > 1e-9) > 1e-3:
        raise AssertionError(f"predictions differ in {np.mean(np.abs(a - b) > 1e-9):.2%} of the rows")
    return float(np.mean((a - y) ** 2)), float(np.mean((b - y) ** 2))


def boosting(n: int, most: int = 100) -> None:
    """Both learners on the design of the vignette, and a linear one with ten columns."""
    data = si.datasets.simulate("gated_sine", n, seed=1)
    y = data["y"].to_numpy()
    for learner, model in (("ols", LinearRegression), ("stump", partial(DecisionTreeRegressor, max_depth=1))):
        compare(
            f"{learner} on {M + 1} levels, n = {n:,}",
            partial(ours, data, "y ~ x1 + x2", learner, most),
            partial(loops, model, data[["x1", "x2"]].to_numpy(), y, most),
            check=partial(distance, y=y),
            repeat=3,
            peer_name="scikit-learn per level and round",
            peer_version="",
            family="multicalibrate",
            note="errors are mean squared errors; the noise variance is 0.0025",
        )


def probabilities(n: int, seed: int) -> pd.DataFrame:
    """Probabilities that are up to 0.2 off in eight groups."""
    random = np.random.default_rng(seed)
    x, g = random.uniform(-2, 2, n), random.integers(0, len(GROUPS), n)
    p = 1 / (1 + np.exp(-x))
    q = np.clip(p + np.linspace(-0.2, 0.2, len(GROUPS))[g], 0.01, 0.99)
    return pd.DataFrame({"y": (random.random(n) < q).astype(int), "x": x, "g": np.array(GROUPS)[g], "p": p, "q": q})


def recalibrated(data: pd.DataFrame, new: pd.DataFrame) -> np.ndarray:
    """Probabilities (m,) of new rows by the verb."""
    fit = si.multicalibrate("y ~ p | g", data, init="p", round_last=False)
    return fit.predict(new)["estimate"].to_numpy()


def hkrr(data: pd.DataFrame, new: pd.DataFrame) -> np.ndarray:
    """Probabilities (m,) of new rows by PyPI's multicalibration."""
    predictor = import_module("multicalibration").MulticalibrationPredictor("HKRR")
    members = [np.flatnonzero(data["g"] == g).tolist() for g in GROUPS]
    options = {"lambda": 0.1, "alpha": 0.02, "max_iter": 100, "randomized": False, "use_oracle": False}
    predictor.fit(data["p"].to_numpy().copy(), data["y"].to_numpy(), members, options)
    return np.asarray(predictor.predict(new["p"].to_numpy(), [np.flatnonzero(new["g"] == g).tolist() for g in GROUPS]))


def mcgrad(data: pd.DataFrame, new: pd.DataFrame) -> np.ndarray:
    """Probabilities (m,) of new rows by PyPI's mcgrad."""
    model = import_module("mcgrad.methods").MCGrad()
    model.fit(data, "p", "y", categorical_feature_column_names=["g"])
    return np.asarray(model.predict(new, "p", categorical_feature_column_names=["g"]))


def packages(n: int) -> None:
    """Probabilities made right in groups, beside packages that do the same."""
    data, new = probabilities(n, 1), probabilities(20_000, 2)
    for name, peer in (("multicalibration", hkrr), ("mcgrad", mcgrad)):
        try:
            import_module(name)
        except ImportError:
            print(f"{name}: left out, it is not installed", flush=True)
            continue
        compare(
            f"probabilities in eight groups, n = {n:,}, beside {name}",
            partial(recalibrated, data, new),
            partial(peer, data, new),
            error=lambda found: float(np.sqrt(np.mean((found - new["q"]) ** 2))),
            repeat=3,
            peer_name=name,
            family="multicalibrate",
            note="fit and 20,000 predictions; errors are root mean squares from the true probability, "
            f"{_start(new):.4f} at the start",
        )


def _start(new: pd.DataFrame) -> float:
    return float(np.sqrt(np.mean((new["p"] - new["q"]) ** 2)))


def main() -> None:
    """Run every comparison."""
    for n in (10_000, 100_000):
        boosting(n)
    packages(10_000)


if __name__ == "__main__":
    main()
