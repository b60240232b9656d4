"""The jump at a cutoff from a problem and its options: bandwidths, polynomials, and what is told of the two sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from statinf.effects.discontinuity.bandwidths import Widths, WidthSearch, choose
from statinf.effects.discontinuity.errors import rule_of
from statinf.effects.discontinuity.jump import Jump, jump_at
from statinf.effects.discontinuity.options import RobustOptions, widths
from statinf.effects.discontinuity.problem import RdProblem, check_determined
from statinf.errors import NotIdentifiedError
from statinf.numerics.localpoly.side import Side


def search_of(problem: RdProblem, options: RobustOptions) -> WidthSearch:
    """What bandwidths of a problem are chosen for."""
    both, fuzzy = problem.both, problem.fuzzy
    if fuzzy and (options.sharpbw or any(np.ptp(side.y[:, 1]) == 0 for side in both)):
        left, right = (replace(side, y=np.delete(side.y, 1, axis=1)) for side in both)
        both, fuzzy = (left, right), False
    p, q = options.orders
    rule = rule_of(problem.vcov.asked, options.neighbours, problem.design)
    if rule.clusters is not None and min(len(np.unique(rule.clusters[side.index])) for side in both) < 2:
        raise NotIdentifiedError(
            f"{problem.vcov.clusters[0]!r} has one cluster on a side of the cutoff, and no variance between clusters; cluster "
            "by another column, or not at all."
        )
    return WidthSearch(
        both, p, q, options.deriv, problem.kernel, fuzzy, rule, options.scaleregul, options.masspoints, options.bwcheck
    )


def selected(problem: RdProblem, options: RobustOptions) -> tuple[Widths, Widths]:
    """Bandwidths of the estimate and of its bias, as given or as chosen."""
    given = options.bandwidth
    if not isinstance(given, str):
        h = given if isinstance(given, tuple) else widths("bandwidth", given)
        if options.bias_bandwidth is not None:
            return h, widths("bias_bandwidth", options.bias_bandwidth)
        rho = 1.0 if options.rho is None else options.rho
        return h, (h[0] / rho, h[1] / rho)
    h, b = choose(search_of(problem, options), given)
    check_determined(bool(np.isfinite([*h, *b]).all()) and min(*h, *b) > 0, options.orders, h, problem.running)
    return h, b if options.rho is None else (h[0] / options.rho, h[1] / options.rho)


def jump_of(problem: RdProblem, both: tuple[Side, Side], options: RobustOptions, h: Widths, b: Widths) -> Jump:
    """The jump with these bandwidths; refuses what the rows do not determine."""
    p, q = options.orders
    jump = jump_at(
        both, order=p, bias_order=q, deriv=options.deriv, h=h, b=b, kernel=problem.kernel, fuzzy=problem.fuzzy
    )
    check_determined(
        all(half.small.determined and half.large.determined for half in jump.halves), (p, q), h, problem.running
    )
    if problem.fuzzy:
        assert jump.combined.first is not None
        jumps = [half.small.derivative(options.deriv) for half in jump.halves]
        problem.check_jump(float(jump.combined.first @ (jumps[1] - jumps[0])), 1.0 / max(h) ** options.deriv)
    return jump


def described(problem: RdProblem, both: tuple[Side, Side], jump: Jump, h: Widths, b: Widths) -> dict[str, Any]:
    """What a fit tells of its two sides."""
    counts = [
        [len(side.x), side.distinct, *(problem.within(side, at) for at in (hs, bs))]
        for side, hs, bs in zip(both, h, b, strict=True)
    ]
    return {
        **problem.facts,
        "problem": problem,
        "bandwidths": np.array([h, b]).T,
        "counts": np.array(counts),
        "levels": jump.sides + problem.centre * (jump.deriv == 0),
    }
