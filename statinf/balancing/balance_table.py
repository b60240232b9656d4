"""`balance_table`: the balance of weights that come from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.balancing.arm_weights import MultiArmWeights
from statinf.balancing.assess import assess
from statinf.balancing.balance_table_result import BalanceTable
from statinf.balancing.balanced import Balanced
from statinf.balancing.columns import check_moments, expanded, formula_columns, with_all_levels
from statinf.balancing.dose_weights import DoseWeights
from statinf.balancing.problem import read_estimand
from statinf.balancing.table import BALANCE_TABLE
from statinf.balancing.treatment import Treatment, read_design
from statinf.balancing.weights import BalanceWeights
from statinf.errors import DataError, OptionError
from statinf.formula import Design, Frame, as_frame
from statinf.formula.given import on_frame, weights_of
from statinf.formula.scan import halves


@BALANCE_TABLE.document
def balance_table(
    formula: str,
    data: Any,
    *,
    weights: Any = None,
    estimand: str | None = None,
    treated: Any = None,
    reference: Any = None,
    dose: bool | None = None,
    sampling: Any = None,
    covariates: str | None = None,
    moments: int = 1,
    interactions: bool = False,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> BalanceTable:
    """Show how well weights from anywhere balance covariates between arms, or free a dose of them.

    Parameters
    ----------
    formula : str
        `treatment ~ covariates`, as `statinf.balance` takes it.
    data : data frame
    weights : array of shape (rows,), str, Weights, or mapping of str to these, optional
        Balancing weights, those of matched samples and of other programs included; sampling weights multiplied in. Several
        under their names are shown side by side. Without any the sample as it is.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM", "ATEN"}, optional
        Decides which standard deviation stands behind differences. By default that of a `Weights`, or "ATE".
    treated, reference, dose
        As in `statinf.balance`; by default those of a `Weights` from there.
    sampling : array of shape (rows,) or str, optional
        Sampling weights, which the sample before weighting has. By default those of a `Weights`.
    covariates : str, optional
        `~ further covariates`, which the weights were not made for: powers, products, columns left out.
    moments : int
        2 shows squares of the continuous columns too, and so on.
    interactions : bool
        Show the products of all pairs of columns too.
    na_action, context
        As in `statinf.lm`. Rows without a weight are left out, and counted.
    **options
        {methods}

    Returns
    -------
    BalanceTable
        `tidy()`, `sizes()`, `summary()`, `unbalanced`, and `plot()`, the love plot with the threshold's line.

    Raises
    ------
    DataError
        If weights do not fit the rows, or an arm is empty.
    OptionError
        If an option cannot be used.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("lalonde")
    >>> w = si.balance("treat ~ age + educ + re74", data, estimand="ATT")
    >>> table = si.balance_table(
    ...     "treat ~ age + educ + re74", data, weights=w, covariates="~ married + I(age**2)", names={"re74": "Earnings 1974"}
    ... )
    >>> table.unbalanced
    ['married']
    >>> list(table.tidy()["term"])
    ['age', 'educ', 'Earnings 1974', 'married', 'I(age ** 2)']
    """
    _, settings = BALANCE_TABLE.read("", options)
    check_moments(moments, interactions, dose)
    frame = as_frame(data)
    named = _named(weights)
    placed = {name: on_frame(w, frame) if w is not None else None for name, w in named.items()}
    origin = next((o for w in placed.values() if (o := _origin(w)) is not None), None)
    if estimand is None:
        estimand = getattr(origin, "estimand", "") or "ATE"
    estimand = read_estimand(estimand)
    if covariates is not None:
        formula = f"{formula.strip()} + {_right_side(covariates)}"
    levels = _levels(origin, treated, reference)
    sampling = _sampling(placed, origin) if sampling is None else sampling
    design, treatment = read_design(
        formula, frame, **levels, dose=_dose(origin, dose), weights=sampling, na_action=na_action, context=context
    )
    values, kept, lost = _rows(design, treatment, placed, frame)
    plain = formula_columns(design.parts[0], kept)
    shown = expanded(with_all_levels(plain, design.recipe), design.weights[kept], moments, interactions)
    common = {
        "formula": formula, "citation": "", "nobs": int(kept.sum()), "used": design.rows[kept], "n_total": design.n_total,
        "estimand": estimand, "sampling": design.weights[kept], "columns": shown, "names": shown.names,
        "treatment": treatment.name,
    }  # fmt: skip
    weightings = {name: _weighting(treatment, kept, dict(common, method=name, values=v)) for name, v in values.items()}
    found = assess(weightings, settings)
    return BalanceTable.of(
        found, weightings, formula=formula.strip(), kind=design.kind, dropped={**design.dropped, **lost},
        weighted=weights is not None, denominator=settings.denominator,
    )  # fmt: skip


def _named(weights: Any) -> dict[str, Any]:
    if not isinstance(weights, Mapping):
        label = weights if isinstance(weights, str) else getattr(weights, "method", "") or "weights"
        return {"unweighted" if weights is None else str(label): weights}
    if not weights or not all(isinstance(name, str) for name in weights):
        raise OptionError("weights= as a mapping goes from names, text, to weights; give one or more.")
    return dict(weights)


def _right_side(covariates: Any) -> str:
    if not isinstance(covariates, str):
        raise OptionError(f"covariates={covariates!r} is not a formula; write '~ x3 + I(x1**2)'.")
    left, tilde, right = halves(covariates)
    if left.strip() and tilde:
        raise OptionError(
            f"covariates={covariates!r} has a left side; the treatment stands in the formula: write '~ x3 + x4'."
        )
    return right.strip() if tilde else covariates.strip()


def _origin(weights: Any) -> Balanced | None:
    """The weights of `statinf.balance` behind these."""
    found = getattr(weights, "origin", weights)
    return found if isinstance(found, Balanced) else None


def _levels(origin: Balanced | None, treated: Any, reference: Any) -> dict[str, Any]:
    if treated is None and reference is None:
        if isinstance(origin, BalanceWeights):
            return {"treated": origin.treatment_level, "reference": origin.control_level}
        if isinstance(origin, MultiArmWeights):
            focal = None if origin.focal is None else origin.levels[origin.focal]
            return {"treated": focal, "reference": origin.levels[0]}
    return {"treated": treated, "reference": reference}


def _dose(origin: Balanced | None, dose: bool | None) -> bool | None:
    if dose is not None or origin is None:
        return dose
    return True if isinstance(origin, DoseWeights) else None


def _sampling(placed: Mapping[str, Any], origin: Balanced | None) -> np.ndarray | None:
    """The sampling weights of the first weights that have some, one per row of the frame."""
    if origin is None or np.ptp(origin.sampling) == 0.0:
        return None
    found = next(w for w in placed.values() if _origin(w) is origin)
    order = getattr(found, "order", None)
    out = np.zeros(found.n_total)
    out[found.used] = origin.sampling if order is None else origin.sampling[order]
    return out


def _rows(
    design: Design, treatment: Treatment, placed: Mapping[str, Any], frame: Frame
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, int]]:
    """The weights of every weighting on the rows shown, which rows of the design these are (n,), and those left out."""
    kept = (treatment.codes >= 0) & (design.weights > 0)
    found, lost = {}, {}
    for name, w in placed.items():
        full = weights_of(w, frame)[0]
        found[name] = design.weights if full is None else full[design.rows]
        missing = kept & np.isnan(found[name])
        if missing.any():
            lost["no weight for the row"] = lost.get("no weight for the row", 0) + int(missing.sum())
            kept &= ~missing
    for name, values in found.items():
        groups = {label: treatment.codes == k for k, label in enumerate(treatment.labels)} or {"sample": kept}
        for label, rows in groups.items():
            if not np.any(values[rows & kept] != 0.0):
                raise DataError(f"weights {name!r}: no row of {label} has a weight; nothing can be compared.")
    return {name: values[kept] for name, values in found.items()}, kept, lost


def _weighting(treatment: Treatment, kept: np.ndarray, common: dict[str, Any]) -> Balanced:
    if treatment.dose is not None:
        return DoseWeights(**common, dose=treatment.dose[kept])
    codes = treatment.codes[kept]
    if treatment.kind == "two":
        levels = {"treatment_level": treatment.levels[1], "control_level": treatment.levels[0]}
        return BalanceWeights(**common, treated=codes == 1, **levels)
    return MultiArmWeights(**common, arm=codes, levels=treatment.levels, focal=treatment.focal)
