"""Discontinuities of distributions beside the arithmetic of the authors' package, and manipulation tests beside rddensity.

The package R3D is R with a Fortran core and could not be had; its arithmetic is repeated in NumPy as it stands there: quantiles
unit by unit, a window and a fit for each level on its own, and one pass over the levels for each bootstrap draw. rddensity wants
an environment of its own: ``RDDENSITY_PYTHON`` names its Python, whose times and numbers this file asks for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
TAU = np.round(np.arange(1, 100) / 100, 2)


def rows(units: int, members: int) -> pd.DataFrame:
    return si.datasets.simulate("unit_distributions", units * members, seed=0, members=members)


def ours(data: pd.DataFrame, replicas: int, h: float) -> tuple[np.ndarray, np.ndarray]:
    """Effects and half widths of a uniform band."""
    fit = si.rd_distribution("y ~ x | unit", data, tau=TAU, method="simple", bandwidth=h, vcov="HC0")
    band = fit.band(replicas=replicas, studentize=False)
    return fit.theta, band.upper - band.estimate


def by_package(data: pd.DataFrame, replicas: int, h: float) -> tuple[np.ndarray, np.ndarray]:
    """The same level by level and draw by draw."""
    groups = [group for _, group in data.groupby("unit")]
    x = np.array([group["x"].iloc[0] for group in groups])
    quantiles = np.stack([np.quantile(group["y"], TAU) for group in groups])
    curves, influence = np.empty((2, len(TAU))), np.zeros((len(x), len(TAU)))
    for j in range(len(TAU)):
        u = x / h
        basis = np.vander(u, 3, increasing=True)
        k = 0.75 * np.maximum(1.0 - u * u, 0.0)
        for side, on in enumerate((x < 0, x >= 0)):
            some = on & (k > 0)
            gram = (basis[some] * k[some, None]).T @ basis[some]
            coef = np.linalg.solve(gram, (basis[some] * k[some, None]).T @ quantiles[some, j])
            curves[side, j] = coef[0]
            weight = np.linalg.solve(gram, basis[some].T)[0] * k[some]
            influence[some, j] += (2 * side - 1) * weight * (quantiles[some, j] - basis[some] @ coef)
    effect = np.diff(np.sort(curves, axis=1), axis=0)[0]
    rng, largest = np.random.default_rng(0), np.empty(replicas)
    for b in range(replicas):
        multiplier = rng.standard_normal(len(x))
        largest[b] = max(abs(float(np.sum(multiplier * influence[:, j]))) for j in range(len(TAU)))
    critical = np.sort(largest)[int(np.ceil(0.95 * (replicas + 1))) - 1]
    return effect, np.full(len(TAU), critical)


def apart(mine: tuple[np.ndarray, np.ndarray], peers: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Largest difference of the effects, and relative difference of the bands' widths (two sets of draws)."""
    return float(np.abs(mine[0] - peers[0]).max()), float(abs(mine[1][0] / peers[1][0] - 1.0))


def density(x: np.ndarray) -> float:
    """p-value of the test of manipulation."""
    return si.rd_density("~ x", {"x": x}).p_value


class Elsewhere:
    """rddensity in its own environment, kept running; it is timed there, without the passage of the rows."""

    CODE = (
        "import sys, json, numpy as np\n"
        "from rddensity import rddensity\n"
        "for line in sys.stdin:\n"
        "    x = np.load(line.strip()); print(json.dumps(float(np.ravel(rddensity(x).test['p_jk'])[0])), flush=True)\n"
    )

    def __init__(self, python: str) -> None:
        self.run = subprocess.Popen(
            [python, "-c", self.CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def p_value(self, path: str) -> float:
        assert self.run.stdin is not None and self.run.stdout is not None
        self.run.stdin.write(path + "\n")
        self.run.stdin.flush()
        return json.loads(self.run.stdout.readline())


def main() -> None:
    units, members, replicas = (100, 20, 99) if QUICK else (500, 50, 999)
    data = rows(units, members)
    compare(
        f"{units} units of {members} rows, 99 levels, band of {replicas} replicas",
        partial(ours, data, replicas, 0.6),
        partial(by_package, data, replicas, 0.6),
        repeat=3,
        check=apart,
        peer_name="arithmetic of R3D in NumPy",
        note="errors: largest difference of the effects; relative difference of the critical values of two sets of draws",
    )
    python = os.environ.get("RDDENSITY_PYTHON")
    if python is None:
        print("RDDENSITY_PYTHON is not set; no manipulation tests.", file=sys.stderr)
        return
    import tempfile

    peer = Elsewhere(python)
    with tempfile.TemporaryDirectory() as folder:
        for n in (2_000,) if QUICK else (2_000, 20_000):
            x = np.random.default_rng(1).normal(0.2, 1.0, n)
            np.save(f"{folder}/x.npy", x)
            compare(
                f"manipulation test, n = {n:,}",
                partial(density, x),
                partial(peer.p_value, f"{folder}/x.npy"),
                repeat=3,
                check=lambda mine, theirs: (abs(mine - theirs), abs(mine - theirs)),
                peer_name="rddensity",
                peer_version="3.0",
                note="errors: difference of the p-values",
            )


if __name__ == "__main__":
    main()
