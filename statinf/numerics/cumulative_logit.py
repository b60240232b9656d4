"""Cumulative logit likelihood with a slope vector per boundary, its score and its observed information.

P(Y <= k | x) = logistic(a_k + x'b_k), b_k = psi_1 + ... + psi_k. With d_k = eta_k - eta_{k-1} the probability of a
middle category factors as F_k (1 - F_{k-1}) (1 - exp(-d_k)): it is positive exactly where d_k is, and its logarithm
is concave in (eta_{k-1}, eta_k), so the negative log-likelihood is convex where it is finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class CumulativeLogit:
    """Rows of a cumulative logit model.

    Parameters
    ----------
    columns : (n, p) array
        Columns without the intercept.
    codes : (n,) int array
        Category of each row, 0 .. K-1.
    n_categories : int
        K.
    weights : (n,) array
        Weights of the rows; the likelihood is divided by their sum.
    """

    columns: np.ndarray
    codes: np.ndarray
    n_categories: int
    weights: np.ndarray

    @property
    def boundaries(self) -> int:
        """Number of boundaries, K-1."""
        return self.n_categories - 1

    @property
    def size(self) -> int:
        """Number of parameters: K-1 intercepts, then K-1 blocks of p differences."""
        return self.boundaries * (1 + self.columns.shape[1])

    def split(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Intercepts (K-1,) and differences (K-1, p) of a parameter."""
        m = self.boundaries
        return theta[:m], theta[m:].reshape(m, -1)

    def eta(self, theta: np.ndarray) -> np.ndarray:
        """Predictors of the boundaries, (n, K-1)."""
        intercepts, differences = self.split(theta)
        return intercepts + self.columns @ np.cumsum(differences, axis=0).T

    def start(self) -> np.ndarray:
        """Fit without slopes: logits of the cumulative shares."""
        shares = np.bincount(self.codes, weights=self.weights, minlength=self.n_categories) / self.weights.sum()
        below = np.cumsum(shares)[:-1]
        theta = np.zeros(self.size)
        theta[: self.boundaries] = np.log(below) - np.log1p(-below)
        return theta

    def loss(self, theta: np.ndarray) -> float:
        """Mean negative log-likelihood; infinite where a row's own category has no positive probability.

        Predictors of boundaries that do not touch a row's category may cross there: asking for order at every row
        would put the minimum on an edge, where no stationarity condition certifies it.
        """
        eta = self.eta(theta)
        above, below = edges(eta, self.codes)
        if not np.all(np.isfinite(eta)) or np.any(above <= below):
            return np.inf
        return float(-self.weights @ log_probability(eta, self.codes) / self.weights.sum())

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """Derivative of each row's log-likelihood in the parameter, (n, d), without weights."""
        slopes = eta_scores(self.eta(theta), self.codes)
        tails = np.cumsum(slopes[:, ::-1], axis=1)[:, ::-1]
        blocks = tails[:, :, None] * self.columns[:, None, :]
        return np.hstack([slopes, blocks.reshape(len(slopes), -1)])

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """Gradient of the loss, (d,)."""
        slopes = self.weights[:, None] * eta_scores(self.eta(theta), self.codes)
        per_boundary = slopes.T @ self.columns
        tails = np.cumsum(per_boundary[::-1], axis=0)[::-1]
        return -np.concatenate([slopes.sum(axis=0), tails.ravel()]) / self.weights.sum()

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Hessian of the loss, (d, d)."""
        diagonal, beside = eta_curvature(self.eta(theta), self.codes)
        n, p = self.columns.shape
        m = self.boundaries
        design = np.hstack([np.ones((n, 1)), self.columns])
        blocks = np.zeros((m, p + 1, m, p + 1))
        for k in range(m):
            blocks[k, :, k] = design.T @ (design * (self.weights * diagonal[:, k])[:, None])
        for k in range(m - 1):
            cross = design.T @ (design * (self.weights * beside[:, k])[:, None])
            blocks[k, :, k + 1] = cross
            blocks[k + 1, :, k] = cross
        # slopes of boundary k hold the differences of the blocks 1..k: sums over the later boundaries, on both sides
        blocks[:, 1:] = np.cumsum(blocks[::-1, 1:], axis=0)[::-1]
        blocks[:, :, :, 1:] = np.cumsum(blocks[:, :, ::-1, 1:], axis=2)[:, :, ::-1]
        flat = blocks.reshape(m * (p + 1), m * (p + 1))
        order = np.arange(m * (p + 1)).reshape(m, p + 1)
        order = np.concatenate([order[:, 0], order[:, 1:].ravel()])
        return flat[np.ix_(order, order)] / self.weights.sum()


def log_logistic(eta: np.ndarray) -> np.ndarray:
    """Logarithm of the logistic function."""
    return -np.logaddexp(0.0, -eta)


def edges(eta: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predictors above and below each row's own category; +inf, -inf at the ends."""
    rows = np.arange(len(codes))
    padded = np.hstack([np.full((len(eta), 1), -np.inf), eta, np.full((len(eta), 1), np.inf)])
    return padded[rows, codes + 1], padded[rows, codes]


def log_probability(eta: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Logarithm of P(Y = own category), (n,)."""
    above, below = edges(eta, codes)
    return log_logistic(above) + log_logistic(-below) + np.log(-np.expm1(below - above))


def probabilities(eta: np.ndarray) -> np.ndarray:
    """Probabilities of the categories, (..., K), of increasing predictors (..., K-1)."""
    with np.errstate(over="ignore"):  # exp of a large predictor: a probability of zero
        below, above = 1.0 / (1.0 + np.exp(-eta)), 1.0 / (1.0 + np.exp(eta))
    middle = below[..., 1:] * above[..., :-1] * -np.expm1(-np.diff(eta, axis=-1))
    return np.concatenate([below[..., :1], middle, above[..., -1:]], axis=-1)


def _logistic(eta: np.ndarray) -> np.ndarray:
    return np.exp(log_logistic(eta))


def eta_scores(eta: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Derivative of log P(Y = own category) in each boundary's predictor, (n, K-1)."""
    n, m = eta.shape
    above, below = edges(eta, codes)
    inverse = _inverse_expm1(above - below)
    padded = np.zeros((n, m + 2))
    rows = np.arange(n)
    padded[rows, codes + 1] = _logistic(-above) + inverse
    padded[rows, codes] = -_logistic(below) - inverse
    return padded[:, 1:-1]


def eta_curvature(eta: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Second derivatives of -log P(Y = own category): per boundary (n, K-1), of neighbours (n, K-2)."""
    n, m = eta.shape
    above, below = edges(eta, codes)
    inverse = _inverse_expm1(above - below)
    bend = inverse * (1.0 + inverse)
    rows = np.arange(n)
    diagonal = np.zeros((n, m + 2))
    diagonal[rows, codes + 1] = _logistic(above) * _logistic(-above) + bend
    diagonal[rows, codes] = _logistic(below) * _logistic(-below) + bend
    beside = np.zeros((n, m + 1))
    beside[rows, codes] = -bend
    return diagonal[:, 1:-1], beside[:, 1:-1]


def _inverse_expm1(gap: np.ndarray) -> np.ndarray:
    """1 / (exp(gap) - 1) of positive gaps, 0 at infinity, without overflow."""
    return np.exp(-gap) / -np.expm1(-gap)
