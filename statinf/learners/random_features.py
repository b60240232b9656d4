"""Kernel ridge regression for many rows: random Fourier features or Nyström landmarks, penalty by leave-one-out.

Rahimi and Recht (2007); Williams and Seeger (2001). The cost grows with n times the square of the number of
features, not with the cube of n.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from statinf.backend import generator
from statinf.errors import OptionError, one_of
from statinf.learners.base import check_rows
from statinf.learners.cells import standardise
from statinf.learners.linear import FittedLinear
from statinf.numerics.kernels.distances import squared_distances
from statinf.numerics.linear.ridge import ridge_path


@dataclass(frozen=True)
class FittedRandomFeatures:
    """A linear fit on features of standardised columns."""

    linear: FittedLinear
    centre: np.ndarray = field(repr=False)
    scale: np.ndarray = field(repr=False)
    points: np.ndarray = field(repr=False)
    extra: np.ndarray = field(repr=False)
    kind: str

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions (n,)."""
        z = (np.asarray(X, np.float64) - self.centre) / self.scale
        return self.linear.predict(_features(z, self.points, self.extra, self.kind))


@dataclass(frozen=True)
class RandomFeatureRidge:
    """Gaussian kernel ridge with an approximate kernel.

    Parameters
    ----------
    features : int
        Random frequencies, or landmarks.
    kind : {"fourier", "nystrom"}
    bandwidth : float, optional
        In standard deviations of the columns; the square root of the number of columns by default.
    penalties : tuple of float
        Grid for leave-one-out.
    """

    features: int = 300
    kind: str = "fourier"
    bandwidth: float | None = None
    penalties: tuple[float, ...] = tuple(10.0 ** np.linspace(-8, 0, 25))

    def __post_init__(self) -> None:
        one_of("kind", self.kind, ("fourier", "nystrom"))
        if self.features < 1 or (self.bandwidth is not None and not self.bandwidth > 0):
            raise OptionError("features must be at least 1 and bandwidth positive.")

    def fit(self, X: np.ndarray, y: np.ndarray, w: np.ndarray | None = None, *, seed: int = 0) -> FittedRandomFeatures:
        """Fit to X (n, p), y (n,), weights (n,); `seed` draws the features."""
        X, y, w = check_rows(X, y, w)
        made = standardise(X, w)
        z, rng = made.z[:, 1:], generator(seed, 23)
        width = self.bandwidth or float(np.sqrt(max(X.shape[1], 1)))
        if self.kind == "fourier":
            points = rng.standard_normal((self.features, X.shape[1])) / width
            extra = rng.uniform(0.0, 2.0 * np.pi, self.features)
        else:
            rows = rng.choice(np.flatnonzero(w > 0), size=min(self.features, int((w > 0).sum())), replace=False)
            points = z[np.sort(rows)] / width
            values, vectors = np.linalg.eigh(np.exp(-0.5 * squared_distances(points, points)))
            keep = values > 1e-10 * values[-1]
            extra = np.vstack([np.full((1, int(keep.sum())), width), vectors[:, keep] / np.sqrt(values[keep])])
        # Features keep their own scale: it is the kernel's, and the penalty is its norm.
        path = ridge_path(_features(z, points, extra, self.kind), y, np.asarray(self.penalties) * w.sum(), w)
        linear = FittedLinear(float(path.intercept[path.best]), path.coef[path.best])
        return FittedRandomFeatures(linear, made.centre, made.scale, points, extra, self.kind)


def _features(z: np.ndarray, points: np.ndarray, extra: np.ndarray, kind: str) -> np.ndarray:
    if kind == "fourier":
        return np.sqrt(2.0 / len(points)) * np.cos(z @ points.T + extra)
    return np.exp(-0.5 * squared_distances(z / extra[0, 0], points)) @ extra[1:]
