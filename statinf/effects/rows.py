"""The rows of an effect: outcome, treatment, covariates and groups as arrays, with the checks that all methods share."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError, StatinfWarning
from statinf.formula.arms import treatment_levels
from statinf.formula.design import Design, design
from statinf.formula.given import without_gaps
from statinf.formula.matrix import Matrix

ROLES = ("treatment", "covariates")


class OverlapWarning(StatinfWarning):
    """Propensities close to 0 or 1: some rows have no counterpart in the other arm."""


@dataclass(frozen=True)
class Arms:
    """The arms of a treatment.

    Attributes
    ----------
    levels : tuple
        Labels or numbers that occur on the rows used, in their order.
    codes : ndarray of int, shape (n,)
        Position of each row's level.
    treated, reference : object
        The level that counts as treated and the one it is compared with.
    recognised : bool
        False where only the order of the levels decided which is which.
    shown : bool
        Whether summaries name the two: for labels, for numbers other than 1 and 0, and where the caller chose.
    """

    levels: tuple[Any, ...]
    codes: np.ndarray
    treated: Any
    reference: Any
    recognised: bool
    shown: bool

    def rows(self, level: Any) -> np.ndarray:
        """Rows of one arm, shape (n,) bool."""
        return self.codes == self.levels.index(level)

    @property
    def facts(self) -> dict[str, str]:
        """What a summary says of the arms."""
        if not self.shown:
            return {}
        treated, reference = (f"{v:g}" if isinstance(v, float) else str(v) for v in (self.treated, self.reference))
        told = "" if self.recognised else " (by their order; treated= chooses)"
        return {"Treated": f"{treated}; reference: {reference}{told}"}


@dataclass(frozen=True)
class EffectRows:
    """Arrays behind an effect; rows of weight zero are left out.

    Attributes
    ----------
    y, d : ndarray, shape (n,)
        Outcome and treatment; a binary treatment is 0 or 1.
    x : ndarray, shape (n, p)
        Covariates without an intercept.
    w : ndarray, shape (n,)
    treatment : str
        Column name of the treatment.
    binary : bool
    groups : tuple of (str, ndarray of bool)
        Label and rows of each group of `by`; one group with an empty label without it.
    design : Design
    arms : Arms or None
        None for a treatment of many values.
    clusters : mapping of str to ndarray of int, shape (n,)
        Codes of the clusters that rows come in.
    """

    y: np.ndarray
    d: np.ndarray
    x: np.ndarray
    w: np.ndarray
    treatment: str
    binary: bool
    groups: tuple[tuple[str, np.ndarray], ...]
    design: Design
    arms: Arms | None = None
    clusters: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def treated(self) -> np.ndarray:
        """Treated rows, shape (n,) bool."""
        return self.d > 0.5

    @property
    def terms(self) -> tuple[str, ...]:
        """Name of each group's effect."""
        return tuple(f"{self.treatment}[{label}]" if label else self.treatment for label, _ in self.groups)

    @property
    def whole(self) -> np.ndarray | None:
        """Codes of the clusters that must not be split between folds: those of the coarsest column."""
        return min(self.clusters.values(), key=lambda codes: int(codes.max()), default=None)


def effect_rows(
    formula: str,
    data: Any,
    *,
    by: str | None = None,
    weights: Any = None,
    cluster: Any = None,
    vcov: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    binary: bool = True,
    treated: Any = None,
    reference: Any = None,
) -> EffectRows:
    """Read `outcome ~ treatment | covariates` into arrays.

    Raises
    ------
    DataError
        If the treatment is not one column, does not vary, or has more than two values where two are needed; if a group
        of `by` lacks an arm.
    OptionError
        If `treated` or `reference` is no level of the treatment.
    """
    made, clusters = clustered_design(
        formula,
        data,
        roles=ROLES,
        by=by,
        weights=weights,
        cluster=cluster,
        vcov=vcov,
        na_action=na_action,
        context=context,
    )
    treatment = made.part("treatment")
    assert treatment is not None
    arms = arms_of(made, treatment.rest, treated=treated, reference=reference)
    two = arms is not None and len(arms.levels) == 2
    name = plain_name(treatment.rest)
    if binary and not two:
        raise _several(arms, treatment.rest.values[:, 0], name)
    if arms is None and (treated is not None or reference is not None):
        raise OptionError(f"treated= and reference= choose between two levels; '{name}' has many values.")
    d = arms.rows(arms.treated).astype(np.float64) if arms is not None and two else treatment.rest.values[:, 0]
    covariates = made.part("covariates")
    x = np.empty((made.n, 0)) if covariates is None else covariates.rest.values
    y = made.y if made.offset is None else made.y - made.offset
    groups = _groups(made, by)
    _check_groups(groups, by, d, made.weights, arms if two else None)
    return EffectRows(y, d, x, made.weights, name, two, groups, made, arms, clusters)


def clustered_design(
    formula: str,
    data: Any,
    *,
    roles: tuple[str, ...],
    by: str | None = None,
    weights: Any = None,
    cluster: Any = None,
    vcov: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
) -> tuple[Design, dict[str, np.ndarray]]:
    """The design without rows of weight zero or without a group, and the clusters that rows come in."""
    named = vcov.get("cluster") if isinstance(vcov, Mapping) else None
    names = [n for given in (named, cluster) for n in _names(given)]
    array = cluster is not None and not _names(cluster)
    asked = list(dict.fromkeys([*names, *([by] if by else [])]))
    made = design(
        formula,
        data,
        roles=roles,
        weights=weights,
        cluster=cluster if array else asked or None,
        na_action=na_action,
        context=context,
    )
    dropped = {f"{by} is missing" if c == f"cluster {by} is missing" else c: k for c, k in made.dropped.items()}
    made = replace(made, dropped=dropped)
    # Estimated weights have scores on rows of weight zero too: these stay, with nothing to say elsewhere.
    if made.weights_object is None and not made.weights.all():
        made = subset(made, made.weights > 0)
    keys = [*names, *(["cluster"] if array else [])]
    return made, {n: made.cluster_codes(n) for n in dict.fromkeys(keys)}


def _names(cluster: Any) -> list[str]:
    if isinstance(cluster, str):
        return [cluster]
    named = isinstance(cluster, list | tuple) and len(cluster) > 0 and all(isinstance(c, str) for c in cluster)
    return list(cluster) if named else []


def subset(made: Design, keep: np.ndarray) -> Design:
    """The design on some of its rows."""

    def some(values: Any) -> Any:
        return None if values is None else values[keep]

    return replace(
        made,
        response=some(made.response),
        parts=tuple(Matrix(np.asfortranarray(m.values[keep]), m.names, m.terms, m.intercept) for m in made.parts),
        weights=made.weights[keep],
        offset=some(made.offset),
        clusters={name: without_gaps(codes[keep]) for name, codes in made.clusters.items()},
        rows=made.rows[keep],
    )


def arms_of(
    made: Design, matrix: Matrix, *, treated: Any = None, reference: Any = None, what: str = "treatment"
) -> Arms | None:
    """The arms that a part of the formula describes; None for a number of many values.

    Raises
    ------
    DataError
        If the part is not one variable, or does not vary.
    """
    name, listed = next(iter(matrix.terms), ""), ", ".join(matrix.names) or "none"
    factor = made.recipe.factors.get(name)
    coding = made.recipe.learnt[name].coding if factor is not None else None
    if len(matrix.terms) != 1 or (matrix.p != 1 and (coding is None or coding.marks is None)):
        raise DataError(
            f"one {what} column is needed before '|', found {matrix.p}: {listed}. Covariates stand behind '|': "
            "'outcome ~ treatment | x1 + x2'."
        )
    used = made.weights > 0
    if coding is None or coding.marks is None:
        values = matrix.values[:, 0]
        levels, codes = _numbers(values, used)
        if levels is None:
            return None
    else:
        place = {int(mark): k for k, mark in enumerate(coding.marks)}
        full = matrix.p == len(coding.levels)
        codes = np.full(made.n, place.get(-1, 0))
        for column in range(matrix.p):
            codes[matrix.values[:, column] == 1.0] = column if full else place[column]
        present = np.bincount(codes[used], minlength=len(coding.levels)) > 0
        levels = tuple(v for v, there in zip(coding.levels, present, strict=True) if there)
        codes = (np.cumsum(present) - 1)[codes]
        if reference is None and treated is None and isinstance(factor.node, ast.Call) and _chosen(factor.node):
            # The formula itself says which level others are compared with.
            reference = coding.levels[place.get(-1, 0)] if present[place.get(-1, 0)] else None
    shown = f"{levels[0]:g}" if isinstance(levels[0], float) else repr(levels[0])
    if len(levels) < 2:
        raise DataError(
            f"the {what} '{plain_name(matrix)}' does not vary on the rows used (only {shown}); there is "
            "nothing to compare."
        )
    on, off, recognised = treatment_levels(levels, treated, reference, name=plain_name(matrix))
    numbers = all(isinstance(v, Real) for v in levels)
    plain = numbers and recognised and treated is None and reference is None and set(levels) == {0, 1}
    return Arms(levels, codes, on, off, recognised, shown=not plain)


def _chosen(call: ast.Call) -> bool:
    """Whether a `C()` names its levels or their contrast."""
    return len(call.args) > 1 or bool(call.keywords)


def _numbers(values: np.ndarray, used: np.ndarray) -> tuple[tuple[float, ...] | None, np.ndarray]:
    """The at most two values of a numeric treatment and each row's; None for more values."""
    some = values if used.all() else values[used]
    low, high = float(some.min()), float(some.max())
    if not ((some == low) | (some == high)).all():
        return None, np.empty(0, np.intp)
    return tuple(dict.fromkeys((low, high))), (values == high).astype(np.intp) * (high > low)


def _several(arms: Arms | None, values: np.ndarray, name: str) -> DataError:
    levels = np.unique(values).tolist() if arms is None else list(arms.levels)
    shown = ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in levels[:6])
    more = ", ..." if len(levels) > 6 else ""
    return DataError(
        f"the treatment '{name}' has {len(levels)} values ({shown}{more}); this method needs two arms. Use method='plr' for "
        "a treatment with many values, or compare two of them."
    )


def plain_name(matrix: Matrix) -> str:
    """Name of a variable: a two-level factor is named after its column, C(treat)[T.yes] is the effect of `treat`."""
    term, column = next(iter(matrix.terms), ""), matrix.names[0]
    return term[2:-1] if term.startswith("C(") and term.endswith(")") else term if "[" in column else column


def _groups(made: Design, by: str | None) -> tuple[tuple[str, np.ndarray], ...]:
    if by is None:
        return (("", np.ones(made.n, dtype=bool)),)
    column = made.frame.categories(by)
    codes = column.codes[made.rows]
    present = np.flatnonzero(np.bincount(codes[made.weights > 0], minlength=len(column.levels)))
    if len(present) > 50:
        raise DataError(f"by='{by}' has {len(present)} groups; group effects need a column of at most 50 values.")
    return tuple((str(column.levels[i]), codes == i) for i in present)


def _check_groups(
    groups: tuple[tuple[str, np.ndarray], ...], by: str | None, d: np.ndarray, w: np.ndarray, arms: Arms | None
) -> None:
    """Refuse groups in which nothing can be compared, all of them by name."""
    if by is None:
        return
    lacking = []
    for label, rows in groups:
        inside = d[rows & (w > 0)]
        if np.all(inside == inside[0]):
            what = "one value of the treatment only"
            if arms is not None:
                what = "no controls" if inside[0] else "no treated rows"
            lacking.append(f"'{label}' has {what} ({len(inside)} {'row' if len(inside) == 1 else 'rows'})")
    if lacking:
        raise DataError(
            f"by='{by}': {'; '.join(lacking[:5])}{'; ...' if len(lacking) > 5 else ''}: nothing can be compared there. "
            "Leave such groups out, or join them with others."
        )


def clipped(
    values: np.ndarray, rows: np.ndarray, clip: float, w: np.ndarray, *, estimand: str = "ATE"
) -> tuple[np.ndarray, int]:
    """Propensities moved into [clip, 1 - clip], with the number of rows moved and a warning if they are many.

    Parameters
    ----------
    values : ndarray, shape (n,)
    rows : ndarray of int, shape (n,)
        Row numbers in the caller's frame, for messages.
    clip : float
    w : ndarray, shape (n,)
    estimand : {"ATE", "ATT", "ATC", "ATO"}
        The ATT divides by 1 - e alone and the ATC by e alone: only that end is moved. The ATO divides by neither.

    Raises
    ------
    NotIdentifiedError
        If more than half of the rows lie outside: there is no overlap to speak of.
    """
    if isinstance(clip, bool) or not isinstance(clip, Real) or not 0.0 <= clip < 0.5:
        raise OptionError(f"clip={clip!r} must be a number of at least 0 and below 0.5.")
    low = clip if estimand in ("ATE", "ATC") else 0.0
    high = 1.0 - clip if estimand in ("ATE", "ATT") else 1.0
    outside = ((values < low) | (values > high)) & (w > 0)
    count, used = int(outside.sum()), int((w > 0).sum())
    shown = ", ".join(map(str, rows[outside][:5].tolist()))
    share = f"{count} of {used} rows ({100 * count / used:.1f}%; first: {shown})"
    text = f"{share} have a propensity outside [{low:g}, {high:g}]"
    if count > 0.5 * used:
        raise NotIdentifiedError(
            f"no overlap: {text}. Restrict the sample to where both arms occur, drop the covariates that decide the "
            "treatment, or lower clip."
        )
    if count > 0.05 * used:
        warnings.warn(f"weak overlap: {text} and were moved to its ends.", OverlapWarning, stacklevel=2)
    return np.clip(values, low, high) if count else values, count
