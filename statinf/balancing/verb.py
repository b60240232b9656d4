"""`balance`: weights that make treatment groups comparable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.balancing.arm_weights import MultiArmWeights
from statinf.balancing.block_weights import BalanceBlockWeights
from statinf.balancing.columns import check_moments
from statinf.balancing.dose_weights import DoseWeights
from statinf.balancing.making import column_sets, group_codes, make_weights
from statinf.balancing.method import BalanceMethod
from statinf.balancing.problem import BalanceProblem, read_estimand
from statinf.balancing.solving import Balancing
from statinf.balancing.table import BALANCE
from statinf.balancing.treatment import Treatment, read_design
from statinf.balancing.weights import BalanceWeights
from statinf.errors import OptionError
from statinf.formula import as_frame
from statinf.formula.design import Design
from statinf.passes import block_table


@BALANCE.document
def balance(
    formula: str,
    data: Any,
    *,
    method: str = "ipw",
    estimand: str = "ATE",
    treated: Any = None,
    reference: Any = None,
    dose: bool | None = None,
    weights: Any = None,
    by: str | Sequence[str] | None = None,
    moments: int = 1,
    interactions: bool = False,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> BalanceWeights | MultiArmWeights | DoseWeights | BalanceBlockWeights:
    """Estimate weights that balance covariates between treatment arms, or free a dose of its dependence on them.

    Parameters
    ----------
    formula : str
        `treatment ~ covariates`. Two values, or labels, make arms; so do up to ten different numbers, and `C(treatment)`. Other
        numbers are a dose. Splines, transforms and interactions are written in the formula.
    data : data frame
        As `statinf.lm` takes it; of two arms also data that are read in blocks (`statinf.blocks`), by ipw, entropy or cbps.
    method : {"ipw", "entropy", "cbps", "sbw", "energy", "kernel", "ipm", "uniform"}
        "ipw" and "cbps" model a propensity, "entropy" and "sbw" balance columns by weights close to uniform, the others
        balance whole distributions.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM", "ATEN"}
        Whose average effect the weights are for: everybody's, that of the treated arm (ATT) or of the reference (ATC); the
        overlap (ATO), matching (ATM) and entropy (ATEN) tilts need a propensity. For a dose the target is the sample.
    treated : object, optional
        The value that counts as treated. By default the one that is not the reference by its name (0, "control", "placebo",
        "untreated", "no", "FALSE", "none", "" in any spelling); of other pairs the later one, and the summary says so. Of
        several arms, the one whose rows the ATT averages over.
    reference : object, optional
        The value that others are compared with; of several arms by default the one with such a name, or the first.
    dose : bool, optional
        True takes a numeric treatment as a dose however few values it has, False as arms however many.
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
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        Of the method, below.

    {methods}

    Returns
    -------
    BalanceWeights, or MultiArmWeights for several arms, or DoseWeights; BalanceBlockWeights of data in blocks
        Goes into any verb as `weights=`, whose standard errors then account for its estimation; energy and the adversarial
        metrics have no theory for that, and the label of the standard errors says that weights are taken as known.

    Raises
    ------
    DataError
        If the treatment does not vary or has more arms than the method takes, an arm is empty, or no column is left.
    InfeasibleError
        If no weights balance the columns; the message names the column, the gap and the smallest feasible tolerance.
    NotIdentifiedError
        If covariates separate the arms.
    OptionError
        If the method has no such option, or its value is out of range.

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

    Three arms, each brought to the whole sample, and a dose that no longer depends on the covariates:

    >>> arms = si.balance("race ~ age + educ + married + re74", data, method="entropy", reference="white")
    >>> list(arms.sizes()["ess_after"].round(1))
    [264.3, 184.1, 52.9]
    >>> dose = si.balance("re75 ~ age + educ + C(race) + re74", data, method="entropy")
    >>> bool(dose.diagnostics()["correlation_after"].abs().max() < 1e-8)
    True
    """
    chosen, settings = BALANCE.read(method, options)
    assert isinstance(chosen, BalanceMethod)
    estimand = read_estimand(estimand)
    chosen.check_estimand(estimand, settings)
    check_seed(seed)
    check_moments(moments, interactions, dose)
    if hasattr(weights, "used") and hasattr(weights, "values"):
        raise OptionError(
            "weights= takes sampling weights as an array or a column name; to multiply two estimated weights write w1 * w2, to "
            "take estimated ones as known give weights=w.full()."
        )
    by = _names(by)
    table = block_table(data, formula, weights, by)
    if table is not None:
        from statinf.balancing.balance_passes import balance_passes

        return balance_passes(
            formula, table, chosen, settings, estimand, treated=treated, reference=reference, dose=dose, weights=weights,
            beside={"by": (by, []), "moments": (moments, 1), "interactions": (interactions, False)},
            na_action=na_action, context=context,
        )  # fmt: skip
    design, treatment = read_design(
        formula,
        as_frame(data),
        treated=treated,
        reference=reference,
        dose=dose,
        expected=chosen.wants_dose(settings),
        weights=weights,
        na_action=na_action,
        context=context,
        cluster=by or None,
    )
    with reporting(progress):
        return _made(
            chosen, settings, design, treatment, estimand, by=by, moments=moments, interactions=interactions, seed=int(seed),
            formula=formula.strip(),
        )  # fmt: skip


def _made(
    chosen: BalanceMethod,
    settings: Any,
    design: Design,
    treatment: Treatment,
    estimand: str,
    *,
    by: list[str],
    moments: int,
    interactions: bool,
    seed: int,
    formula: str,
) -> Any:
    """The weights of rows in memory, once formula and treatment are read."""
    focal = _focal(chosen, settings, treatment, estimand)
    used = design.weights > 0
    columns = column_sets(chosen.all_levels(settings), design, used, moments, interactions)
    codes, groups = group_codes(design, used, by)
    balanced = columns.balanced
    problem = BalanceProblem(
        balanced.values,
        treatment.codes[used],
        design.weights[used],
        balanced.names,
        estimand,
        seed,
        balanced.terms,
        {"two": ("control", "treated"), "several": treatment.labels, "dose": ("sample",)}[treatment.kind],
        focal,
        None if treatment.dose is None else treatment.dose[used],
    )
    task = Balancing(chosen, chosen.solver(treatment, settings), settings, problem, used, codes, groups)
    return make_weights(task, design, treatment, columns, formula)


def _focal(chosen: BalanceMethod, settings: Any, treatment: Treatment, estimand: str) -> int:
    """The arm that counts as treated, once the estimand is known to make sense for this treatment."""
    if treatment.dose is not None:
        if estimand != "ATE":
            raise OptionError(
                f"estimand={estimand!r} needs arms; a dose has the sample as its target: leave estimand= out, or make arms of "
                f"it by C({treatment.name}) on the left."
            )
        return 1
    chosen.check_estimand(estimand, settings, treatment.kind)
    if treatment.focal is None and estimand == "ATT":
        raise OptionError(
            f"estimand='ATT' with several arms needs treated=, the arm whose average effect it is: one of "
            f"{', '.join(treatment.labels)}."
        )
    return 1 if treatment.focal is None else treatment.focal


def _names(by: str | Sequence[str] | None) -> list[str]:
    names = [by] if isinstance(by, str) else () if by is None else by
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise OptionError(
            f"by= is the name of a column or a list of names, not a {type(by).__name__} of something else."
        )
    return list(names)
