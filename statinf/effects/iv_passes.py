"""Linear models with instruments on data that are read in blocks.

One pass reads levels, one makes the triangular factor of all columns, which holds the estimate and every classical statistic;
one more makes robust standard errors, and one the robust strength of the instruments.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.instruments import k_class, liml_kappa, structural_rss, system_of
from statinf.effects.iv_columns import ROLES
from statinf.effects.iv_fit import IVFit
from statinf.effects.iv_pass_rows import (
    ColumnCounts,
    PassForms,
    TwoStages,
    facts,
    second_stage,
    second_stage_unit,
    stack,
    stages_of,
    standardised,
)
from statinf.effects.linear_iv import LinearIV, check_small, warn_determined
from statinf.errors import DataError, OptionError
from statinf.inference.vcov import VcovSpec, cluster_columns
from statinf.numerics.linear.aliases import alias_map
from statinf.passes import BlockTable, PassDesign, read_passes
from statinf.passes.covariance import PassScores
from statinf.passes.design import is_estimated
from statinf.passes.drawing import block_draws
from statinf.passes.reduction import joint_factor, middle
from statinf.passes.sums import Extent
from statinf.results import Estimate

_HEADINGS = {"2sls": "Two-stage least squares", "liml": "Limited-information maximum likelihood"}


def iv_passes(
    formula: str,
    table: BlockTable,
    chosen: Any,
    settings: Any,
    spec: VcovSpec,
    vcov: Any,
    *,
    treated: Any,
    weights: Any,
    cluster: Any,
    na_action: str,
    context: Mapping[str, Any] | None,
    progress: bool | None,
) -> IVFit:
    """The fit of `si.iv` on a table in blocks."""
    if chosen.name not in _HEADINGS:
        raise OptionError(
            f"method={chosen.name!r} is not for data that are read in blocks; take '2sls' or 'liml', or fit rows in memory."
        )
    if is_estimated(weights):
        spec = vcov = VcovSpec.read(vcov, cluster, IVFit.vcov_kinds, stacked=True)
    made = read_passes(
        formula,
        table,
        roles=ROLES,
        weights=weights,
        cluster=cluster_columns(spec, cluster),
        na_action=na_action,
        context=context,
        progress=progress,
    )
    _check_treatment(made, treated)
    estimate, forms, aliases = _estimate(made, chosen.name, getattr(settings, "fuller", 0.0))
    return IVFit.of_passes(made.passage, estimate, vcov, method=chosen, cluster=cluster, forms=forms, aliases=aliases)


def _names(made: PassDesign, role: str) -> tuple[str, ...]:
    layout = made.recipe.parts[ROLES.index(role)].layout
    return layout.names if role == "covariates" or not layout.intercept else layout.names[1:]


def _check_treatment(made: PassDesign, treated: Any) -> None:
    """Levels of a treatment are chosen from rows in memory."""
    names, factors = _names(made, "treatment"), made.recipe.factors
    labels = [n.rsplit("[", 1)[0] for n in names]
    if treated is not None or (len(names) == 1 and labels[0] in factors and factors[labels[0]].kind == "categorical"):
        raise OptionError(
            f"the treatment {', '.join(map(repr, names))} has levels: give data that are read in blocks a column of zeros and ones "
            "instead, and no treated=."
        )


def _estimate(made: PassDesign, method: str, fuller: float) -> tuple[Estimate, PassForms, np.ndarray]:
    exogenous, instruments, endogenous = (_names(made, r) for r in ("covariates", "instruments", "treatment"))
    if not endogenous:
        raise DataError("the formula has no treatment before the first '|'.")
    widths = ColumnCounts(len(exogenous), len(instruments), len(endogenous))
    centred = made.recipe.parts[ROLES.index("covariates")].layout.intercept
    shift = middle(made, stack) if centred else None
    shift = np.zeros(widths.a + widths.b + widths.c + 1) if shift is None else shift
    if centred:
        shift[0] = 0.0
    joint, told = joint_factor(made, stack, shift, facts, label="two-stage least squares")
    _check_outcome(made, told)
    factor, standard = standardised(joint, shift, centred)
    small, kept = system_of(factor, widths.a, widths.b, widths.c, made.nobs)
    warn_determined((*exogenous, *instruments), kept)
    check_small(small, endogenous)
    kappa = 1.0 if method == "2sls" else liml_kappa(small) - fuller / small.df_first
    beta, gamma, bread = k_class(small, kappa)
    coef = np.concatenate([beta, gamma])
    stages = stages_of(small, standard, widths, kept, coef)
    estimable = np.append(np.ones(small.c, bool), kept[: widths.a])
    units = standard.units(widths, centred).only(estimable)
    theta = np.full(len(estimable), np.nan)
    theta[estimable] = units.raw(coef)
    solution = LinearIV(small, kept, units, (0.0, 1.0), coef, bread, float(kappa), np.empty((0, 0)))
    used = tuple(n for n, k in zip(instruments, kept[widths.a :], strict=True) if k)
    scores = _scores(made, solution, stages)
    estimate = Estimate(
        terms=(*endogenous, *exogenous),
        theta=theta,
        moments=None,
        nobs=small.nobs,
        df_resid=float(small.df_resid),
        facts={"Instruments": ", ".join(used)} | ({} if method == "2sls" else {"kappa": f"{kappa:.6f}"}) | made.record,
        extra={
            "heading": _HEADINGS[method],
            "solution": solution,
            "endogenous": endogenous,
            "instruments": used,
        },
        covary=scores.covariance,
        redraw=partial(block_draws, scores),
    )
    # Rows of the factor have the products of the rows of the data: what makes a column there makes it here.
    as_given = (joint + np.outer(joint[:, 0], shift))[:, : widths.a] if centred else joint[:, : widths.a]
    return estimate, PassForms(made, stages), alias_map(as_given, estimable[small.c :])


def _scores(made: PassDesign, solution: LinearIV, stages: TwoStages) -> PassScores:
    """What the covariances need; of a member of the k-class other than two-stage least squares the bread is its own."""
    carry, small = solution.units.carry, solution.system
    variance = structural_rss(small, solution.beta) / small.df_resid
    plain = partial(second_stage, stages, solution.kappa == 1.0)
    return PassScores.on(
        made,
        plain,
        partial(second_stage_unit, stages),
        carry,
        small.nobs,
        float(small.df_resid),
        model=carry @ solution.bread @ carry.T * variance,
        weighted=made.weights is not None,
        # Whitened scores turned back are scores of the second stage's columns, which the bread takes to errors.
        inner=solution.bread @ np.linalg.inv(stages.whitened).T,
    )


def _check_outcome(made: PassDesign, told: Extent) -> None:
    if float(told.low) == float(told.high):
        name = made.reading.outcome[0].label
        raise DataError(f"the outcome '{name}' is constant on the rows used; there is nothing to explain.")
