"""Difference in means and regression adjustment on data that are read in blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.block_nuisances import FoldArmSums, cell_sums
from statinf.effects.block_rows import BlockFolds, EffectPasses, EffectReader
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.inference.covariance import Covariance
from statinf.models.lm_passes import Whitening, reduce_passes, scored
from statinf.numerics.linear.factors import inverse_gram
from statinf.numerics.linear.reduction import TOLERANCE
from statinf.numerics.linear.triangular import solve_triangular
from statinf.passes import PassDesign
from statinf.passes.covariance import PassScores
from statinf.passes.design import Tally
from statinf.passes.drawing import block_draws
from statinf.passes.folding import RowHash
from statinf.results import Estimate
from statinf.results.resample import combined_draws


@dataclass(frozen=True)
class EffectColumns:
    """From the design of a block to that of the regression: constant, treatment, covariates about a mean, their products.

    Attributes
    ----------
    read : EffectReader
    centre : ndarray, shape (p,)
    adjusted, interactions : bool
    """

    read: EffectReader
    centre: np.ndarray
    adjusted: bool
    interactions: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its columns."""
        p = len(self.centre) if self.adjusted else 0
        products = [f"d:x{j}" for j in range(p)] if self.interactions else []
        return ("Intercept", "d", *(f"x{j}" for j in range(p)), *products)

    def __call__(self, block: Design) -> Design:
        rows = self.read(block)
        columns = [np.ones((len(rows.d), 1)), rows.d[:, None]]
        if self.adjusted:
            around = rows.x - self.centre
            columns += [around, around * rows.d[:, None]] if self.interactions else [around]
        names = self.names
        terms = {name: slice(j, j + 1) for j, name in enumerate(names)}
        values = np.asfortranarray(np.concatenate(columns, axis=1))
        return replace(block, parts=(Matrix(values, names, terms, True),), response=rows.y, offset=None)


@dataclass(frozen=True, repr=False)
class TurnedDesign(PassDesign):
    """A table in blocks whose designs are made of those of a formula."""

    turn: Any = None

    @classmethod
    def of(cls, made: PassDesign, turn: Any) -> TurnedDesign:
        """The designs of `made`, each turned."""
        return cls(**{f.name: getattr(made, f.name) for f in fields(made)}, turn=turn)

    @property
    def names(self) -> tuple[str, ...]:
        return self.turn.names

    @property
    def intercept(self) -> bool:
        return True

    def counted(self, native: Any) -> tuple[Design | None, Tally]:
        """The design of one block, and its rows counted."""
        made, tally = super().counted(native)
        return (None if made is None else self.turn(made)), tally


def regression_estimate(problem: EffectPasses, estimand: str, settings: Any, *, adjusted: bool) -> Estimate:
    """The treatment's coefficient beside covariates about their mean."""
    interactions = adjusted and settings.interactions
    if adjusted and not interactions and estimand != "ATE":
        raise OptionError("without interactions the regression has one effect for all; leave estimand out.")
    if adjusted and settings.target == "population":
        raise OptionError(
            "target='population' needs rows in memory; on data that are read in blocks standard errors take the covariates "
            "as given."
        )
    cells = cell_sums(problem, BlockFolds(1, RowHash(0)))
    if (cells.mass.sum(axis=0) == 0).any():
        raise DataError(
            f"the treatment '{problem.treatment}' does not vary on the rows used; there is nothing to compare."
        )
    turn = EffectColumns(problem.read, _target_mean(cells, estimand), adjusted, interactions)
    made = TurnedDesign.of(problem.made, turn)
    reduced, _ = reduce_passes(made, TOLERANCE)
    k = reduced.rank
    kept = np.asarray(reduced.kept)
    if not kept[1]:
        raise NotIdentifiedError("the covariates determine the treatment; its effect has no estimate.")
    nobs, df = made.nobs, float(made.nobs - k)
    if df <= 0:
        raise DataError(f"{nobs} rows cannot determine {k} coefficients; use fewer covariates.")
    inner = solve_triangular(reduced.centred_factor, reduced.joint[:k, k])
    whitening = Whitening(reduced, inner)
    outside = whitening.outside
    place = int(np.count_nonzero(kept[:1]))
    theta = (outside @ (reduced.centred_factor @ inner))[place : place + 1]
    rss = float(np.sum(reduced.joint[k:, k] ** 2))
    model, weighted = inverse_gram(reduced.factor) * (rss / df), made.weights is not None
    scores = PassScores.on(
        made, partial(scored, whitening), whitening.unit, outside, nobs, df, model=model, weighted=weighted
    )
    pick = np.zeros((1, k))
    pick[0, place] = 1.0
    welch = None if adjusted or made.weights is not None else _welch(cells)
    told: Mapping[str, Any] = {} if problem.arms is None else problem.arms.facts
    return Estimate(
        terms=(problem.treatment,),
        theta=theta,
        moments=None,
        nobs=nobs,
        df_resid=df,
        facts={**told, "Residual df": int(df)},
        extra={
            "estimand": estimand,
            "treatment": problem.treatment,
            "thetas": theta[None],
            "stacked": made.estimated,
        },
        covary=partial(_covariance, scores, pick, welch),
        redraw=partial(combined_draws, partial(block_draws, scores), pick),
    )


def _target_mean(cells: FoldArmSums, estimand: str) -> np.ndarray:
    """Means of the covariates over the rows whose effect is meant."""
    arms = {"ATE": [0, 1], "ATT": [1], "ATC": [0]}[estimand]
    sums = cells.gram.sum(axis=0)[arms].sum(axis=0)
    p = len(cells.centre)
    return cells.near[:p] + sums[0, 1 : p + 1] / sums[0, 0]


def _welch(cells: FoldArmSums) -> float:
    """Welch's degrees of freedom of a difference in means; NaN where an arm has one row or nothing varies."""
    parts = []
    for n, gram in zip(cells.rows.sum(axis=0), cells.gram.sum(axis=0), strict=True):
        if n < 2:
            return np.nan
        parts.append((float(n), float(gram[-2, -2] - gram[0, -2] ** 2 / n) / (n - 1) / n))
    total = sum(v for _, v in parts)
    return total**2 / sum(v**2 / (n - 1) for n, v in parts) if total > 0 else np.nan


def _covariance(scores: PassScores, pick: np.ndarray, welch: float | None, kind: Any) -> Covariance:
    """Covariance of the effect, from that of all coefficients."""
    found = scores.covariance(kind).combined(pick)
    if kind != "HC2" or welch is None or not np.isfinite(welch):
        return found
    return replace(found, df=welch)
