"""`balance`: weights that make treatment groups comparable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.balancing.columns import (
    BalanceColumns,
    check_moments,
    expanded,
    formula_columns,
    independent,
    present_levels,
    with_all_levels,
    without_constants,
)
from statinf.balancing.method import BalanceMethod
from statinf.balancing.problem import ESTIMANDS, BalanceProblem
from statinf.balancing.solution import BalanceSolution
from statinf.balancing.solving import Balancing
from statinf.balancing.table import BALANCE
from statinf.balancing.treatment import TwoArms, read_design
from statinf.balancing.weights import BalanceWeights
from statinf.errors import OptionError, one_of
from statinf.formula import Design, as_frame
from statinf.inference.clusters import intersect
from statinf.numerics.linear.aliases import alias_map


@BALANCE.document
def balance(
    formula: str,
    data: Any,
    *,
    method: str = "ipw",
    estimand: str = "ATE",
    treated: Any = None,
    weights: Any = None,
    by: str | Sequence[str] | None = None,
    moments: int = 1,
    interactions: bool = False,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> BalanceWeights:
    """Estimate weights that balance covariates between two treatment arms.

    Parameters
    ----------
    formula : str
        `treatment ~ covariates`. The treatment has two values, numbers or labels. Splines, transforms and interactions
        are written in the formula.
    data : data frame
        As `statinf.lm` takes it.
    method : {"ipw", "entropy", "cbps", "sbw", "energy", "kernel", "ipm"}
        "ipw" and "cbps" model a propensity, "entropy" and "sbw" balance columns by weights close to uniform, the others
        balance whole distributions.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM", "ATEN"}
        Whose average effect the weights are for; the overlap (ATO), matching (ATM) and entropy (ATEN) tilts need a propensity.
    treated : object, optional
        The value that counts as treated. By default the one that is not the reference by its name (0, "control", "placebo",
        "untreated", "no", "FALSE", "none", "" in any spelling); of other pairs the later one, and the summary says so.
    weights : array of shape (rows,) or str, optional
        Sampling weights. They are multiplied into the weights returned.
    by : str or sequence of str, optional
        Columns; weights are estimated within each of their combinations.
    moments : int
        2 balances squares of the continuous columns too, and so on.
    interactions : bool
        Balance the products of all pairs of columns too.
    seed : int
        Of what is random: landmarks, the adversarial metrics, the bootstrap behind `tols="auto"`.
    na_action, context
        As in `statinf.lm`.
    **options
        Of the method, below.

    {methods}

    Returns
    -------
    BalanceWeights
        Goes into any verb as `weights=`, whose standard errors then account for its estimation; energy and the adversarial
        metrics have no theory for that, and the label of the standard errors says that weights are taken as known.

    Raises
    ------
    DataError
        If the treatment does not have two values, an arm is empty, or no column is left.
    InfeasibleError
        If no weights balance the columns; the message names the column, the gap and the smallest feasible tolerance.
    NotIdentifiedError
        If covariates separate the arms.
    OptionError
        If an option is none of the method's, or out of its range.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("lalonde")
    >>> formula = "treat ~ age + educ + C(race) + married + nodegree + re74 + re75"
    >>> w = si.balance(formula, data, method="entropy", estimand="ATT")
    >>> fit = si.lm("re78 ~ treat", data, weights=w)
    >>> round(float(fit.params["treat"]), 2), round(float(fit.std_errors["treat"]), 2), fit.cov.label
    (1273.26, 789.74, 'HC0, weights estimated')
    >>> bool(w.diagnostics()["smd_after"].abs().max() < 1e-8)
    True
    """
    chosen, settings = BALANCE.read(method, options)
    assert isinstance(chosen, BalanceMethod)
    estimand = one_of("estimand", estimand.upper() if isinstance(estimand, str) else estimand, ESTIMANDS)
    chosen.check_estimand(estimand, settings)
    check_seed(seed)
    check_moments(moments, interactions)
    if hasattr(weights, "used") and hasattr(weights, "values"):
        raise OptionError(
            "weights= takes sampling weights as an array or a column name; to multiply two estimated weights write w1 * w2, to "
            "take estimated ones as known give weights=w.full()."
        )
    by = _names(by)
    design, arms = read_design(
        formula,
        as_frame(data),
        treated=treated,
        weights=weights,
        na_action=na_action,
        context=context,
        cluster=by or None,
    )
    used = design.weights > 0
    columns = _columns(chosen.all_levels(settings), design, used, moments, interactions)
    codes, groups = _groups(design, used, by)
    balanced = columns.balanced
    problem = BalanceProblem(
        balanced.values, arms.codes[used], design.weights[used], balanced.names, estimand, int(seed), balanced.terms
    )
    return _weights(Balancing(chosen, settings, problem, used, codes, groups), design, arms, columns, formula.strip())


@dataclass(frozen=True)
class _ColumnSets:
    """The formula's columns, those with every level of a factor, and the ones that the method balances."""

    plain: BalanceColumns
    shown: BalanceColumns
    balanced: BalanceColumns


def _weights(task: Balancing, design: Design, arms: TwoArms, columns: _ColumnSets, formula: str) -> BalanceWeights:
    """Solve the task, and carry what was found back to the columns as the caller gave them."""
    solution, chosen = task.solve(), task.method
    coef = _formula_coefficients(solution, columns, task.codes)
    linear = cache(solution.linear) if solution.linear is not None else None
    return BalanceWeights(
        method=chosen.name,
        formula=formula,
        citation=chosen.reference,
        nobs=int(task.used.sum()),
        values=solution.values,
        used=design.rows,
        n_total=design.n_total,
        identity=arms.identity(design),
        estimand=task.problem.estimand,
        derivative=None if linear is None else lambda: linear().derivative,
        influence=None if linear is None else lambda: linear().influence,
        leverage=None if linear is None else lambda: linear().leverage,
        kind=design.kind,
        dropped=design.dropped,
        treated=arms.codes == 1,
        sampling=design.weights,
        columns=columns.shown,
        names=columns.shown.names,
        treatment=arms.name,
        treatment_level=arms.levels[1],
        control_level=arms.levels[0],
        level_note=arms.note,
        propensity=solution.propensity,
        coef=coef,
        aliases=_aliases(design, coef),
        recipe=design.recipe,
        details=_carried_back(solution.details, columns.balanced),
        iterations=solution.iterations,
        residual=solution.residual,
        groups=task.codes,
        group_names=task.groups,
        treated_as_fixed=chosen.fixed if linear is None else "",
        solver=lambda multipliers: task.solve_many(multipliers, solution),
    )


def _aliases(design: Design, coef: np.ndarray | None) -> np.ndarray | None:
    """How the columns that have a coefficient make the others; None without coefficients."""
    if coef is None:
        return None
    return alias_map(design.parts[0].with_intercept().values, ~np.isnan(coef), design.weights)


def _names(by: str | Sequence[str] | None) -> list[str]:
    names = [by] if isinstance(by, str) else () if by is None else by
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise OptionError(
            f"by= is the name of a column or a list of names, not a {type(by).__name__} of something else."
        )
    return list(names)


def _columns(every_level: bool, design: Design, used: np.ndarray, moments: int, interactions: bool) -> _ColumnSets:
    plain = formula_columns(design.parts[0], used)
    shown = with_all_levels(plain, design.recipe)
    s = design.weights[used]
    columns = expanded(shown if every_level else present_levels(plain, design.recipe), s, moments, interactions)
    return _ColumnSets(plain, shown, without_constants(columns) if every_level else independent(columns, s))


def _groups(design: Design, used: np.ndarray, by: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
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
        elif key == "multipliers":
            out[key] = {arm: columns.raw_slopes(slope) for arm, slope in value.items()}
        else:
            out[key] = _carried_back(value, columns) if isinstance(value, Mapping) else value
    return out


def _formula_coefficients(
    solution: BalanceSolution, columns: _ColumnSets, codes: np.ndarray | None
) -> np.ndarray | None:
    """Propensity coefficients in the order of the formula's columns, NaN where a column was dropped."""
    plain, balanced = columns.plain.names, columns.balanced
    found = solution.details.get("coefficients") if codes is None else None
    if found is None or "coefficients_control" in solution.details or not set(balanced.names) <= set(plain):
        return None
    out = np.full(len(plain) + 1, np.nan)
    found = balanced.raw_coefficients(found)
    out[0] = found[0]
    for name, value in zip(balanced.names, found[1:], strict=True):
        out[1 + plain.index(name)] = value
    return out
