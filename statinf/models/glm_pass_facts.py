"""What one pass tells of the outcome of a generalised linear model before it is fitted."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from statinf.formula.design import Design
from statinf.formula.scale import check_columns
from statinf.models.existence import not_whole
from statinf.models.glm_pass_sums import Model, outcome
from statinf.passes import plus
from statinf.passes.sums import Extent


class Cases(NamedTuple):
    """Rows that break a rule: how many, and the outcomes of the first few."""

    count: int
    examples: tuple[float, ...]

    @classmethod
    def of(cls, broken: np.ndarray, y: np.ndarray) -> Cases:
        return cls(int(np.count_nonzero(broken)), tuple(y[broken][:1].tolist()))

    def plus(self, other: Cases) -> Cases:
        return Cases(self.count + other.count, (*self.examples, *other.examples)[:1])


@dataclass(frozen=True)
class Facts:
    """What one pass tells of the outcome of rows whose weight is positive.

    Attributes
    ----------
    nobs : int
    weight, weighted, start, offset : float
        LikelihoodAt of weights, and of weighted outcomes, first means and offsets.
    saturated : float
        What scoring's deviances leave out.
    density : float
        Log-likelihood of the saturated model at dispersion 1.
    range : Extent
    outside, broken, negative, halves : Cases
        Outcomes out of range, not whole, and counts of `cbind` that are negative or not whole.
    x, y, w, o : tuple of ndarray
        Some rows from all over the table: columns, outcomes, weights and offsets.
    """

    nobs: int
    weight: float
    weighted: float
    start: float
    offset: float
    saturated: float
    density: float
    range: Extent
    outside: Cases
    broken: Cases
    negative: Cases
    halves: Cases
    x: tuple[np.ndarray, ...]
    y: tuple[np.ndarray, ...]
    w: tuple[np.ndarray, ...]
    o: tuple[np.ndarray, ...]

    def plus(self, other: Facts) -> Facts:
        """Those of both."""
        rows = ("x", "y", "w", "o")
        held = {name: getattr(self, name) + getattr(other, name) for name in rows}
        sums = {f.name: plus(getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.name not in rows}
        return Facts(**sums, **held)


def facts(model: Model, stride: int, block: Design) -> Facts:
    """The facts of one block, with every so-manieth row."""
    check_columns(block.parts[0])
    family = model.family
    every, weights = outcome(block)
    seen = weights > 0
    y, w = every[seen], weights[seen]
    offset = None if block.offset is None else block.offset[seen]
    some = slice(None, None, stride)
    with np.errstate(all="ignore"):
        likelihood = np.nan if family.law.density is None else float(np.sum(family.law.density(y, y, w, 1.0)))
        first = float(np.dot(w, family.start(y, w)))
        saturated = float(np.dot(w, family.saturated(y)))
    counts = block.response if block.response is not None and block.response.ndim == 2 else None
    broken = np.zeros(len(y), bool)
    if counts is None and family.law.whole is not None:
        broken = not_whole(y, y if block.weights_object is not None else w * y, family)
    return Facts(
        nobs=len(y),
        weight=float(w.sum()),
        weighted=float(np.dot(w, y)),
        start=first,
        offset=0.0 if offset is None else float(np.dot(w, offset)),
        saturated=saturated,
        density=likelihood,
        range=Extent.of(y),
        outside=Cases.of(family.domain.outside(y), y),
        broken=Cases.of(broken, y),
        negative=Cases(0, ()) if counts is None else Cases.of(counts.min(axis=1) < 0, counts.min(axis=1)),
        halves=Cases(0, ()) if counts is None else Cases.of(_fractions(counts) & (block.weights > 0), every),
        x=(block.parts[0].values[seen][some].copy(),),
        y=(y[some].copy(),),
        w=(w[some].copy(),),
        o=() if offset is None else (offset[some].copy(),),
    )


def _fractions(counts: np.ndarray) -> np.ndarray:
    """Rows (n, 2) whose counts are not whole."""
    return np.asarray(np.abs(counts - np.round(counts)).max(axis=1) > 1e-3)
