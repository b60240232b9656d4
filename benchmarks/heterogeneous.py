"""Additive regression with penalised splines beside splines with a ridge of scikit-learn and the additive model of statsmodels."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
FORMULA = "y ~ x1 + x2 | s(u, k=20) + s(v, k=20)"


def drawn(n: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, (u, v) = rng.standard_normal((n, 2)) + shift, rng.uniform(-2, 2, (2, n))
    mean = x[:, 0] - x[:, 1] + np.sin(2 * u) + 0.3 * v**2
    return pd.DataFrame(
        {"x1": x[:, 0], "x2": x[:, 1], "u": u, "v": v, "mean": mean, "y": mean + 0.5 * rng.standard_normal(n)}
    )


def ours(source: pd.DataFrame, target: pd.DataFrame) -> np.ndarray:
    """Means at the target, with penalties by term, standard errors of coefficients and of the means."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", si.StatinfWarning)
        fit = si.heterogeneous_shift(FORMULA, source, target)
        return fit.predict(interval="confidence")["estimate"].to_numpy()


def by_sklearn(source: pd.DataFrame, target: pd.DataFrame) -> np.ndarray:
    """Means at the target with one penalty for all columns by leave-one-out; no standard errors."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    splines = SplineTransformer(20, knots="quantile", extrapolation="linear")
    made = make_column_transformer((splines, ["u", "v"]), remainder="passthrough")
    columns = ["x1", "x2", "u", "v"]
    model = make_pipeline(made, RidgeCV(10.0 ** (np.arange(-24, 17) / 4.0)))
    return model.fit(source[columns], source["y"]).predict(target[columns])


def by_statsmodels(source: pd.DataFrame, target: pd.DataFrame) -> np.ndarray:
    """Means at the target with penalties by generalised cross-validation, and standard errors of coefficients."""
    import statsmodels.api as sm
    from statsmodels.gam.api import BSplines, GLMGam

    both = pd.concat([source, target])[["u", "v"]]
    # Its splines do not go beyond their knots: the range is that of both samples.
    splines = BSplines(source[["u", "v"]], df=[20, 20], degree=[3, 3], knot_kwds=[_ends(both[c]) for c in "uv"])
    model = GLMGam(source["y"], exog=sm.add_constant(source[["x1", "x2"]]), smoother=splines)
    model.fit()
    alpha: Any = model.select_penweight(criterion="gcv")[0]
    fit = GLMGam(source["y"], exog=sm.add_constant(source[["x1", "x2"]]), smoother=splines, alpha=alpha).fit()
    exog = sm.add_constant(target[["x1", "x2"]], has_constant="add")
    return np.asarray(fit.predict(exog, exog_smooth=target[["u", "v"]]))


def _ends(column: pd.Series) -> dict[str, float]:
    return {"lower_bound": float(column.min()), "upper_bound": float(column.max())}


def main() -> None:
    for n in (2_000,) if QUICK else (2_000, 200_000):
        source, target = drawn(n, 1), drawn(2_000, 2, 1.0)

        def error(found: np.ndarray, target: pd.DataFrame = target) -> float:
            return float(np.sqrt(np.mean((found - target["mean"]) ** 2)))

        compare(
            f"heterogeneous_shift, two splines, n = {n:,}",
            lambda source=source, target=target: ours(source, target),
            lambda source=source, target=target: by_sklearn(source, target),
            error=error, repeat=5, peer_name="scikit-learn", family="heterogeneous",
            note="root mean squared error of means under a shift of x; ours has a penalty by spline and standard errors",
        )  # fmt: skip
        if n > 2_000:
            continue
        compare(
            f"heterogeneous_shift, two splines, penalties by GCV, n = {n:,}",
            lambda source=source, target=target: ours(source, target),
            lambda source=source, target=target: by_statsmodels(source, target),
            error=error, repeat=3, peer_name="statsmodels", family="heterogeneous",
            note="both choose a penalty by spline with generalised cross-validation",
        )  # fmt: skip


if __name__ == "__main__":
    main()
