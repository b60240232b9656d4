"""What both estimators of `si.rd_distribution` share: options, bandwidths, the first stage, and the estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.distributional.problem import UnitCurves
from statinf.effects.distributional.solved import SolvedCurves
from statinf.errors import DataError, NotIdentifiedError, OptionError, StatinfWarning, issue_warning, nearest
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.numerics.localpoly.curve_bandwidth import curve_bandwidth
from statinf.numerics.localpoly.curves import CurveSide
from statinf.numerics.localpoly.side import Side
from statinf.results import Estimate
from statinf.results.options import Options, count, value

RULES = ("imse", "mse", "coverage")
_WEAK = 3.2


def check_bandwidth(name: str, given: Any) -> Any:
    """A rule, a positive number, or one number per level."""
    if isinstance(given, str):
        if given not in RULES:
            choices = ", ".join(map(repr, RULES))
            raise OptionError(
                f"{name}={given!r} is not known; give numbers or one of {choices}.{nearest(given, RULES)}"
            )
        return given
    try:
        found = np.atleast_1d(np.asarray(given, dtype=np.float64))
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.ndim != 1 or not len(found) or not (np.isfinite(found) & (found > 0)).all():
        raise OptionError(f"{name}={given!r} is not a positive number, or one per level of tau.")
    return tuple(found.tolist())


def check_positive(name: str, given: Any) -> float:
    """A positive number."""
    if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not 0 < given < np.inf:
        raise OptionError(f"{name}={given!r} is not a positive number.")
    return float(given)


@dataclass(frozen=True, kw_only=True)
class CurveOptions(Options):
    """Options of discontinuities of distributions."""

    bandwidth: Any = value(
        None,
        "window around the cutoff: 'imse' (one, best for the whole curve), 'mse' (one per level), 'coverage' (a smaller one, for "
        "limits), or numbers",
        "'imse', 'mse', 'coverage', a positive number or one per level",
        check_bandwidth,
    )
    order: int = count(2, "of the local polynomials", low=0, high=5)
    bandwidth_order: int | None = count(
        None, "of the polynomials that the window is best for; one less than `order`, whose bias is then estimated", low=0,
        high=5, also=(None,),
    )  # fmt: skip
    first_stage_bandwidth: float | None = value(
        None, "window of the treatment's jump, in fuzzy designs", "a positive number", check_positive
    )

    def check(self) -> None:
        if self.bandwidth_order is not None and self.bandwidth_order > self.order:
            raise OptionError(f"bandwidth_order={self.bandwidth_order} is above order={self.order}.")

    @property
    def chosen_for(self) -> int:
        """Order that the window is best for."""
        return max(self.order - 1, 0) if self.bandwidth_order is None else self.bandwidth_order


def estimate_curves(
    problem: UnitCurves, options: CurveOptions, *, rule: str, increasing: Callable[[np.ndarray], np.ndarray]
) -> Estimate:
    """The jump of the mean quantile function at all levels, jointly.

    Parameters
    ----------
    problem : UnitCurves
    options : CurveOptions
    rule : str
        Bandwidth by default.
    increasing : callable
        Makes curves (2, m) increasing.
    """
    both = problem.sides(problem.quantiles)
    asked = rule if options.bandwidth is None else options.bandwidth
    h = _bandwidths(problem, both, options, asked)
    below, above = (CurveSide.of(side, options.order, h, problem.kernel) for side in both)
    _check_determined(problem, (below, above), both, h, options.order)
    stages, width = None, None
    if problem.treatment is not None:
        stages, width = _first_stage(problem, options, asked)
    raw = np.stack([below.level, above.level])
    solved = SolvedCurves(problem, below, above, increasing(raw), stages)
    _check_jump(solved)
    inside = [int(sum(np.count_nonzero(fit.weight) for fit, _ in one.fits[:1])) for one in (below, above)]
    facts = {
        "Units": f"{len(both[0].x)} below, {len(both[1].x)} above",
        "Rows per unit": f"{problem.size.min()} to {problem.size.max()}",
        "Bandwidth": _shown(h) + (f" ({asked})" if isinstance(asked, str) else ""),
        "Units in the window": f"{inside[0]}, {inside[1]}",
    }
    if stages is not None:
        facts |= {"First stage": solved.first_stage, "Bandwidth, first stage": width}
    moved = np.mean(np.abs(solved.curves - raw) > 1e-9 * np.abs(raw).max())
    if moved > 0:
        facts["Points made increasing"] = f"{100 * moved:.0f} percent"
    m, name = len(problem.tau), problem.treatment_name or "jump"
    rows = len(problem.kept)
    return Estimate(
        terms=(name,) if m == 1 else tuple(f"q{t:g}: {name}" for t in problem.tau),
        theta=solved.effect,
        moments=partial(_moments, solved),
        nobs=rows,
        df_resid=float(problem.n - 2 * (options.order + 1)),
        facts=facts,
        extra={
            "tau": problem.tau,
            "columns": (name,),
            "running": problem.running,
            "unit": problem.unit_name,
            "cutoff": problem.cutoff,
            "bandwidth": h,
            "below": solved.curves[0],
            "above": solved.curves[1],
            "first_stage": solved.first_stage,
            "units": (len(both[0].x), len(both[1].x)),
            "solved": solved,
        },
        covary=partial(_covariance, solved),
    )


def _bandwidths(problem: UnitCurves, both: tuple[Side, Side], options: CurveOptions, asked: Any) -> np.ndarray:
    m = both[0].y.shape[1]
    if not isinstance(asked, str):
        if len(asked) not in (1, m):
            raise OptionError(f"bandwidth= has {len(asked)} numbers for {m} levels; give one, or one per level of tau.")
        return np.broadcast_to(np.asarray(asked), (m,)).copy()
    s, fewest = options.chosen_for, options.order + 2
    for side, there in zip(("below", "at or above"), both, strict=True):
        if there.distinct < s + 4:
            raise DataError(
                f"{there.distinct} distinct values of '{problem.running}' lie {side} the cutoff; choosing a window needs {s + 4}: "
                "give bandwidth= as a number, or a smaller order=."
            )
    found = curve_bandwidth(both, s, problem.kernel, whole=asked != "mse", fewest=fewest).chosen
    return found * problem.n ** (-s / ((2 * s + 3) * (s + 3))) if asked == "coverage" else found


def _check_determined(
    problem: UnitCurves, fits: tuple[CurveSide, CurveSide], both: tuple[Side, Side], h: np.ndarray, order: int
) -> None:
    for words, fit, side in zip(("below", "at or above"), fits, both, strict=True):
        if not fit.determined:
            width = float(np.min(h))
            inside = len(np.unique(side.x[np.abs(side.x) < width]))
            raise NotIdentifiedError(
                f"{inside} distinct values of '{problem.running}' lie within {width:.4g} {words} the cutoff; polynomials of order "
                f"{order} need {order + 1}: use a larger bandwidth= or a smaller order=."
            )


def _first_stage(problem: UnitCurves, options: CurveOptions, asked: Any) -> tuple[tuple[CurveSide, CurveSide], float]:
    assert problem.treatment is not None
    both = problem.sides(problem.treatment[:, None])
    h = options.first_stage_bandwidth
    if h is None:
        # A treatment that varies on neither side leaves no bias to weigh: the outcome's window will do.
        varies = any(np.ptp(side.y) > 0 for side in both)
        given = not isinstance(asked, str)
        h = float(np.mean(asked)) if given else float(_bandwidths(problem, both if varies else problem.sides(
            problem.quantiles), options, "imse" if asked == "mse" else asked)[0])  # fmt: skip
    made = [CurveSide.of(side, options.order, np.array([h]), problem.kernel) for side in both]
    stages = (made[0], made[1])
    _check_determined(problem, stages, both, np.array([h]), options.order)
    return stages, float(h)


def _check_jump(solved: SolvedCurves) -> None:
    if solved.stages is None:
        return
    name, jump = solved.problem.treatment_name, solved.first_stage
    error = float(np.linalg.norm(solved.on_stage("HC3")))
    if abs(jump) < 1e-10:
        raise NotIdentifiedError(f"'{name}' does not jump at the cutoff, so that its effect is not identified.")
    if abs(jump) < _WEAK * error:
        issue_warning(
            f"'{name}' jumps by {jump:.3g} with a standard error of {error:.2g} at the cutoff: the effect is weakly identified.",
            StatinfWarning,
        )


def _shown(h: np.ndarray) -> str:
    return f"{h[0]:.4g}" if np.ptp(h) == 0 else f"{h.min():.4g} to {h.max():.4g}"


def _moments(solved: SolvedCurves) -> Moments:
    problem = solved.problem
    scores = problem.per_row(solved.influence("HC0"))
    present = np.zeros(problem.design.n, dtype=bool)
    present[problem.kept] = True
    return Moments(
        scores,
        np.eye(scores.shape[1]),
        int(present.sum()),
        float(problem.n - 2),
        present=present,
        weights_fixed=problem.design.weights_object is not None,
    )


def _covariance(solved: SolvedCurves, kind: Any) -> Covariance:
    influence, label = unit_influence(solved, kind)
    if solved.problem.design.weights_object is not None:
        label += ", weights taken as fixed"
    return Covariance(influence.T @ influence, kind, label, np.inf, influence.T)


def unit_influence(solved: SolvedCurves, kind: Any) -> tuple[np.ndarray, str]:
    """Influence of units, or of clusters of them, whose cross-product is the covariance, and its label."""
    if not isinstance(kind, dict):
        return solved.influence(kind), kind
    name = kind["cluster"]
    if not isinstance(name, str):
        if len(name) > 1:
            raise OptionError(f"errors cluster by one column here, not by {', '.join(map(repr, name))}.")
        name = name[0]
    codes = solved.problem.clusters(name)
    found = solved.influence(kind["type"], codes)
    sums = np.zeros((int(codes.max()) + 1, found.shape[1]))
    np.add.at(sums, codes, found)
    if not np.isfinite(sums).all():
        raise NotIdentifiedError(f"there is a single cluster of '{name}' in a window; errors cannot cluster by it.")
    return sums, f"clustered by {name} ({kind['type']})"
