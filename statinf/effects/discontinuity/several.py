"""Several cutoffs: an effect at each, and their average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import numpy as np

from statinf.brief import Brief
from statinf.effects.discontinuity.cutoff_fit import CutoffFit
from statinf.effects.discontinuity.errors import ErrorRule, rule_of
from statinf.effects.discontinuity.fit import RdFit
from statinf.effects.discontinuity.jump import Jump
from statinf.effects.discontinuity.options import RobustOptions, check_cutoff
from statinf.effects.discontinuity.problem import RdProblem, check_rows
from statinf.effects.discontinuity.robust import estimate_at
from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.numerics.localpoly.variance import Clusters
from statinf.results import Estimate, Fit, Method, to_caller


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CutoffsFit(Fit):
    """Robust rows at several cutoffs, and `pooled`, their average by rows within the bandwidths.

    Attributes
    ----------
    running : str
    treatment : str or None
    cutoffs : ndarray, shape (k,)
    shares : ndarray, shape (k,)
        Of each cutoff in the average.
    bandwidths : ndarray, shape (k, 2, 2)
        By cutoff, side (left, right), and estimate or bias.
    within : ndarray of int, shape (k, 2)
        Rows within the bandwidth on each side.
    fits : tuple of RdFit
        With all three rows; not saved.
    """

    running: str
    treatment: str | None
    cutoffs: np.ndarray
    shares: np.ndarray
    bandwidths: np.ndarray
    within: np.ndarray
    fits: tuple[RdFit, ...] = field(default=(), metadata={"saved": False})

    normal_reference = True
    vcov_kinds = CutoffFit.vcov_kinds
    beside = ("fits", "table")

    @property
    def title(self) -> str:
        ratio = f" over that of {self.treatment}" if self.treatment else ""
        return f"Jumps of {self.outcome}{ratio} at {len(self.cutoffs)} cutoffs of {self.running}"

    def with_vcov(self, vcov: Any) -> Self:
        """The same fit, and those at each cutoff, with another covariance."""
        return replace(super().with_vcov(vcov), fits=tuple(fit.with_vcov(vcov) for fit in self.fits))

    def lean(self) -> Self:
        return replace(super().lean(), fits=())

    def table(self) -> Any:
        """One row per cutoff: cutoff, share in the average, bandwidths and rows within them on each side."""
        import pandas as pd

        columns = {"cutoff": self.cutoffs, "share": self.shares}
        columns |= {"bandwidth_left": self.bandwidths[:, 0, 0], "bandwidth_right": self.bandwidths[:, 1, 0]}
        columns |= {"nobs_left": self.within[:, 0], "nobs_right": self.within[:, 1]}
        return to_caller(pd.DataFrame(columns), self.kind)


@dataclass(frozen=True, repr=False)
class _SeveralJumps(Brief):
    """Jumps with the shares that average them, and the stretch between cutoffs that each row (n,) lies in."""

    problem: RdProblem
    jumps: tuple[Jump, ...]
    shares: np.ndarray
    stretch: np.ndarray
    neighbours: int

    def scores(self, rule: ErrorRule) -> np.ndarray:
        """Influence of each row on the jumps and on their average, shape (n, k + 1)."""
        scores = np.zeros((self.problem.design.n, len(self.jumps) + 1))
        for k, jump in enumerate(self.jumps):
            for rows, found in jump.influence(rule):
                scores[rows, k] += found[:, 1]
        scores[:, -1] = scores[:, :-1] @ self.shares
        return scores

    def moments(self) -> Moments:
        """By plain residuals."""
        w = self.problem.w
        nobs, q = int(np.count_nonzero(w)), len(self.jumps) + 1
        return Moments(
            self.scores(ErrorRule("hc0")),
            np.eye(q),
            nobs,
            float(nobs - q),
            weights_fixed=self.problem.stacked,
            present=np.asarray(w > 0),
        )

    def covariance(self, kind: Any) -> Covariance:
        """Rows between two cutoffs count for both."""
        rule = rule_of(kind, self.neighbours, self.problem.design)
        scores = self.scores(rule)
        if not np.isfinite(scores).all():
            raise NotIdentifiedError(f"{rule.named(kind)} errors do not exist at one of the cutoffs")
        if rule.clusters is not None:
            # As at one cutoff: sides are independent.
            labels = rule.clusters * (int(self.stretch.max()) + 1) + self.stretch
            scores = Clusters.of(labels).sums(scores)
        return Covariance(scores.T @ scores, kind, rule.named(kind, self.problem.stacked), np.inf)


def fit_cutoffs(problem: RdProblem, cutoff: Any, options: RobustOptions, method: Method) -> CutoffsFit:
    """The effect at each cutoff.

    Parameters
    ----------
    problem : RdProblem
        With cutoff 0.
    cutoff : sequence of float or str
        Cutoffs that all rows face: each has the rows up to its neighbours. Or a column with each row's own cutoff.
    options : RobustOptions
    method : Method
    """
    parts, fits, jumps = [], [], []
    stretch = np.zeros(len(problem.x), int)
    groups = _groups(problem, cutoff)
    problem = _without_cutoff(problem, np.any([mine for _, mine in groups], axis=0), cutoff)
    for k, (value, mine) in enumerate(groups):
        stretch[mine] = (problem.x[mine] >= value) + (0 if isinstance(cutoff, str) else k)
        w = np.where(mine, problem.w, 0.0)
        x = problem.x - value
        check_rows(x, w, problem.running, value, 0.0)
        mean = 0.0 if problem.fuzzy else np.average(problem.outcomes[:, 0], weights=w)
        outcomes = np.column_stack([problem.outcomes[:, 0] - mean, problem.outcomes[:, 1:]])
        one = replace(problem, x=x, w=w, cutoff=value, outcomes=outcomes)
        found, jump = estimate_at(one, options)
        parts.append(found)
        jumps.append(jump)
        fits.append(RdFit.of(problem.design, found, problem.vcov, method=method))
    cutoffs = np.array([fit.cutoff for fit in fits])
    within = np.array([fit.counts[:, 2] for fit in fits])
    shares = within.sum(axis=1) / within.sum()
    made = _SeveralJumps(problem, tuple(jumps), shares, stretch, options.neighbours)
    theta = np.array([found.theta[-1] for found in parts])
    nobs = int(np.count_nonzero(problem.w))
    estimate = Estimate(
        terms=(*_terms(problem.running, cutoffs), "pooled"),
        theta=np.append(theta, shares @ theta),
        moments=made.moments,
        nobs=nobs,
        df_resid=float(nobs - len(theta) - 1),
        covary=partial(_SeveralJumps.covariance, made),
        extra={
            "running": problem.running,
            "treatment": problem.treatment,
            "cutoffs": cutoffs,
            "shares": shares,
            "bandwidths": np.stack([fit.bandwidths for fit in fits]),
            "within": within,
            "fits": tuple(fits),
        },
    )
    return CutoffsFit.of(problem.design, estimate, problem.vcov, method=method)


def _terms(running: str, cutoffs: np.ndarray) -> list[str]:
    """Names of the rows; with all digits where six do not tell cutoffs apart."""
    short = [f"{running} = {c:g}" for c in cutoffs]
    return short if len(set(short)) == len(short) else [f"{running} = {c:.17g}" for c in cutoffs]


def _without_cutoff(problem: RdProblem, faces: np.ndarray, cutoff: Any) -> RdProblem:
    """The problem without rows that have no cutoff, which are counted."""
    lost = int(np.count_nonzero(~faces & (problem.w > 0)))
    if not lost:
        return problem
    dropped = {**problem.design.dropped, f"{cutoff} is missing": lost}
    return replace(problem, design=replace(problem.design, dropped=dropped), w=np.where(faces, problem.w, 0.0))


def _groups(problem: RdProblem, cutoff: Any) -> list[tuple[float, np.ndarray]]:
    """Cutoffs in ascending order with the rows of each."""
    if isinstance(cutoff, str):
        problem.design.frame.require(cutoff)
        own = problem.design.column(cutoff)
        if own.dtype == object:
            raise DataError(f"cutoff='{cutoff}' holds labels; it gives each row's own cutoff as a number.")
        used = problem.w > 0
        values = np.unique(own[used & np.isfinite(own)])
        if len(values) > used.sum() / 20:
            raise DataError(
                f"cutoff='{cutoff}' has {len(values)} values for {int(used.sum())} rows: too few rows at each."
            )
        return [(float(v), own == v) for v in values]
    values = sorted({check_cutoff(v) for v in cutoff})
    ends = [-np.inf, *values, np.inf]
    return [
        (v, (problem.x >= low) & (problem.x < high)) for v, low, high in zip(values, ends[:-2], ends[2:], strict=True)
    ]


def is_several(cutoff: Any) -> bool:
    """Whether a cutoff is a list of them, or the name of a column."""
    if isinstance(cutoff, str):
        return True
    if isinstance(cutoff, Sequence | np.ndarray):
        if len(cutoff) < 2:
            raise OptionError(f"cutoff={cutoff!r} is not a number, several in a list, or the name of a column.")
        return True
    return False
