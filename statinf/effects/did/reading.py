"""From a formula and a frame of units by period to the problem that every method of `did` gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.effects.arms import arms_of, plain_name
from statinf.effects.did import cohorts as started
from statinf.effects.did.problem import DidProblem
from statinf.effects.did.sample import CohortRows, shown
from statinf.effects.method import check_outcome
from statinf.effects.rows import ROLES, subset
from statinf.errors import DataError, OptionError
from statinf.formula.columns import Numeric
from statinf.formula.design import Design, design
from statinf.formula.given import without_gaps
from statinf.formula.matrix import Matrix
from statinf.formula.scale import check_sizes
from statinf.inference.vcov import VcovSpec


@dataclass(frozen=True, kw_only=True)
class DidQuestion:
    """What `did` is asked, beside the formula.

    Attributes
    ----------
    id, cohort : str or None
    time : str
    control, base_period, unbalanced : str
    anticipation : float
    """

    id: str | None
    time: str
    cohort: str | None
    control: str
    base_period: str
    unbalanced: str
    anticipation: float


def did_problem(
    formula: str,
    data: Any,
    asked: DidQuestion,
    *,
    weights: Any,
    spec: VcovSpec,
    na_action: str,
    context: Mapping[str, Any] | None,
) -> DidProblem:
    """Read `outcome ~ treatment | covariates` of units by period.

    Raises
    ------
    DataError
        If rows, periods or cohorts cannot be used.
    """
    made = _design(formula, data, asked, weights, spec, na_action, context)
    check_sizes(made)
    y = made.y if made.offset is None else made.y - made.offset
    check_outcome(bool(np.isfinite(y).all()))
    times, period = _periods(made, asked.time)
    unit = np.arange(made.n) if asked.id is None else made.clusters[asked.id]
    if asked.id is not None:
        _check_once(made, unit, times, period, asked)
    cohort, seen_treated, treatment = _cohorts(made, unit, times, times[period], asked)
    sample = CohortRows(times, period, unit, cohort, asked.anticipation).without_early(seen_treated)
    sample = sample.with_comparison().with_later_never()
    if asked.id is not None and asked.unbalanced == "complete":
        sample = sample.complete()
    sample.check()
    kept = made if sample.keep.all() else subset(made, sample.keep)
    kept = replace(kept, dropped={**made.dropped, **sample.causes})
    if not sample.keep.all():
        y, unit, period = y[sample.keep], without_gaps(unit[sample.keep]), without_gaps(period[sample.keep])
    each = np.empty(int(unit.max()) + 1)
    each[unit] = sample.cohort[sample.keep]
    covariates = kept.part("covariates")
    problem = DidProblem(
        design=kept,
        y=y,
        x=np.empty((kept.n, 0)) if covariates is None else covariates.rest.values,
        w=kept.weights,
        unit=unit,
        period=period,
        times=sample.periods,
        cohort=each,
        id=asked.id or "",
        paired=asked.id is not None and (asked.unbalanced != "rows" or kept.n == len(sample.periods) * len(each)),
        treatment=treatment,
        control=asked.control,
        base_period=asked.base_period,
        anticipation=asked.anticipation,
        notes={},
    )
    return replace(problem, notes=_notes(problem))


def _design(
    formula: str, data: Any, asked: DidQuestion, weights: Any, spec: VcovSpec, na_action: str, context: Any
) -> Design:
    """Rows of positive weight whose unit and period are known."""
    own = [name for name in (asked.id, asked.time) if name is not None]
    made = design(
        formula,
        data,
        roles=ROLES,
        weights=weights,
        cluster=list(dict.fromkeys([*spec.clusters, *own])),
        na_action=na_action,
        context=context,
    )
    return made if made.weights.all() else subset(made, made.weights > 0)


def _numbers(made: Design, name: str, option: str, what: str) -> np.ndarray:
    column = made.frame.column(name)
    if not isinstance(column, Numeric):
        raise DataError(f"{option}='{name}' holds labels; {what} are numbers, such as years.")
    return np.asarray(column.values[made.rows], np.float64)


def _periods(made: Design, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The periods (T,) in order, and the place of each row's among them, shape (n,)."""
    codes = made.clusters[name]
    values = np.empty(int(codes.max()) + 1)
    values[codes] = _numbers(made, name, "time", "periods")
    times, place = np.unique(values, return_inverse=True)
    return times, place[codes]


def _check_once(made: Design, unit: np.ndarray, times: np.ndarray, period: np.ndarray, asked: DidQuestion) -> None:
    """Refuse two rows of a unit at one period."""
    key = unit * len(times) + period
    often = np.flatnonzero(np.bincount(key) > 1)
    if len(often):
        rows = made.rows[np.flatnonzero(key == often[0])[:2]].tolist()
        at = shown(float(times[often[0] % len(times)]))
        raise DataError(
            f"rows {rows[0]} and {rows[1]} are of one '{asked.id}' at {asked.time} = {at}: a "
            "unit has one row per period. Without id= every row is a unit of its own, as in repeated cross-sections."
        )


def _cohorts(
    made: Design, unit: np.ndarray, times: np.ndarray, time: np.ndarray, asked: DidQuestion
) -> tuple[np.ndarray, np.ndarray | None, str]:
    """First treated period of each row, which rows are of units treated when first seen, and the treatment's name."""
    treatment = made.part("treatment")
    assert treatment is not None
    given = treatment.rest
    if given.p > 1:
        raise DataError(
            f"one treatment column is needed before '|', found {given.p}: {', '.join(given.names)}. Covariates stand behind '|': "
            "'outcome ~ treatment | x1 + x2'."
        )
    name = plain_name(given) if given.p else ""
    d = _indicator(made, given) if name else np.empty(0)
    if asked.cohort is None:
        return *_from_treatment(d, name, unit, time, asked), name
    column = _numbers(made, asked.cohort, "cohort", "first treated periods")
    cohort = started.from_column(column, times, asked.cohort)
    if asked.id is not None:
        holder = np.empty(int(unit.max()) + 1, np.intp)
        holder[unit] = np.arange(len(unit))
        started.check_constant(cohort, unit, holder, asked.id, f"cohort='{asked.cohort}'")
    if name and name != asked.cohort:
        started.check_treatment(d, cohort, time, name, asked.cohort)
    return cohort, None, name or asked.cohort


def _indicator(made: Design, given: Matrix) -> np.ndarray:
    """The treatment's numbers (n,), of two labels 1 for the one that counts as treated."""
    values = given.values[:, 0]
    name = next(iter(given.terms))
    coding = made.recipe.learnt[name].coding if name in made.recipe.factors else None
    if coding is None or coding.marks is None:
        return values
    arms = arms_of(made, given)
    assert arms is not None
    return arms.rows(arms.treated).astype(np.float64)


def _from_treatment(
    d: np.ndarray, name: str, unit: np.ndarray, time: np.ndarray, asked: DidQuestion
) -> tuple[np.ndarray, np.ndarray]:
    if not name:
        raise OptionError("a formula without a treatment needs cohort=, the column of first treated periods.")
    if asked.id is None:
        raise OptionError(
            f"without id= nobody knows when a row's unit was first treated; give cohort=, not '{name}' alone."
        )
    start, first = started.from_treatment(d, unit, time, int(unit.max()) + 1, name, asked.id)
    if not np.isfinite(start).any():
        raise DataError(f"the treatment '{name}' does not vary on the rows used (only 0); there is nothing to compare.")
    early = np.isfinite(start) & (start <= first)
    if (early == np.isfinite(start)).all():
        raise DataError(
            f"every unit that '{name}' says is treated is so whenever it is seen. If it marks the units that are treated at some "
            "time, give the column of first treated periods as cohort=, or let it be 0 before treatment."
        )
    return start[unit], early[unit]


def _notes(problem: DidProblem) -> dict[str, Any]:
    finite = problem.cohort[np.isfinite(problem.cohort)]
    sizes = ", ".join(f"{shown(g)} ({int((finite == g).sum())})" for g in problem.cohorts[:8].tolist())
    more = ", ..." if len(problem.cohorts) > 8 else ""
    rows = {"Units": problem.units, "Periods": len(problem.times)} if problem.id else {"Periods": len(problem.times)}
    against = "never treated" if problem.control == "never" else "not yet treated"
    count = int(np.isinf(problem.cohort).sum())
    made = rows | {"Cohorts (units)": sizes + more, "Never treated": count, "Controls": against}
    if problem.anticipation:
        made["Anticipation"] = problem.anticipation
    if problem.id and problem.paired and len(problem.y) < problem.units * len(problem.times):
        made["Panel"] = "unbalanced; units seen at both periods of a comparison"
    return made
