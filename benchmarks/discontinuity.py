"""Regression discontinuity beside rdrobust (PyPI), and a thousand placebo cutoffs beside a loop over them.

rdrobust runs in a process of its own, in the environment whose Python is named by STATINF_RDROBUST; both are timed with
the rows in memory. Without it the comparisons with it are left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
PEER = os.environ.get("STATINF_RDROBUST")
LEFT, RIGHT = (0.48, 1.27, 7.18, 20.21, 21.54, 7.33), (0.52, 0.84, -3.00, 7.99, -9.01, 3.56)
SERVER = """
import sys, time
import numpy as np
from rdrobust import rdrobust
x, y = np.load(sys.argv[1])
for line in sys.stdin:
    found = rdrobust(y, x, **eval(line))
    print(*found.coef.values.ravel(), *found.se.values.ravel(), flush=True)
"""


def rows(n: int) -> pd.DataFrame:
    """Elections as in Lee (2008)."""
    random = np.random.default_rng(0)
    x = 2 * random.beta(2, 4, n) - 1
    polyval = np.polynomial.polynomial.polyval
    y = np.where(x < 0, polyval(x, LEFT), polyval(x, RIGHT)) + random.normal(0, 0.1295, n)
    return pd.DataFrame({"x": x, "y": y})


class Peer:
    """rdrobust in a process that holds the rows."""

    def __init__(self, data: pd.DataFrame) -> None:
        self.file = Path(tempfile.mkdtemp()) / "rows.npy"
        np.save(self.file, data[["x", "y"]].to_numpy().T)
        assert PEER is not None
        self.process = subprocess.Popen(
            [PEER, "-c", SERVER, str(self.file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, **options: float) -> np.ndarray:
        """Estimates of the three rows, and their errors."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{options!r}\n")
        self.process.stdin.flush()
        return np.array(self.process.stdout.readline().split(), float)

    def close(self) -> None:
        """End the process."""
        self.process.communicate()
        self.file.unlink()


def ours(data: pd.DataFrame) -> np.ndarray:
    """Estimates of the three rows, and their errors."""
    fit = si.rd("y ~ x", data)
    return np.concatenate([fit.theta, fit._se()])


def difference(mine: np.ndarray, peers: np.ndarray) -> float:
    """Largest relative difference."""
    return float(np.nanmax(np.abs(mine / peers - 1.0)))


def by_loop(fit: si.Fit, cutoffs: np.ndarray, data: pd.DataFrame, peer: Callable[..., np.ndarray] | None) -> np.ndarray:
    """Robust estimates and errors at each cutoff, one fit after another."""
    h, b = fit.bandwidths[0]
    found = []
    for c in cutoffs:
        if peer is not None:
            made = peer(c=float(c), h=float(h), b=float(b))
            found.append((made[2], made[5]))
        else:
            one = si.rd("y ~ x", data, cutoff=float(c), bandwidth=h, bias_bandwidth=b)
            found.append((one.theta[2], one._se()[2]))
    return np.array(found)


def placebo(fit: si.Fit, cutoffs: np.ndarray) -> np.ndarray:
    """The same by cumulative sums."""
    found = fit.placebo(cutoffs)
    return np.column_stack([found.estimate, found.std_error])


def main() -> None:
    for n in (2_000,) if QUICK else (1_000, 100_000, 1_000_000):
        data = rows(n)
        peer = Peer(data) if PEER else None
        compare(
            f"rd, Lee's design, n = {n:,}",
            partial(ours, data),
            peer,
            repeat=1 if QUICK or n > 100_000 else 5,
            check=None if peer is None else difference,
            peer_name="rdrobust",
            note="estimates and errors of three rows, bandwidths chosen; the error is the largest relative difference",
        )
        if peer is not None:
            peer.close()
    n, count = (2_000, 20) if QUICK else (100_000, 1000)
    data = rows(n)
    fit = si.rd("y ~ x", data)
    # Far enough from the jump that rows beyond it do not enter the loop either.
    width = float(fit.bandwidths.max())
    cutoffs = np.linspace(-0.9 + width, -width, count)
    for name, looped in (("si.rd", count), ("rdrobust", count // 50 or 5)):
        if name == "rdrobust" and PEER is None:
            continue
        peer = Peer(data) if name == "rdrobust" else None
        every = count // looped
        compare(
            f"{count} placebo cutoffs by sums, {looped} by {name} in a loop, n = {n:,}",
            partial(placebo, fit, cutoffs),
            partial(by_loop, fit, cutoffs[::every], data, peer),
            repeat=1,
            warmup=0 if every == 1 else 1,
            check=lambda mine, theirs, every=every: difference(mine[::every], theirs),
            peer_name=name,
            note=f"the loop over all {count} takes {every} times its time; bandwidths as given, errors by nearest neighbours",
        )
        if peer is not None:
            peer.close()


if __name__ == "__main__":
    sys.exit(main())
