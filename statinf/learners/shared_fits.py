"""Ridge, least squares and logit nuisances of any split from sums that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.learners.cells import (
    Standard,
    fold_coefficients,
    predict_own_fold,
    standardise,
    sums_by_cell,
)
from statinf.learners.logit import full_fit, sigmoid
from statinf.learners.logit_folds import Centre, centre, fold_fits


@dataclass(frozen=True, eq=False)
class SharedFits:
    """What is computed once for all splits.

    Attributes
    ----------
    design : Standard
    stratum : ndarray of int, shape (n,)
        Which of the row sets of the linear nuisances each row belongs to.
    strata : int
    root : ndarray, shape (n,), or None
        Square root of the row weights; None for ones.
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
    root: np.ndarray | None
    right: np.ndarray
    linear: tuple[tuple[str, tuple[int, tuple[int, ...], np.ndarray]], ...]
    logits: tuple[tuple[str, Any], ...]

    def predict(self, split: np.ndarray, *, whole: bool, parallel: bool | None) -> dict[str, np.ndarray]:
        """Predictions (n,) by name, each row's by the fits without its fold; by the fits to all rows if `whole`."""
        folds = 1 if whole else int(split.max()) + 1
        requests = [(self.root, self.right)] if self.linear else []
        requests += [(at.root, at.residual) for _, at in self.logits if isinstance(at, Centre)]
        cells = split * self.strata + self.stratum
        sums = sums_by_cell(self.design.z, cells, folds * self.strata, requests, parallel=parallel) if requests else []
        coef = []
        if self.linear:
            coef.append(fold_coefficients(sums.pop(0), folds, self.strata, [fit for _, fit in self.linear]))
        for _, at in self.logits:
            if isinstance(at, Centre):
                own = sums.pop(0)
                gram = own.gram.reshape(folds, self.strata, *own.gram.shape[1:]).sum(axis=1)
                score = own.moment[..., 0].reshape(folds, self.strata, -1).sum(axis=1)
                coef.append(fold_fits(self.design, at, split, gram, score, parallel=parallel)[None])
            else:
                coef.append(at[None, None])
        values = predict_own_fold(self.design.z, np.concatenate(coef), split, parallel=parallel)
        made = {name: values[i] for i, (name, _) in enumerate(self.linear)}
        return made | {name: sigmoid(values[len(self.linear) + i]) for i, (name, _) in enumerate(self.logits)}


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
    fit = full_fit if whole else centre
    made = [(q.name, fit(design, q.target, w if q.rows is None else w * q.rows, q.learner.penalty)) for q in logits]
    return SharedFits(design, stratum, strata, None if plain else np.sqrt(w), right, tuple(fits), tuple(made))


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
