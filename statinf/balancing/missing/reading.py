"""`outcome ~ covariates`, or `outcome ~ covariates | observed`, read so that rows without an outcome stay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.balancing.columns import formula_columns, independent
from statinf.balancing.missing.problem import MissingProblem
from statinf.errors import DataError, FormulaError, OptionError, silent_warnings
from statinf.formula import Design, design
from statinf.formula.frame import Frame
from statinf.formula.mentioned import read_frame
from statinf.formula.scale import SQUARES, check_columns, check_scale
from statinf.formula.scan import halves
from statinf.inference.vcov import cluster_columns

_DOT = re.compile(r"(?<![\w.])\.(?![\w.])")


@dataclass(frozen=True)
class MissingRows:
    """The design of the covariates, with what is known of the outcome.

    Attributes
    ----------
    design : Design
    y : ndarray, shape (n,)
        NaN where there is none.
    observed : ndarray of bool, shape (n,)
    outcome : str
    """

    design: Design
    y: np.ndarray
    observed: np.ndarray
    outcome: str

    @property
    def used(self) -> np.ndarray:
        """Rows of positive weight, shape (n,) bool."""
        return self.design.weights > 0

    def problem(self, seed: int) -> MissingProblem:
        """The arrays that methods get."""
        made, used = self.design, self.used
        part = made.parts[0]
        x, names = np.empty((int(used.sum()), 0)), ()
        if part.rest.p:
            check_columns(part, *SQUARES)
            columns = independent(formula_columns(part, used), made.weights[used])
            x, names = columns.values, columns.names
        y = np.where(self.observed, self.y, 0.0)[used]
        check_scale(float(np.abs(y).max(initial=0.0)), f"the outcome '{self.outcome}'", *SQUARES)
        codes = min(made.clusters.values(), key=lambda found: int(found.max()), default=None)
        return MissingProblem(
            x,
            y,
            self.observed[used],
            made.weights[used],
            made.rows[used],
            names,
            seed,
            None if codes is None else codes[used],
        )


def read_rows(
    formula: str,
    data: Any,
    *,
    weights: Any = None,
    vcov: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
) -> MissingRows:
    """Read the formula; rows lack covariates, weights or clusters to be left out, not the outcome.

    Raises
    ------
    FormulaError
        If the formula has no outcome, or the outcome is among the covariates.
    DataError
        If no row has an outcome, or the indicator is not 0 and 1, or says that a missing outcome is observed.
    OptionError
        If `weights` are estimated weights.
    """
    if hasattr(weights, "used") and hasattr(weights, "values"):
        raise OptionError(
            "weights= takes sampling weights as an array or a column name; for the mean under two estimated weights give "
            "si.lm('y ~ 1', data, weights=w1 * w2), or weights=w.full() to take estimated ones as known."
        )
    groups = cluster_columns(vcov, cluster)
    frame = read_frame(formula, data, weights, groups)
    left, tilde, right = halves(formula)
    if not tilde or not left.strip() or not right.strip():
        raise FormulaError("missing_mean reads 'outcome ~ covariates', or 'outcome ~ covariates | observed'.")
    outcome = _outcome(left, frame, context)
    if _DOT.search(right):
        # A dot stands for all columns but those of the outcome.
        first, bar, rest = right.partition("|")
        right = " - ".join([first, *(f"`{c}`" for c in outcome.recipe.columns)]) + bar + rest
    made = design(
        f"~ {right}", frame, roles=("covariates", "observed"), response="none", weights=weights, cluster=groups,
        na_action=na_action, context=context,
    )  # fmt: skip
    if made.offset is not None or outcome.offset is not None:
        raise FormulaError("missing_mean takes no offset; subtract it from the outcome: I(y - z) ~ x.")
    both = sorted(set(outcome.recipe.columns) & set(made.recipe.columns))
    if both:
        raise FormulaError(f"the outcome '{both[0]}' is among the covariates too; take it out of the right side.")
    made = replace(made, recipe=replace(made.recipe, formula=formula.strip()))
    name = outcome.response_names[0]
    y = np.full(frame.n, np.nan)
    y[outcome.rows] = outcome.y
    y = y[made.rows]
    observed = _observed(made, y, name)
    if not (observed & (made.weights > 0)).any():
        raise DataError(f"no row used has the outcome '{name}': there is nothing to estimate its mean from.")
    return MissingRows(made, y, observed, name)


def _outcome(left: str, frame: Frame, context: Mapping[str, Any] | None) -> Design:
    """The outcome on the rows that have it."""
    try:
        with silent_warnings():
            found = design(f"{left} ~ 1", frame, context=context)
    except DataError as error:
        if "no row" in str(error).lower():
            raise DataError(
                f"no row has the outcome '{left.strip()}': there is nothing to estimate its mean from."
            ) from None
        raise
    endless = {cause: k for cause, k in found.dropped.items() if cause.endswith("is not finite")}
    if endless:
        cause, k = next(iter(endless.items()))
        raise DataError(
            f"the outcome cannot be computed in {k} rows that have its columns: {cause}. Only a missing column makes an "
            "outcome missing."
        )
    return found


def _observed(made: Design, y: np.ndarray, name: str) -> np.ndarray:
    """Rows with an outcome: those where it is there, or where the indicator says so."""
    there = np.isfinite(y)
    part = made.part("observed")
    if part is None:
        return there
    rest = part.rest
    if rest.p != 1 or not np.isin(rest.values[:, 0], (0.0, 1.0)).all() or rest.names[0].endswith("]"):
        raise DataError("the indicator of observed outcomes is one column of 0 and 1, or of booleans.")
    observed = rest.values[:, 0] == 1.0
    wrong = observed & ~there & (made.weights > 0)
    if wrong.any():
        raise DataError(
            f"'{rest.names[0]}' says that '{name}' is observed where it is missing, in {int(wrong.sum())} rows (first: "
            f"{int(made.rows[wrong][0])})."
        )
    return observed & there
