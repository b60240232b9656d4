"""The arrays that the methods of `si.rd` get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import AliasedWarning, DataError, NotIdentifiedError, OptionError, StatinfWarning, issue_warning
from statinf.formula.design import Design, design
from statinf.formula.scale import check_sizes
from statinf.formula.scan import halves
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.models.regression import check_outcome
from statinf.numerics.localpoly.side import Side, sides

FEWEST = 20
_FEW, _TIED = 100, 0.2


@dataclass(frozen=True, repr=False)
class RdProblem(Brief):
    """A running variable around its cutoff, and what may jump there.

    Attributes
    ----------
    design : Design
    x : ndarray, shape (n,)
        Running variable less the cutoff.
    outcomes : ndarray, shape (n, m)
        Outcome, treatment in fuzzy designs, covariates (centred and scaled).
    w : ndarray, shape (n,)
        Zero for rows of the donut.
    fuzzy : bool
    running : str
    treatment : str or None
    covariates : tuple of str
    cutoff : float
    kernel : str
    vcov : VcovSpec
        Bandwidths are chosen for its errors.
    """

    design: Design
    x: np.ndarray
    outcomes: np.ndarray
    w: np.ndarray
    fuzzy: bool
    running: str
    treatment: str | None
    covariates: tuple[str, ...]
    cutoff: float
    kernel: str
    vcov: VcovSpec

    @cached_property
    def both(self) -> tuple[Side, Side]:
        """Rows on the left and on the right."""
        return sides(self.x, self.outcomes, self.w)

    @property
    def stacked(self) -> bool:
        """Whether weights were estimated."""
        return self.design.weights_object is not None

    @property
    def facts(self) -> dict[str, Any]:
        """What fits tell of the design."""
        names = ("running", "treatment", "cutoff", "kernel", "covariates")
        return {name: getattr(self, name) for name in names}

    @property
    def centre(self) -> float:
        """What was taken from the outcome; zero in fuzzy designs, whose bandwidths look at levels."""
        return 0.0 if self.fuzzy else float(np.average(self.design.y, weights=self.w))

    def within(self, side: Side, at: float) -> int:
        """Rows of a side with kernel weight."""
        window = side.kernel_window(at, self.kernel)
        return window.stop - window.start

    def of_treatment(self) -> RdProblem:
        """The sharp problem of a fuzzy design's treatment."""
        recipe = self.design.recipe
        text = f"{self.treatment} ~ {halves(recipe.formula)[2].strip()}"
        design = replace(self.design, response=self.outcomes[:, 1], recipe=replace(recipe, formula=text))
        y = self.outcomes[:, 1] - np.average(self.outcomes[:, 1], weights=self.w)
        outcomes = np.column_stack([y, self.outcomes[:, 2:]])
        return replace(self, design=design, outcomes=outcomes, fuzzy=False, treatment=None)

    def of_outcome(self) -> RdProblem:
        """The sharp problem of a fuzzy design's outcome."""
        mean = np.average(self.outcomes[:, 0], weights=self.w)
        outcomes = np.column_stack([self.outcomes[:, 0] - mean, self.outcomes[:, 2:]])
        return replace(self, outcomes=outcomes, fuzzy=False, treatment=None)

    def check_jump(self, across: float, scale: float = 1.0) -> None:
        """Refuse a fuzzy design whose treatment does not jump."""
        if not abs(across) > 1e-10 * float(np.abs(self.outcomes[self.w > 0, 1]).max()) * scale:
            raise NotIdentifiedError(
                f"'{self.treatment}' does not jump at '{self.running}' = {self.cutoff:g}: there is no effect to see."
            )


def read_problem(
    formula: str,
    data: Any,
    *,
    cutoff: float,
    fuzzy: str | None,
    kernel: str,
    donut: float,
    several: bool = False,
    vcov: VcovSpec,
    weights: Any,
    cluster: Any,
    na_action: str,
    context: Mapping[str, Any] | None,
) -> RdProblem:
    """Read `outcome ~ running | covariates`, and the treatment of a fuzzy design.

    Raises
    ------
    DataError
        If the cutoff has no rows on a side, or there are too few of them.
    """
    if len(vcov.clusters) > 1:
        raise OptionError(f"errors of si.rd cluster by one column, not by {', '.join(map(repr, vcov.clusters))}.")
    made = _design(formula, data, fuzzy, weights, cluster_columns(vcov, cluster), na_action, context)
    one = made.parts[0].without_intercept()
    if one.p != 1:
        raise DataError(f"{formula!r}: the part after ~ is one running variable in numbers, not {one.p} columns.")
    running, x = one.names[0], one.values[:, 0] - cutoff
    check_outcome(made.y, made.weights, made.response_names[0])
    w = np.where(np.abs(x) < donut, 0.0, made.weights) if donut > 0 else made.weights
    if not several:
        check_rows(x, w, running, cutoff, donut)
    y = made.y if fuzzy else made.y - np.average(made.y, weights=w)
    columns, names = [y], ()
    if fuzzy:
        columns.append(_treatment(made, fuzzy))
    if len(made.parts) > 1:
        z, names = _covariates(made, w)
        columns.append(z)
    return RdProblem(
        made, x, np.column_stack(columns), w, fuzzy is not None, running, fuzzy, names, cutoff, kernel, vcov
    )


def _design(
    formula: str, data: Any, fuzzy: str | None, weights: Any, cluster: Any, na_action: str, context: Any
) -> Design:
    roles: tuple[str, ...] = ("running", "covariates")
    text = formula
    if fuzzy is not None and isinstance(formula, str):
        text = f"{formula}{' | 1' if '|' not in formula else ''} | `{fuzzy}`"
        roles = (*roles, "treatment")
    made = design(text, data, roles=roles, weights=weights, cluster=cluster, na_action=na_action, context=context)
    made.refuse_offset("regressions at a cutoff take")
    check_sizes(made)
    return made if text == formula else replace(made, recipe=replace(made.recipe, formula=formula))


def _treatment(made: Design, name: str) -> np.ndarray:
    part = made.parts[2].without_intercept()
    if part.p != 1:
        raise DataError(f"fuzzy='{name}' is no column of numbers, nor one of two levels.")
    return part.values[:, 0]


def _covariates(made: Design, w: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Columns of mean zero and standard deviation one, less those that others determine."""
    part = made.parts[1].without_intercept()
    share = w / w.sum()
    z = part.values - share @ part.values
    size = np.abs(part.values[w > 0]).max(axis=0, initial=0.0)
    deviation = np.sqrt(share @ z**2)
    varies = deviation > 1e-13 * size
    z = np.where(varies, z / np.where(varies, deviation, 1.0), 0.0)
    kept: list[int] = []
    basis = np.zeros((len(z), 0))
    for j in np.flatnonzero(varies):
        rest = z[:, j] - basis @ (basis.T @ (share * z[:, j]))
        length = np.sqrt(share @ rest**2)
        if length > 1e-5:
            kept.append(int(j))
            basis = np.column_stack([basis, rest / length])
    lost = [part.names[j] for j in range(part.p) if j not in kept]
    if lost:
        issue_warning(
            f"dropped because they do not vary or other columns determine them: {', '.join(map(repr, lost))}.",
            AliasedWarning,
        )
    return z[:, kept], tuple(part.names[j] for j in kept)


def check_rows(x: np.ndarray, w: np.ndarray, running: str, cutoff: float, donut: float) -> None:
    """Refuse a cutoff without rows on a side, or with too few."""
    used = x[w > 0]
    left, right = int((used < 0).sum()), int((used >= 0).sum())
    if left == 0 or right == 0:
        span = f"{used.min() + cutoff:g} to {used.max() + cutoff:g}" if len(used) else "nothing"
        raise DataError(
            f"no row of '{running}' is {'below' if left == 0 else 'at or above'} cutoff={cutoff:g}: it goes from {span}"
            f"{f' without the donut of {donut:g}' if donut else ''}."
        )
    if len(used) < FEWEST:
        raise DataError(
            f"{len(used)} rows are too few for a discontinuity at '{running}' = {cutoff:g}; {FEWEST} at least."
        )
    if len(used) < _FEW:
        issue_warning(f"{len(used)} rows are few for local polynomials.", StatinfWarning)


def warn_tied(both: tuple[Side, Side], running: str) -> None:
    """Say where many rows share their values of the running variable."""
    for side in both:
        if len(side.x) and 1.0 - side.distinct / len(side.x) >= _TIED:
            issue_warning(
                f"many rows share values of '{running}': {side.distinct} are distinct among {len(side.x)} on the "
                f"{'right' if side.right else 'left'}.",
                StatinfWarning,
            )
            return


def check_determined(determined: bool, orders: tuple[int, int], h: tuple[float, float], running: str) -> None:
    """Refuse polynomials that the rows in the window do not determine."""
    if not determined:
        where = (
            f"within the bandwidth ({h[0]:.4g} left, {h[1]:.4g} right)" if np.isfinite(h).all() else "near the cutoff"
        )
        raise NotIdentifiedError(
            f"too few distinct values of '{running}' lie {where} for "
            f"polynomials of order {orders[0]} and {orders[1]}; use a larger bandwidth or a lower order. With few distinct "
            "values compare rows next to the cutoff as in an experiment: si.lm with data of a small window."
        )
