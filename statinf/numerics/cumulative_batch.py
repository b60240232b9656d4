"""Cumulative logit likelihoods of the same rows under many sets of weights: folds and replicas are weights.

Rows stand sorted by category, so that each meets the two boundaries of its own category alone. Curvatures enter the
Hessians of all fits by one product with the products of columns, which are the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from statinf.brief import Brief

_LEAST = 1e-300
_KEPT = 1 << 23
"""Entries of products of columns that are kept; beyond, they are made chunk by chunk."""
_CHUNK = 1 << 19


@dataclass(frozen=True, repr=False)
class CumulativeRows(Brief):
    """Rows sorted by category, with the weights of R fits.

    Parameters
    ----------
    design : (n, 1 + p) array
        A constant, then the columns.
    starts : (K + 1,) int array
        Where each category's rows begin, and n.
    weights : (n, R) array
        Each column sums to one.
    """

    design: np.ndarray
    starts: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, columns: np.ndarray, codes: np.ndarray, n_categories: int, weights: np.ndarray) -> CumulativeRows:
        """Rows in any order; `weights` is (R, n)."""
        order = np.argsort(codes, kind="stable")
        design = np.column_stack([np.ones(len(codes)), columns])[order]
        starts = np.searchsorted(codes[order], np.arange(n_categories + 1))
        sorted_weights = np.ascontiguousarray(weights[:, order].T)
        return cls(design, starts, sorted_weights / sorted_weights.sum(axis=0))

    @property
    def boundaries(self) -> int:
        """Number of boundaries, K - 1."""
        return len(self.starts) - 2

    @property
    def size(self) -> int:
        """Number of parameters: K - 1 intercepts, then K - 1 blocks of p differences."""
        return self.boundaries * self.design.shape[1]

    def start(self) -> np.ndarray:
        """Fits without slopes, (R, d): logits of the cumulative shares."""
        cumulated = np.vstack([np.zeros(self.weights.shape[1]), np.cumsum(self.weights, axis=0)])
        below = cumulated[self.starts[1:-1]].T
        theta = np.zeros((self.weights.shape[1], self.size))
        theta[:, : self.boundaries] = np.log(below) - np.log1p(-below)
        return theta

    def copies(self, fit: int, count: int) -> CumulativeRows:
        """The same rows for several fits with the weights of one."""
        made = replace(self, weights=np.repeat(self.weights[:, [fit]], count, axis=1))
        made.__dict__["products"] = self.products
        return made

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Which columns each product is of."""
        return np.triu_indices(self.design.shape[1])

    @cached_property
    def places(self) -> np.ndarray:
        """Where each entry (d, d) of a Hessian stands among sums over none, one or both sides' later boundaries."""
        m, q = self.boundaries, self.design.shape[1]
        first, second = self.pairs
        number = np.zeros((q, q), int)
        number[first, second] = number[second, first] = np.arange(len(first))
        slope = np.repeat([False, True], [m, m * (q - 1)])
        boundary = np.concatenate([np.arange(m), np.repeat(np.arange(m), q - 1)])
        column = np.concatenate([np.zeros(m, int), np.tile(np.arange(1, q), m)])
        # the side that is summed comes first
        swap = ~slope[:, None] & slope
        side, other = (np.broadcast_to(v, swap.shape) for v in (boundary[:, None], boundary))
        side, other = np.where(swap, other, side), np.where(swap, side, other)
        sums = slope[:, None].astype(int) + slope
        return ((sums * m + side) * m + other) * len(first) + number[column[:, None], column]

    @cached_property
    def products(self) -> np.ndarray | None:
        """Products of columns, (n, q (q + 1) / 2), where they may be kept."""
        first, second = self.pairs
        if len(self.design) * len(first) > _KEPT:
            return None
        return self.design[:, first] * self.design[:, second]

    def curves(self, theta: np.ndarray, fits: np.ndarray) -> Curves:
        """Likelihoods of some of the fits, numbers `fits` (r,), at `theta` (r, d)."""
        r, m, q = len(theta), self.boundaries, self.design.shape[1]
        coef = np.empty((m, q, r))
        coef[:, 0] = theta[:, :m].T
        coef[:, 1:] = np.cumsum(theta[:, m:].reshape(r, m, q - 1), axis=1).transpose(1, 2, 0)
        whole = r == self.weights.shape[1]
        loss, blocks = np.zeros(r), []
        for k in range(m + 1):
            part = slice(self.starts[k], self.starts[k + 1])
            Z = self.design[part]
            w = self.weights[part] if whole else self.weights[part][:, fits]
            above = Z @ coef[k] if k < m else None
            below = Z @ coef[k - 1] if k else None
            logs, *curve = _category(above, below, w)
            loss -= logs
            blocks.append(tuple(curve))
        return Curves(self, loss, tuple(blocks))

    def gram(self, k: int, curvature: np.ndarray) -> np.ndarray:
        """Sums of products of the rows of category k times curvatures (n_k, c): (c, products)."""
        low, high = self.starts[k], self.starts[k + 1]
        if self.products is not None:
            return curvature.T @ self.products[low:high]
        first, second = self.pairs
        total, size = np.zeros((curvature.shape[1], len(first))), max(1, _CHUNK // len(first))
        for at in range(low, high, size):
            Z = self.design[at : min(at + size, high)]
            total += curvature[at - low : at - low + len(Z)].T @ (Z[:, first] * Z[:, second])
        return total


@dataclass(frozen=True, repr=False)
class Curves(Brief):
    """Losses (r,) of fits at a parameter, and by category the weighted slopes and curvatures of the log-likelihood.

    Each block holds slopes in the boundary above and below, curvatures of both and between both; None at the ends.
    """

    rows: CumulativeRows
    loss: np.ndarray
    blocks: tuple[tuple[np.ndarray | None, ...], ...]

    def take(self, which: np.ndarray) -> Curves:
        """Some of the fits."""
        if which.all():
            return self
        blocks = tuple(tuple(None if v is None else v[:, which] for v in block) for block in self.blocks)
        return Curves(self.rows, self.loss[which], blocks)

    def gradient(self) -> np.ndarray:
        """Gradients of the losses, (r, d)."""
        rows, m = self.rows, self.rows.boundaries
        total = np.zeros((m, rows.design.shape[1], len(self.loss)))
        for k, (above, below, *_) in enumerate(self.blocks):
            Z = rows.design[rows.starts[k] : rows.starts[k + 1]]
            if above is not None:
                total[k] += Z.T @ above
            if below is not None:
                total[k - 1] += Z.T @ below
        slopes = np.cumsum(total[::-1, 1:], axis=0)[::-1]
        return -np.concatenate([total[:, 0].T, slopes.reshape(-1, len(self.loss)).T], axis=1)

    def hessian(self) -> np.ndarray:
        """Hessians of the losses, (r, d, d)."""
        rows, m, r = self.rows, self.rows.boundaries, len(self.loss)
        packed = np.zeros((m, m, r, len(rows.pairs[0])))
        for k, (_, _, above, below, between) in enumerate(self.blocks):
            there = [v for v in (above, below, between) if v is not None]
            found = rows.gram(k, np.hstack(there)).reshape(len(there), r, -1)
            places = [(k, k)] * (above is not None) + [(k - 1, k - 1)] * (below is not None) + [(k - 1, k)]
            for place, value in zip(places, found, strict=False):
                packed[place] += value
            if between is not None:
                packed[k, k - 1] = packed[k - 1, k]
        # slopes of boundary k hold the differences of the blocks 1..k: sums over the later boundaries, on one side where
        # the other is an intercept, on both where it is a slope
        one = np.cumsum(packed[::-1], axis=0)[::-1]
        both = np.cumsum(one[:, ::-1], axis=1)[:, ::-1]
        every = np.stack([packed, one, both]).transpose(0, 1, 2, 4, 3).reshape(-1, r)
        return np.ascontiguousarray(every[rows.places].transpose(2, 0, 1))


def _category(above: np.ndarray | None, below: np.ndarray | None, w: np.ndarray) -> tuple:
    """Weighted log-likelihood (r,) of one category's rows, then slopes and curvatures in the predictors of its boundaries.

    With d the gap between the boundaries the probability is F(above) (1 - F(below)) (1 - exp(-d)), positive exactly where
    d is. Fits in which a row of positive weight has no probability have a log-likelihood of minus infinity.
    """
    with np.errstate(over="ignore"):
        upper = None if above is None else 1.0 / (1.0 + np.exp(-above))
        lower = None if below is None else 1.0 / (1.0 + np.exp(-below))
    if lower is None or upper is None:
        one = upper if lower is None else 1.0 - lower
        assert one is not None
        slope = w * (1.0 - one)
        total = np.einsum("ij,ij->j", w, np.log(np.maximum(one, _LEAST)))
        if lower is None:
            return total, slope, None, slope * one, None, None
        return total, None, -slope, None, slope * one, None
    assert above is not None and below is not None
    gap = above - below
    wrong = gap <= 0.0
    crossed = None
    if wrong.any():
        crossed = (wrong & (w > 0)).any(axis=0)
        gap[wrong] = 1.0
    inside = -np.expm1(-gap)
    total = np.einsum("ij,ij->j", w, np.log(np.maximum(upper * (1.0 - lower) * inside, _LEAST)))
    if crossed is not None:
        total[crossed] = -np.inf
    inverse = 1.0 / inside - 1.0
    bend = inverse * (1.0 + inverse)
    bend *= w
    left = 1.0 - upper
    slope_above, slope_below = w * (left + inverse), -w * (lower + inverse)
    return total, slope_above, slope_below, w * upper * left + bend, w * lower * (1.0 - lower) + bend, -bend
