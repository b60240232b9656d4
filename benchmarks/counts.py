"""Negative binomial regressions beside statsmodels and R's MASS: whole fits with standard errors.

Errors are distances from the maximum of the likelihood, over coefficients and the logarithm of alpha, in standard errors: the step
that Newton's method would still take.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import shutil
from functools import cache, partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare
from benchmarks.quantile import RSession
from statinf.numerics.glm.families import ALL_FAMILIES, family_of
from statinf.numerics.glm.negative_binomial import DispersionSums

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
COLUMNS = 10
NOTE = "errors: the step that is left to the maximum, in standard errors"


@cache
def rows(n: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.standard_normal((n, COLUMNS - 1))
    mean = np.exp(1.0 + x @ random.normal(scale=0.2, size=COLUMNS - 1))
    y = random.poisson(mean * random.gamma(1 / 0.7, 0.7, n))
    return pd.DataFrame(np.asfortranarray(x), columns=[f"x{j + 1}" for j in range(COLUMNS - 1)]).assign(
        y=y.astype(float)
    )


def ours(n: int) -> np.ndarray:
    data = rows(n)
    fit = si.glm("y ~ " + " + ".join(data.columns[:-1]), data, family="negative_binomial")
    assert fit.std_errors.notna().all()
    return np.array([*fit.theta, fit.alpha])


def statsmodels(n: int, method: str) -> np.ndarray:
    import statsmodels.formula.api as smf

    data = rows(n)
    model = smf.negativebinomial("y ~ " + " + ".join(data.columns[:-1]), data)
    fit = model.fit(disp=0, method=method, maxiter=200)
    assert fit.bse.notna().all()
    return np.asarray(fit.params)


def distance(n: int, found: np.ndarray) -> float:
    """The step to the maximum, in standard errors."""
    data = rows(n)
    y, x = data["y"].to_numpy(), np.column_stack([np.ones(n), data.drop(columns="y").to_numpy()])
    alpha = float(found[-1])
    family = family_of("negative_binomial", alpha=alpha, among=ALL_FAMILIES)
    eta = x @ found[:-1]
    slope, fisher, _ = family.terms(eta, y)
    gram, score = x.T @ (x * fisher[:, None]), x.T @ slope
    first, second = DispersionSums(y, np.ones(n)).derivatives(np.exp(eta), alpha)
    step = np.linalg.solve(gram, score)
    return float(max(np.abs(step / np.sqrt(np.diag(np.linalg.inv(gram)))).max(), abs(first) / np.sqrt(-second)))


def beside_mass(n: int) -> None:
    r = RSession()
    data = rows(n)
    r.give("x", data.drop(columns="y").to_numpy())
    r.give("y", data["y"].to_numpy())
    compare(
        f"negative binomial, n = {n:,}, {COLUMNS} columns, beside R",
        partial(ours, n),
        lambda: r.numbers("local({m <- MASS::glm.nb(y ~ x); c(coef(m), 1 / m$theta)})"),
        peer_name="MASS glm.nb",
        peer_version=r.run('cat(as.character(packageVersion("MASS")))'),
        repeat=1 if QUICK else 3,
        error=partial(distance, n),
        note=NOTE,
    )
    r.close()


def main() -> None:
    small, large = (20_000, 20_000) if QUICK else (100_000, 1_000_000)
    for n, method in ((small, "bfgs"), (small, "newton"), (large, "newton")):
        compare(
            f"negative binomial, n = {n:,}, {COLUMNS} columns, {method}",
            partial(ours, n),
            partial(statsmodels, n, method),
            peer_name="statsmodels",
            repeat=3 if n == small else 1,
            warmup=1 if n == small else 0,
            error=partial(distance, n),
            note=NOTE,
        )
    if shutil.which("Rscript") is not None:
        beside_mass(small)


if __name__ == "__main__":
    main()
