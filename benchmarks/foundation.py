"""The foundation beside its peers: imports, first fits, large fits, the bootstrap, shapes in buckets."""

from __future__ import annotations

import subprocess
import sys
from functools import cache, partial
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd

from benchmarks.harness import compare

DATA = """
import numpy as np, pandas as pd
rng = np.random.default_rng(0)
d = pd.DataFrame({"x1": rng.normal(size=1000), "x2": rng.normal(size=1000), "g": rng.choice(list("abc"), 1000)})
d["y"] = d.x1 + rng.normal(size=1000)
d["b"] = (d.y > 0) * 1.0
"""
SCRIPTS = {
    "import ours": "import statinf",
    "import theirs": "import statsmodels.formula.api",
    "lm ours": DATA + "import statinf as si\nsi.lm('y ~ x1 + x2 + C(g)', d, vcov='HC1').std_errors",
    "lm theirs": DATA + "import statsmodels.formula.api as s\ns.ols('y ~ x1 + x2 + C(g)', d).fit(cov_type='HC1').bse",
    "glm ours": DATA + "import statinf as si\nsi.glm('b ~ x1 + x2 + C(g)', d, family='binomial').std_errors",
    "glm theirs": DATA + "import statsmodels.formula.api as s\n"
    "import statsmodels.api as sm\ns.glm('b ~ x1 + x2 + C(g)', d, family=sm.families.Binomial()).fit().bse",
}


def process(name: str) -> int:
    """A fresh interpreter that runs one of the scripts."""
    return subprocess.run([sys.executable, "-c", SCRIPTS[name]], check=True).returncode


@cache
def logit_data(n: int = 1_000_000, p: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = np.asfortranarray(np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))]))
    y = (rng.random(n) < 1 / (1 + np.exp(-x @ rng.normal(scale=0.3, size=p)))).astype(float)
    return x, y


def logit_ours() -> np.ndarray:
    from statinf.numerics.glm.families import family_of
    from statinf.numerics.glm.irls import fit_glm

    return fit_glm(*logit_data(), family_of("binomial"), tolerance=1e-8).coef


def logit_statsmodels() -> np.ndarray:
    import statsmodels.api as sm

    x, y = logit_data()
    return np.asarray(sm.Logit(y, x).fit(disp=0, method="newton", tol=1e-8).params)


def logit_sklearn() -> np.ndarray:
    from sklearn.linear_model import LogisticRegression

    x, y = logit_data()
    return LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8, max_iter=1000).fit(x, y).coef_[0]


@cache
def bootstrap_fit(n: int = 10_000, p: int = 10) -> Any:
    import statinf as si

    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, p - 1))
    frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(p - 1)]).assign(y=x.sum(axis=1) + rng.normal(size=n))
    return si.lm("y ~ " + " + ".join(frame.columns[:-1]), frame)


def bootstrap_ours(kind: str) -> np.ndarray:
    return bootstrap_fit().bootstrap(10_000, kind=kind, progress=False).draws.covariance


def bootstrap_loop() -> np.ndarray:
    """Refits of resampled rows by numpy's least squares; 500 of the 10,000 are timed, see `main`."""
    fit = bootstrap_fit()
    x, y = np.ascontiguousarray(fit.design.parts[0].values), fit.design.y
    rng = np.random.default_rng(1)
    draws = np.empty((500, x.shape[1]))
    for b in range(len(draws)):
        rows = rng.integers(0, len(y), len(y))
        draws[b] = np.linalg.lstsq(x[rows], y[rows], rcond=None)[0]
    return np.cov(draws, rowvar=False)


def thirty_fits(exact: bool) -> np.ndarray:
    """A logit at thirty sizes on the compiled path, from a fresh kernel: with rows padded to buckets, or as they are."""
    from statinf.numerics.glm import irls_batch
    from statinf.numerics.glm.families import family_of

    irls_batch._kernel.cache_clear()
    rng = np.random.default_rng(2)
    out = []
    with mock.patch.object(irls_batch, "bucket", (lambda n: n) if exact else irls_batch.bucket):
        for n in np.linspace(2_000, 8_000, 30).astype(int):
            x = np.column_stack([np.ones(n), rng.normal(size=(n, 4))])
            y = (rng.random(n) < 1 / (1 + np.exp(-x.sum(axis=1)))).astype(float)
            weights = np.ones((1, n))
            out.append(irls_batch.refit_glm(x, y, family_of("binomial"), weights, start=np.zeros(5), batch=1)[0])
    return np.array(out)


def equal(tolerance: float, ours: np.ndarray, theirs: np.ndarray) -> float:
    gap = float(np.abs(ours - theirs).max())
    assert gap < tolerance, gap
    return gap


def main() -> None:
    processes = {"repeat": 5, "warmup": 1}
    compare(
        "import",
        partial(process, "import ours"),
        partial(process, "import theirs"),
        peer_name="statsmodels",
        **processes,
    )
    compare(
        "first lm with HC1 in a fresh process, n = 1,000",
        partial(process, "lm ours"), partial(process, "lm theirs"), peer_name="statsmodels", **processes,
    )  # fmt: skip
    compare(
        "first glm in a fresh process, n = 1,000",
        partial(process, "glm ours"), partial(process, "glm theirs"), peer_name="statsmodels", **processes,
    )  # fmt: skip
    same = partial(equal, 1e-6)
    compare(
        "logit, n = 1e6, p = 20",
        logit_ours,
        logit_statsmodels,
        check=same,
        peer_name="statsmodels",
        note="tolerance 1e-8",
    )
    compare(
        "logit, n = 1e6, p = 20 (lbfgs)",
        logit_ours,
        logit_sklearn,
        check=same,
        peer_name="scikit-learn",
        note="tolerance 1e-8",
    )
    for kind in ("bayesian", "multiplier", "pairs"):
        compare(
            f"lm bootstrap ({kind}), n = 1e4, p = 10, 10,000 replicas against 500 refits in a numpy loop",
            partial(bootstrap_ours, kind), bootstrap_loop, memory=True, peer_name="numpy",
            check=lambda a, b: float(np.abs(np.sqrt(np.diag(a) / np.diag(b)) - 1).max()),
            note="20 times the ratio is the gain for equal replicas; error: largest relative difference of standard errors",
        )  # fmt: skip
    compare(
        "thirty fits with thirty n in 2,000-8,000, padded to buckets against exact shapes",
        partial(thirty_fits, False), partial(thirty_fits, True), repeat=3, warmup=1,
        check=partial(equal, 1e-8), peer_name="exact shapes",
    )  # fmt: skip


if __name__ == "__main__":
    main()
