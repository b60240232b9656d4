"""`si.monitor` beside river's ADWIN (where river is installed) and loops over rows.

The check of ADWIN is the number of looks at which only one of both cuts: none.
"""

from __future__ import annotations

import os
from functools import partial
from importlib.util import find_spec

import numpy as np

from benchmarks.harness import compare
from statinf.formula.in_time import OnlineRows
from statinf.inference.betting import jumper
from statinf.inference.exchangeability import growing_p_values, log_martingale
from statinf.numerics.recursions.adaptive_window import AdaptiveWindow, WindowRules, follow
from statinf.stochastic.monitoring import cusum
from statinf.stochastic.monitoring.detector import MonitorProblem

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))


def series(n):
    random = np.random.default_rng(0)
    mean = np.repeat([0.2, 0.5, 0.3, 0.8], -(-n // 4))[:n]
    return (random.random(n) < mean).astype(float)


def our_adwin(y):
    looks = follow(AdaptiveWindow.empty(), y, WindowRules(0.002, 32, 5, 5, 10), reset=True)[1]
    return looks.at[looks.cut].tolist()


def river_adwin(y):
    from river.drift import ADWIN  # type: ignore[import-not-found]

    found, cuts = ADWIN(), []
    for i, v in enumerate(y.tolist()):
        found.update(v)
        if found.drift_detected:
            cuts.append(i)
    return cuts


def regression(n):
    random = np.random.default_rng(1)
    X = random.standard_normal((n, 3))
    return OnlineRows(X, 1.0 + X.sum(axis=1) + random.standard_normal(n), np.arange(n))


def our_cusum(rows, m=500):
    state = cusum.estimate(MonitorProblem(rows[:m], ("a", "b", "c"), "y", True), cusum.CusumOptions(watch="scores"))
    return state.advance(rows[m:])[1].statistic


def loop_cusum(rows, m=500):
    """Least squares once, then a loop over rows with NumPy's products."""
    X = np.column_stack([np.ones(len(rows)), rows.X])
    beta = np.linalg.lstsq(X[:m], rows.y[:m], rcond=None)[0]
    psi = X[:m] * (rows.y[:m] - X[:m] @ beta)[:, None]
    inverse = np.linalg.inv(psi.T @ psi / (m - 4))
    total, out = np.zeros(4), []
    for x, y in zip(X[m:], rows.y[m:], strict=True):
        total = total + x * (y - x @ beta)
        out.append((total @ inverse @ total / m) ** 0.5)
    return np.array(out)


def p_values(n):
    random = np.random.default_rng(2)
    return growing_p_values(random.random(100), random.random(n), random.random(n))


def far(ours, peer):
    return float(np.abs(ours / peer - 1.0).max())


def main():
    n = 20_000 if QUICK else 200_000
    y, rows, p = series(n), regression(n), p_values(n)
    if find_spec("river"):
        compare(
            f"ADWIN, {n:,} rows", partial(our_adwin, y), partial(river_adwin, y), repeat=3, peer_name="river 0.26 (Rust)",
            check=lambda ours, peer: float(len(set(ours) ^ set(peer))), family="monitoring",
            note="the error is the number of looks at which only one cuts",
        )  # fmt: skip
    compare(
        f"CUSUM of four scores, {n:,} rows", partial(our_cusum, rows), partial(loop_cusum, rows), repeat=3, check=far,
        peer_name="loop over rows", family="monitoring",
    )  # fmt: skip
    for name, bet in (("histogram", log_martingale), ("simple jumper", jumper)):
        compare(f"martingale, {name}, {n:,} rows", partial(bet, p), repeat=3, family="monitoring")


if __name__ == "__main__":
    main()
