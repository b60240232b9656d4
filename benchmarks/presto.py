"""The path of `si.presto` with 5-fold cross-validation beside a NumPy coordinate descent of the same path."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))
FLOOR = 1e-8
"""Probabilities are floored in scores and information, as in ordinalNet."""


def rows(n: int, p: int) -> pd.DataFrame:
    """Four ordered categories, the last in one percent of the rows, with slopes that differ densely."""
    rng = np.random.default_rng(1)
    while True:
        X = rng.uniform(-1, 1, (n, p))
        slopes = np.cumsum(rng.uniform(-0.5, 0.5, (3, p)), axis=0)
        below = 1 / (1 + np.exp(-(np.array([0.0, 3.0, 5.0]) + X @ slopes.T)))
        codes = (rng.random(n)[:, None] > below).sum(axis=1)
        if (np.diff(below, axis=1) > 0).all() and np.bincount(codes, minlength=4).min() >= 10:
            return pd.DataFrame(X, columns=[f"x{j}" for j in range(p)]).assign(y=codes)


def ours(data: pd.DataFrame) -> np.ndarray:
    """Penalty, intercepts and slopes of the chosen fit, through the formula."""
    fit = si.presto("y ~ " + " + ".join(data.columns.drop("y")), data, folds=fold_labels(data))
    return np.concatenate([[fit.penalty], fit.intercepts, fit.slopes.to_numpy().T.ravel()])


def fold_labels(data: pd.DataFrame) -> np.ndarray:
    """Five folds alike in the categories, the same for both."""
    order = np.argsort(data["y"].to_numpy(), kind="stable")
    folds = np.empty(len(data), int)
    folds[order] = np.arange(len(data)) % 5
    return folds


# --- the peer: proximal Newton with expected information, inner coordinate descent on an active set, as ordinalNet ------------


def terms(X: np.ndarray, codes: np.ndarray, theta: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Scores in the predictors, expected weights (n, m, m) and the log-likelihood, infinite where a probability is negative."""
    F, P = probabilities(X, theta, m)
    loglik = float(np.log(P[np.arange(len(codes)), codes]).sum()) if (P > 0).all() else -np.inf
    P = np.maximum(P, FLOOR)
    D = F * (1 - F)
    own = (codes[:, None] == np.arange(m + 1)) / P
    U = D * (own[:, :-1] - own[:, 1:])
    W = np.zeros((len(X), m, m))
    for k in range(m):
        W[:, k, k] = D[:, k] ** 2 * (1 / P[:, k] + 1 / P[:, k + 1])
        if k + 1 < m:
            W[:, k, k + 1] = W[:, k + 1, k] = -D[:, k] * D[:, k + 1] / P[:, k + 1]
    return U, W, loglik


def probabilities(X: np.ndarray, theta: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    slopes = np.cumsum(theta[m:].reshape(m, -1), axis=0)
    F = 1 / (1 + np.exp(-(theta[:m] + X @ slopes.T)))
    return F, np.diff(np.column_stack([np.zeros(len(X)), F, np.ones(len(X))]), axis=1)


def score_and_information(X: np.ndarray, U: np.ndarray, W: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Of intercepts and differences: sums over the later boundaries."""
    p = X.shape[1]
    Z = np.column_stack([np.ones(len(X)), X])
    by_eta = U.T @ Z
    full = np.array([[Z.T @ (Z * W[:, k, j, None]) for j in range(m)] for k in range(m)])
    late = np.tril(np.ones((m, m))).T
    score = np.concatenate([by_eta[:, 0], (late @ by_eta[:, 1:]).ravel()])
    slopes = np.einsum("ak,kjxy,bj->axby", late, full[:, :, 1:, 1:], late).reshape(m * p, m * p)
    cross = np.einsum("kjy,bj->kby", full[:, :, 0, 1:], late).reshape(m, m * p)
    return score, np.block([[full[:, :, 0, 0], cross], [cross.T, slopes]])


def descend(theta: np.ndarray, score: np.ndarray, info: np.ndarray, penalty: np.ndarray, tol: float) -> np.ndarray:
    """Coordinate descent of the quadratic model; full sweeps between sweeps over what is not zero."""
    target = info @ theta + score
    t, residual = theta.copy(), score.copy()
    every = np.arange(len(t))
    active = every
    for _ in range(100):
        largest = 0.0
        for j in active:
            old = t[j]
            pull = residual[j] + info[j, j] * old
            new = np.sign(pull) * max(abs(pull) - penalty[j], 0.0) / info[j, j]
            if new != old:
                residual -= info[:, j] * (new - old)
                t[j] = new
                largest = max(largest, abs(new - old))
        if largest < tol:
            if len(active) == len(every):
                break
            active = every
        else:
            active = np.flatnonzero((t != 0) | (penalty == 0))
    assert len(target) == len(t)
    return t


def path(X: np.ndarray, codes: np.ndarray, lambdas: np.ndarray, m: int) -> np.ndarray:
    """Solutions (L, d) on standardised columns."""
    n, p = X.shape
    below = np.cumsum(np.bincount(codes, minlength=m + 1))[:-1] / n
    theta = np.concatenate([np.log(below / (1 - below)), np.zeros(m * p)])
    out = []
    for value in lambdas:
        penalty = np.concatenate([np.zeros(m), np.full(m * p, n * value)])
        U, W, loglik = terms(X, codes, theta, m)
        objective = -loglik + penalty @ np.abs(theta)
        for _ in range(100):
            score, info = score_and_information(X, U, W, m)
            target, step = descend(theta, score, info, penalty, 1e-8), 1.0
            for _ in range(11):
                trial = theta + step * (target - theta)
                new = terms(X, codes, trial, m)
                value_there = -new[2] + penalty @ np.abs(trial)
                if value_there < objective:
                    break
                step /= 2
            else:
                break
            change = (objective - value_there) / abs(objective)
            theta, objective, (U, W, _) = trial, value_there, new
            if change < 1e-8:
                break
        out.append(theta)
    return np.array(out)


def by_numpy(data: pd.DataFrame) -> np.ndarray:
    """The same path, folds and choice; intercepts and slopes on the caller's scale."""
    raw, codes, folds = data.drop(columns="y").to_numpy(), data["y"].to_numpy(), fold_labels(data)
    m, p = int(codes.max()), raw.shape[1]

    def standard(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        mean, sd = raw[inside].mean(axis=0), raw[inside].std(axis=0)
        return (raw - mean) / sd, mean, sd

    everything = np.ones(len(raw), bool)
    X, mean, sd = standard(everything)
    below = np.cumsum(np.bincount(codes))[:-1] / len(codes)
    start = np.concatenate([np.log(below / (1 - below)), np.zeros(m * p)])
    U, W, _ = terms(X, codes, start, m)
    top = np.abs(score_and_information(X, U, W, m)[0][m:]).max() / len(X)
    lambdas = top * np.geomspace(1.0, 0.01, 20)
    solutions = path(X, codes, lambdas, m)
    brier = np.zeros(20)
    for k in range(5):
        Xk, _, _ = standard(folds != k)
        for i, theta in enumerate(path(Xk[folds != k], codes[folds != k], lambdas, m)):
            _, P = probabilities(Xk[folds == k], theta, m)
            brier[i] += ((P - np.eye(m + 1)[codes[folds == k]]) ** 2).sum()
    best = int(np.argmin(brier))
    slopes = np.cumsum(solutions[best, m:].reshape(m, p), axis=0) / sd
    return np.concatenate([[lambdas[best]], solutions[best, :m] - slopes @ mean, slopes.ravel()])


def objective(data: pd.DataFrame, found: np.ndarray) -> float:
    """The penalised mean negative log-likelihood of a fit at its own penalty."""
    X, codes, m = data.drop(columns="y").to_numpy(), data["y"].to_numpy(), int(data["y"].max())
    slopes = found[1 + m :].reshape(m, -1)
    differences = np.diff(np.vstack([np.zeros(X.shape[1]), slopes]), axis=0)
    _, P = probabilities(X, np.concatenate([found[1 : 1 + m], differences.ravel()]), m)
    own = P[np.arange(len(codes)), codes]
    return float(-np.log(own).mean() + found[0] * np.abs(differences * X.std(axis=0)).sum())


def excess(data: pd.DataFrame, mine: np.ndarray, peers: np.ndarray) -> tuple[float, float]:
    """How far either objective is above the lower of both, relative to it, at the same penalty."""
    np.testing.assert_allclose(mine[0], peers[0], rtol=1e-6)
    found = [objective(data, one) for one in (mine, peers)]
    return found[0] / min(found) - 1.0, found[1] / min(found) - 1.0


def main() -> None:
    n, p = (600, 4) if QUICK else (2_500, 10)
    data = rows(n, p)
    compare(
        f"presto, path of 20 penalties with 5-fold cross-validation, n = {n:,}, {p} columns, 4 categories",
        partial(ours, data),
        partial(by_numpy, data),
        repeat=1 if QUICK else 3,
        check=partial(excess, data),
        peer_name="NumPy coordinate descent",
        note="the algorithm of ordinalNet in NumPy, with its stopping rule of 1e-8; errors are objectives over the lower of both",
    )


if __name__ == "__main__":
    main()
