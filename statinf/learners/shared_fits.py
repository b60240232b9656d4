"""Ridge, least squares and logit nuisances of any split from sums that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.backend import map_threads
from statinf.learners.cells import (
    PARALLEL_FROM,
    Standard,
    fold_coefficients,
    predict_own_fold,
    standardise,
    sums_by_cell,
)
from statinf.learners.logit import full_fit
from statinf.learners.logit_folds import Centre, centre, fold_fits
from statinf.numerics.glm.families import sigmoid


@dataclass(frozen=True, eq=False)
class SharedFits:
    """What is computed once for all splits.

    Attributes
    ----------
    design : Standard
    stratum : ndarray of int, shape (n,)
        Which of the row sets of the linear nuisances each row belongs to.
    strata : int
    weight : ndarray, shape (n,), or None
        Row weights; None for ones.
    right : ndarray, shape (n, t)
        Weighted outcomes of the linear nuisances.
    linear : tuple of (str, (int, tuple of int, ndarray))
        Names, and which outcome, strata and penalty.
    logits : tuple of (str, Centre or ndarray)
        Names, and the centre of the fits by fold; the coefficients themselves where all rows are used.
    """

    design: Standard
    stratum: np.ndarray
    strata: int
    weight: np.ndarray | None
    right: np.ndarray
    linear: tuple[tuple[str, tuple[int, tuple[int, ...], np.ndarray]], ...]
    logits: tuple[tuple[str, Any], ...]

    def predict(self, splits: np.ndarray, *, whole: bool, parallel: bool | None) -> list[dict[str, np.ndarray]]:
        """Predictions (n,) by name for each split (r, n) of fold numbers.

        Each row's are by the fits without its fold; by the fits to all rows if `whole`.
        """
        r, folds = len(splits), 1 if whole else int(splits.max()) + 1
        sums = self._sums(splits, folds, parallel)
        coef = []
        if self.linear:
            gram, moment = sums.pop(0)
            coef.append(fold_coefficients(gram, moment, [fit for _, fit in self.linear]))
        for _, at in self.logits:
            if isinstance(at, Centre):
                gram, moment = sums.pop(0)
                own = gram.sum(axis=2), moment[..., 0].sum(axis=2)
                coef.append(fold_fits(self.design, at, splits, *own, parallel=parallel)[:, None])
            else:
                coef.append(np.tile(at, (r, 1, 1, 1)))
        values = predict_own_fold(self.design.z, np.concatenate(coef, axis=1), splits, parallel=parallel)
        count = len(self.linear)
        out = []
        for one in values:
            made = {name: one[i] for i, (name, _) in enumerate(self.linear)}
            out.append(made | {name: sigmoid(one[count + i]) for i, (name, _) in enumerate(self.logits)})
        return out

    def _sums(self, splits: np.ndarray, folds: int, parallel: bool | None) -> list[tuple[np.ndarray, np.ndarray]]:
        """Cross-products (r, folds, strata, p, p) and moments (r, folds, strata, p, t) of each request."""
        requests = [(self.weight, self.right)] if self.linear else []
        requests += [(at.curvature, at.residual) for _, at in self.logits if isinstance(at, Centre)]
        if not requests:
            return []
        shape = (len(splits), folds, self.strata)
        every = [
            sums_by_cell(
                self.design.z, s * self.strata + self.stratum, folds * self.strata, requests, parallel=parallel
            )
            for s in splits
        ]
        p = self.design.z.shape[1]
        return [
            (
                np.stack([e.gram for e in one]).reshape(*shape, p, p),
                np.stack([e.moment for e in one]).reshape(*shape, p, -1),
            )
            for one in zip(*every, strict=True)
        ]


def share(
    X: np.ndarray, w: np.ndarray, linear: Sequence[Any], logits: Sequence[Any], *, whole: bool
) -> SharedFits | None:
    """Prepare linear and logit nuisances on rows X (n, p) with weights w (n,); None if there are none.

    Parameters
    ----------
    linear, logits : sequence of Nuisance
    whole : bool
        Whether all rows are fitted and no folds left out.
    """
    if not linear and not logits:
        return None
    design = standardise(X, w)
    stratum, strata = _strata([q.rows for q in linear if q.rows is not None], len(w))
    targets = {id(q.target): q.target for q in linear}
    place = {key: i for i, key in enumerate(targets)}
    plain = bool((w == 1.0).all())
    right = np.column_stack([t if plain else t * w for t in targets.values()]) if targets else np.empty((len(w), 0))
    fits = []
    for q in linear:
        chosen = (
            tuple(range(strata)) if q.rows is None else tuple(np.flatnonzero(np.bincount(stratum[q.rows])).tolist())
        )
        fits.append((q.name, (place[id(q.target)], chosen, design.penalty(getattr(q.learner, "penalty", 0.0)))))
    made = _whole_logits(design, w, logits) if whole else [_centre(design, w, q) for q in logits]
    names = [q.name for q in logits]
    return SharedFits(
        design, stratum, strata, None if plain else w, right, tuple(fits), tuple(zip(names, made, strict=True))
    )


def _centre(design: Standard, w: np.ndarray, q: Any) -> Centre:
    return centre(design, q.target, w if q.rows is None else w * q.rows, q.learner.penalty)


def _whole_logits(design: Standard, w: np.ndarray, logits: Sequence[Any]) -> list[np.ndarray]:
    """Coefficients (p + 1,) of each logit on its own rows; several at once where that pays."""
    big = design.z.size > PARALLEL_FROM

    def one(q: Any) -> np.ndarray:
        inner = big and len(logits) == 1
        if q.rows is None:
            return full_fit(design, q.target, w, q.learner.penalty, parallel=inner)
        own = np.flatnonzero(q.rows)
        rows = replace(design, z=design.z.take(own, axis=0))
        return full_fit(rows, q.target[own], w[own], q.learner.penalty, parallel=inner)

    # The longest first: the others fill the other threads.
    order = sorted(range(len(logits)), key=lambda i: logits[i].rows is not None)
    made = dict(zip(order, map_threads(one, [logits[i] for i in order], parallel=big), strict=True))
    return [made[i] for i in range(len(logits))]


def _strata(masks: Sequence[np.ndarray], n: int) -> tuple[np.ndarray, int]:
    """Codes of the cells that masks form together, without sorting rows."""
    code = np.zeros(n, np.intp)
    for mask in {id(m): m for m in masks}.values():
        code = 2 * code + mask
        found = np.flatnonzero(np.bincount(code))
        lookup = np.zeros(int(found[-1]) + 1, np.intp)
        lookup[found] = np.arange(len(found))
        code = lookup[code]
    return code, int(code.max()) + 1
