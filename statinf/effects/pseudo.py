"""Conditional effects as one regression: a pseudo-outcome on covariates, with weights (Fisher 2023, arXiv 2307.09700).

A pseudo-outcome f has E[f | X] = tau(X), the effect of a binary treatment that is as good as random given X.
Learners differ in f and in the weight of each row. With u = Y - eta(X), v = A - e(X), mu_a(X) and nu = e (1 - e):

- "dr": mu_1 - mu_0 + A (Y - mu_1) / e - (1 - A) (Y - mu_0) / (1 - e) (Kennedy, arXiv 2004.14497)
- "u": u / v; weighted by v^2 it is the R-learner of Nie and Wager (arXiv 1712.04912)
- "cov": u v / nu; "ipw": A Y / e - (1 - A) Y / (1 - e); "plug-in": mu_1 - mu_0 (the S- and T-learners)

The variance of "dr" given X is proportional to 1 / nu, which makes nu its inverse-variance weight; rows without
overlap then count for nothing. The X-learner of Kuenzel et al. (arXiv 1706.03461) mixes two such regressions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PSEUDO = ("dr", "u", "cov", "ipw", "plug-in")
WEIGHTING = ("none", "ivw", "r", "arm", "u-ivw")


def needs(pseudo: str, weighting: str) -> tuple[str, ...]:
    """Nuisances of a pair: "arms" (mu_0, mu_1), "mean" (eta), "propensity"."""
    own = {"dr": ("arms", "propensity"), "u": ("mean", "propensity"), "cov": ("mean", "propensity")}
    own |= {"ipw": ("propensity",), "plug-in": ("arms",)}
    return tuple(dict.fromkeys(own[pseudo] + (() if weighting == "none" else ("propensity",))))


def row_weight(weighting: str, d: np.ndarray, e: np.ndarray | None) -> np.ndarray:
    """Weight of each row, shape (n,).

    "none": 1; "ivw": e (1 - e); "r": (d - e)^2; "arm": d e^2 + (1 - d) (1 - e)^2; "u-ivw": the inverse variance of
    the pseudo-outcome "u" given X, (e (1 - e))^2 / (e^3 + (1 - e)^3).
    """
    if weighting == "none":
        return np.ones(len(d))
    assert e is not None
    if weighting == "ivw":
        return e * (1.0 - e)
    if weighting == "u-ivw":
        return (e * (1.0 - e)) ** 2 / (e**3 + (1.0 - e) ** 3)
    return (d - e) ** 2 if weighting == "r" else np.where(d > 0.5, e**2, (1.0 - e) ** 2)


def weighted_pseudo(
    pseudo: str, weighting: str, y: np.ndarray, d: np.ndarray, p: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Weight times pseudo-outcome, and the weight, without dividing by small numbers where the product needs not.

    Parameters
    ----------
    pseudo, weighting : str
    y, d : ndarray, shape (n,)
        Outcome and treatment, 0 or 1.
    p : mapping of str to ndarray, shape (n,)
        "outcome0", "outcome1", "mean", "propensity", as far as needed.
    """
    e = p.get("propensity")
    weight = row_weight(weighting, d, e)
    if pseudo == "plug-in":
        return weight * (p["outcome1"] - p["outcome0"]), weight
    assert e is not None
    v = d - e
    if pseudo == "u":
        u = y - p["mean"]
        return (u * v, weight) if weighting == "r" else (weight * u / v, weight)
    if pseudo == "cov":
        u = y - p["mean"]
        return (u * v, weight) if weighting == "ivw" else (weight * u * v / (e * (1.0 - e)), weight)
    if pseudo == "ipw":
        both = d * (1.0 - e) * y - (1.0 - d) * e * y
        return (both, weight) if weighting == "ivw" else (weight * both / (e * (1.0 - e)), weight)
    mu0, mu1 = p["outcome0"], p["outcome1"]
    both = d * (1.0 - e) * (y - mu1) - (1.0 - d) * e * (y - mu0)
    if weighting == "ivw":
        return both + weight * (mu1 - mu0), weight
    return weight * (mu1 - mu0 + both / (e * (1.0 - e))), weight


def misspecification(d: np.ndarray, p: Mapping[str, np.ndarray], fitted: np.ndarray) -> np.ndarray:
    """What the estimated weight adds to the score of ("dr", "ivw") where the final model is not exactly right."""
    e = p["propensity"]
    return (1.0 - 2.0 * e) * (d - e) * (p["outcome1"] - p["outcome0"] - fitted)
