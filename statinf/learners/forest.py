"""Quantile regression forest: the outcomes of a new row's leaves, weighted.

Meinshausen (2006), Quantile regression forests, Journal of Machine Learning Research 7. The estimand is the
conditional quantile; a training row weighs the average over trees of its share in the leaf that the new row falls
into. The trees are grown by scikit-learn; what predicts is arrays, so that a forest can be saved without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.learners.base import check_rows
from statinf.optional import need

_PAIRS = 4_000_000


@dataclass(frozen=True, repr=False)
class Trees(Brief):
    """Nodes of all trees, one after the other.

    feature, threshold, left, right : (nodes,)
        Rows with a feature of at most the threshold go left; leaves have themselves as children.
    root : (trees,)
    depth : int
        Steps from the roots to the deepest leaf.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    root: np.ndarray
    depth: int

    def leaves(self, X: np.ndarray) -> np.ndarray:
        """Node (n, trees) that each row ends in."""
        X = X.astype(np.float32)  # the precision in which thresholds were chosen
        rows = np.arange(len(X))[:, None]
        node = np.broadcast_to(self.root, (len(X), len(self.root)))
        for _ in range(self.depth):
            node = np.where(X[rows, self.feature[node]] <= self.threshold[node], self.left[node], self.right[node])
        return node


@dataclass(frozen=True, repr=False)
class FittedForest(Brief):
    """Trees, the leaf and leaf share of every training row in each, and training outcomes in increasing order.

    leaves : (n, trees); share : (n, trees) row weight over that of its leaf; outcome : (n,)
    """

    trees: Trees
    leaves: np.ndarray
    share: np.ndarray
    outcome: np.ndarray

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Conditional means (rows,)."""
        return np.concatenate([w @ self.outcome / w.sum(axis=1) for _, w in self._weights(X)] or [np.empty(0)])

    def predict_quantiles(self, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Conditional quantiles (rows, t) at any levels."""
        out = np.empty((len(X), len(taus)))
        for rows, weights in self._weights(X):
            reached = np.cumsum(weights, axis=1)
            reached /= reached[:, -1:]
            for k, level in enumerate(taus):
                out[rows, k] = self.outcome[(reached >= level - 1e-12).argmax(axis=1)]
        return out

    def _weights(self, X: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """Weights of the training rows for blocks of new rows."""
        at = self.trees.leaves(X)
        step = max(1, _PAIRS // len(self.outcome))
        for start in range(0, len(X), step):
            rows = slice(start, start + step)
            weights = np.zeros((len(at[rows]), len(self.outcome)))
            for t in range(at.shape[1]):
                weights += (at[rows, t][:, None] == self.leaves[:, t]) * self.share[:, t]
            yield rows, weights


@dataclass(frozen=True)
class QuantileForest:
    """A random forest whose leaves keep their outcomes.

    Parameters
    ----------
    trees : int
    min_leaf : int
        Rows in a leaf, at least.
    """

    trees: int = 100
    min_leaf: int = 5

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedForest:
        """Fit to X (n, p), y (n,), weights (n,), with scikit-learn's trees."""
        maker = ensembles("forest").RandomForestRegressor
        X, y, w = check_rows(X, y, w)
        order = np.argsort(y, kind="stable")
        X, y, w = X[order], y[order], w[order]
        features = 1 / 3 if X.shape[1] > 2 else 1.0
        grown = maker(n_estimators=self.trees, min_samples_leaf=self.min_leaf, max_features=features, random_state=seed)
        trees = as_arrays([one.tree_ for one in grown.fit(X, y, sample_weight=w).estimators_])
        leaves = trees.leaves(X)
        share = np.empty(leaves.shape)
        for column, node in zip(share.T, leaves.T, strict=True):
            _, code = np.unique(node, return_inverse=True)
            total = np.bincount(code, weights=w)[code]
            column[:] = np.divide(w, total, out=np.zeros_like(w), where=total > 0)
        return FittedForest(trees, leaves.astype(np.int32), share, y)


def ensembles(name: str) -> Any:
    """The module of scikit-learn that grows trees, or a `MissingPackageError`."""
    return need("sklearn.ensemble", f"the learner {name!r}")


def as_arrays(trees: list[Any]) -> Trees:
    """Scikit-learn's trees (`estimators_[t].tree_`) joined."""
    count = [one.node_count for one in trees]
    root = np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.intp)
    own = np.arange(sum(count))
    leaf = np.concatenate([one.children_left for one in trees]) < 0

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(one, name) + at for one, at in zip(trees, root, strict=True)])

    return Trees(
        feature=np.where(leaf, 0, np.concatenate([one.feature for one in trees])),
        threshold=np.where(leaf, 0.0, np.concatenate([one.threshold for one in trees])),
        left=np.where(leaf, own, joined("children_left")),
        right=np.where(leaf, own, joined("children_right")),
        root=root,
        depth=max(one.max_depth for one in trees),
    )
