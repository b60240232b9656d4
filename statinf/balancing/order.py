"""Rows in an order of their own: what is drawn by a row's place must not depend on the order of the caller's table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from statinf.balancing.problem import BalanceProblem
from statinf.balancing.solution import BalanceSolution, Linear
from statinf.numerics.order.content import content_order


def in_content_order(problem: BalanceProblem, solve: Callable[[BalanceProblem], BalanceSolution]) -> BalanceSolution:
    """The solution of the problem with its rows sorted by content, put back in their order."""
    order = content_order(*problem.x.T, problem.treatment, problem.s)
    if np.array_equal(order, np.arange(problem.n)):
        return solve(problem)
    found = solve(problem.take(order))

    def back(values: np.ndarray) -> np.ndarray:
        out = np.empty_like(values)
        out[order] = values
        return out

    def linear() -> Linear:
        assert found.linear is not None
        one = found.linear()
        return Linear(back(one.derivative), back(one.influence), back(one.leverage))

    propensity = None if found.propensity is None else back(found.propensity)
    expansion = None if found.linear is None else linear
    return replace(found, values=back(found.values), linear=expansion, propensity=propensity)
