"""Cumulative link models with slopes that all boundaries share: likelihood, scores and information in closed form.

P(Y <= k | x) = F(c_k - x'b). With a log-concave density the log-likelihood is concave in slopes and cutpoints together
(Pratt 1981). Rows stand sorted by category, so that each meets the two cutpoints of its own category alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from statinf.brief import Brief
from statinf.numerics.limited.links import CumulativeLink, log_between
from statinf.numerics.rowwise.newton import NewtonResult, damped_newton

_CELLS = 200_000
"""Matrix elements of a block of rows."""


@dataclass(frozen=True, repr=False)
class OrderedRows(Brief):
    """Rows sorted by category; parameters are the slopes (p,), then the cutpoints (K - 1,).

    Attributes
    ----------
    columns : ndarray, shape (n, p)
        Without a constant.
    starts : ndarray of int, shape (K + 1,)
        Where each category's rows begin, and n.
    offset : ndarray, shape (n,)
    link : CumulativeLink
    order : ndarray of int, shape (n,)
        The rows as they were given, by category.
    """

    columns: np.ndarray
    starts: np.ndarray
    offset: np.ndarray
    link: CumulativeLink
    order: np.ndarray

    @classmethod
    def of(
        cls, columns: np.ndarray, codes: np.ndarray, categories: int, offset: np.ndarray | None, link: CumulativeLink
    ) -> OrderedRows:
        """Rows in any order."""
        order = np.argsort(codes, kind="stable")
        starts = np.searchsorted(codes[order], np.arange(categories + 1))
        return cls(
            columns[order], starts, np.zeros(len(codes)) if offset is None else offset[order], link, order
        )  # fmt: skip

    @property
    def cutpoints(self) -> int:
        return len(self.starts) - 2

    @property
    def size(self) -> int:
        return self.columns.shape[1] + self.cutpoints

    def blocks(self) -> Iterator[tuple[int, slice]]:
        """Each category's rows, in blocks that stay in the cache."""
        step = max(1, _CELLS // max(1, self.columns.shape[1]))
        for k in range(self.cutpoints + 1):
            for low in range(int(self.starts[k]), int(self.starts[k + 1]), step):
                yield k, slice(low, min(low + step, int(self.starts[k + 1])))

    def start(self, w: np.ndarray) -> np.ndarray:
        """The fit without slopes and offset; w in the order given, a weight above zero in every category."""
        total = np.add.reduceat(w[self.order], self.starts[:-1])
        below = np.cumsum(total)[:-1] / total.sum()
        return np.concatenate([np.zeros(self.columns.shape[1]), self.link.quantile(below)])

    def edges(self, theta: np.ndarray, k: int, part: slice) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Arguments of F above and below category k for some rows; None at the ends."""
        p = self.columns.shape[1]
        eta = self.columns[part] @ theta[:p] + self.offset[part]
        cuts = theta[p:]
        return (cuts[k] - eta if k < len(cuts) else None), (cuts[k - 1] - eta if k else None)

    def curve(self, theta: np.ndarray, w: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Minus the mean log-likelihood, its gradient (d,) and Hessian (d, d); infinite where cutpoints cross.

        w (n,) are weights of the rows in the order given.
        """
        d, p, w = self.size, self.columns.shape[1], w[self.order]
        value, gradient, hessian = 0.0, np.zeros(d), np.zeros((d, d))
        if (np.diff(theta[p:]) <= 0.0).any():
            return np.inf, gradient, hessian
        for k, part in self.blocks():
            Z, s = self.columns[part], w[part]
            logp, g, h = _category(self.link, *self.edges(theta, k, part))
            value -= float(s @ logp)
            gradient[:p] += Z.T @ (s * (g[0] + g[1]))
            hessian[:p, :p] -= Z.T @ (Z * (s * (h[0] + 2.0 * h[2] + h[1]))[:, None])
            for at, own in ((k, 0), (k - 1, 1)):
                if not 0 <= at < self.cutpoints:
                    continue
                gradient[p + at] -= s @ g[own]
                hessian[p + at, p + at] -= s @ h[own]
                hessian[:p, p + at] += Z.T @ (s * (h[own] + h[2]))
            if 0 < k < self.cutpoints:
                hessian[p + k - 1, p + k] -= s @ h[2]
        hessian[p:, :p] = hessian[:p, p:].T
        beside = np.triu(hessian[p:, p:], 1)
        hessian[p:, p:] += beside.T
        mass = float(w.sum())
        return value / mass, gradient / mass, hessian / mass

    def log_probabilities(self, theta: np.ndarray) -> np.ndarray:
        """Logarithm of the probability of each row's category, in the order given, shape (n,)."""
        out = np.empty(len(self.columns))
        for k, part in self.blocks():
            out[self.order[part]] = _category(self.link, *self.edges(theta, k, part))[0]
        return out

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """Derivative of each row's log-likelihood, without weights, in the order given, shape (n, d)."""
        p = self.columns.shape[1]
        out = np.zeros((len(self.columns), self.size))
        for k, part in self.blocks():
            _, g, _ = _category(self.link, *self.edges(theta, k, part))
            rows = self.order[part]
            out[rows, :p] = -self.columns[part] * (g[0] + g[1])[:, None]
            if k < self.cutpoints:
                out[rows, p + k] = g[0]
            if k:
                out[rows, p + k - 1] = g[1]
        return out

    def maximise(self, w: np.ndarray, *, start: np.ndarray | None = None, tol: float, max_iter: int) -> NewtonResult:
        """Maximum likelihood under weights (n,), by damped Newton steps."""
        begin = self.start(w) if start is None else start
        return damped_newton(lambda t: self.curve(t, w), begin, tol=tol, max_iter=max_iter, limit=1e4)


def probabilities(link: CumulativeLink, arguments: np.ndarray) -> np.ndarray:
    """Probabilities of the categories (n, K) from the arguments of F at the cutpoints, increasing, (n, K - 1)."""
    first, last = link.log_below(arguments[:, :1]), link.log_above(arguments[:, -1:])
    middle = log_between(link, arguments[:, 1:], arguments[:, :-1])
    return np.exp(np.concatenate([first, middle, last], axis=1))


def _category(
    link: CumulativeLink, above: np.ndarray | None, below: np.ndarray | None
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Log-probability of one category's rows, its slopes in the arguments above and below, and its curvatures.

    The curvatures are those above, below and between.
    """
    if above is None:
        assert below is not None
        logp = link.log_above(below)
    else:
        logp = link.log_below(above) if below is None else log_between(link, above, below)
    none = np.zeros(len(logp))
    upper, lower, over, under = none, none, none, none
    if above is not None:
        upper = _ratio(link, above, logp)
        over = upper * (link.bend(above) - upper)
    if below is not None:
        lower = -_ratio(link, below, logp)
        under = lower * (link.bend(below) - lower)
    return logp, (upper, lower), (_finite(over), _finite(under), -upper * lower)


def _ratio(link: CumulativeLink, at: np.ndarray, logp: np.ndarray) -> np.ndarray:
    """F / P."""
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(np.exp(link.log_density(at) - logp))


def _finite(values: np.ndarray) -> np.ndarray:
    """Zero where a density has vanished before its bend could be taken."""
    return np.where(np.isfinite(values), values, 0.0)
