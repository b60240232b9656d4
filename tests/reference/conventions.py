"""What R's numbers mean: every stored quantity recomputed from its formula with NumPy alone.

README.md states the conventions in words; here they are in code, and ``check.py`` compares them with the files.
The design comes from formulaic, so this also proves that formulaic's columns come in R's order with R's values.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.linalg
from scipy import special, stats

from . import Case


@dataclass(frozen=True)
class Problem:
    """Arrays of a case at R's solution, aliased columns and incomplete rows left out."""

    x: np.ndarray  # (n, k)
    y: np.ndarray  # (n,)
    prior: np.ndarray  # (n,) prior weights
    offset: np.ndarray  # (n,)
    beta: np.ndarray  # (k,)
    mu: np.ndarray  # (n,) fitted means
    w: np.ndarray  # (n,) working weights; for lm the prior weights
    e: np.ndarray  # (n,) working residuals; for lm the residuals
    new_x: np.ndarray
    new_offset: np.ndarray
    frame: pd.DataFrame
    intercept: bool

    @property
    def inverse(self) -> np.ndarray:
        scale = np.sqrt((self.w[:, None] * self.x**2).sum(axis=0))
        r = np.linalg.qr(np.sqrt(self.w)[:, None] * self.x / scale, mode="r")
        half = scipy.linalg.solve_triangular(r, np.eye(len(r)))
        return half @ half.T / np.outer(scale, scale)

    @property
    def leverage(self) -> np.ndarray:
        return self.w * ((self.x @ self.inverse) * self.x).sum(axis=1)

    @property
    def scores(self) -> np.ndarray:
        return (self.w * self.e)[:, None] * self.x

    @property
    def nobs(self) -> int:
        return int((self.prior > 0).sum())

    @property
    def df(self) -> int:
        return self.nobs - self.x.shape[1]

    @property
    def dispersion(self) -> float:
        return float((self.w * self.e**2).sum() / self.df)


def split_offset(formula: str) -> tuple[str, str | None]:
    found = re.search(r"\s*\+\s*offset\((.*)\)$", formula)
    return (formula[: found.start()], found[1]) if found else (formula, None)


def problem(case: Case) -> Problem:
    import formulaic

    formula, offset = split_offset(case.formula)
    data = case.data()
    matrices = formulaic.model_matrix(formula, data, na_action="drop")
    spec = matrices.rhs.model_spec
    x, y = matrices.rhs.to_numpy(float), matrices.lhs.to_numpy(float)[:, 0]
    frame = data.loc[matrices.rhs.index]
    log = {"log": np.log}
    shift = np.zeros(len(y)) if offset is None else np.asarray(frame.eval(offset, local_dict=log))
    new = case.newdata()
    new_shift = np.zeros(len(new)) if offset is None else np.asarray(new.eval(offset, local_dict=log))
    keep, beta = case.estimable, case.coefficients[case.estimable]
    prior = np.ones(len(y)) if case.weights is None else frame[case.weights].to_numpy(float)
    if not np.allclose(x.mean(axis=0), case["design_column_means"], rtol=1e-10, atol=1e-10):
        raise ValueError(f"{case.name}: the columns of the design differ from R's")
    if case.family == "binomial":
        y = np.where(prior == 0, 0.0, y)  # R sets the response of rows of weight zero to 0
    x = x[:, keep]
    eta = x @ beta + shift
    if case.family is None:
        mu, w, e = eta, prior, y - eta
    else:
        mu, slope, variance = mean_function(case.family, case.link or "", eta)
        w, e = prior * slope**2 / variance, (y - mu) / slope
    new_x = spec.get_model_matrix(new).to_numpy(float)[:, keep]
    intercept = "Intercept" in spec.column_names
    return Problem(x, y, prior, shift, beta, mu, w, e, new_x, new_shift, frame, intercept)


def mean_function(family: str, link: str, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, its derivative in the linear predictor, and the variance function."""
    if link == "logit":
        mu = special.expit(eta)
        slope = mu * special.expit(-eta)
    elif link == "probit":
        mu, slope = special.ndtr(eta), stats.norm.pdf(eta)
    elif link == "cloglog":
        mu, slope = -np.expm1(-np.exp(eta)), np.exp(eta - np.exp(eta))
    elif link == "log":
        mu = slope = np.exp(eta)
    elif link == "inverse":
        mu, slope = 1 / eta, -1 / eta**2
    else:
        mu, slope = eta, np.ones_like(eta)
    if family == "binomial":  # R's guards
        tiny = np.finfo(float).eps
        mu, slope = np.clip(mu, tiny, 1 - tiny), np.maximum(slope, tiny)
    variance = {"binomial": mu * (1 - mu), "poisson": mu, "Gamma": mu**2, "gaussian": np.ones_like(mu)}[family]
    return mu, slope, variance


def hc(p: Problem, kind: str) -> np.ndarray:
    n, k = p.nobs, p.x.shape[1]
    h = p.leverage
    factor = {"HC0": 1.0, "HC1": n / (n - k), "HC2": 1 / (1 - h), "HC3": 1 / (1 - h) ** 2}[kind]
    s = p.scores
    return p.inverse @ (s.T @ (s * np.broadcast_to(factor, h.shape)[:, None])) @ p.inverse


def one_way(p: Problem, groups: np.ndarray, kind: str, adjust: bool) -> np.ndarray:
    n, k = p.nobs, p.x.shape[1]
    labels = np.unique(groups[p.prior > 0])
    meat = np.zeros((k, k))
    for label in labels:
        rows = groups == label
        total = p.scores[rows].sum(axis=0)
        if kind in ("HC2", "HC3"):
            total = leverage_adjusted(p, rows, kind)
        meat += np.outer(total, total)
    g = len(labels)
    if adjust and kind in ("HC0", "HC1"):
        meat *= g / (g - 1)
    if kind == "HC1":
        meat *= (n - 1) / (n - k)
    return p.inverse @ meat @ p.inverse


def leverage_adjusted(p: Problem, rows: np.ndarray, kind: str) -> np.ndarray:
    """Sum of the scores of one cluster after its residuals were divided by (I - H_gg) or its square root."""
    rows = rows & (p.prior > 0)
    x, w, e = p.x[rows], p.w[rows], p.e[rows]
    hat = (x @ p.inverse @ x.T) * w
    left = np.eye(len(w)) - hat
    if kind == "HC3":
        return x.T @ np.linalg.solve(left, w * e)
    values, vectors = np.linalg.eig(left)
    root = (vectors * values**-0.5) @ np.linalg.inv(vectors)
    return x.T @ (np.real(root) @ (w * e))


def clustered(p: Problem, names: tuple[str, ...], kind: str, adjust: bool, multi0: bool) -> np.ndarray:
    total = np.zeros((p.x.shape[1],) * 2)
    for size in range(1, len(names) + 1):
        for subset in itertools.combinations(names, size):
            groups = p.frame.groupby(list(subset)).ngroup().to_numpy()
            last = multi0 and size == len(names)
            total -= (-1) ** size * (hc(p, "HC0") if last else one_way(p, groups, kind, adjust))
    return total


def satterthwaite(p: Problem, groups: np.ndarray) -> np.ndarray:
    """Degrees of freedom of CR2 (Bell and McCaffrey 2002) by coefficient, shape (k,); equal weights only."""
    annihilator = np.eye(len(p.x)) - p.x @ p.inverse @ p.x.T
    parts = []
    for label in np.unique(groups):
        rows = groups == label
        values, vectors = np.linalg.eigh(annihilator[np.ix_(rows, rows)])
        root = (vectors * values**-0.5) @ vectors.T
        parts.append(annihilator[:, rows] @ root @ p.x[rows] @ p.inverse)
    vectors = np.stack(parts)  # (clusters, n, k)
    grams = np.einsum("ank,bnk->kab", vectors, vectors)
    return np.trace(grams, axis1=1, axis2=2) ** 2 / (grams**2).sum(axis=(1, 2))


def lm_stats(p: Problem) -> dict[str, float]:
    n, k, w = p.nobs, p.x.shape[1], p.prior
    rss = float((w * p.e**2).sum())
    fit = p.mu
    centre = (w * fit).sum() / w.sum() if p.intercept else 0.0
    mss = float((w * (fit - centre) ** 2).sum())
    df_model = k - p.intercept
    r2 = mss / (mss + rss)
    positive = w[w > 0]
    loglik = 0.5 * (np.log(positive).sum() - n * (np.log(2 * np.pi) + 1 - np.log(n) + np.log(rss)))
    return {
        "r_squared": r2,
        "adj_r_squared": 1 - (1 - r2) * (n - p.intercept) / p.df,
        "sigma": np.sqrt(rss / p.df),
        "F": mss / df_model / (rss / p.df),
        "rss": rss,
        "loglik": loglik,
        "aic": -2 * loglik + 2 * (k + 1),
        "bic": -2 * loglik + np.log(n) * (k + 1),
    }


def glm_deviance_terms(family: str, y: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Unit deviances, shape (n,)."""
    if family == "gaussian":
        return (y - mu) ** 2
    if family == "Gamma":
        return -2 * (np.log(y / mu) - (y - mu) / mu)
    if family == "poisson":
        return 2 * (special.xlogy(y, y / mu) - (y - mu))
    return 2 * (special.xlogy(y, y / mu) + special.xlogy(1 - y, (1 - y) / (1 - mu)))


def glm_stats(p: Problem, family: str) -> dict[str, float]:
    n, k, w, y, mu = p.nobs, p.x.shape[1], p.prior, p.y, p.mu
    # The intercept-only mean; with a log link the offset scales it.
    base = np.exp(p.offset) if family == "poisson" else np.ones_like(y)
    null = base * (w * y).sum() / (w * base).sum()
    deviance = float((w * glm_deviance_terms(family, y, mu)).sum())
    pearson = float((p.w * p.e**2).sum())
    free = family in ("gaussian", "Gamma")
    if family == "gaussian":
        loglik = 0.5 * (np.log(w).sum() - n * (np.log(2 * np.pi * deviance / n) + 1))
    elif family == "Gamma":
        # R plugs in deviance / sum of weights for the dispersion, not the maximum likelihood estimate.
        phi = deviance / w.sum()
        loglik = float((w * stats.gamma.logpdf(y, 1 / phi, scale=mu * phi)).sum())
    elif family == "poisson":
        loglik = float((w * stats.poisson.logpmf(y, mu)).sum())
    else:
        loglik = float(stats.binom.logpmf(np.round(w * y), np.round(w), mu)[w > 0].sum())
    return {
        "deviance": deviance,
        "null_deviance": float((w * glm_deviance_terms(family, y, null)).sum()),
        "pearson_chisq": pearson,
        "dispersion": pearson / p.df if free else 1.0,
        "loglik": loglik,
        "aic": -2 * loglik + 2 * (k + free),
        "bic": -2 * loglik + np.log(len(y)) * (k + free),  # R counts rows of weight zero here, unlike for lm
    }


def diagnostics(p: Problem, phi: float, family: str | None) -> dict[str, np.ndarray]:
    """Residuals and influence by row; ``nan`` at leverage 1."""
    h, k = p.leverage, p.x.shape[1]
    pearson = np.sqrt(p.w) * p.e
    out = {"fitted": p.mu, "leverage": h}
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = np.where(h > 1 - 1e-10, np.nan, 1 - h)
        out["cooks_distance"] = pearson**2 * h / (phi * k * rest**2)
        if family is None:
            without = np.sqrt((p.df * phi - pearson**2 / rest) / (p.df - 1))
            return out | {
                "residuals": p.y - p.mu,
                "studentised_internal": pearson / np.sqrt(phi * rest),
                "studentised_external": pearson / (without * np.sqrt(rest)),
                "dffits": pearson * np.sqrt(h) / (without * rest),
            }
        unit = glm_deviance_terms(family, p.y, p.mu)
        deviance = np.sign(p.y - p.mu) * np.sqrt(p.prior * np.maximum(unit, 0))
        return out | {
            "residuals_response": p.y - p.mu,
            "residuals_working": p.e,
            "residuals_pearson": np.sign(p.y - p.mu) * np.abs(pearson),
            "residuals_deviance": deviance,
            "standardised_deviance": deviance / np.sqrt(phi * rest),
            "standardised_pearson": np.sign(p.y - p.mu) * np.abs(pearson) / np.sqrt(phi * rest),
        }
