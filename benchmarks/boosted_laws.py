"""Boosted normal laws beside the ngboost package, on the same rows and with as many trees.

The package wants an environment of its own: ``NGBOOST_PYTHON`` names its Python, which this file runs on itself with the
number of trees and the folder of the rows. Errors are held-out minus log densities; times are CPU seconds of the fits, because
both sides take a while and other work on the machine would count otherwise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))


def rows(n: int, p: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Normal outcomes whose mean and spread depend on six of the columns."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, p))
    mean = 2 * np.sin(X[:, 0]) + X[:, 1] * (X[:, 2] > 0) + 0.5 * X[:, 3] ** 2
    scale = np.exp(-0.5 + 0.5 * X[:, 4] + 0.3 * (X[:, 5] > 0))
    return X, mean + scale * random.normal(size=n)


def by_package(folder: str, trees: int) -> dict[str, float]:
    """The package's fit, in its own environment."""
    from ngboost import NGBRegressor
    from scipy.stats import norm

    X, y, new, truth = (np.load(Path(folder) / f"{name}.npy") for name in ("X", "y", "new", "truth"))
    cpu, wall = time.process_time(), time.perf_counter()
    fit = NGBRegressor(n_estimators=trees, verbose=False, random_state=0).fit(X, y)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    law = fit.pred_dist(new).params
    return {"cpu": cpu, "wall": wall, "nll": float(-norm.logpdf(truth, law["loc"], law["scale"]).mean())}


def ours(X: np.ndarray, y: np.ndarray, new: np.ndarray, truth: np.ndarray, trees: int) -> dict[str, float]:
    """Ours from a data frame, compilation included."""
    import pandas as pd

    import statinf as si

    names = [f"x{j}" for j in range(X.shape[1])]
    data, after = (pd.DataFrame(a, columns=names).assign(y=b) for a, b in ((X, y), (new, truth)))
    cpu, wall = time.process_time(), time.perf_counter()
    fit = si.ngboost("y ~ " + " + ".join(names), data, n_estimators=trees, progress=False)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu, "wall": wall, "nll": float(-np.mean(fit.logpdf(after)))}


def table(found: list[dict[str, float]]) -> str:
    """Works as rows of a table; a peer that was not run leaves its cells empty."""
    lines = [
        "| rows | trees | statinf, CPU s | ngboost, CPU s | ngboost / statinf | statinf, NLL | ngboost, NLL |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in found:
        cells = [f"{one['n']:,}", f"{one['trees']}", f"{one['cpu']:.1f}"]
        if "peer_cpu" in one:
            cells += [f"{one['peer_cpu']:.0f}", f"{one['peer_cpu'] / one['cpu']:.0f}", f"{one['nll']:.4f}"]
            cells += [f"{one['peer_nll']:.4f}"]
        else:
            cells += ["", "", f"{one['nll']:.4f}", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    works = [(2_000, 20)] if QUICK else [(5_000, 500), (100_000, 40), (100_000, 500)]
    python, found = os.environ.get("NGBOOST_PYTHON"), []
    for n, trees in works:
        made = (*rows(n, 20), *rows(20_000, 20, 1))
        one = {"n": n, "trees": trees, **ours(*made, trees)}
        if python:
            with tempfile.TemporaryDirectory() as folder:
                for name, array in zip(("X", "y", "new", "truth"), made, strict=True):
                    np.save(Path(folder) / f"{name}.npy", array)
                call = [python, __file__, folder, str(trees)]
                told = subprocess.run(call, capture_output=True, text=True, check=True).stdout
            one |= {f"peer_{name}": value for name, value in json.loads(told).items()}
        found.append(one)
        print(json.dumps(one), flush=True)
    print(table(found))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(by_package(sys.argv[1], int(sys.argv[2]))))
    else:
        main()
