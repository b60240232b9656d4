"""Random forest of classes: shares of the classes in a new row's leaves, averaged over trees.

The trees are grown by scikit-learn (Breiman, 2001); what predicts is arrays, so that a forest can be saved without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from statinf.backend import chunks
from statinf.learners.base import check_rows
from statinf.learners.forest import Trees, as_arrays, ensembles

_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class FittedClassForest:
    """Trees and the class shares (nodes, classes) of their nodes; `classes_` holds the outcomes' values."""

    classes_: np.ndarray
    trees: Trees
    shares: np.ndarray

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities (n, classes)."""
        out = np.zeros((len(X), len(self.classes_)))
        for rows in chunks(len(X), _ROWS_AT_ONCE):
            leaves = self.trees.leaves(X[rows])
            for leaf in leaves.T:
                out[rows] += self.shares[leaf]
            out[rows] /= leaves.shape[1]
        return out


@dataclass(frozen=True)
class ClassForest:
    """A random forest that votes for classes.

    Parameters
    ----------
    trees : int
    min_leaf : int
        Rows in a leaf, at least.
    """

    trees: int = 100
    min_leaf: int = 5

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedClassForest:
        """Fit to X (n, p), y (n,) whose distinct values are the classes, weights (n,), with scikit-learn's trees."""
        maker = ensembles("forest").RandomForestClassifier
        X, y, w = check_rows(X, y, w)
        grown = maker(n_estimators=self.trees, min_samples_leaf=self.min_leaf, random_state=seed)
        trees = [one.tree_ for one in grown.fit(X, y, sample_weight=w).estimators_]
        shares = np.concatenate([one.value[:, 0, :] for one in trees])
        return FittedClassForest(grown.classes_, as_arrays(trees), shares / shares.sum(axis=1, keepdims=True))
