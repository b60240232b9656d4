"""Quantile regression beside R's quantreg and statsmodels.

R is timed inside one running R process, so that neither its start nor the transfer of data counts; without an
Rscript on the path its comparisons are left out. Every comparison checks that the summed check loss agrees to 1e-6.
"""

from __future__ import annotations

import os

# One thread for both sides: R's own BLAS has one, and threads beyond the free cores cost more than they bring.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness import compare
from statinf.numerics.quantreg.solver import fit_quantiles, solve_quantiles


class RSession:
    """A running R with quantreg and the benchmark's data."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            ["R", "--vanilla", "--slave"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self.run('suppressMessages(library(quantreg)); cat(as.character(packageVersion("quantreg")))')

    def run(self, code: str) -> str:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f'suppressWarnings({{{code}}})\ncat("\\n<<done>>\\n"); flush(stdout())\n')
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.strip() == "<<done>>":
                return "".join(lines).strip()
            lines.append(line)
        raise RuntimeError("R stopped")

    def give(self, name: str, array: np.ndarray) -> None:
        with tempfile.NamedTemporaryFile(suffix=".bin", delete=False) as file:
            np.asfortranarray(array).T.tofile(file)
        shape = f"matrix(x, {array.shape[0]})" if array.ndim == 2 else "x"
        self.run(f'{name} <- local({{x <- readBin("{file.name}", "double", {array.size}); {shape}}}); invisible(NULL)')
        Path(file.name).unlink()

    def numbers(self, code: str) -> np.ndarray:
        return np.array(self.run(f'cat(sprintf("%.17g", {code}))').split(), float)

    def close(self) -> None:
        self.process.kill()


def sample(n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal regressors, t3 errors whose spread grows with the first."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(n), rng.standard_normal((n, p))])
    return X, X.sum(axis=1) + (1 + 0.3 * np.abs(X[:, 1])) * rng.standard_t(3, n)


def loss(X: np.ndarray, y: np.ndarray, coef: np.ndarray, taus: np.ndarray) -> float:
    total = 0.0
    for tau, b in zip(taus, np.atleast_2d(coef), strict=True):
        r = y - X @ b
        total += float(np.maximum(tau * r, (tau - 1) * r).sum())
    return total


def same_objective(X, y, taus):
    def check(ours, peer):
        a, b = loss(X, y, ours, taus), loss(X, y, np.reshape(peer, np.shape(ours)), taus)
        best = min(a, b)
        if a > best * (1 + 1e-6):
            raise AssertionError(f"objective {a} against {b}")
        return (a - best) / best, (b - best) / best

    return check


def one_level(r: RSession | None) -> None:
    from statsmodels.regression.quantile_regression import QuantReg

    times: dict[int, float] = {}
    for n in (10_000, 100_000, 1_000_000):
        X, y = sample(n, 10)
        half = np.array([0.5])
        name = f"one level, n = {n:,}, p = 10"
        repeat = 5 if n < 1_000_000 else 3
        if r is not None:
            r.give("X", X)
            r.give("y", y)
            for method in ("pfn", "fnb"):
                compare(
                    name,
                    lambda X=X, y=y: fit_quantiles(X, y, 0.5),
                    lambda method=method: r.numbers(f"rq.fit.{method}(X, y, tau = 0.5)$coefficients"),
                    check=same_objective(X, y, half),
                    repeat=repeat,
                    peer_name=f"quantreg-{method}",
                    peer_version=r.version,
                    note="error: check loss over the best, relative",
                )
        done = compare(
            name,
            lambda X=X, y=y: fit_quantiles(X, y, 0.5),
            lambda X=X, y=y: QuantReg(y, X).fit(q=0.5).params,
            check=same_objective(X, y, half),
            repeat=repeat if n < 1_000_000 else 1,
            peer_name="statsmodels",
            note="error: check loss over the best, relative",
        )
        times[n] = done.ours
    power = np.polyfit(np.log(list(times)), np.log(list(times.values())), 1)[0]
    X, y = sample(2_000_000, 10)
    compare(
        "one level, n = 2,000,000, p = 10",
        lambda: fit_quantiles(X, y, 0.5),
        repeat=3,
        note=f"from n = 10,000 to 1,000,000 the time grows like n to the power {power:.2f}",
    )


def many_levels(r: RSession | None) -> None:
    X, y = sample(100_000, 10)
    taus = np.arange(1, 100) / 100
    peer = None
    if r is not None:
        r.give("X", X)
        r.give("y", y)
        loop = "c(sapply((1:99)/100, function(t) rq.fit.pfn(X, y, tau = t)$coefficients))"
        peer = lambda: r.numbers(loop)  # noqa: E731
    compare(
        "99 levels, n = 100,000, p = 10",
        lambda: fit_quantiles(X, y, taus),
        peer,
        check=same_objective(X, y, taus) if peer else None,
        repeat=2,
        warmup=1 if peer is None else 0,
        peer_name="quantreg-pfn, level by level",
        peer_version=r.version if r else None,
        note="error: check loss over the best, relative",
    )


def replicas(r: RSession | None) -> None:
    X, y = sample(10_000, 5)
    start = np.tile(fit_quantiles(X, y, 0.5), (1000, 1))

    def ours() -> np.ndarray:
        rng = np.random.default_rng(1)
        W = np.stack([np.bincount(rng.integers(0, len(y), len(y)), minlength=len(y)) for _ in range(1000)])
        return solve_quantiles(X, y, np.full(1000, 0.5), W.astype(float), start=start).coef.std(axis=0, ddof=1)

    peer = None
    if r is not None:
        r.give("X", X)
        r.give("y", y)
        peer = lambda: r.numbers('apply(boot.rq(X, y, tau = 0.5, R = 1000, bsmethod = "xy")$B, 2, sd)')  # noqa: E731

    def check(a, b):
        # A bootstrap standard error of 1,000 draws has a relative error of 2.2 %.
        if b is not None and np.abs(a / b - 1).max() > 0.13:
            raise AssertionError(f"standard errors {a} against {b}")

    compare(
        "1,000 pairs bootstrap replicas, n = 10,000, p = 5",
        ours,
        peer,
        check=check,
        repeat=1,
        warmup=0,
        peer_name="quantreg-xy",
        peer_version=r.version if r else None,
        note="standard errors agree within the Monte Carlo error of 1,000 draws",
    )


def whole_call(r: RSession | None) -> None:
    import pandas as pd
    import statsmodels.formula.api as smf

    import statinf as si

    X, y = sample(100_000, 10)
    names = [f"x{j}" for j in range(1, 11)]
    frame = pd.DataFrame(X[:, 1:], columns=names).assign(y=y)
    formula = "y ~ " + " + ".join(names)
    compare(
        "formula to table with standard errors, n = 100,000, p = 10",
        lambda: si.rq(formula, frame).tidy(),
        lambda: smf.quantreg(formula, frame).fit(q=0.5).summary(),
        repeat=3,
        peer_name="statsmodels",
        note="nid here; statsmodels' covariance uses one density for all rows",
    )
    if r is not None:
        r.give("X", X[:, 1:])
        r.give("y", y)
        compare(
            "formula to table with nid standard errors, n = 100,000, p = 10",
            lambda: si.rq(formula, frame).std_errors.to_numpy(),
            lambda: r.numbers('summary(rq(y ~ X, tau = 0.5, method = "pfn"), se = "nid")$coefficients[, 2]'),
            check=lambda a, b: float(np.abs(a / b - 1).max()),
            repeat=3,
            peer_name="quantreg-pfn",
            peer_version=r.version,
            note="error: largest relative difference of the standard errors",
        )


if __name__ == "__main__":
    session = RSession() if shutil.which("R") else None
    wanted = sys.argv[1:] or ["one_level", "many_levels", "replicas", "whole_call"]
    for part in wanted:
        globals()[part](session)
    if session is not None:
        session.close()
