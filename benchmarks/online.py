"""Adaptive conformal inference and online Platt scaling beside loops over rows, in Python and in R.

R's AdaptiveConformal is not on CRAN; its recursion (a type-1 quantile of all past scores in every row, then the step of the
level) is written out here in base R, and in Python as a loop over rows. A second loop keeps past scores sorted, which R's
does not: it is the best that a loop over rows can do.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from bisect import bisect_left, insort
from functools import partial
from math import exp
from pathlib import Path

import numpy as np

from benchmarks.harness import compare
from statinf.conformity.forecasts import ops
from statinf.conformity.forecasts.scaler import NewtonOptions
from statinf.conformity.online import aci, dtaci
from statinf.conformity.online.options import GAMMAS
from statinf.conformity.online.tracker import OnlineProblem

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
LEVEL = 0.9
NONE = np.zeros(0)


def scores(n):
    random = np.random.default_rng(0)
    return np.abs(random.standard_normal(n)) * np.where(np.arange(n) < n // 2, 1.0, 2.0)


def our_aci(score):
    state = aci.estimate(OnlineProblem(LEVEL, NONE, NONE), aci.ACIOptions(quantile="plain"))
    return state.advance(score, score)[1].upper


def our_dtaci(score):
    state = dtaci.estimate(OnlineProblem(LEVEL, NONE, NONE), dtaci.DtACIOptions(quantile="plain"))
    return state.advance(score, score)[1].upper


def loop_aci(score, gamma=0.005):
    """The recursion of R's package, row by row."""
    theta, radius = LEVEL, np.zeros(len(score))
    for t in range(len(score)):
        k = min(max(int(np.ceil(t * theta - 1e-12 * t)), 1), t)
        radius[t] = np.partition(score[:t], k - 1)[k - 1] if t else 0.0
        theta += gamma * ((score[t] > radius[t]) - (1.0 - LEVEL))
    return radius


def sorted_aci(score, gamma=0.005):
    """The same with the past kept sorted."""
    theta, past, radius = LEVEL, [], np.zeros(len(score))
    for t, s in enumerate(score.tolist()):
        q = past[min(max(int(np.ceil(t * theta - 1e-12 * t)), 1), t) - 1] if t else 0.0
        radius[t] = q
        theta += gamma * ((s > q) - (1.0 - LEVEL))
        insort(past, s)
    return radius


def loop_dtaci(score):
    """DtACI row by row with the past kept sorted."""
    gammas = np.asarray(GAMMAS)
    eta, sigma = dtaci.rates(LEVEL, len(gammas), 100)
    theta, w, past, radius = np.full(8, LEVEL), np.full(8, 1 / 8), [], np.zeros(len(score))
    for t, s in enumerate(score.tolist()):
        used = float(theta @ w)
        ranks = np.clip(np.ceil(t * theta - 1e-12 * t), 1, max(t, 1)).astype(int)
        radius[t] = past[min(max(int(np.ceil(t * used - 1e-12 * t)), 1), t) - 1] if t else 0.0
        own = np.array([past[k - 1] for k in ranks]) if t else np.zeros(8)
        least = bisect_left(past, s) / max(t, 1)
        gap = least - theta
        w = w * np.exp(-eta * np.maximum(LEVEL * gap, (LEVEL - 1) * gap))
        w = (1 - sigma) * w + sigma * w.sum() / 8
        w /= w.sum()
        theta = theta + gammas * ((s > own) - (1.0 - LEVEL))
        insort(past, s)
    return radius


R_ACI = """
score <- scan("{file}", quiet = TRUE); n <- length(score); theta <- 0.9; radius <- numeric(n)
time <- system.time(for (t in seq_len(n)) {{
  q <- quantile(score[seq_len(t - 1)], max(0, min(theta, 1)), type = 1, names = FALSE)
  if (is.na(q)) q <- 0
  radius[t] <- q
  theta <- theta + 0.005 * ((score[t] > q) - 0.1)
}})
cat(time[["elapsed"]], radius[n])
"""


def r_seconds(score):
    """Seconds of the loop in R, without its start, and the last radius."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scores.txt"
        np.savetxt(file, score, fmt="%.17g")
        done = subprocess.run(["Rscript", "-e", R_ACI.format(file=file)], capture_output=True, text=True, check=True)
    return [float(v) for v in done.stdout.split()]


def forecasts(n):
    random = np.random.default_rng(1)
    p = random.uniform(0.01, 0.99, n)
    return p, (random.uniform(size=n) < p**1.5).astype(float)


def our_platt(p, y):
    return ops.estimate(NewtonOptions()).advance(p, y)[1]


def loop_platt(p, y):
    """Online Platt scaling row by row, on numbers rather than arrays of two."""
    a, b, u, v, w, out = 1.0, 0.0, 0.01, 0.0, 0.01, []
    for x, o in zip((np.log(p) - np.log1p(-p)).tolist(), y.tolist(), strict=True):
        said = 1.0 / (1.0 + exp(-(a * x + b)))
        out.append(said)
        h = said - o
        g = h * x
        m, k = u * g + v * h, v * g + w * h
        d = 1.0 + g * m + h * k
        u, v, w = u - m * m / d, v - m * k / d, w - k * k / d
        a, b = a - 10.0 * m / d, b - 10.0 * k / d
    return np.array(out)


def far(ours, peer):
    # Ranks at whole numbers up to rounding: R takes the next one there, so that single rows may differ by one rank.
    return float(np.mean(~np.isclose(ours[1:], peer[1:], rtol=1e-12)))


def main():
    n = 10_000 if QUICK else 100_000
    score = scores(n)
    compare(
        f"ACI, {n:,} rows", partial(our_aci, score), partial(loop_aci, score), repeat=1, check=far,
        peer_name="loop over rows, all past scores", note="the error is the share of rows whose radius differs",
    )  # fmt: skip
    compare(
        f"ACI, {n:,} rows",
        partial(our_aci, score),
        partial(sorted_aci, score),
        check=far,
        peer_name="sorted loop over rows",
    )
    compare(
        f"DtACI, {n:,} rows", partial(our_dtaci, score), partial(loop_dtaci, score), repeat=3, check=far,
        peer_name="sorted loop over rows",
    )  # fmt: skip
    rows = forecasts(10 * n)
    compare(
        f"online Platt scaling, {10 * n:,} rows", partial(our_platt, *rows), partial(loop_platt, *rows), repeat=3,
        check=lambda ours, peer: float(np.abs(ours - peer).max()), peer_name="loop over rows",
    )  # fmt: skip
    few = scores(20_000)
    seconds, last = r_seconds(few)

    def in_r():
        # R's own clock: starting R takes longer than the loop.
        import time

        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass
        return last

    compare(
        "ACI, 20,000 rows", partial(our_aci, few), in_r, repeat=3, check=lambda ours, peer: abs(ours[-1] - peer),
        peer_name="R's recursion", note="R's clock without its start; quadratic in the rows",
    )  # fmt: skip


if __name__ == "__main__":
    main()
