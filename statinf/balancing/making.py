"""From a design and a solved problem to weights: columns, groups, and numbers in the caller's units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from statinf.balancing.arm_weights import MultiArmWeights
from statinf.balancing.columns import (
    BalanceColumns,
    expanded,
    formula_columns,
    independent,
    present_levels,
    with_all_levels,
    without_constants,
)
from statinf.balancing.dose_weights import DoseWeights
from statinf.balancing.solution import BalanceSolution
from statinf.balancing.solving import Balancing
from statinf.balancing.treatment import Treatment
from statinf.balancing.weights import BalanceWeights
from statinf.formula import Design
from statinf.inference.clusters import intersect
from statinf.numerics.linear.aliases import alias_map


@dataclass(frozen=True)
class ColumnSets:
    """The formula's columns, those with every level of a factor, and the ones that the method balances."""

    plain: BalanceColumns
    shown: BalanceColumns
    balanced: BalanceColumns


def make_weights(
    task: Balancing, design: Design, treatment: Treatment, columns: ColumnSets, formula: str
) -> BalanceWeights | MultiArmWeights | DoseWeights:
    """Solve the task, and carry what was found back to the columns as the caller gave them."""
    solution, chosen = task.solve(), task.method
    coef = _formula_coefficients(solution, columns, task.codes)
    linear = cache(solution.linear) if solution.linear is not None else None
    common: dict[str, Any] = {
        "method": chosen.name,
        "formula": formula,
        "citation": chosen.cited.get(treatment.kind, chosen.reference),
        "nobs": int(task.used.sum()),
        "values": solution.values,
        "used": design.rows,
        "n_total": design.n_total,
        "identity": treatment.identity(design),
        "estimand": task.problem.estimand,
        "derivative": None if linear is None else lambda: linear().derivative,
        "influence": None if linear is None else lambda: linear().influence,
        "leverage": None if linear is None else lambda: linear().leverage,
        "kind": design.kind,
        "dropped": design.dropped,
        "sampling": design.weights,
        "columns": columns.shown,
        "names": columns.shown.names,
        "treatment": treatment.name,
        "level_note": treatment.note,
        "coef": coef,
        "aliases": _aliases(design, coef),
        "recipe": design.recipe,
        "details": _carried_back(solution.details, columns.balanced),
        "iterations": solution.iterations,
        "residual": solution.residual,
        "groups": task.codes,
        "group_names": task.groups,
        "treated_as_fixed": (solution.fixed or chosen.fixed) if linear is None else "",
        "solver": lambda multipliers: task.solve_many(multipliers, solution),
    }
    if treatment.dose is not None:
        return DoseWeights(**common, dose=treatment.dose)
    if treatment.kind == "several":
        arms = {"arm": treatment.codes, "levels": treatment.levels, "focal": treatment.focal}
        return MultiArmWeights(**common, **arms, propensity=solution.propensity)
    return BalanceWeights(
        **common,
        treated=treatment.codes == 1,
        treatment_level=treatment.levels[1],
        control_level=treatment.levels[0],
        propensity=solution.propensity,
    )


def _aliases(design: Design, coef: np.ndarray | None) -> np.ndarray | None:
    """How the columns that have a coefficient make the others; None without coefficients."""
    if coef is None:
        return None
    return alias_map(design.parts[0].with_intercept().values, ~np.isnan(np.atleast_2d(coef)[0]), design.weights)


def column_sets(every_level: bool, design: Design, used: np.ndarray, moments: int, interactions: bool) -> ColumnSets:
    plain = formula_columns(design.parts[0], used)
    shown = with_all_levels(plain, design.recipe)
    s = design.weights[used]
    columns = expanded(shown if every_level else present_levels(plain, design.recipe), s, moments, interactions)
    return ColumnSets(plain, shown, without_constants(columns) if every_level else independent(columns, s))


def group_codes(design: Design, used: np.ndarray, by: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Codes of the groups, -1 for those without a row of positive weight, and their names."""
    if not by:
        return None, ()
    codes = np.full(design.n, -1)
    codes[used] = intersect([design.cluster_codes(name)[used] for name in by])
    labels = [
        np.asarray(design.frame.categories(name).levels, dtype=object)[design.frame.categories(name).codes[design.rows]]
        for name in by
    ]
    first = [int(np.argmax(codes == g)) for g in range(int(codes.max()) + 1)]
    return codes, tuple(", ".join(f"{name}={label[i]}" for name, label in zip(by, labels, strict=True)) for i in first)


def _carried_back(details: Mapping[str, Any], columns: BalanceColumns) -> dict[str, Any]:
    """Coefficients and multipliers in units of the columns as the caller gave them."""
    out: dict[str, Any] = {}
    for key, value in details.items():
        if key in ("coefficients", "coefficients_control"):
            out[key] = columns.raw_coefficients(value)
        elif key == "coefficients_of_each":
            out[key] = {arm: columns.raw_coefficients(one) for arm, one in value.items()}
        elif key == "multipliers":
            out[key] = {arm: columns.raw_slopes(slope) for arm, slope in value.items()}
        else:
            out[key] = _carried_back(value, columns) if isinstance(value, Mapping) else value
    return out


def _formula_coefficients(
    solution: BalanceSolution, columns: ColumnSets, codes: np.ndarray | None
) -> np.ndarray | None:
    """Coefficients of the treatment's model in the order of the formula's columns, NaN where a column was dropped."""
    plain, balanced = columns.plain.names, columns.balanced
    found = solution.details.get("coefficients") if codes is None else None
    if found is None or "coefficients_control" in solution.details or not set(balanced.names) <= set(plain):
        return None
    at = np.r_[0, [1 + plain.index(name) for name in balanced.names]]
    found = balanced.raw_coefficients(found)
    out = np.full((*found.shape[:-1], len(plain) + 1), np.nan)
    out[..., at] = found
    return out
