"""Minimax rules on two doubly weighted samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.brief import Brief
from statinf.formula.scale import check_columns
from statinf.models import regression as common
from statinf.numerics.glm.families import Family
from statinf.numerics.programs.minimax_rules import MinimaxRule, smallest_box, solve_minimax
from statinf.numerics.programs.paired_weights import PairedSolution
from statinf.shifts.double_program import DoubleProgram
from statinf.shifts.double_ratio import DoubleRatio
from statinf.shifts.dro_problem import check_binary
from statinf.shifts.minimax_fit import MinimaxFit
from statinf.shifts.problem import ShiftProblem
from statinf.shifts.samples import Samples
from statinf.shifts.scaling import Scaling, pooled_scaling, unscaled

if TYPE_CHECKING:
    from statinf.results import Method


@dataclass(frozen=True, repr=False)
class SolvedRule(Brief):
    """A rule at one D.

    Attributes
    ----------
    rule : MinimaxRule
    box : ndarray, shape (d,)
    centre, limit : float
        Of the outcome, which lies within `limit` of `centre`.
    """

    rule: MinimaxRule
    box: np.ndarray
    centre: float
    limit: float


@dataclass(frozen=True, repr=False)
class MinimaxProblem(Brief):
    """Both samples' regressors, and the outcome.

    Attributes
    ----------
    source, target : ndarray, shape (n, d) and (t, d)
        Regressors, centred (where there is a constant) and scaled over both samples.
    y : ndarray, shape (n,)
        Classes as -1 and 1.
    p, q : ndarray, shape (n,) and (t,)
    loss : str
    scaling : Scaling
        Of all columns, the constant as it is.
    """

    source: np.ndarray
    target: np.ndarray
    y: np.ndarray
    p: np.ndarray
    q: np.ndarray
    loss: str
    scaling: Scaling

    @classmethod
    def of(cls, samples: Samples, program: DoubleProgram, family: Family, loss: str) -> MinimaxProblem:
        """The problem of two samples.

        Raises
        ------
        DataError
            If the outcome does not vary, or is no class.
        """
        design, scaled = samples.design, program.scaled
        matrix, name = design.parts[0], design.response_names[0]
        common.check_outcome(design.y, design.weights, name)
        check_columns(matrix)
        y = design.y[samples.at_source]
        if family.name == "binomial":
            check_binary(y, name)
            y = 2.0 * y - 1.0
        x, new = matrix.values[samples.at_source], samples.target.x[samples.at_target]
        scaling = _scaling(x, new, samples, int(matrix.intercept)) if scaled else unscaled(matrix.p)
        return cls(scaling.apply(x), scaling.apply(new), y, program.rows.p, program.rows.q, loss, scaling)

    def moments(self, found: PairedSolution) -> tuple[np.ndarray, np.ndarray, float, float]:
        """Weighted target rows (t, d), the source's moments (d,), and centre and limit of the outcome."""
        centre, limit = 0.0, 1.0
        if self.loss in ("squared", "absolute"):
            mass = self.p * found.beta
            centre = float(mass @ self.y / mass.sum())
            limit = float(np.abs(self.y - centre).max())
        tau = (self.p * found.beta * (self.y - centre)) @ self.source
        return self.target * found.alpha[:, None], tau, centre, limit

    def solve(self, found: PairedSolution) -> SolvedRule:
        """The rule under weights."""
        features, tau, centre, limit = self.moments(found)
        box = smallest_box(features * self.q[:, None], tau, limit)
        return SolvedRule(solve_minimax(features, self.q, tau, box, self.loss, limit), box, centre, limit)

    def overlap(self, found: PairedSolution) -> tuple[np.ndarray, float]:
        """Least squares with the target's weighted cross-products: coefficients (d,) and the outcome's centre."""
        mass = self.p * found.beta
        centre = float(mass @ self.y / mass.sum())
        gram = (self.target * (self.q * found.alpha)[:, None]).T @ self.target
        tau = (mass * (self.y - centre)) @ self.source
        return np.linalg.lstsq(gram, tau, rcond=1e-12)[0], centre

    def raw(self, mu: np.ndarray, intercept: bool) -> np.ndarray:
        """Coefficients of the regressors as they stand, shape (d,)."""
        out = mu / self.scaling.spread
        if intercept:
            out[0] -= float(out[1:] @ self.scaling.centre[1:])
        return out


def _scaling(x: np.ndarray, new: np.ndarray, samples: Samples, constant: int) -> Scaling:
    found = pooled_scaling(x, new, samples.ws, samples.wt)
    centre, spread = found.centre.copy(), found.spread.copy()
    centre[:constant], spread[:constant] = 0.0, 1.0
    return Scaling(centre if constant else np.zeros_like(centre), spread)


def minimax_fit(problem: ShiftProblem, rule: str, options: Any, method: Method) -> MinimaxFit:
    """The fit of a minimax rule, or of least squares on the overlap."""
    samples, told, ratio = problem.samples, problem.told, problem.ratio
    assert isinstance(ratio, DoubleRatio)
    design = samples.design
    path = told["path"].copy()
    if rule == "overlap":
        made = MinimaxProblem.of(samples, told["program"], problem.family, "squared")
        mu, centre = made.overlap(told["found"])
        limit, risk, box = float("nan"), float("nan"), np.full(len(mu), np.nan)
        if "risks" in told:
            path["held_out_risk"] = told["risks"]
    else:
        made, solved = told["problem"], told["solved"]
        mu, risk, box, centre, limit = solved.rule.mu, solved.rule.risk, solved.box, solved.centre, solved.limit
        path["mean_worst_case"] = path.pop("worst_case_risk")
        path.insert(1, "worst_case_risk", told["risks"])
        path.insert(2, "box", told["boxes"])
    raw = made.raw(mu, design.parts[0].intercept)
    if rule == "overlap" and design.parts[0].intercept:
        raw[0] += centre
    return MinimaxFit(
        method=method.name,
        formula=design.recipe.formula,
        citation=method.reference,
        nobs=int(np.count_nonzero(design.weights)),
        kind=design.kind,
        dropped=design.dropped,
        recipe=design.recipe,
        rule=rule,
        loss=made.loss if rule == "minimax" else "squared",
        terms=design.parts[0].names,
        mu=raw,
        scaled=mu,
        scaling=made.scaling,
        centre=centre,
        limit=limit,
        box=box,
        worst_case_risk=risk,
        risks={name: path[name].to_numpy() for name in path},
        ratio=ratio,
        target_rows=samples.target.nobs,
        samples=samples,
    )
