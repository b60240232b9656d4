"""Regression and classification under double weighting.

Segovia-Martin, Mazuelas and Liu (2023, ICML, arXiv 2305.08637), for samples neither of which covers the other. Three rules:

weighted    likelihood with the source rows weighted by b; the estimand is the best fit on that part of the target which the
            source reaches, whatever the model. Standard errors take the weights, which depend on covariates alone, as given:
            they are right where the model is.
minimax     least worst-case risk over all laws on the target rows whose a-weighted moments of the outcome are the source's
            b-weighted ones within a box: the paper's classifier, and by the same duality a rule for numbers. No model is
            assumed, and no standard errors follow.
overlap     [sum_j q_j a_j x_j x_j']^-1 sum_i p_i b_i y_i x_i: least squares with the target's cross-products.

The minimax rule's risk at the smallest box that is not empty tells which D to take; it is a score, not a certificate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import NotIdentifiedError, OptionError
from statinf.numerics.glm.families import Family
from statinf.results import Estimate, Weights, choice, count, value
from statinf.shifts.cross_validation import held_out
from statinf.shifts.density_ratio import made_ratio
from statinf.shifts.double import DEFAULT_D, ProgramOptions, estimate_of
from statinf.shifts.double import METHOD as RATIO
from statinf.shifts.double_program import GRID, DoubleProgram, check_levels
from statinf.shifts.double_ratio import DoubleRatio
from statinf.shifts.minimax import MinimaxProblem, minimax_fit
from statinf.shifts.minimax_fit import MinimaxFit
from statinf.shifts.overlap import check_support
from statinf.shifts.problem import ShiftMethod, ShiftProblem, likelihood, weighted
from statinf.shifts.ratio_estimate import check_known
from statinf.shifts.samples import Samples, check_columns

RULES = ("weighted", "minimax", "overlap")
CLASSES, NUMBERS = ("log", "0-1"), ("squared", "absolute")


def _check_D(name: str, given: Any) -> Any:
    if isinstance(given, str):
        if given != "auto":
            raise OptionError(
                f"{name}={given!r} is not known; give 'auto', a number of at least 1, or several to choose from."
            )
        return given
    return check_levels(given)


@dataclass(frozen=True, kw_only=True)
class DoubleShiftOptions(ProgramOptions):
    """Options of double weighting in a regression."""

    rule: str | None = choice(
        None, RULES, "what is fitted; by default 'minimax' for family='binomial' and 'weighted' for others"
    )
    D: Any = value(
        None,
        "by how much the effective sample size may grow; 'auto' or several choose, by the worst-case risk for rule='minimax' and "
        "by weighted cross-validation else. By default 'auto' for rule='minimax', and 4, which leaves the weights free of the "
        "outcome, else",
        "None, 'auto', a number of at least 1, or several",
        _check_D,
    )
    loss: str | None = choice(
        None,
        (*CLASSES, *NUMBERS),
        "of rule='minimax': by default 'log' for family='binomial' and 'squared' for 'gaussian'",
    )
    folds: int = count(5, "of the cross-validation over D", low=2)

    def chosen_rule(self, family: Family) -> str:
        """The rule asked for, or the family's own."""
        return self.rule or ("minimax" if family.name == "binomial" else "weighted")

    def levels(self, rule: str) -> tuple[float, ...]:
        """Values of D to choose from."""
        given = ("auto" if rule == "minimax" else (DEFAULT_D,)) if self.D is None else self.D
        return GRID if isinstance(given, str) else given

    def chosen_loss(self, family: Family) -> str:
        """The loss asked for, or the family's own."""
        return self.loss or ("log" if family.name == "binomial" else "squared")


def _check(family: Family, ratio: Any, options: DoubleShiftOptions) -> None:
    rule = options.chosen_rule(family)
    if options.loss is not None and rule != "minimax":
        raise OptionError(
            f"loss={options.loss!r} belongs to rule='minimax'; rule={rule!r} has the family's likelihood."
        )
    known = {"binomial": ("logit", CLASSES), "gaussian": ("identity", NUMBERS)}.get(family.name)
    if rule == "minimax":
        if known is None or family.link.name != known[0]:
            raise OptionError(
                "rule='minimax' is for family='gaussian' and family='binomial' with their usual links; use rule='weighted'."
            )
        if options.loss is not None and options.loss not in known[1]:
            listed = " or ".join(map(repr, known[1]))
            raise OptionError(f"loss={options.loss!r} does not go with family={family.name!r}; choose {listed}.")
    if rule == "overlap" and (family.name, family.link.name) != ("gaussian", "identity"):
        raise OptionError("rule='overlap' is least squares: it needs family='gaussian'.")
    if ratio is not None:
        _check_given(ratio, rule, options)


def _check_given(ratio: Any, rule: str, options: DoubleShiftOptions) -> None:
    if not isinstance(getattr(ratio, "origin", ratio), DoubleRatio):
        raise OptionError(
            "method='double' makes its own weights; leave ratio= out, give a result of si.density_ratio(method='double'), or "
            "use method='mwle' with this ratio."
        )
    if rule != "weighted":
        raise OptionError(f"rule={rule!r} makes its own weights; leave ratio= out and give its D=.")
    for one in fields(ProgramOptions):
        if getattr(options, one.name) != one.default or options.D is not None:
            raise OptionError("the options of the weights are those of the given ratio; pass them to si.density_ratio.")


def weigh(
    samples: Samples, family: Family, ratio: Any, options: DoubleShiftOptions
) -> tuple[Weights, Mapping[str, Any]]:
    """The weights at the D that was asked for, or that is best."""
    from statinf.shifts.ratio_choice import find_ratio

    if ratio is not None:
        return find_ratio(samples, ratio), {}
    check_known(RATIO, samples.target.known)
    check_columns(samples)
    check_seed(samples.seed)
    outside = check_support(samples.xs, samples.xt, samples.names)
    rule = options.chosen_rule(family)
    program, levels = DoubleProgram.of(samples, options), options.levels(rule)
    table, found = program.path(levels)
    risks = None
    if rule == "minimax":
        made = MinimaxProblem.of(samples, program, family, options.chosen_loss(family))
        solved = [made.solve(one) for one in found]
        risks = np.array([one.rule.risk for one in solved])
        best = int(np.argmin(risks))
        told = {"problem": made, "solved": solved[best], "risks": risks, "boxes": [float(s.box.sum()) for s in solved]}
    elif len(levels) > 1:
        base = program.solve(1.0) if levels[0] != 1.0 else found[0]
        risks = _held_out(
            samples, family, [program.rows.p * s.beta for s in found], program.rows.p * base.beta, options
        )
        best, told = int(np.argmin(risks)), {"risks": risks}
    else:
        best, told = 0, {}
    made_here = estimate_of(program, samples, float(levels[best]), found[best])
    weights = made_ratio(samples, RATIO, made_here, outside=outside)
    return weights, {**told, "program": program, "path": table, "found": found[best]}


def _held_out(
    samples: Samples, family: Family, candidates: list[np.ndarray], values: np.ndarray, options: DoubleShiftOptions
) -> np.ndarray:
    """Weighted cross-validation: held-out source rows stand for the target by the weights of D = 1."""
    fitted = likelihood(samples.design, family)
    total = float(samples.ws.sum())
    weights = np.stack([total * c / c.sum() for c in candidates])
    return held_out(samples, family, fitted, weights, values, options.folds, samples.seed)[0]


def estimate(problem: ShiftProblem, options: DoubleShiftOptions) -> Estimate | MinimaxFit:
    """The fit under the rule asked for."""
    rule = options.chosen_rule(problem.family)
    if rule == "weighted":
        return likelihood(weighted(problem.samples.design, _ratio(problem)), problem.family)
    if problem.samples.design.offset is not None:
        raise NotIdentifiedError(f"rule={rule!r} has no offset; leave offset() out, or use rule='weighted'.")
    return minimax_fit(problem, rule, options, METHOD)


def _ratio(problem: ShiftProblem) -> Weights:
    assert problem.ratio is not None
    return problem.ratio


METHOD = ShiftMethod(
    verb="shift",
    name="double",
    estimate=estimate,
    options=DoubleShiftOptions,
    weigh=weigh,
    check=_check,
    summary="double weighting: the source weighted towards that part of the target which it reaches, or minimax rules over both "
    "weighted samples",
    citation="Segovia-Martin, Mazuelas and Liu (2023)",
    arxiv="2305.08637",
    guarantee="least worst-case risk at its D; standard errors of rule='weighted' for a right model",
    vignette="double-weighting",
    traits={"weights doubled": "the weights' ridge weighs less against more rows"},
)
