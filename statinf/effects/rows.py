"""The rows of an effect: outcome, treatment, covariates and groups as arrays, with the checks that all methods share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.effects.arms import Arms, arms_of, not_two, plain_name
from statinf.errors import DataError, NumericalWarning, OptionError, issue_warning
from statinf.formula.design import Design, design
from statinf.formula.given import without_gaps
from statinf.formula.matrix import Matrix
from statinf.formula.scale import check_sizes
from statinf.inference.vcov import VcovSpec

ROLES = ("treatment", "covariates")


@dataclass(frozen=True, repr=False)
class EffectRows(Brief):
    """Arrays behind an effect; rows of weight zero are left out.

    Attributes
    ----------
    y, d : ndarray, shape (n,)
        Outcome and treatment: 0 or 1 of two arms, else the numbers as given, else the codes of the arms.
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
        Levels of a treatment of two arms or more; None for a dose of many values.
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
    check_sizes(made)
    arms = arms_of(made, treatment.rest, treated=treated, reference=reference)
    two = arms is not None and len(arms.levels) == 2
    name = plain_name(treatment.rest)
    if not two and (binary or treatment.rest.p > 1 or treated is not None or reference is not None):
        if arms is None and not binary:
            raise OptionError(f"treated= and reference= choose between levels; '{name}' has many values.")
        raise not_two(arms, treatment.rest.values[:, 0], name)
    d = arms.rows(arms.treated).astype(np.float64) if arms is not None and two else treatment.rest.values[:, 0]
    covariates = made.part("covariates")
    x = np.empty((made.n, 0)) if covariates is None else covariates.rest.values
    y = made.y if made.offset is None else made.y - made.offset
    groups = _groups(made, by)
    _check_groups(groups, by, d, made.weights, arms if two else None)
    return EffectRows(y, d, x, made.weights, name, two, groups, made, arms, clusters)


def warn_thin_arms(rows: EffectRows) -> None:
    """Warn, naming row or cluster and arm, where one row or one cluster is all that an arm of two has."""
    if not rows.binary:
        return
    found = []
    for label, group in rows.groups:
        for arm, inside in ((1, group & rows.treated), (0, group & ~rows.treated)):
            name = (
                ("control", "treated")[arm]
                if rows.arms is None
                else _level((rows.arms.reference, rows.arms.treated)[arm])
            )
            where = f" of {label}" if label else ""
            if np.count_nonzero(inside) == 1:
                found.append(f"row {int(rows.design.rows[inside][0])} is the only one of the arm {name}{where}")
                continue
            alone = [c for c, codes in rows.clusters.items() if len(np.unique(codes[inside])) == 1]
            found += [f"one cluster of '{c}' holds all rows of the arm {name}{where}" for c in alone]
    if found:
        issue_warning(
            f"{'; '.join(found[:3])}: how that arm varies cannot be seen, so that the interval is far too short.",
            NumericalWarning,
        )


def _level(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


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
    if by is not None and not isinstance(by, str):
        raise OptionError(f"by= is the name of a column, not a {type(by).__name__}; put the groups into the data.")
    spec = VcovSpec.read(vcov, cluster)
    array = cluster is not None and spec.clusters == ("cluster",) and not isinstance(cluster, str | list | tuple)
    asked = list(dict.fromkeys([*spec.clusters, *([by] if by else [])]))
    made = design(
        formula,
        data,
        roles=roles,
        weights=weights,
        cluster=cluster if array else asked or None,
        na_action=na_action,
        context=context,
    )
    if by is not None and by not in spec.clusters:
        dropped = {f"{by} is missing" if c == f"cluster {by} is missing" else c: k for c, k in made.dropped.items()}
        made = replace(made, dropped=dropped)
        if array and (gaps := made.frame.categories(by).codes[made.rows] < 0).any():
            dropped[f"{by} is missing"] = int(gaps.sum())
            made = subset(made, ~gaps)
    # Estimated weights have scores on rows of weight zero too: these stay, with nothing to say elsewhere.
    if made.weights_object is None and not made.weights.all():
        made = subset(made, made.weights > 0)
    return made, {name: made.cluster_codes(name) for name in spec.clusters}


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
