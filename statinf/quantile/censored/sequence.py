"""What the methods that go from level to level share: the grid, how far it reaches, and their errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from statinf.errors import FormulaError, NotIdentifiedError
from statinf.numerics.order.content import content_order
from statinf.numerics.quantreg.bandwidth import bandwidth
from statinf.quantile.censored.influence import influence
from statinf.quantile.censored.options import SequenceOptions
from statinf.quantile.censored.problem import CensoredProblem
from statinf.quantile.censored.solved import SolvedCensored
from statinf.results import Estimate

LevelSolver = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
_COARSEST, _FINEST = 0.01, 0.001
_SAME = 1e-9


def estimate(problem: CensoredProblem, options: SequenceOptions, *, path: LevelSolver, name: str) -> Estimate:
    """Coefficients at the problem's levels, by `path`.

    Raises
    ------
    FormulaError
        Where the formula does not say which outcomes are censored.
    NotIdentifiedError
        For levels that the censored rows hide.
    """
    event = problem.event
    if event is None:
        raise FormulaError(
            f"method={name!r} needs to know which outcomes are censored: write cbind(time, event) ~ ..., with event 1 where "
            "the time was seen; for a known limit use method='powell' with limit=."
        )
    rows, y, taus = problem.rows, problem.y, problem.taus
    n = len(y)
    width = max(min(_COARSEST, 0.5 * n**-0.7), _FINEST) if options.step is None else options.step
    grid = levels_between(taus, width)
    # Densities at the highest level look at levels above it, where there are any.
    beyond = np.arange(grid[-1], 1.0, width)[1:]
    beyond = beyond[beyond <= grid[-1] + bandwidth(n, float(taus[-1]), options.bandwidth)]
    full = np.concatenate([grid, beyond])
    # By contents: where rows tie the fit is one of several, and their order must not say which.
    order = content_order(y, event, rows.w, *rows.Z.T)
    sorted_rows = rows.Z[order], y[order], event[order]
    found = path(*sorted_rows, full, rows.w[None, order])[0]
    reached = int(np.isfinite(found[:, 0]).sum())
    if reached < len(grid):
        _refuse(problem, float(full[reached - 1]) if reached else 0.0, name)
    at = np.searchsorted(grid, taus - _SAME)
    full, found = full[:reached], found[:reached]

    def influences() -> np.ndarray:
        return influence(rows.Z, y, event, rows.w, full, found, taus, options.bandwidth)

    def replicate(weights: np.ndarray) -> np.ndarray:
        return path(*sorted_rows, grid, weights[:, order])[:, at]

    solved = SolvedCensored(problem, found[at], influences, replicate)
    return solved.estimate({"Censored": n - int(event.sum()), "Levels looked at": len(grid)})


def levels_between(taus: np.ndarray, width: float) -> np.ndarray:
    """Levels `width` apart up to the highest of `taus`, all of which are among them."""
    plain = width * np.arange(1, int(np.ceil(taus[-1] / width)) + 1)
    # A level of `taus` takes the place of the point of the grid that it would be all but equal to.
    apart = np.abs(plain[:, None] - taus).min(axis=1) > _SAME
    return np.union1d(plain[apart & (plain < taus[-1])], taus)


def _refuse(problem: CensoredProblem, reach: float, name: str) -> None:
    hidden = problem.levels[problem.taus > reach] if problem.side == "right" else problem.levels[
        1.0 - problem.levels > reach
    ]  # fmt: skip
    end = reach if problem.side == "right" else 1.0 - reach
    way, other = ("up to", "lower") if problem.side == "right" else ("from", "raise")
    raise NotIdentifiedError(
        f"tau={float(hidden[-1 if problem.side == 'right' else 0]):g} is hidden by the censored rows: method={name!r} reaches "
        f"levels {way} {end:.3g} of {problem.unit}; {other} tau=."
    )
