"""The rows of an effect: outcome, treatment, covariates and groups as arrays, with the checks that all methods share."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError, StatinfWarning
from statinf.formula.design import Design, design
from statinf.formula.frame import Categorical

ROLES = ("treatment", "covariates")


class OverlapWarning(StatinfWarning):
    """Propensities close to 0 or 1: some rows have no counterpart in the other arm."""


@dataclass(frozen=True)
class EffectRows:
    """Arrays behind an effect.

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
    """

    y: np.ndarray
    d: np.ndarray
    x: np.ndarray
    w: np.ndarray
    treatment: str
    binary: bool
    groups: tuple[tuple[str, np.ndarray], ...]
    design: Design

    @property
    def treated(self) -> np.ndarray:
        """Treated rows, shape (n,) bool."""
        return self.d > 0.5

    @property
    def terms(self) -> tuple[str, ...]:
        """Name of each group's effect."""
        return tuple(f"{self.treatment}[{label}]" if label else self.treatment for label, _ in self.groups)


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
) -> EffectRows:
    """Read `outcome ~ treatment | covariates` into arrays.

    Raises
    ------
    DataError
        If the treatment is not one column, does not vary, or has more than two values where two are needed.
    """
    named = [vcov["cluster"]] if isinstance(vcov, Mapping) and isinstance(vcov.get("cluster"), str) else []
    given = [cluster] if isinstance(cluster, str) else list(cluster or [])
    extra = list(dict.fromkeys([*named, *given, *([by] if by else [])]))
    made = design(
        formula, data, roles=ROLES, weights=weights, cluster=extra or None, na_action=na_action, context=context
    )
    treatment = made.part("treatment")
    assert treatment is not None
    matrix = treatment.rest
    if matrix.p != 1:
        listed = ", ".join(matrix.names) or "none"
        raise DataError(
            f"one treatment column is needed before '|', found {matrix.p}: {listed}. Covariates stand behind '|': "
            "'outcome ~ treatment | x1 + x2'."
        )
    d, two = _treatment(matrix.values[:, 0], made.weights, matrix.names[0], binary)
    covariates = made.part("covariates")
    x = np.empty((made.n, 0)) if covariates is None else covariates.rest.values
    y = made.y if made.offset is None else made.y - made.offset
    name = next(iter(t for t in treatment.rest.terms), matrix.names[0])
    return EffectRows(y, d, x, made.weights, _plain(name, matrix.names[0]), two, _groups(made, by), made)


def _plain(term: str, column: str) -> str:
    # A two-level factor is named after its column: C(treat)[T.yes] is the effect of `treat`.
    return term[2:-1] if term.startswith("C(") and term.endswith(")") else term if "[" in column else column


def _treatment(values: np.ndarray, w: np.ndarray, name: str, binary: bool) -> tuple[np.ndarray, bool]:
    used = values if (w > 0).all() else values[w > 0]
    ends = np.array([used.min(), used.max()])
    # Most treatments have two values, which needs no sort to see.
    found = np.unique(ends) if ((used == ends[0]) | (used == ends[1])).all() else np.unique(used)
    if len(found) < 2:
        raise DataError(
            f"the treatment '{name}' does not vary on the rows used (only {found[0]:g}); there is nothing to compare."
        )
    if len(found) == 2:
        return (values == found[1]).astype(np.float64), True
    if binary:
        shown = ", ".join(f"{v:g}" for v in found[:6])
        raise DataError(
            f"the treatment '{name}' has {len(found)} values ({shown}, ...); this method needs two arms. Use method='plr' for a "
            "treatment with many values, or compare two of them."
        )
    return values, False


def _groups(made: Design, by: str | None) -> tuple[tuple[str, np.ndarray], ...]:
    if by is None:
        return (("", np.ones(made.n, dtype=bool)),)
    column = made.frame.categories(by)
    labels = column.levels if isinstance(column, Categorical) else ()
    codes = column.codes[made.rows]
    present = [i for i in range(len(labels)) if (codes == i).any()]
    if len(present) > 50:
        raise DataError(f"by='{by}' has {len(present)} groups; group effects need a column of at most 50 values.")
    return tuple((str(labels[i]), codes == i) for i in present)


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
    if not 0.0 <= clip < 0.5:
        raise OptionError(f"clip={clip!r} must be at least 0 and below 0.5.")
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
