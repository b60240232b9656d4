"""Held-out scores of the ngboost package on Boston housing, by split; run where ngboost 0.6.0 is installed.

``python make_ngboost.py Boston.csv``, with MASS's Boston as a table, writes ngboost.json beside this file. Splits are those of the
authors' scripts: after ``np.random.seed(1)``, ``np.random.choice(range(n), n, replace=False)`` per split, the first nine
tenths for training. 500 trees of depth 3, rate 0.01, no early stopping.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

SPLITS = 3


def scores(y: np.ndarray, loc: np.ndarray, scale: np.ndarray) -> dict[str, float]:
    """Root mean squared error, minus log density, CRPS and the share of central 90 percent intervals that hold y."""
    z = (y - loc) / scale
    crps = scale * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    return {
        "rmse": float(np.sqrt(np.mean((y - loc) ** 2))),
        "nll": float(-norm.logpdf(y, loc, scale).mean()),
        "crps": float(crps.mean()),
        "cover90": float((np.abs(z) <= norm.ppf(0.95)).mean()),
    }


def main() -> None:
    from ngboost import NGBRegressor
    from ngboost.distns import Normal
    from ngboost.scores import CRPScore, LogScore

    data = pd.read_csv(sys.argv[1])
    y, X = data.pop("medv").to_numpy(), data.to_numpy(float)
    n = len(y)
    np.random.seed(1)  # noqa: NPY002
    orders = [np.random.choice(range(n), n, replace=False) for _ in range(SPLITS)]  # noqa: NPY002
    out: dict[str, list[dict[str, float]]] = {}
    for name, score, natural in (("log", LogScore, True), ("crps", CRPScore, True), ("ordinary", LogScore, False)):
        for order in orders:
            train, test = order[: round(0.9 * n)], order[round(0.9 * n) :]
            model = NGBRegressor(
                Dist=Normal, Score=score, natural_gradient=natural, verbose=False, n_estimators=500, learning_rate=0.01
            ).fit(X[train], y[train])
            law = model.pred_dist(X[test])
            out.setdefault(name, []).append(scores(y[test], law.params["loc"], law.params["scale"]))
    Path(__file__).with_name("ngboost.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
