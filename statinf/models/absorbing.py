"""Designs whose effects of many levels are absorbed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.brief import Brief
from statinf.errors import DataError
from statinf.formula.absorbed import AbsorbedTerm, LevelNames, check_columns_there, read_absorb, term_codes
from statinf.formula.design import Design, design
from statinf.formula.given import without_gaps
from statinf.formula.matrix import Matrix
from statinf.formula.mentioned import read_frame
from statinf.formula.subset import subset
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.models.absorb_options import AbsorbOptions
from statinf.models.row_counts import counted
from statinf.numerics.absorb.demean import Demeaner
from statinf.numerics.absorb.factors import Factors
from statinf.numerics.absorb.rows import informative_rows

_RESOLVED = 10.0
"""Times the tolerance of projections: columns that differ by less once projected are aliased."""
OutcomeEnds = Callable[[np.ndarray], Sequence[np.ndarray]]


@dataclass(frozen=True, eq=False, repr=False)
class Absorption(Brief):
    """The effects to absorb, on the rows of a design.

    Attributes
    ----------
    terms : tuple of AbsorbedTerm
    factors : Factors
    options : AbsorbOptions
    trials : bool
        Whether outcomes are shares of trials, which are among the weights.
    """

    terms: tuple[AbsorbedTerm, ...]
    factors: Factors
    options: AbsorbOptions
    trials: bool = False

    def demeaner(self, weights: np.ndarray | None) -> Demeaner:
        """Projections on the effects; weights that are all one count as none."""
        plain = weights is None or bool((weights == 1.0).all())
        return Demeaner(
            self.factors, None if plain else weights, tol=self.options.absorb_tol, max_iter=self.options.absorb_max_iter
        )

    def resolution(self, tol: float) -> float:
        """Share of a projected column's length below which what other columns leave of it is the projection's own error.

        One factor's effects are means, taken off without iterations: there it is the tolerance of the regression.
        """
        return tol if len(self.terms) == 1 else max(tol, _RESOLVED * self.options.absorb_tol)

    def names(self, made: Design) -> tuple[LevelNames, ...]:
        """Levels by name."""
        return tuple(
            LevelNames.of(made.frame, made.rows, term, code, size)
            for term, code, size in zip(self.terms, self.factors.codes, self.factors.sizes, strict=True)
        )

    def without(self, keep: np.ndarray) -> Absorption:
        """The same on some of the rows."""
        return replace(self, factors=Factors.of([without_gaps(code[keep]) for code in self.factors.codes]))


def absorbed_design(
    formula: str,
    data: Any,
    *,
    absorb: Any,
    options: AbsorbOptions,
    weights: Any,
    vcov: VcovSpec,
    cluster: Any,
    na_action: str,
    context: Mapping[str, Any] | None,
    roles: Sequence[str] = ("covariates",),
    ends: OutcomeEnds | None = None,
    shares: bool = False,
) -> tuple[Design, Absorption]:
    """Design without a constant, which the effects span, and the effects on its rows.

    Rows of weight zero, single rows of a level and, with `ends`, levels whose outcomes all lie on one end of their range are
    left out and counted. With `shares`, `cbind(successes, failures)` is a share of as many trials, which are among the weights.

    Raises
    ------
    FormulaError, DataError
        As `design` does; if no row or no column is left beside the effects.
    """
    terms = read_absorb(absorb)
    groups = cluster_columns(vcov, cluster)
    columns = list(dict.fromkeys(name for term in terms for name in term.columns))
    named = groups is None or (isinstance(groups, list | tuple) and all(isinstance(name, str) for name in groups))
    given = list(groups or []) if named else []
    frame = read_frame(formula, data, weights, given, columns)
    check_columns_there(frame, terms)
    made = design(
        formula,
        frame,
        roles=roles,
        weights=weights,
        cluster=list(dict.fromkeys([*given, *columns])) if named else groups,
        na_action=na_action,
        context=context,
        response="matrix" if shares else "numeric",
    )
    trials = False
    if shares:
        made, rows = counted(made, "precision")
        trials = rows.trials
    absorption = Absorption(terms, Factors.of([term_codes(made, term) for term in terms]), options, trials)
    made, absorption = informative(made, absorption, made.weights > 0, ends)
    return replace(made, parts=tuple(matrix.rest for matrix in made.parts)), absorption


def informative(
    made: Design, absorption: Absorption, present: np.ndarray, ends: OutcomeEnds | None
) -> tuple[Design, Absorption]:
    """The design on the rows, of those present, that tell something beside the effects; the others are counted by cause."""
    keep, alone, settled = informative_rows(
        absorption.factors.codes,
        present,
        singletons=absorption.options.singletons == "drop",
        ends=() if ends is None else ends(made.y),
    )
    told = dict(made.dropped)
    for term, one, many in zip(absorption.terms, alone, settled, strict=True):
        for count, cause in (
            (many, f"the outcomes of their level of {term.name} all lie on one end of the range"),
            (one, f"only row of their level of {term.name}"),
        ):
            if count:
                told[cause] = told.get(cause, 0) + count
    if not keep.any():
        raise DataError(
            f"no row of {made.n} is left beside the effects of {', '.join(t.name for t in absorption.terms)}: "
            f"{'; '.join(f'{count} ({cause})' for cause, count in told.items())}."
        )
    if not keep.all():
        made, absorption = subset(made, keep), absorption.without(keep)
    return replace(made, dropped=told), absorption


def demeaned_columns(
    made: Design, absorption: Absorption, matrix: Matrix, weights: np.ndarray | None, *others: np.ndarray
) -> Any:
    """Columns of a matrix and further ones (n,), side by side, less their projection on the effects."""
    columns = np.empty((made.n, matrix.p + len(others)), order="F")
    columns[:, : matrix.p] = matrix.values
    for j, other in enumerate(others):
        columns[:, matrix.p + j] = other
    return absorption.demeaner(weights)(columns, overwrite=True)
