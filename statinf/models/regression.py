"""What linear and generalised linear fits share: columns, predictions of the linear predictor, checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from statinf.errors import AliasedWarning, DataError, NumericalWarning, issue_warning
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.formula.scale import check_scale
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.models.together import shared_design
from statinf.results.predicting import augmented, predictor, predictor_se, scatter

__all__ = [
    "augmented",
    "check_outcome",
    "check_size",
    "kept_columns",
    "predictor",
    "predictor_se",
    "regression_design",
    "scatter",
    "warn_aliased",
    "warn_spanned",
]

NEARLY_ALIASED = 1e8


def regression_design(
    formula: str,
    data: Any,
    *,
    weights: Any,
    vcov: VcovSpec,
    cluster: Any,
    na_action: str,
    context: Mapping[str, Any] | None,
    response: str = "numeric",
) -> Design:
    """Design of a regression; rows without a cluster named by `vcov` are left out as well."""
    groups = cluster_columns(vcov, cluster)
    made = shared_design(
        formula, data, weights=weights, cluster=groups, na_action=na_action, context=context, response=response
    )
    check_has_columns(made.parts[0].p)
    return made


def check_has_columns(p: int) -> None:
    """Refuse a formula with no column to fit."""
    if p == 0:
        raise DataError("the formula leaves no column: it has neither an intercept nor a term.")


def warn_aliased(all_names: Sequence[str], kept: np.ndarray, condition: float) -> None:
    """One warning that names the aliased columns, or says that some are nearly so."""
    if not kept.all():
        names = ", ".join(f"'{n}'" for n, k in zip(all_names, kept, strict=True) if not k)
        issue_warning(
            f"dropped because other columns determine them: {names}. Their coefficients have no estimate.",
            AliasedWarning,
        )
    if condition > NEARLY_ALIASED:
        issue_warning(
            f"the columns are nearly aliased (condition number {condition:.1e} after scaling): about "
            f"{max(0, 16 - int(np.log10(condition)))} digits of the coefficients can be trusted.",
            NumericalWarning,
        )


def warn_spanned(names: Sequence[str], factors: Sequence[str]) -> None:
    """One warning that names the columns that absorbed effects determine."""
    if names:
        issue_warning(
            f"dropped because the absorbed effects of {', '.join(factors)} determine them: {', '.join(names)}. Their "
            "coefficients have no estimate.",
            AliasedWarning,
        )


def check_outcome(y: np.ndarray, weights: np.ndarray, name: str) -> None:
    """Refuse an outcome that does not vary, or whose squares are no numbers."""
    positive = weights > 0
    used = y if positive.all() else y[positive]
    lowest, highest = used.min(), used.max()
    if len(used) > 1 and lowest == highest:
        raise DataError(
            f"the outcome '{name}' is constant ({used[0]:g}) on the rows used; there is nothing to explain."
        )
    check_scale(float(max(highest, -lowest)), f"the outcome '{name}'")


def check_size(nobs: int, rank: int, names: Sequence[str]) -> None:
    """Refuse fits with fewer rows than columns, unless aliased columns are what is too many."""
    p = len(names)
    if p > nobs and rank >= nobs:
        raise DataError(
            f"{nobs} {'row' if nobs == 1 else 'rows'} of positive weight cannot determine {p} coefficients "
            f"({', '.join(names[:8])}{', ...' if p > 8 else ''}); use fewer terms, or a penalised method."
        )


def kept_columns(matrix: Matrix, kept: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names and values of the columns that are not aliased."""
    if kept.all():
        return list(matrix.names), matrix.values
    return [n for n, k in zip(matrix.names, kept, strict=True) if k], matrix.values[:, kept]
