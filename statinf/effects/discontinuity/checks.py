"""What would be seen at other cutoffs, with other bandwidths, and of covariates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np

from statinf.effects.discontinuity.errors import rule_of
from statinf.effects.discontinuity.jump import Jump, jump_at
from statinf.effects.discontinuity.options import RobustOptions
from statinf.effects.discontinuity.problem import RdProblem
from statinf.errors import DataError, OptionError
from statinf.findings import Finding
from statinf.frames import to_caller
from statinf.inference.distributions import t_quantile, two_sided_p
from statinf.internal import internal
from statinf.numerics.localpoly.along import jumps_along
from statinf.numerics.localpoly.side import sides

FACTORS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


@dataclass(frozen=True, repr=False)
class RdChecks(Finding):
    """Robust rows under other cutoffs or bandwidths.

    Attributes
    ----------
    check : tuple of str
        "placebo" or "bandwidth" for each row.
    at : ndarray, shape (m,)
        The cutoff, or the (mean) bandwidth.
    estimate, std_error : ndarray, shape (m,)
        Bias-corrected, with robust errors; NaN where polynomials are not determined.
    within : ndarray of int, shape (m, 2)
        Rows within the bandwidth on the left and on the right.
    level : float
    running : str
    cutoff, bandwidth : float
        Of the fit.
    """

    check: tuple[str, ...]
    at: np.ndarray
    estimate: np.ndarray
    std_error: np.ndarray
    within: np.ndarray
    level: float
    running: str
    cutoff: float
    bandwidth: float

    @property
    def p_value(self) -> np.ndarray:
        """Of no jump, shape (m,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return two_sided_p(self.estimate / self.std_error, np.inf)

    @property
    @internal
    def half(self) -> np.ndarray:
        """Half of each interval, shape (m,)."""
        return t_quantile(0.5 + self.level / 2.0, np.inf) * self.std_error

    def tidy(self) -> Any:
        """One row per cutoff or bandwidth: check, at, estimate, std_error, p_value, conf_low, conf_high, nobs_left, nobs_right."""
        import pandas as pd

        columns = {"check": list(self.check), "at": self.at, "estimate": self.estimate, "std_error": self.std_error}
        columns |= {
            "p_value": self.p_value,
            "conf_low": self.estimate - self.half,
            "conf_high": self.estimate + self.half,
        }
        columns |= {"nobs_left": self.within[:, 0], "nobs_right": self.within[:, 1]}
        return to_caller(pd.DataFrame(columns), self.frame_kind)

    def __str__(self) -> str:
        told = []
        kinds = np.array(self.check)
        if (placebo := kinds == "placebo").any():
            p = self.p_value[placebo & np.isfinite(self.estimate)]
            told.append(
                f"{int((p < 1 - self.level).sum())} of {len(p)} placebo cutoffs of {self.running} have a jump "
                f"(p < {1 - self.level:.3g}); {(1 - self.level) * len(p):.1f} would by chance"
            )
        if (other := kinds == "bandwidth").any():
            low, high = np.nanmin(self.estimate[other]), np.nanmax(self.estimate[other])
            at = self.at[other]
            told.append(f"estimates from {low:.4g} to {high:.4g} with bandwidths from {at.min():.4g} to {at.max():.4g}")
        return "; ".join(told)

    def plot(self, **options: Any) -> Any:
        """Estimates with their intervals, a panel for each check; see `statinf.plotting.discontinuities.plot_checks`."""
        from statinf.plotting.discontinuities import plot_checks

        return plot_checks(self, **options)


def joined(one: RdChecks, other: RdChecks) -> RdChecks:
    """Two checks as one table."""
    both = {n: np.concatenate([getattr(one, n), getattr(other, n)]) for n in ("at", "estimate", "std_error", "within")}
    return replace(one, check=(*one.check, *other.check), **both)


def default_cutoffs(problem: RdProblem, count: int) -> np.ndarray:
    """Quantiles of each side, shares 0.1 to 0.9 of its rows; distances from the cutoff."""
    left, right = problem.both
    return np.unique(
        np.concatenate(
            [np.quantile(side.x, np.linspace(0.1, 0.9, k)) for side, k in ((left, count // 2), (right, -(-count // 2)))]
        )
    )


def placebo(
    problem: RdProblem, options: RobustOptions, kind: Any, widths: np.ndarray, cutoffs: Any, level: float
) -> RdChecks:
    """Jumps of the outcome at cutoffs where nothing happens; each looks at rows of its own side of the real one.

    Parameters
    ----------
    problem : RdProblem
    options : RobustOptions
    kind : str or mapping
        Covariance in normal form.
    widths : ndarray, shape (2, 2)
        Bandwidths of the fit, as `CutoffFit.bandwidths`.
    cutoffs : int or sequence of float
        How many, or where.
    level : float
    """
    problem = problem.of_outcome() if problem.fuzzy else problem
    at = _placebo_cutoffs(problem, cutoffs)
    estimate, error = np.full(len(at), np.nan), np.full(len(at), np.nan)
    within = np.zeros((len(at), 2), int)
    for side in (False, True):
        mine = (at >= 0) == side
        used = (problem.x >= 0) == side
        if mine.any():
            found = _along(problem, options, kind, widths, at[mine], used)
            estimate[mine], error[mine], within[mine] = found
    return RdChecks(
        ("placebo",) * len(at),
        at + problem.cutoff,
        estimate,
        error,
        within,
        level,
        problem.running,
        problem.cutoff,
        float(widths[:, 0].mean()),
    )


def _placebo_cutoffs(problem: RdProblem, cutoffs: Any) -> np.ndarray:
    if isinstance(cutoffs, Integral) and not isinstance(cutoffs, bool) and int(cutoffs) >= 2:
        return default_cutoffs(problem, int(cutoffs))
    try:
        at = np.sort(np.asarray(cutoffs, np.float64).ravel())
    except (TypeError, ValueError):
        at = np.array([np.nan])
    if isinstance(cutoffs, Integral) or not len(at) or not np.isfinite(at).all():
        raise OptionError(f"cutoffs={cutoffs!r} is not a whole number of at least 2, or a list of cutoffs.")
    if (at == problem.cutoff).any():
        raise OptionError(f"cutoffs={cutoffs!r} holds {problem.cutoff:g}, the real cutoff.")
    return at - problem.cutoff


def _along(
    problem: RdProblem, options: RobustOptions, kind: Any, widths: np.ndarray, at: np.ndarray, used: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates, errors and counts at cutoffs from some rows."""
    (h_l, b_l), (h_r, b_r) = widths.tolist()
    h, b = (h_l, h_r), (b_l, b_r)
    p, q = options.orders
    rows = np.flatnonzero(used & (problem.w > 0))
    rows = rows[np.argsort(problem.x[rows], kind="stable")]
    x, outcomes, w = problem.x[rows], problem.outcomes[rows], problem.w[rows]
    if kind == "NN" and outcomes.shape[1] == 1 and options.deriv == 0 and len(rows) > 2:
        found = jumps_along(
            x, outcomes[:, 0], w, at,
            h=h, b=b, order=p, bias_order=q, kernel=problem.kernel, neighbours=options.neighbours,
        )  # fmt: skip
        return found.corrected, np.sqrt(found.robust), found.within
    estimate, error = np.full(len(at), np.nan), np.full(len(at), np.nan)
    within = np.zeros((len(at), 2), int)
    rule = rule_of(kind, options.neighbours, problem.design)
    if rule.clusters is not None:
        rule = replace(rule, clusters=rule.clusters[rows])
    for k, c in enumerate(at):
        both = sides(x - c, outcomes, w)
        within[k] = [problem.within(side, width) for side, width in zip(both, h, strict=True)]
        jump = jump_at(both, order=p, bias_order=q, deriv=options.deriv, h=h, b=b, kernel=problem.kernel, fuzzy=False)
        if _determined(jump):
            estimate[k], error[k] = jump.corrected, np.sqrt(jump.covariance(rule)[1, 1])
    return estimate, error, within


def _determined(jump: Jump) -> bool:
    return all(half.small.determined and half.large.determined for half in jump.halves)


def sensitivity(
    problem: RdProblem, options: RobustOptions, kind: Any, widths: np.ndarray, bandwidths: Any, level: float
) -> RdChecks:
    """The effect with other bandwidths; that of the bias keeps its ratio. Parameters as those of `placebo`."""
    centre = float(widths[:, 0].mean())
    at = centre * np.array(FACTORS) if bandwidths is None else _bandwidths(bandwidths)
    rule = rule_of(kind, options.neighbours, problem.design)
    both, (p, q) = problem.both, options.orders
    estimate, error, within = np.full(len(at), np.nan), np.full(len(at), np.nan), np.zeros((len(at), 2), int)
    for k, width in enumerate(at):
        (h_l, b_l), (h_r, b_r) = (widths * width / centre).tolist()
        within[k] = [problem.within(side, h) for side, h in zip(both, (h_l, h_r), strict=True)]
        jump = jump_at(
            both, order=p, bias_order=q, deriv=options.deriv,
            h=(h_l, h_r), b=(b_l, b_r), kernel=problem.kernel, fuzzy=problem.fuzzy,
        )  # fmt: skip
        if _determined(jump):
            estimate[k], error[k] = jump.corrected, np.sqrt(jump.covariance(rule)[1, 1])
    return RdChecks(
        ("bandwidth",) * len(at), at, estimate, error, within, level, problem.running, problem.cutoff, centre
    )


def _bandwidths(given: Sequence[float]) -> np.ndarray:
    try:
        at = np.asarray(given, np.float64).ravel()
    except (TypeError, ValueError):
        at = np.array([np.nan])
    if not len(at) or not (np.isfinite(at) & (at > 0)).all():
        raise OptionError(f"bandwidths={given!r} is not a list of positive numbers.")
    return at


def balance_columns(problem: RdProblem, columns: Any) -> list[tuple[str, np.ndarray]]:
    """Names and values (n,) of covariates, NaN where missing."""
    if columns is None:
        if not problem.covariates:
            raise OptionError("columns= names the covariates to look at; the formula has none.")
        part = problem.design.parts[1]
        return [(name, part.values[:, part.names.index(name)]) for name in problem.covariates]
    names = [columns] if isinstance(columns, str) else list(columns)
    found = []
    for name in names:
        problem.design.frame.require(name)
        values = problem.design.column(name)
        if values.dtype == object:
            raise DataError(f"columns={name!r} holds labels; balance at a cutoff is of numbers.")
        found.append((name, np.asarray(values, np.float64)))
    return found
