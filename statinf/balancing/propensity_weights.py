"""Weights that propensities give: the tilts h(e) / P(own arm), their derivatives and expansions."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, xlogy

from statinf.balancing.problem import BalanceProblem
from statinf.balancing.propensity import PropensityFit, logit_likelihood, probit_likelihood
from statinf.balancing.solution import Linear, expand_scores
from statinf.numerics.glm.families import sigmoid


def tilt(e: np.ndarray, treated: np.ndarray, estimand: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``h(e) / P(own arm)`` and their derivative in e."""
    own, sign = np.where(treated, e, 1.0 - e), np.where(treated, 1.0, -1.0)
    one = np.ones_like(e)
    if estimand == "ATEN":
        other = 1.0 - e
        h, dh = -(e * np.log(e) + other * np.log(other)), np.log(other) - np.log(e)
    else:
        h, dh = {
            "ATE": (one, 0.0 * one),
            "ATT": (e, one),
            "ATC": (1.0 - e, -one),
            "ATO": (e * (1.0 - e), 1.0 - 2.0 * e),
            "ATM": (np.minimum(e, 1.0 - e), np.where(e < 0.5, 1.0, -1.0)),
        }[estimand]
    return h / own, dh / own - sign * h / own**2


def new_weights(eta: np.ndarray, treated: np.ndarray, estimand: str, link: str = "logit") -> np.ndarray:
    """Weights of rows with a known predictor, shape (n,); infinite where the arm's own probability rounds to zero."""
    signed = np.where(treated, eta, -eta)
    own, other = probability(signed, link)[0], probability(-signed, link)[0]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        odds = other / own
        found = {
            "ATE": 1.0 / own,
            "ATT": np.where(treated, 1.0, odds),
            "ATC": np.where(treated, odds, 1.0),
            "ATO": other,
            "ATM": np.minimum(odds, 1.0),
            "ATEN": np.where(own > 0.0, -np.log(own) - xlogy(other, other) / own, np.inf),
        }[estimand]
    return np.where(np.isnan(eta), np.nan, found)


def probability(eta: np.ndarray, link: str) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a predictor and their derivatives, both of shape (n,)."""
    if link == "logit":
        e = sigmoid(eta)
        return e, e * (1.0 - e)
    return ndtr(eta), np.exp(-0.5 * eta**2) / np.sqrt(2.0 * np.pi)


def logit_weights(eta: np.ndarray, t: np.ndarray, s: np.ndarray, estimand: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the logit propensity and their derivative in the predictor, sampling weights multiplied in."""
    if estimand == "ATE":
        tail = np.exp(np.where(t, -eta, eta))
        return s * (1.0 + tail), s * np.where(t, -tail, tail)
    if estimand == "ATT":
        odds = np.exp(np.where(t, 0.0, eta))
        return s * odds, s * np.where(t, 0.0, odds)
    odds = np.exp(np.where(t, -eta, 0.0))
    return s * odds, s * np.where(t, -odds, 0.0)


def expand_propensity(problem: BalanceProblem, fit: PropensityFit, link: str, slope: np.ndarray) -> Linear:
    """Expansion of weights whose derivative in the predictor is `slope` (n,), by maximum likelihood."""
    function = {"logit": logit_likelihood, "probit": probit_likelihood}[link]
    _, gradient, curvature = function(fit.eta, problem.treated.astype(np.float64), problem.s)
    return expand_scores(fit.rows.matrix(), -gradient, curvature, slope)
