"""`heterogeneous_shift`: an additive regression for targets whose blocks of covariates shift unlike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.backend.threads import one_blas_thread
from statinf.errors import FormulaError, NumericalWarning, issue_warning, one_of
from statinf.formula.design import Design, design
from statinf.formula.scale import check_sizes
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.shifts.additive_moments import joint_covariance
from statinf.shifts.heterogeneous_fit import HeterogeneousShiftFit
from statinf.shifts.overlap import UNCOVERED_SHARE
from statinf.shifts.resilience import outside
from statinf.shifts.table import HETEROGENEOUS_SHIFT
from statinf.shifts.target import TargetRows, target_rows

_FEW = 128
_ROLES = ("covariates", "flexible")


@HETEROGENEOUS_SHIFT.document
def heterogeneous_shift(
    formula: str,
    source: Any,
    target: Any,
    *,
    vcov: Any = None,
    weights: Any = None,
    target_weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> HeterogeneousShiftFit:
    """Fit an additive regression on source rows for a target in which some covariates have shifted more than others.

    The mean of the outcome is f(x) + g(y), with f linear in the columns of the simple block and g in those of the flexible block,
    which are penalised. Put the covariates that shift most into the simple block: their shift then costs no more than the few
    coefficients do, without any weights. Nothing helps where the flexible block shifts, which `resilience()` shows.

    Parameters
    ----------
    formula : str
        `outcome ~ simple terms | flexible terms`, read against the source. A flexible term `s(x)` is a penalised natural cubic
        spline with one knot for 20 different values, 10 to 20 in all, or as many as `s(x, k=30)` says; other flexible terms are
        penalised by a ridge in standard deviations of their columns, those of functions in `context` too, such as random features.
    source : data frame
        As `statinf.lm` takes it.
    target : data frame
        Rows with the covariates.
    vcov : str or mapping, optional
        Of the simple block's coefficients, as in `statinf.lm`: HC1 by default, "HC0", "iid", or `{"cluster": "column"}`.
        Penalties count as known.
    weights, target_weights : array, str or Weights, optional
        Weights of the rows of either sample. Estimated weights of the source enter the standard errors.
    cluster, na_action, context
        As in `statinf.lm`.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    seed : int
        Not used: nothing is drawn.
    **options
        {methods}

    Returns
    -------
    HeterogeneousShiftFit
        A `Fit` of the simple block with `smooths()`, `curve(term)`, `resilience()` and predictions at the target.

    Raises
    ------
    FormulaError
        If the formula has no flexible block, no constant, or a variable in both blocks.
    DataError
        If rows cannot be used.
    NotIdentifiedError
        If straight lines of the flexible terms explain a column of the simple block.

    Notes
    -----
    The split into f and g is defined up to functions of x that y predicts. g has mean zero over the source's rows, which the
    constant's error takes as they are: it does not count that another sample would have another mean of g. Coefficients have
    normal errors if the mean is additive; intervals of means are those of penalised splines, which hold on average over rows
    like the source's (`benchmarks/results/heterogeneous_coverage.md`).

    References
    ----------
    Simchowitz, Ajay, Agrawal and Krishnamurthy (2023), ICML, arXiv 2302.13934.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("penguins").dropna()
    >>> source, target = data[data["island"] == "Biscoe"], data[data["island"] != "Biscoe"]
    >>> fit = si.heterogeneous_shift("body_mass_g ~ C(sex) | s(flipper_length_mm)", source, target)
    >>> fit.params.round(0).to_dict()
    {'Intercept': 4413.0, 'C(sex)[T.male]': 602.0}
    >>> sorted(fit.predict(interval="confidence"))
    ['conf_high', 'conf_low', 'estimate', 'std_error']
    """
    method, settings = HETEROGENEOUS_SHIFT.read("", options)
    check_seed(seed)
    one_of("na_action", na_action, ("drop", "raise"))
    spec = VcovSpec.read(vcov, cluster, HeterogeneousShiftFit.vcov_kinds, stacked=hasattr(weights, "used"))
    made = design(
        formula, source, roles=_ROLES, weights=weights, cluster=cluster_columns(spec, cluster), na_action=na_action,
        context=context, smooth=("flexible",),
    )  # fmt: skip
    check_sizes(made)
    _check_blocks(made)
    other = target_rows(made.recipe, target, target_weights, na_action)
    # Products of few columns lose more to waking a second thread than it brings.
    with reporting(progress), one_blas_thread(sum(part.p for part in made.parts) <= _FEW):
        estimate = method.estimate(made, settings)
        _warn_outside(made, other)
        joint = partial(joint_covariance, made, estimate.extra["solved"])
        extra = {**estimate.extra, "target": other, "target_rows": other.nobs, "joint": joint}
        return HeterogeneousShiftFit.of(made, replace(estimate, extra=extra), spec, method=method)


def _check_blocks(made: Design) -> None:
    if len(made.parts) < 2 or not made.parts[1].without_intercept().p:
        raise FormulaError(
            "the formula has no flexible block: write 'y ~ x1 | s(x2)', with the covariates that shift most before the '|'."
        )
    if not made.parts[0].intercept:
        raise FormulaError(
            "the simple block needs its constant, which holds the level of both: leave '- 1' or '0 +' out."
        )
    names = [{c for f in part.factors for c in made.recipe.factors[f].columns} for part in made.recipe.parts]
    both = [c for c in made.recipe.columns if c in names[0] & names[1]]
    if both:
        raise FormulaError(
            f"'{both[0]}' appears in both the simple and the flexible part; leave it in the part that fits how much it shifts."
        )


def _warn_outside(made: Design, target: TargetRows) -> None:
    """Say where curves go on as straight lines for many target rows."""
    for label, share in outside(made, target).items():
        if share > UNCOVERED_SHARE:
            issue_warning(
                f"{100 * share:.0f}% of the target lie outside the source's range of '{label}', where its curve goes on as a "
                "straight line and no interval knows the error.",
                NumericalWarning,
            )
