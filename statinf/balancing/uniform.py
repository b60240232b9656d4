"""Weights by a uniform transformer.

Yu, R. and Wang, S. (2025), "Treatment effects estimation by uniform transformer", ICLR, arXiv 2008.03738.

Estimand: ATT, ATC or ATE. Assumptions: no unmeasured confounding given the columns, the target's support inside the arm's, and
smooth regressions; no model of propensity or outcome.

The covariates of an arm are mapped to the uniform law on the unit cube; there the density ratio of target and arm is the target's
density alone. ``estimator="kernel"`` weights a row of the arm by how much of the target lies near it, ``"projection"`` projects on
polynomials, which is regression imputation on the mapped columns. A kernel loses mass at the border of the cube: reflection gives
most of it back (``boundary="reflect"``, which the authors' package lacks), and the default bandwidth n^(-1/d) undersmooths.
Cuts lie halfway between neighbours and ties share a cell, where the authors draw both at random.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations_with_replacement

import numpy as np

from statinf.balancing.method import BalanceMethod
from statinf.balancing.problem import BalanceProblem, Task, tasks
from statinf.balancing.solution import BalanceSolution, merge
from statinf.errors import DataError, NumericalWarning, OptionError, issue_warning
from statinf.numerics.discrepancy.imbalance import is_binary
from statinf.numerics.kernels.windows import WINDOWS, smoothed_mass
from statinf.numerics.laws.uniform_map import UniformMap, cell_counts, marginal_map, nested_map
from statinf.results.options import Options, choice, count, flag, number

_MUCH = 0.2
"""Share of the target outside the mapped arm's range that is worth a warning."""


@dataclass(frozen=True, kw_only=True)
class UniformOptions(Options):
    """Options of the uniform transformer."""

    map: str = choice(
        "joint", ("joint", "marginal"), "columns nested in one another, in their order, or each alone; the first needs columns "
        "of many values and few of them",
    )  # fmt: skip
    smooth: str = choice(
        "constant",
        ("constant", "linear", "quadratic", "step"),
        "distribution function within a cell; 'step' uses ranks alone",
    )
    estimator: str = choice("kernel", ("kernel", "projection"), "weights by a kernel, or by projection on polynomials")
    kernel: str = choice("gaussian", tuple(WINDOWS), "kernel; those of a higher order may give negative weights")
    bandwidth: float | None = number(
        None, "of the kernel, on the unit cube; n^(-1/d) unless given", low=0.0, open_low=True, also=(None,)
    )
    boundary: str | None = choice("reflect", ("reflect",), "reflect the kernel at the border of the cube", none=True)
    degree: int = count(2, "of the polynomials")
    interactions: bool = flag(True, "polynomials of several columns at once")


@dataclass(frozen=True)
class _Transformed:
    """One arm's weights, with what is told of the map."""

    p: np.ndarray
    fitted: UniformMap
    uniformity: tuple[float, ...]
    clipped: float


def estimate(problem: BalanceProblem, options: UniformOptions) -> BalanceSolution:
    """Weights with mean one in each arm.

    Raises
    ------
    DataError
        If columns cannot be mapped, or a kernel reaches no row of the target.
    """
    _check(problem, options)
    todo = tasks(problem)
    found = {task.arm: _arm(problem, task, options) for task in todo}
    values = merge(problem, {arm: f.p for arm, f in found.items()}, {task.arm: task.index for task in todo})
    clipped = max(f.clipped for f in found.values())
    if clipped > _MUCH:
        issue_warning(
            f"method='uniform': {clipped:.1%} of the target lies outside the range of the arm that is mapped, in its outermost "
            "cells.",
            NumericalWarning,
        )
    details = {
        "uniformity": {
            problem.arms[arm]: dict(zip(problem.names, f.uniformity, strict=True)) for arm, f in found.items()
        },
        "maps": {problem.arms[arm]: f.fitted for arm, f in found.items()},
        "outside": clipped,
        "cells": {problem.arms[arm]: f.fitted.sizes for arm, f in found.items()},
    }
    return BalanceSolution(values, None, 1, 0.0, details=details)


def _check(problem: BalanceProblem, options: UniformOptions) -> None:
    two = [name for name, flag in zip(problem.names, is_binary(problem.x), strict=True) if flag]
    if options.map == "joint" and two:
        raise DataError(
            f"method='uniform': {', '.join(map(repr, two[:5]))} has two values and no uniform map; take it into by=, or give "
            "map='marginal'."
        )
    d = problem.x.shape[1]
    least = min(len(task.index) for task in tasks(problem))
    if options.map == "joint" and d > 1 and (d > 6 or least ** (1.0 / d) < 2.0):
        raise DataError(
            f"method='uniform': {least} rows leave less than two cells for each of {d} columns; give map='marginal' or fewer "
            "columns."
        )
    if least < 2:
        raise DataError("method='uniform' needs two rows or more in an arm that is mapped.")


def _arm(problem: BalanceProblem, task: Task, options: UniformOptions) -> _Transformed:
    x, s = _unit(problem), problem.s[task.index]
    own = x[task.index]
    d = x.shape[1]
    low, high = np.zeros(d), np.ones(d)
    if options.map == "marginal":
        fitted = marginal_map(own, s, low, high, options.smooth)
    else:
        fitted = nested_map(own, s, low, high, options.smooth, cell_counts(len(own), d))
    at = np.flatnonzero(task.target)
    mapped, aim = fitted.apply(own), fitted.apply(x[at])
    outside = ((x[at] < own.min(axis=0)) | (x[at] > own.max(axis=0))).any(axis=1)
    shares = task.target[at]
    if options.estimator == "projection":
        p = _projection(mapped, aim, s, shares, options)
    else:
        p = _kernel(mapped, aim, s, shares, options, problem.n)
    gaps = tuple(_ks_uniform(column, s) for column in mapped.T)
    fitted = _in_units(fitted, problem)
    return _Transformed(p, fitted, gaps, float(shares @ outside))


def _unit(problem: BalanceProblem) -> np.ndarray:
    """Columns in the unit interval, half a row's width from its ends, over all rows."""
    low, span = problem.x.min(axis=0), np.ptp(problem.x, axis=0)
    eps = 0.5 / problem.n
    return ((problem.x - low) / span + eps) / (1.0 + 2.0 * eps)


def _in_units(fitted: UniformMap, problem: BalanceProblem) -> UniformMap:
    """The map with the range of the columns as they were balanced; `apply` takes columns of the unit interval."""
    return replace(fitted, low=problem.x.min(axis=0), high=problem.x.max(axis=0))


def _kernel(
    own: np.ndarray, aim: np.ndarray, s: np.ndarray, shares: np.ndarray, options: UniformOptions, n: int
) -> np.ndarray:
    """Weights of the arm's rows, of sum one: the target's mass near each of them."""
    h = n ** (-1.0 / own.shape[1]) if options.bandwidth is None else options.bandwidth
    mass = smoothed_mass(own, aim, shares, options.kernel, h, reflect=options.boundary == "reflect")
    p = s * mass
    total = float(p.sum())
    if not total > 0.0:
        raise DataError(
            f"method='uniform': with bandwidth={h:.3g} no row of the arm lies near the target; give a larger bandwidth=."
        )
    return p / total


def _projection(
    own: np.ndarray, aim: np.ndarray, s: np.ndarray, shares: np.ndarray, options: UniformOptions
) -> np.ndarray:
    """Weights of regression imputation on polynomials of the mapped columns, of sum one; some may be negative."""
    basis, wanted = _polynomials(own, options), _polynomials(aim, options)
    if basis.shape[1] > len(own):
        raise OptionError(
            f"degree={options.degree} makes {basis.shape[1]} polynomials for {len(own)} rows; take a lower degree, or "
            "interactions=False."
        )
    gram = (basis * s[:, None]).T @ basis
    return s * (basis @ np.linalg.lstsq(gram, shares @ wanted, rcond=1e-12)[0])


def _polynomials(u: np.ndarray, options: UniformOptions) -> np.ndarray:
    z = 2.0 * u - 1.0
    columns = [np.ones(len(u))]
    for degree in range(1, options.degree + 1):
        for which in combinations_with_replacement(range(u.shape[1]), degree):
            if options.interactions or len(set(which)) == 1:
                columns.append(np.prod(z[:, which], axis=1))
    return np.column_stack(columns)


def _ks_uniform(u: np.ndarray, s: np.ndarray) -> float:
    """Largest distance of the weighted distribution function of u (n,) from the uniform one."""
    order = np.argsort(u)
    after = np.cumsum(s[order]) / s.sum()
    before = np.r_[0.0, after[:-1]]
    return float(np.max(np.maximum(np.abs(after - u[order]), np.abs(before - u[order]))))


METHOD = BalanceMethod(
    verb="balance",
    name="uniform",
    estimate=estimate,
    several=estimate,
    options=UniformOptions,
    summary="weights by the target's density where the arm's columns are mapped to the uniform law",
    citation="Yu and Wang (2025)",
    arxiv="2008.03738",
    guarantee="consistent without a model of propensity or outcome in one or two columns; standard errors with weights as known",
    vignette="balance-uniform",
    fixed="the map has no expansion; the bootstrap of a fit, which maps again in every replica, counts it.",
)
