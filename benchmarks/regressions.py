"""Least squares from a data frame and a formula to the table with robust errors, beside statsmodels and pyfixest.

pyfixest runs in a process of its own, in the environment whose Python is named by STATINF_PYFIXEST, with the frame in memory.
"""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.absorb import PEER, Peer, difference
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
P = 20
FORMULA = "y ~ " + " + ".join(f"x{j}" for j in range(P))


def rows(n: int) -> pd.DataFrame:
    """Normal covariates; errors whose spread goes with the first."""
    random = np.random.default_rng(0)
    X = random.standard_normal((n, P))
    y = X @ random.standard_normal(P) + random.standard_normal(n) * (1 + 0.5 * np.abs(X[:, 0]))
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(P)]).assign(y=y, g=random.integers(0, 1000, n))


def ours(data: pd.DataFrame, vcov: object) -> np.ndarray:
    """Estimates and their errors."""
    table = si.lm(FORMULA, data, vcov=vcov).tidy()
    return np.append(table["estimate"], table["std_error"])


def theirs(data: pd.DataFrame, **options: object) -> np.ndarray:
    """The same by statsmodels."""
    import statsmodels.formula.api as smf

    fit = smf.ols(FORMULA, data).fit(**options)
    return np.append(fit.params, fit.bse)


def main() -> None:
    n = 10_000 if QUICK else 1_000_000
    data = rows(n)
    clusters = {"groups": data["g"]}
    kinds = {
        "HC1": ("HC1", {"cov_type": "HC1"}, "'HC1'"),
        "clustered by 1,000 groups": ({"cluster": "g"}, {"cov_type": "cluster", "cov_kwds": clusters}, "{'CRV1': 'g'}"),
    }
    server = Peer(data) if PEER else None
    for name, (vcov, options, called) in kinds.items():
        work = f"lm, {name}, n = {n:,}, p = {P}, formula to table"
        compare(
            f"{work} (statsmodels)",
            partial(ours, data, vcov),
            partial(theirs, data, **options),
            peer_name="statsmodels",
            check=difference,
            note="error: largest difference in standard errors",
        )
        if server is not None:
            call = f"pf.feols('{FORMULA}', data, vcov={called}, copy_data=False, store_data=False)"
            compare(
                f"{work} (pyfixest)",
                partial(ours, data, vcov),
                partial(server, call),
                peer_name="pyfixest",
                peer_version="0.60",
                check=difference,
                note="error: largest difference in standard errors",
            )
    if server is not None:
        server.close()


if __name__ == "__main__":
    main()
