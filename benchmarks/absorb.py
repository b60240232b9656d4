"""Regressions with absorbed effects beside pyfixest, from a data frame to the table with clustered errors.

pyfixest runs in a process of its own, in the environment whose Python is named by STATINF_PYFIXEST; both are timed with the
frame in memory. Without it ours stand alone.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
PEER = os.environ.get("STATINF_PYFIXEST")
X = "x0 + x1 + x2 + x3 + x4"
SERVER = """
import sys, warnings
import pandas as pd
import pyfixest as pf
from pyfixest.demeaners import LsmrDemeaner, MapDemeaner
warnings.simplefilter("ignore")
data = pd.read_pickle(sys.argv[1])
for line in sys.stdin:
    fit = eval(line)
    table = fit.tidy()
    print(*table["Estimate"], *table["Std. Error"], flush=True)
"""


def rows(n: int) -> pd.DataFrame:
    """Ten rows a firm in years that firms meet at random: effects that separate easily."""
    random = np.random.default_rng(0)
    firms, years = n // 10, min(1000, n // 100)
    made = pd.DataFrame({"firm": random.integers(0, firms, n), "year": random.integers(0, years, n)})
    a, b = random.standard_normal(firms)[made["firm"]], random.standard_normal(years)[made["year"]]
    for j in range(5):
        made[f"x{j}"] = random.standard_normal(n) + 0.5 * a * (j < 2) + 0.3 * b
    made["y"] = made["x0"] - 0.5 * made["x1"] + 0.2 * made["x2"] + a + b + random.standard_normal(n)
    made["count"] = random.poisson(np.exp(0.2 * made["x0"] - 0.1 * made["x1"] + 0.3 * a - 0.3)).astype(float)
    return made


def chain(n: int) -> pd.DataFrame:
    """People who pass from firm to firm in a ring: effects that separate slowly (the hard design of fixest's benchmarks)."""
    random = np.random.default_rng(0)
    made = pd.DataFrame({"firm": np.arange(n) // 23, "year": np.arange(n) % max(20, n // 184)})
    for j in range(5):
        made[f"x{j}"] = random.standard_normal(n)
    made["y"] = made["x0"] + random.standard_normal(n)
    return made


class Peer:
    """pyfixest in a process that holds the rows."""

    def __init__(self, data: pd.DataFrame) -> None:
        self.file = Path(tempfile.mkdtemp()) / "rows.pkl"
        data.to_pickle(self.file)
        assert PEER is not None
        self.process = subprocess.Popen(
            [PEER, "-c", SERVER, str(self.file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, call: str) -> np.ndarray:
        """Estimates and their errors."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{call}\n")
        self.process.stdin.flush()
        return np.array(self.process.stdout.readline().split(), float)

    def close(self) -> None:
        """End the process."""
        self.process.communicate()
        self.file.unlink()


def ours(data: pd.DataFrame, verb: Callable[..., Any], outcome: str, options: dict[str, Any]) -> np.ndarray:
    """Estimates and their errors."""
    fit = verb(f"{outcome} ~ {X}", data, absorb="firm + year", cluster="firm", **options)
    table = fit.tidy()
    return np.append(table["estimate"], table["std_error"])


def ours_alone(n: int) -> np.ndarray:
    """The same with the rows made first, for the memory of a fresh process."""
    return ours(rows(n), si.lm, "y", {})


def difference(mine: np.ndarray, peers: np.ndarray | None) -> float | None:
    """Largest difference, in standard errors, of estimates and errors."""
    if peers is None:
        return None
    se = mine[len(mine) // 2 :]
    return float((np.abs(mine - peers) / np.append(se, se)).max())


def beside(
    name: str, data: pd.DataFrame, verb: Any, outcome: str, options: dict[str, Any], calls: dict[str, str]
) -> None:
    """Compare with each of pyfixest's ways."""
    peer = Peer(data) if PEER else None
    for way, call in calls.items():
        compare(
            f"{name}, {way}",
            partial(ours, data, verb, outcome, options),
            None if peer is None else partial(peer, call),
            repeat=1 if QUICK else 3,
            check=difference,
            peer_name="pyfixest",
            peer_version="0.60",
            note="five regressors, errors clustered by firm; the error is the largest difference in standard errors",
        )
    if peer is not None:
        peer.close()


def main() -> None:
    n = 10_000 if QUICK else 1_000_000
    call = (
        f"pf.{{}}('{{}} ~ {X} | firm + year', data, vcov={{{{'CRV1': 'firm'}}}}, copy_data=False, store_data=False{{}})"
    )
    ways = {
        "alternating projections (rust, its default, to 1e-6)": "",
        "LSMR (within, to 1e-8)": ", demeaner=LsmrDemeaner(backend='within')",
    }
    data = rows(n)
    what = f"n = {n:,}, {n // 10:,} and {min(1000, n // 100):,} levels"
    beside(f"lm, {what}", data, si.lm, "y", {}, {way: call.format("feols", "y", more) for way, more in ways.items()})
    first = dict([next(iter(ways.items()))])
    calls = {way: call.format("fepois", "count", more) for way, more in first.items()}
    beside(f"poisson, {what}", data, si.glm, "count", {"family": "poisson"}, calls)
    hard = chain(n)
    what = f"n = {n:,}, {n // 23:,} and {max(20, n // 184):,} levels in a ring"
    second = dict([list(ways.items())[1]])
    calls = {way: call.format("feols", "y", more) for way, more in second.items()}
    beside(f"lm, {what}", hard, si.lm, "y", {}, calls)
    if QUICK:
        return
    compare(
        "lm, n = 10,000,000, 1,000,000 and 1,000 levels, rows made included",
        partial(ours_alone, 10_000_000),
        repeat=1,
        warmup=0,
        memory=True,
        note="five regressors, errors clustered by firm; memory counts the frame of 0.72 GB",
    )


if __name__ == "__main__":
    main()
