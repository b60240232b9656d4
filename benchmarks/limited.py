"""`si.multinomial` and `si.ordered` beside statsmodels, `si.tobit` beside scipy's BFGS on the likelihood with its gradient."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import log_ndtr

import statinf as si
from benchmarks.harness import compare

QUICK = bool(os.environ.get("STATINF_BENCH_QUICK"))


def columns(n: int, p: int) -> tuple[np.ndarray, list[str]]:
    return np.random.default_rng(1).standard_normal((n, p)), [f"x{j}" for j in range(p)]


def choices(n: int, p: int) -> pd.DataFrame:
    """Four classes whose utilities are linear in p columns."""
    X, names = columns(n, p)
    rng = np.random.default_rng(2)
    utility = X @ rng.uniform(-0.5, 0.5, (p, 4)) + rng.gumbel(size=(n, 4))
    return pd.DataFrame(X, columns=names).assign(y=np.array(list("abcd"))[utility.argmax(axis=1)])


def grades(n: int, p: int) -> pd.DataFrame:
    """Five ordered categories of a latent logistic outcome."""
    X, names = columns(n, p)
    rng = np.random.default_rng(2)
    latent = X @ rng.uniform(-0.5, 0.5, p) + rng.logistic(size=n)
    return pd.DataFrame(X, columns=names).assign(y=np.searchsorted([-2.0, -0.5, 0.5, 2.0], latent))


def censored(n: int, p: int) -> pd.DataFrame:
    """A normal outcome, censored at zero in about half of the rows."""
    X, names = columns(n, p)
    rng = np.random.default_rng(2)
    y = 0.2 + X @ rng.uniform(-0.5, 0.5, p) + 1.5 * rng.standard_normal(n)
    return pd.DataFrame(X, columns=names).assign(y=np.maximum(y, 0.0))


def formula(data: pd.DataFrame) -> str:
    return "y ~ " + " + ".join(data.columns.drop("y"))


def ours(verb: str, data: pd.DataFrame) -> np.ndarray:
    """Coefficients, then standard errors, through the formula."""
    fit = getattr(si, verb)(formula(data), data)
    return np.concatenate([fit.theta, fit.std_errors])


def design(data: pd.DataFrame) -> np.ndarray:
    return np.column_stack([np.ones(len(data)), data.drop(columns="y")])


def mnlogit(data: pd.DataFrame) -> np.ndarray:
    import statsmodels.api as sm

    fit = sm.MNLogit(pd.Categorical(data["y"]).codes, design(data)).fit(disp=0)
    return np.concatenate([np.asarray(fit.params).T.ravel(), np.asarray(fit.bse).T.ravel()])


def ordered_model(data: pd.DataFrame) -> np.ndarray:
    """Slopes and cutpoints; errors of the slopes, as those of cutpoints are of increments."""
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    X = data.drop(columns="y").to_numpy()
    fit = OrderedModel(data["y"].to_numpy(), X, distr="logit").fit(method="bfgs", disp=0, maxiter=1000)
    cuts = fit.model.transform_threshold_params(fit.params)[1:-1]
    return np.concatenate([fit.params[: X.shape[1]], cuts, fit.bse[: X.shape[1]]])


def tobit_by_bfgs(data: pd.DataFrame) -> np.ndarray:
    """Coefficients and log sigma by BFGS from least squares; errors from differences of the gradient."""
    from scipy.optimize import minimize

    X, y = design(data), data["y"].to_numpy()
    seen, n = y > 0, len(data)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        sigma = np.exp(theta[-1])
        z = (y - X @ theta[:-1]) / sigma
        tail = log_ndtr(z)
        mills = np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - tail)
        value = np.where(seen, -0.5 * z**2 - 0.5 * np.log(2 * np.pi) - theta[-1], tail).sum()
        slope = np.where(seen, -z, mills)
        gradient = np.append(-X.T @ slope / sigma, -(slope @ z) - seen.sum())
        return -value / n, -gradient / n

    start = np.linalg.lstsq(X, y, rcond=None)[0]
    start = np.append(start, np.log(np.std(y - X @ start)))
    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-8, "maxiter": 1000}).x
    moves = np.eye(len(found)) * 1e-5
    hessian = np.stack([(loss(found + m)[1] - loss(found - m)[1]) / 2e-5 for m in moves])
    return np.concatenate([found, np.sqrt(np.diag(np.linalg.inv(hessian)) / n)])


# --- errors: the largest mean score that a search leaves, in standardised columns -----------------------------------------------


def multinomial_score(data: pd.DataFrame, found: np.ndarray) -> float:
    X, codes = design(data), pd.Categorical(data["y"]).codes
    eta = np.column_stack([np.zeros(len(X)), X @ found[: 3 * X.shape[1]].reshape(3, -1).T])
    share = np.exp(eta - eta.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    return float(np.abs(X.T @ ((codes[:, None] == np.arange(4)) - share)).max() / len(X))


def ordered_score(data: pd.DataFrame, found: np.ndarray) -> float:
    X, codes, p = data.drop(columns="y").to_numpy(), data["y"].to_numpy(), data.shape[1] - 1
    cuts = np.concatenate([[-np.inf], found[p : p + 4], [np.inf]])
    eta = X @ found[:p]
    above, below = (1.0 / (1.0 + np.exp(eta - cuts[codes + k])) for k in (1, 0))
    slope = (above * (1 - above) - below * (1 - below)) / (above - below)
    return float(np.abs(X.T @ slope).max() / len(X))


def tobit_score(data: pd.DataFrame, found: np.ndarray) -> float:
    X, y = design(data), data["y"].to_numpy()
    k = X.shape[1]
    z = (y - X @ found[:k]) / np.exp(found[k])
    mills = np.exp(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(z))
    return float(np.abs(X.T @ np.where(y > 0, -z, mills)).max() / len(X))


def both(score: Any, data: pd.DataFrame, mine: np.ndarray, peers: np.ndarray) -> tuple[float, float]:
    """Errors of both, once they are the same numbers."""
    np.testing.assert_allclose(peers[: data.shape[1] - 1], mine[: data.shape[1] - 1], rtol=1e-3, atol=1e-3)
    return score(data, mine), score(data, peers)


def main() -> None:
    n = 2_000 if QUICK else 100_000
    small = 1_000 if QUICK else 10_000
    work = [
        (
            "multinomial",
            choices(n, 10),
            mnlogit,
            multinomial_score,
            "statsmodels",
            "4 classes, 10 columns; MNLogit, Newton",
        ),
        (
            "ordered",
            grades(small, 5),
            ordered_model,
            ordered_score,
            "statsmodels",
            "5 categories, 5 columns; OrderedModel, BFGS",
        ),
        (
            "tobit",
            censored(n, 10),
            tobit_by_bfgs,
            tobit_score,
            "scipy",
            "10 columns, half censored; BFGS with the gradient",
        ),
    ]
    for verb, data, peer, score, peer_name, note in work:
        compare(
            f"{verb}, n = {len(data):,}",
            partial(ours, verb, data),
            partial(peer, data),
            repeat=1 if QUICK else 3,
            check=partial(both, score, data),
            peer_name=peer_name,
            note=f"{note}; estimates and standard errors; errors are the largest mean score left",
        )


if __name__ == "__main__":
    main()
