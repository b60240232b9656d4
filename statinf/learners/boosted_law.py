"""A fitted boosting of a law: its parameters in new rows, and the laws that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.backend import bucket, chunks, generator, pad_axis
from statinf.brief import Brief
from statinf.errors import OptionError
from statinf.learners.training import standard_units
from statinf.numerics.boosting.ensemble import BaseLearners
from statinf.numerics.boosting.plan import BoostingRows, Plan
from statinf.numerics.boosting.run import reached, row_scores, staged
from statinf.numerics.laws.normal_mixture import NormalMixture
from statinf.numerics.laws.parametric.law import Law, LawUnits
from statinf.numerics.trees.bins import Bins, learn_bins

if TYPE_CHECKING:
    from statinf.learners.natural_boosting import NaturalBoosting

_ROWS = 1 << 18


@dataclass(frozen=True, repr=False)
class Features(Brief):
    """How columns are handed to base learners: in bins for trees, standardised for linear bases.

    Attributes
    ----------
    cuts : Bins or None
    centre, spread : ndarray, shape (columns kept,), or None
    kept : ndarray of bool, shape (p,)
        Columns that are not made by others, for linear bases; all for trees.
    """

    cuts: Bins | None
    centre: np.ndarray | None
    spread: np.ndarray | None
    kept: np.ndarray

    @classmethod
    def learn(cls, X: np.ndarray, w: np.ndarray, base: str, most: int) -> Features:
        """From rows X (n, p) and weights (n,)."""
        if base == "tree":
            # A tree needs something to look at: without columns, one that does not vary.
            return cls(
                learn_bins(X if X.shape[1] else np.zeros((len(X), 1)), w, most), None, None, np.ones(X.shape[1], bool)
            )
        centre, spread = standard_units(X, w)
        kept = _independent((X[w > 0] - centre) / spread, w[w > 0])
        return cls(None, centre[kept], spread[kept], kept)

    @property
    def bins(self) -> int:
        return 1 if self.cuts is None else self.cuts.count

    @property
    def count(self) -> int:
        return int(self.kept.sum())

    def of(self, X: np.ndarray) -> np.ndarray:
        """What base learners see of rows X (n, p)."""
        if self.cuts is not None:
            return self.cuts.codes(X if X.shape[1] else np.zeros((len(X), 1)))
        return (X[:, self.kept] - self.centre) / self.spread


def _independent(Z: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Columns that do not follow from those before them, (p,) bool."""
    from scipy.linalg import qr

    kept = np.zeros(Z.shape[1], bool)
    if not Z.size:
        return kept
    centred = (Z - np.average(Z, axis=0, weights=w)) * np.sqrt(w)[:, None]
    triangle = np.abs(np.diag(qr(centred, mode="r")[0]))
    size = np.linalg.norm(centred, axis=0)
    kept[: len(triangle)] = triangle > 1e-9 * np.maximum(size[: len(triangle)], 1e-300)
    return kept & (size > 0)


@dataclass(frozen=True, repr=False)
class BoostedLaw(Brief):
    """A fitted `NaturalBoosting`.

    Attributes
    ----------
    setting : NaturalBoosting
    features : Features
    units : LawUnits
    ensemble : BaseLearners
    path : ndarray, shape (iterations + 1, 2)
        Mean score by iteration in training and in validation, in the outcome's units; NaN without validation.
    """

    setting: NaturalBoosting
    features: Features
    units: LawUnits
    ensemble: BaseLearners
    path: np.ndarray

    @property
    def law(self) -> Law:
        return self.setting.law

    def _plan(self, *, censored: bool = False) -> Plan:
        own = self.setting
        depth = own.depth if own.base == "tree" else 0
        return Plan(own.law, own.rule(censored=censored), own.natural, own.base, depth, self.features.bins)

    def theta(self, X: np.ndarray, limit: int | None = None) -> np.ndarray:
        """Unconstrained parameters (K, n) in the units of the scores, after `limit` iterations."""
        out = np.repeat(np.asarray(self.ensemble.start, np.float64)[:, None], len(X), axis=1)
        if limit == 0 or not self.ensemble.size:
            return out
        pieces, steps = self.ensemble.padded(limit)
        axis = 1 if self.setting.base == "tree" else 0
        for part in chunks(len(X), _ROWS):
            count = part.stop - part.start
            features = pad_axis(self.features.of(X[part]), bucket(count), axis=axis)
            out[:, part] = reached(features, self.ensemble.start, pieces, steps, plan=self._plan())[:, :count]
        return out

    def parameters(self, X: np.ndarray, limit: int | None = None) -> dict[str, np.ndarray]:
        """The usual parameters by name, each (n,); probabilities of classes by their number."""
        return self.law.usual(self.theta(np.asarray(X, np.float64), limit), self.units)

    def frozen(self, X: np.ndarray, limit: int | None = None) -> Any:
        """SciPy's law of each row."""
        return self.frozen_at(self.parameters(X, limit))

    def frozen_at(self, parameters: dict[str, np.ndarray]) -> Any:
        """SciPy's laws of the usual parameters."""
        if self.law.frozen is None:
            raise OptionError("classes have probabilities, no distribution function.")
        return self.law.frozen(parameters)

    def scores(self, X: np.ndarray, y: np.ndarray, event: np.ndarray | None = None) -> np.ndarray:
        """Scores (n,) of outcomes in their own units."""
        seen = np.ones(len(y)) if event is None else event
        length = bucket(len(y))
        inner = pad_axis(self.law.inward(y, self.units), length, value=1.0)
        theta = pad_axis(self.theta(X), length, axis=1)
        plan = self._plan(censored=event is not None)
        found = row_scores(theta, inner, pad_axis(seen, length, value=1.0), plan=plan)
        return self.law.outward_score(found[: len(y)], y, seen, self.units, self.setting.score)

    def staged(self, X: np.ndarray, y: np.ndarray, w: np.ndarray, event: np.ndarray | None = None) -> np.ndarray:
        """Mean score of rows after each number of iterations, from none on, shape (M + 1,)."""
        if not self.ensemble.size:
            return np.array([np.average(self.scores(X, y, event), weights=w)])
        length, tree = bucket(len(y)), self.setting.base == "tree"
        seen = np.ones(len(y)) if event is None else event
        rows = BoostingRows(
            pad_axis(self.features.of(X), length, axis=1 if tree else 0),
            pad_axis(self.law.inward(y, self.units), length, value=1.0),
            pad_axis(seen, length, value=1.0),
            pad_axis(w, length),
            np.zeros(length),
        )
        pieces, steps = self.ensemble.padded()
        plan = self._plan(censored=event is not None)
        found = staged(rows, self.ensemble.start, pieces, steps, plan=plan)[: self.ensemble.size + 1]
        zero, one = (
            float(np.average(self.law.outward_score(v, y, seen, self.units, self.setting.score), weights=w))
            for v in (np.zeros(len(y)), np.ones(len(y)))
        )
        return zero + (one - zero) * found

    def importances(self) -> np.ndarray:
        """Shares of the columns in each parameter, shape (K, p): of the trees' gains, or of the absolute slopes of
        standardised columns.
        """
        own, K = self.ensemble, len(self.ensemble.start)
        out = np.zeros((K, len(self.features.kept)))
        if not out.size or not own.size:
            return out
        if self.setting.base == "linear":
            out[:, self.features.kept] = np.abs(np.tensordot(own.steps, own.pieces[0], axes=1)[:, 1:])
        else:
            feature, _, gain, _ = own.pieces
            # The step is squared, as a gain is in squared units of what is added.
            gain = gain * own.steps[:, None, None] ** 2
            for k in range(K):
                out[k] = np.bincount(feature[:, k].ravel(), gain[:, k].ravel(), minlength=out.shape[1])
        total = out.sum(axis=1, keepdims=True)
        return np.divide(out, total, out=np.zeros_like(out), where=total > 0)

    # --- what callers of learners ask ---------------------------------------------------------------------

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Conditional means (n,)."""
        return np.asarray(self.frozen(X).mean(), np.float64)

    def predict_scale(self, X: np.ndarray) -> np.ndarray:
        """Conditional standard deviations (n,)."""
        return np.asarray(self.frozen(X).std(), np.float64)

    def predict_quantiles(self, X: np.ndarray, taus: np.ndarray) -> np.ndarray:
        """Conditional quantiles (n, t)."""
        law = self.frozen(X)
        return np.column_stack([law.ppf(t) for t in np.asarray(taus)])

    def mixture(self, X: np.ndarray) -> NormalMixture:
        """The conditional law as a mixture of one normal; for the normal family."""
        if self.law.name != "normal":
            raise OptionError(f"a mixture of normals needs dist='normal'; this model has dist={self.law.name!r}.")
        at = self.parameters(X)
        return NormalMixture(np.ones((len(X), 1)), at["loc"][:, None], at["scale"][:, None])

    def sample(self, X: np.ndarray, size: int, *, seed: int = 0, stream: int = 0) -> np.ndarray:
        """Draws (n, size) from the conditional laws."""
        law = self.frozen(X)
        return np.asarray(law.rvs(size=(size, len(X)), random_state=generator(seed, 63, stream)), np.float64).T
