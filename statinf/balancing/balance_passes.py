"""`balance` on data that are read in blocks: coefficients or multipliers by Newton's method on sums over rows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from statinf.balancing.block_entropy import aims, fit_entropy
from statinf.balancing.block_propensity import BALANCES, LIKELIHOODS, PropensityRule, fit_propensity, propensity_rule
from statinf.balancing.block_reading import TwoArms, about, read_arms
from statinf.balancing.block_rows import BlockRows
from statinf.balancing.block_weights import BalanceBlockWeights, TableColumns
from statinf.balancing.columns import eliminated
from statinf.balancing.feasibility import stopped
from statinf.balancing.method import BalanceMethod
from statinf.errors import (
    AliasedWarning,
    DataError,
    InfeasibleError,
    NotIdentifiedError,
    OptionError,
    SeparationWarning,
    issue_warning,
)
from statinf.formula.design import Design
from statinf.passes import BlockTable
from statinf.passes.block_weights import WeightRule, WeightSums
from statinf.passes.column_sums import ColumnSums
from statinf.passes.newton import PassNewton
from statinf.passes.sums import Extent

METHODS = ("ipw", "entropy", "cbps")
_EXTREME = {"logit": 30.0, "probit": 8.0}
_UNTAKEN = {"trim": None, "truncate": None, "over": False, "separate": False}


def balance_passes(
    formula: str,
    table: BlockTable,
    chosen: BalanceMethod,
    settings: Any,
    estimand: str,
    *,
    treated: Any,
    reference: Any,
    dose: bool | None,
    weights: Any,
    beside: Mapping[str, Any],
    na_action: str,
    context: Mapping[str, Any] | None,
) -> BalanceBlockWeights:
    """The weights of `si.balance` on a table in blocks; `beside` holds what only rows in memory take."""
    _refuse(chosen, settings, weights, beside)
    reading = {"weights": weights, "na_action": na_action, "context": context}
    arms = read_arms(formula, table, treated=treated, reference=reference, dose=dose, **reading)
    chosen.solver(arms.treatment, settings)
    rows = _rows(arms, estimand, entropy=chosen.name == "entropy")
    found, rule, details = _solved(chosen, settings, arms, rows, estimand)
    coef = _coefficients(details, arms, rows)
    sizes, shown, far = _after(arms, rule)
    _warn_extreme(rule, far, found, rows, arms)
    made = arms.made
    return BalanceBlockWeights(
        method=chosen.name,
        formula=formula.strip(),
        citation=chosen.reference,
        nobs=made.nobs,
        dropped=made.tally.causes,
        estimand=estimand,
        made=made,
        rule=rule,
        sizes_by=sizes,
        treatment=arms.treatment.name,
        treatment_level=arms.treatment.levels[1],
        control_level=arms.treatment.levels[0],
        level_note=arms.treatment.note,
        names=shown.names,
        coef=coef,
        aliases=None if coef is None else _aliases(arms, coef),
        recipe=made.recipe,
        details=details,
        iterations=found.passes,
        residual=float(found.residual.max()),
        shown=shown,
    )


def _refuse(chosen: BalanceMethod, settings: Any, weights: Any, beside: Mapping[str, Any]) -> None:
    if chosen.name not in METHODS:
        raise OptionError(
            f"method={chosen.name!r} compares rows with one another and needs them in memory; data that are read in blocks are "
            f"balanced by {', '.join(METHODS)}."
        )
    if weights is not None and not isinstance(weights, str):
        raise OptionError("weights= of data that are read in blocks is the name of a column of sampling weights.")
    for name, (given, usual) in beside.items():
        if given != usual:
            raise OptionError(
                f"{name}={given!r} needs rows in memory; on data that are read in blocks write powers and products in the formula, "
                "and balance groups one by one."
            )
    for name, usual in _UNTAKEN.items():
        if getattr(settings, name, usual) != usual:
            raise OptionError(
                f"{name}={getattr(settings, name)!r} of method={chosen.name!r} needs rows in memory; leave it out on data that are "
                "read in blocks."
            )


def _rows(arms: TwoArms, estimand: str, *, entropy: bool) -> BlockRows:
    """The columns that vary and do not follow from others, standardised; for entropy balancing about the target's means."""
    both = arms.both
    flat = both.flat
    _say_dropped(arms, flat, "constant on the rows used")
    varying = np.flatnonzero(~flat)
    centred = both.gram[1:, 1:] - both.mass * np.outer(both.mean, both.mean)
    keep = eliminated(centred[np.ix_(varying, varying)])
    dropped = np.zeros(len(flat), dtype=bool)
    dropped[varying[~keep]] = True
    _say_dropped(arms, dropped | flat if dropped.all() else dropped, "determined by columns before them")
    kept = varying[keep]
    scale = np.sqrt(both.raw_variance[kept])
    target = {"ATT": arms.treated, "ATC": arms.control}.get(estimand, both) if entropy else both
    return BlockRows(arms.reads, kept, (arms.centre + target.mean)[kept], np.where(scale > 0, scale, 1.0))


def _say_dropped(arms: TwoArms, which: np.ndarray, why: str) -> None:
    if not which.any():
        return
    names = [arms.names[j] for j in np.flatnonzero(which)]
    if which.all():
        raise DataError(f"no column is left to balance: {', '.join(names)} are {why}.")
    issue_warning(f"not balanced, because {why}: {', '.join(map(repr, names))}.", AliasedWarning)


def _solved(
    chosen: BalanceMethod, settings: Any, arms: TwoArms, rows: BlockRows, estimand: str
) -> tuple[PassNewton, Any, dict[str, Any]]:
    """The search, the rule that it gives, and coefficients or multipliers in the caller's units."""
    limits = {"tol": settings.tol, "max_iter": settings.max_iter}
    if chosen.name == "entropy":
        todo = aims(estimand, arms.treated.mass, arms.control.mass)
        found, rule = fit_entropy(arms.made, rows, todo, **limits)
        _check(found, chosen.name, arms, rows, settings.max_iter)
        slopes = {int(aim.treated): rows.raw_slopes(slope) for aim, slope in zip(todo, rule.slopes, strict=True)}
        return found, rule, {"multipliers": slopes}
    likely = chosen.name == "ipw" or estimand == "ATO"
    link = getattr(settings, "link", "logit")
    mass = arms.both.mass
    function = LIKELIHOODS[link] if likely else BALANCES[estimand]
    found = fit_propensity(arms.made, rows, function, mass, **limits)
    _check(found, chosen.name, arms, rows, settings.max_iter, likely=likely)
    share = arms.treated.mass / mass if getattr(settings, "stabilize", False) else None
    rule = propensity_rule(found, rows, mass, estimand=estimand, link=link, balanced=not likely, share=share)
    details: dict[str, Any] = {"coefficients": rows.raw_coefficients(found.beta[0])}
    return found, rule, details | ({"link": link} if likely else {})


def _check(
    found: PassNewton, method: str, arms: TwoArms, rows: BlockRows, max_iter: int, *, likely: bool = False
) -> None:
    """Say why a search did not converge."""
    if found.converged.all():
        return
    k = int(np.argmin(found.converged))
    slopes = np.abs(found.beta[k][-len(rows.kept) :])
    worst, left = arms.names[int(rows.kept[int(np.argmax(slopes))])], float(found.residual[k])
    if found.passes >= max_iter:
        raise stopped(method, f"a mean score of {left:.2g}", found.passes, max_iter, "")
    if likely:
        raise NotIdentifiedError(
            f"no overlap: the coefficient of {worst!r} runs off, so propensities reach 0 or 1. Remove it, restrict the sample to "
            "where both arms occur, or balance by weights with tolerances (method='sbw') on rows in memory."
        )
    raise InfeasibleError(
        f"method={method!r}: no weights balance the columns (left: {left:.2g} standard deviations); the multiplier of {worst!r} "
        "runs off. Leave that column out or restrict the sample to where the arms overlap."
    )


def _after(arms: TwoArms, rule: WeightRule) -> tuple[dict[str, WeightSums], TableColumns, float]:
    """Sizes by arm, the balance table's moments, and the largest predictor of a propensity; one pass."""
    names, columns = arms.shown()
    combined, point = about(columns, arms.centre)
    sums = arms.made.total(partial(_weighted, arms.reads, rule, arms.centre), "balance")
    single = (np.abs(columns[:, 1:]) > 0).sum(axis=1) == 1
    binary = np.where(single, arms.both.binary[np.abs(columns[:, 1:]).argmax(axis=1)], True)
    one, two = sums["treated"][1], sums["control"][1]
    before = [s.combined(combined, binary) for s in (arms.treated, arms.control, arms.both)]
    after = [s.combined(combined, binary) for s in (one, two, one.plus(two))]
    sizes = {arm: sums[arm][0] for arm in ("treated", "control")}
    return (
        sizes,
        TableColumns(names, point, *before, *after),
        float(np.max(np.abs([sums["far"].low, sums["far"].high]))),
    )


def _weighted(reads: Any, rule: Any, centre: np.ndarray, block: Design) -> dict[str, Any]:
    seen = block.weights > 0
    values, treated = rule.values(block)[seen], reads.is_treated(block)[seen]
    x, s = block.parts[0].rest.values[seen], block.weights[seen]
    found: dict[str, Any] = {
        name: (WeightSums.of(values[arm], s[arm]), ColumnSums.of(x[arm], centre, values[arm]))
        for name, arm in (("treated", treated), ("control", ~treated))
    }
    eta = rule.predictor(block)[seen] if isinstance(rule, PropensityRule) else np.zeros(1)
    return {**found, "far": Extent.of(eta)}


def _warn_extreme(rule: Any, far: float, found: PassNewton, rows: BlockRows, arms: TwoArms) -> None:
    if not isinstance(rule, PropensityRule) or rule.balanced or far <= _EXTREME[rule.link]:
        return
    worst = arms.names[int(rows.kept[int(np.argmax(np.abs(found.beta[0][1:])))])]
    issue_warning(
        f"The propensity model all but separates the arms (largest linear predictor {far:.3g}); {worst!r} has the largest "
        "standardised coefficient. Some rows have no counterpart in the other arm: restrict the sample, leave the column out, or "
        "use estimand='ATO'.",
        SeparationWarning,
    )


def _coefficients(details: Mapping[str, Any], arms: TwoArms, rows: BlockRows) -> np.ndarray | None:
    """Of the propensity in the order of the formula's columns, NaN where a column was dropped."""
    if "coefficients" not in details:
        return None
    out = np.full(len(arms.names) + 1, np.nan)
    out[np.r_[0, rows.kept + 1]] = details["coefficients"]
    return out


def _aliases(arms: TwoArms, coef: np.ndarray) -> np.ndarray:
    """How the columns that have a coefficient make the others, from the moments of all rows; shape (k, p + 1 - k)."""
    kept = ~np.isnan(coef)
    gram = arms.both.gram
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    scaled = gram / np.outer(scale, scale)
    inside = np.linalg.solve(scaled[np.ix_(kept, kept)], scaled[np.ix_(kept, ~kept)])
    inside *= scale[~kept] / scale[kept][:, None]
    # From columns about the shared point to columns as given.
    inside[0] += arms.centre[~kept[1:]] - arms.centre[kept[1:]] @ inside[1:]
    return inside
