"""Veracity scores of all rows beside cleanlab's, with its options as they come and least squares for both.

cleanlab lives in an environment of its own, whose Python must run this: ``python -m benchmarks.veracity``. Without it ours is
timed alone. The error is one less the area under the ROC curve of planted errors, a tenth of the rows.
"""

from __future__ import annotations

import importlib.util
import os
from functools import partial

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))


def rows(n: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows whose spread grows with x1, a tenth of them with an error added; which ones."""
    random = np.random.default_rng(0)
    X = random.normal(size=(n, 5))
    wrong = random.random(n) < 0.1
    y = X.sum(axis=1) + np.exp(0.5 * X[:, 0]) * random.normal(size=n) + 5.0 * wrong
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(1, 6)]).assign(y=y), wrong


def ours(frame: pd.DataFrame) -> np.ndarray:
    return -np.log(si.veracity("y ~ x1 + x2 + x3 + x4 + x5", frame).tidy()["veracity"].to_numpy())


def by_cleanlab(frame: pd.DataFrame) -> np.ndarray:
    from cleanlab.regression.learn import CleanLearning
    from sklearn.linear_model import LinearRegression

    found = CleanLearning(LinearRegression(), seed=0).find_label_issues(
        frame.drop(columns="y").to_numpy(), frame["y"].to_numpy()
    )
    return -found["label_quality"].to_numpy()


def missed(wrong: np.ndarray, score: np.ndarray) -> float:
    return 1.0 - float(roc_auc_score(wrong, score))


def main():
    n = 1000 if QUICK else 10_000
    frame, wrong = rows(n)
    peer = partial(by_cleanlab, frame) if importlib.util.find_spec("cleanlab") else None
    compare(
        f"veracity scores, least squares, {n:,} rows, 5 covariates", partial(ours, frame), peer, repeat=3,
        error=partial(missed, wrong), peer_name="cleanlab",
        note="both as they come; error: one less the area under the ROC curve of planted errors",
    )  # fmt: skip


if __name__ == "__main__":
    main()
