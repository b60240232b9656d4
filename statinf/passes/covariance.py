"""Every covariance of an estimate whose scores are made block by block.

Scores are whitened, that is multiplied by the inverse triangular factor of the regressors, before they are summed or
multiplied with one another. What the formulas of `statinf.inference` need of rows enters by few stand-ins: the root of the sum
of their products, or for clusters one row of sums for each, which those formulas cannot tell from the rows themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError
from statinf.formula.design import Design
from statinf.inference.clusters import RowClusters
from statinf.inference.covariance import Covariance
from statinf.inference.dependent import is_dependent
from statinf.inference.moments import Moments
from statinf.inference.sandwich import LEVERED, check_kind, covariance
from statinf.passes.adding import plus
from statinf.passes.cells import cell_sums, product_rows
from statinf.passes.design import PassDesign
from statinf.passes.directions import InDirections
from statinf.passes.grouping import grouped
from statinf.passes.keyed import KeyedSums
from statinf.passes.score_sums import leverages_of, levered_meat, meat_of, powers_of, root_rows
from statinf.passes.scored import ScoredRows
from statinf.passes.stacking import beside_rows, stacked

_NO_CORRECTION = "with estimated weights the corrections CR2 and CR3 do not exist; use type HC1 or HC0."


@dataclass(frozen=True)
class PassScores:
    """What the covariances of an estimate need, made of blocks of rows.

    Attributes
    ----------
    made : PassDesign
    score : callable
        From the design of a block to its `ScoredRows`.
    outside : ndarray, shape (q, q)
        Takes sums of whitened scores to errors of the coefficients; the inverse triangular factor. With `inner`, takes what
        that makes of them on.
    nobs : int
    df_resid : float
    model : ndarray, shape (q, q), optional
        The covariance under the model's own assumptions.
    normal : bool
    weighted : bool
        Whether outcomes differ in variance under the working model, for which CR2 needs the rows themselves.
    suffix : str
        What labels say beside the kind.
    plain : callable, optional
        Like `score`, with estimated weights taken as known.
    beside : ndarray, shape (q, q), optional
        Sum of products of the whitened scores of a second, independent sample.
    inner : ndarray, shape (q, q), optional
        Takes whitened scores to the coordinates in which a covariance by clusters of several ways that is indefinite is
        repaired: those of the same fit to rows in memory. Whitened ones by default.
    """

    made: PassDesign
    score: Callable[[Design], ScoredRows]
    outside: np.ndarray
    nobs: int
    df_resid: float
    model: np.ndarray | None = field(default=None)
    normal: bool = False
    weighted: bool = False
    suffix: str = ""
    plain: Callable[[Design], ScoredRows] | None = None
    inner: np.ndarray | None = None
    beside: np.ndarray | None = None

    @classmethod
    def on(
        cls,
        made: PassDesign,
        plain: Callable[[Design], ScoredRows],
        unit: Callable[[Design], np.ndarray],
        outside: np.ndarray,
        nobs: int,
        df_resid: float,
        *,
        suffix: str = "",
        **more: Any,
    ) -> PassScores:
        """Those of an estimate under whatever weights the design has; one pass where they were estimated.

        Parameters
        ----------
        plain : callable
            From the design of a block to its `ScoredRows`, weights taken as known.
        unit : callable
            From the same to whitened scores per unit of weight, shape (n, q).
        **more
            Further fields.
        """
        said = (", weights estimated" if made.estimated else "") + suffix
        known = plain if made.estimated else None
        score = stacked(made, plain, unit)
        beside = beside_rows(made, score)
        return cls(made, score, outside, nobs, df_resid, suffix=said, plain=known, beside=beside, **more)

    @property
    def q(self) -> int:
        return len(self.outside)

    def covariance(self, kind: Any) -> Covariance:
        """The covariance of a kind in normal form, by one pass or two.

        Raises
        ------
        NotIdentifiedError
            If it does not exist, or needs rows in an order that blocks do not have.
        """
        kind = check_kind(kind)
        if is_dependent(kind):
            raise NotIdentifiedError(
                "covariances under dependence in time or space look at pairs of rows, which data read in blocks do not give; use "
                "clusters, or fit rows in memory."
            )
        if isinstance(kind, Mapping):
            return self._clustered(kind)
        if kind == "iid":
            found = covariance(self._stand_in(np.zeros((1, self.q)), model=True), kind, normal=self.normal)
            return _labelled(found, ", weights taken as fixed") if self.plain is not None else found
        if kind in LEVERED:
            return self._levered(kind)
        known = self.plain if kind == "fixed" else None
        meat = self.made.total(partial(meat_of, known or self.score), "standard errors")
        meat = meat if known is not None else self._with_beside(meat)
        found = covariance(self._stand_in(root_rows(meat)), kind, normal=self.normal)
        return found.combined(self.outside) if kind == "fixed" else self._carried(found)

    def in_directions(self, kind: Any) -> InDirections:
        """Covariances of linear combinations of the whitened scores, by the passes of one.

        One by clusters of several ways that is indefinite is repaired in each combination, as it is where that is all there is.
        """
        kind = check_kind(kind)
        names = kind["cluster"] if isinstance(kind, Mapping) and "cluster" in kind else ""
        if isinstance(names, str) or self.plain is not None or self.beside is not None:
            return InDirections(kind, self.nobs, float(self.df_resid), self.normal, self.covariance(kind))
        cells, codes, _ = self._cells(list(names), False)
        return InDirections(kind, self.nobs, float(self.df_resid), self.normal, None, cells.sums[0][:, : self.q], codes)

    def effective_degrees(self) -> np.ndarray:
        """The effective number of rows behind each variance, shape (q,), as `inference.effective` counts them; one pass."""
        squares, fourth = self.made.total(partial(powers_of, self.score, self.outside), "effective rows")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(fourth > 0, squares**2 / fourth, np.nan)

    def _with_beside(self, meat: np.ndarray) -> np.ndarray:
        return meat if self.beside is None else meat + self.beside

    def _carried(self, found: Covariance) -> Covariance:
        made = found.combined(self.outside)
        return made if not self.suffix else _labelled(made, self.suffix)

    def _stand_in(self, scores: np.ndarray, *, model: bool = False, **more: Any) -> Moments:
        """Moments of few rows with the sums of all, in whitened coordinates."""
        return Moments(
            scores,
            np.eye(self.q) if self.inner is None else self.inner,
            self.nobs,
            float(self.df_resid),
            self.model if model else None,
            present=np.ones(len(scores), bool),
            **more,
        )

    def _levered(self, kind: str) -> Covariance:
        if self.df_resid <= 0:
            raise NotIdentifiedError(f"there are no degrees of freedom left for {kind}; use fewer coefficients.")
        highest = None
        if kind == "HC5":
            highest = float(self.made.total(partial(leverages_of, self.score), "leverages").high)
        sums = self.made.total(partial(levered_meat, self.score, kind, self.nobs, self.q, highest), "standard errors")
        meat, seen = sums
        if float(seen.high) > 1.0 - 1e-10:
            raise NotIdentifiedError(
                f"a row has leverage 1: it alone determines a coefficient, and {kind} does not exist. Leave that row out or merge "
                "its level with another; HC0 and HC1 exist, but take its error for zero."
            )
        found = covariance(self._stand_in(root_rows(self._with_beside(meat))), "HC0", normal=self.normal)
        return self._carried(replace(found, kind=kind, label=kind))

    def _cells(self, names: list[str], corrected: bool) -> tuple[KeyedSums, dict[str, np.ndarray], Any]:
        """Sums of the cells of clusters, the codes of each way, and what rows that are each alone add."""
        made = grouped(self.made, names)
        sizes = [made.clusters[name].count for name in names]
        sums: tuple[KeyedSums, Any] = made.total(
            partial(cell_sums, self.score, names, sizes, corrected, self.beside is not None), "sums by cluster"
        )
        cells = sums[0].together()
        numbers = np.unravel_index(cells.keys[0], sizes)
        codes = {name: np.unique(code, return_inverse=True)[1] for name, code in zip(names, numbers, strict=True)}
        return cells, codes, sums[1]

    def _clustered(self, kind: Mapping[str, Any]) -> Covariance:
        names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
        corrected = kind.get("type", "HC1") in ("HC2", "HC3") or "df" in kind
        if corrected and self.plain is not None:
            raise NotIdentifiedError(_NO_CORRECTION)
        if self.weighted and (kind.get("type") == "HC2" or "df" in kind):
            raise NotIdentifiedError(
                "where outcomes differ in variance, by weights or by a family's mean, the correction CR2 and degrees of freedom "
                "look at the rows of a cluster together, which data read in blocks do not give; use type HC1 or HC3, or fit rows "
                "in memory."
            )
        cells, codes, lone = self._cells(names, corrected)
        scores = cells.sums[0][:, : self.q]
        if self.plain is not None or not corrected:
            inside = np.ones(len(scores), bool) if self.plain is None else cells.sums[0][:, self.q] > 0
            alone = None if self.beside is None else root_rows(plus(self.beside, lone))
            return self._carried(self._with_outside(kind, codes, scores, inside, alone))
        rows = product_rows(cells.sums[0][:, self.q :], self.q)
        # The sum of a cell's scores stands in its first row; only sums by cluster are used.
        long = np.zeros((len(rows), self.q))
        long[:: self.q] = scores
        codes = {name: np.repeat(code, self.q) for name, code in codes.items()}
        factor = np.eye(self.q) if self.inner is None else None
        moments = self._stand_in(long, columns=rows, working=np.ones(len(rows)), factor=factor)
        return self._carried(covariance(moments, kind, codes, normal=self.normal))

    def _with_outside(
        self,
        kind: Mapping[str, Any],
        codes: Mapping[str, np.ndarray],
        scores: np.ndarray,
        inside: np.ndarray,
        alone: np.ndarray | None = None,
    ) -> Covariance:
        """Clusters of which some hold only rows that made the weights, which count for none, beside rows that are each alone."""
        if inside.all() and alone is None:
            return covariance(self._stand_in(scores), kind, codes, normal=self.normal)
        outside = scores[~inside]
        if alone is not None:
            outside = np.concatenate([outside, alone])
        rows = RowClusters({name: code[inside] for name, code in codes.items()}, partial(_elsewhere, codes, ~inside))
        moments = self._stand_in(scores[inside], outside=outside, outside_rows=np.arange(len(outside)))
        found = covariance(moments, kind, rows, normal=self.normal)
        # What labels say beside the kind is added where all covariances get it, whether or not there are such rows.
        return replace(found, label=found.label.removesuffix(", weights estimated"))


def sums_by_cluster(scores: PassScores, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the clusters of a column that the design has, (groups,), and their sums of whitened scores, (groups, q)."""
    sizes = [scores.made.clusters[name].count]
    found: tuple[KeyedSums, None] = scores.made.total(
        partial(cell_sums, scores.score, [name], sizes, False, False), "sums by cluster"
    )
    cells = found[0].together()
    return cells.keys[0], cells.sums[0][:, : scores.q]


def _elsewhere(codes: Mapping[str, np.ndarray], outside: np.ndarray, name: str, numbers: np.ndarray) -> np.ndarray:
    """Clusters of the cells without a row of the fit; -1 for the rows behind them, which are each alone."""
    known = codes[name][outside]
    return np.append(known, -1)[np.minimum(numbers, len(known))]


def _labelled(found: Covariance, suffix: str) -> Covariance:
    return replace(found, label=found.label + suffix)
