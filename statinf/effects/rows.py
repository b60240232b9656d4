"""The rows of an effect: outcome, treatment, covariates and groups as arrays, with the checks that all methods share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.effects.arm_checks import check_groups
from statinf.effects.arms import MOST_NUMBERS, Arms, arms_of, not_arms, plain_name, shown_level
from statinf.errors import DataError, OptionError
from statinf.formula.design import Design, design
from statinf.formula.scale import check_sizes
from statinf.formula.subset import subset
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
    several : bool
        Whether the treatment is read as three arms or more.
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
    several: bool = False

    @property
    def treated(self) -> np.ndarray:
        """Treated rows, shape (n,) bool; of several arms, those outside the reference."""
        if self.several and self.arms is not None:
            return ~self.arms.rows(self.arms.reference)
        return self.d > 0.5

    @property
    def terms(self) -> tuple[str, ...]:
        """Name of each group's effect; of several arms, group by group the arms beside the reference."""
        names = [self.treatment]
        if self.several and self.arms is not None:
            names = [f"{self.treatment}[{shown_level(v)}]" for v in self.arms.ordered[1:]]
        return tuple(f"{name}[{label}]" if label else name for label, _ in self.groups for name in names)

    def arm_codes(self) -> np.ndarray:
        """Arm of each row, shape (n,): 0 is the reference."""
        assert self.arms is not None
        place = np.array([self.arms.ordered.index(level) for level in self.arms.levels], np.intp)
        return place[self.arms.codes]

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
    several: bool = False,
    treated: Any = None,
    reference: Any = None,
    folds: Any = None,
) -> EffectRows:
    """Read `outcome ~ treatment | covariates` into arrays.

    Rows without a label in a column that `folds` names are left out. `binary` wants a treatment of two arms, `several` one of
    two or more; with neither, numbers are doses.

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
        folds=folds,
    )
    treatment = made.part("treatment")
    assert treatment is not None
    check_sizes(made)
    arms = arms_of(made, treatment.rest, treated=treated, reference=reference)
    two = arms is not None and len(arms.levels) == 2
    # Numbers of many values are doses, unless C() says that they are arms.
    coded = treatment.rest.p > 1 or arms is None or len(arms.levels) <= MOST_NUMBERS
    many = several and arms is not None and not two and coded
    name = plain_name(treatment.rest)
    if not (two or many) and (binary or treatment.rest.p > 1 or treated is not None or reference is not None):
        if arms is None and not binary:
            raise OptionError(f"treated= and reference= choose between levels; '{name}' has many values.")
        raise not_arms(arms, treatment.rest.values[:, 0], name, several=several)
    d = treatment.rest.values[:, 0]
    if arms is not None and (two or many):
        d = (arms.rows(arms.treated) if two else arms.codes).astype(np.float64)
    covariates = made.part("covariates")
    x = np.empty((made.n, 0)) if covariates is None else covariates.rest.values
    y = made.y if made.offset is None else made.y - made.offset
    groups = _groups(made, by)
    check_groups(groups, by, d, made.weights, arms if two or many else None)
    return EffectRows(y, d, x, made.weights, name, two, groups, made, arms, clusters, many)


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
    folds: Any = None,
) -> tuple[Design, dict[str, np.ndarray]]:
    """The design without rows of weight zero or without a group or fold, and the clusters that rows come in."""
    if by is not None and not isinstance(by, str):
        raise OptionError(f"by= is the name of a column, not a {type(by).__name__}; put the groups into the data.")
    spec = VcovSpec.read(vcov, cluster)
    array = cluster is not None and spec.clusters == ("cluster",) and not isinstance(cluster, str | list | tuple)
    labels = [name for name in (by, folds) if isinstance(name, str)]
    asked = list(dict.fromkeys([*spec.columns, *labels]))
    made = design(
        formula,
        data,
        roles=roles,
        weights=weights,
        cluster=cluster if array else asked or None,
        na_action=na_action,
        context=context,
    )
    for name in labels if array else ():
        if (gaps := made.frame.categories(name).codes[made.rows] < 0).any():
            made = replace(made, dropped={**made.dropped, f"{name} is missing": int(gaps.sum())})
            made = subset(made, ~gaps)
    # Estimated weights have scores on rows of weight zero too: these stay, with nothing to say elsewhere.
    if made.weights_object is None and not made.weights.all():
        made = subset(made, made.weights > 0)
    return made, {name: made.cluster_codes(name) for name in spec.clusters}


def _groups(made: Design, by: str | None) -> tuple[tuple[str, np.ndarray], ...]:
    if by is None:
        return (("", np.ones(made.n, dtype=bool)),)
    column = made.frame.categories(by)
    codes = column.codes[made.rows]
    present = np.flatnonzero(np.bincount(codes[made.weights > 0], minlength=len(column.levels)))
    if len(present) > 50:
        raise DataError(f"by='{by}' has {len(present)} groups; group effects need a column of at most 50 values.")
    return tuple((str(column.levels[i]), codes == i) for i in present)
