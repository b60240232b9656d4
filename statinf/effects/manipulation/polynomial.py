"""Manipulation tests by local polynomials of the distribution function (Cattaneo, Jansson and Ma 2020, JASA 115).

Estimand: the jump of the running variable's density at the cutoff, which is zero where nobody sorts around it (a jump may also
have other causes, and sorting in both directions leaves none). Assumption: a density that is smooth on either side.

Polynomials of one order more than the bandwidth is chosen for leave a bias that is small beside the standard error, so that
the test has its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from statinf.effects.discontinuity.options import check_kernel, widths
from statinf.effects.estimate import cluster_codes
from statinf.effects.manipulation.fit import TERMS
from statinf.effects.manipulation.problem import RunningRows
from statinf.errors import DataError, OptionError, nearest
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.inference.sandwich import covariance
from statinf.numerics.laws.edge_bandwidth import edge_bandwidths
from statinf.numerics.laws.edge_density import EdgeDensity, Ranked, edge_constants, edge_density
from statinf.numerics.localpoly.kernels import KERNELS
from statinf.results import Estimate, stack_scores
from statinf.results.methods import Method
from statinf.results.options import Options, choice, count, flag, value

RULES = ("comb", "each", "diff", "sum")


def check_bandwidth(name: str, given: Any) -> str | tuple[float, float]:
    """A rule, or the bandwidths on the left and on the right."""
    if isinstance(given, str):
        if given not in RULES:
            raise OptionError(
                f"{name}={given!r} is not known; give a number, a pair (left, right), or one of "
                f"{', '.join(map(repr, RULES))}.{nearest(given, RULES)}"
            )
        return given
    return widths(name, given)


def _kernel(name: str, given: Any) -> str:
    return check_kernel(given)


@dataclass(frozen=True, kw_only=True)
class PolynomialOptions(Options):
    """Options of local polynomial density tests."""

    bandwidth: Any = value(
        "comb",
        "windows on the left and on the right: 'each' best for either density, 'diff' or 'sum' for their difference or sum, "
        "'comb' the median of the three",
        "'comb', 'each', 'diff', 'sum', a positive number or a pair of them",
        check_bandwidth,
    )
    order: int = count(2, "of the polynomials that the bandwidth is best for", low=1, high=5)
    bias_order: int | None = count(
        None, "of the polynomials that are tested; one more than `order` by default", low=1, high=6, also=(None,)
    )
    kernel: str = value("triangular", "weights within the windows", ", ".join(map(repr, KERNELS)), _kernel)
    bandwidth_variance: str = choice(
        "jackknife",
        ("jackknife", "plugin"),
        "variance that the bandwidth is chosen with: of the rows, or the kernel's constants",
    )
    restricted: bool = flag(
        False, "let the density jump and nothing else: one polynomial with a kink, and one bandwidth"
    )

    def check(self) -> None:
        if self.bias_order is not None and self.bias_order < self.order:
            raise OptionError(f"bias_order={self.bias_order} is below order={self.order}; give at least order.")
        if self.restricted and not isinstance(self.bandwidth, str) and self.bandwidth[0] != self.bandwidth[1]:
            raise OptionError("restricted=True has one bandwidth; give bandwidth= as one number.")
        if self.restricted and self.bandwidth == "each":
            raise OptionError("restricted=True has one bandwidth; choose bandwidth='comb', 'diff' or 'sum'.")

    @property
    def tested(self) -> int:
        """Order of the polynomials that are tested."""
        return self.order + 1 if self.bias_order is None else self.bias_order


def estimate(problem: RunningRows, options: PolynomialOptions) -> Estimate:
    """Densities on both sides and their difference."""
    ranked = Ranked.of(problem.x, problem.w)
    h = options.bandwidth
    if isinstance(h, str):
        plugin = options.bandwidth_variance == "plugin"
        found = edge_bandwidths(ranked, options.order, options.kernel, restricted=options.restricted, plugin=plugin)
        h = found.chosen(h, restricted=options.restricted)
    made = _fitted(problem, ranked, options.tested, h, options)
    contrast = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]])
    moments = _moments(problem, made.unit @ contrast.T, contrast @ made.density)
    spread = edge_constants(options.tested, 1, options.kernel)[0]
    asymptotic = contrast @ np.diag(made.density * spread / (len(problem.x) * np.array(h))) @ contrast.T
    return Estimate(
        terms=TERMS,
        theta=contrast @ made.density,
        moments=moments,
        facts={
            "Cutoff": problem.cutoff,
            "Bandwidths": f"{h[0]:.6g}, {h[1]:.6g} ({options.bandwidth if isinstance(options.bandwidth, str) else 'given'})",
            "Rows in the windows": f"{made.rows[0]}, {made.rows[1]}",
            "Order": f"{options.order}, tested with {options.tested}",
        },
        extra={
            "running": problem.name,
            "cutoff": problem.cutoff,
            "bandwidth": h,
            "rows_inside": tuple(int(n) for n in made.rows),
            "conventional": partial(_conventional, problem, ranked, h, options),
            "ranked": ranked,
            "kernel": options.kernel,
            "order": options.tested,
        },
        covary=partial(_covariance, problem, moments, None if options.restricted else asymptotic),
    )


def _conventional(
    problem: RunningRows, ranked: Ranked, h: tuple[float, float], options: PolynomialOptions
) -> tuple[float, float]:
    """The jump by polynomials of the order that the bandwidth is best for, and its standard error."""
    made = _fitted(problem, ranked, options.order, h, options)
    jump = made.density[1:] - made.density[:1]
    moments = _moments(problem, (made.unit[:, 1] - made.unit[:, 0])[:, None], jump)
    found = covariance(moments, "HC0", normal=True)
    return float(jump[0]), float(np.sqrt(found.matrix[0, 0]))


def _fitted(
    problem: RunningRows, ranked: Ranked, order: int, h: tuple[float, float], options: PolynomialOptions
) -> EdgeDensity:
    for side, distance, width in (
        ("below", -problem.x[problem.x < 0], h[0]),
        ("above", problem.x[problem.x >= 0], h[1]),
    ):
        found = len(np.unique(distance[distance < width]))
        if found < order + 2:
            raise DataError(
                f"{found} distinct values of '{problem.name}' lie within {width:g} {side} the cutoff; polynomials of order "
                f"{order} need {order + 2}: use a larger bandwidth= or a smaller order=."
            )
    return edge_density(ranked, order, h, options.kernel, restricted=options.restricted)


def _moments(problem: RunningRows, unit: np.ndarray, value: np.ndarray) -> Moments:
    """Moments from influence values (n, q) per unit of weight, and what they are the influence on, shape (q,)."""
    whole = problem.spread(unit)
    weights = problem.spread(problem.w[:, None])
    n = len(problem.x)
    # Weights are taken over their mean: estimated ones are not, and move their sum, which densities are shares of.
    mean = float(problem.design.weights[problem.kept].mean())
    extra = stack_scores(problem.design.weights_object, problem.design.rows, problem.spread((unit - value / n) / mean))
    return Moments(whole * weights, np.eye(unit.shape[1]), n, float(n - 1), present=weights[:, 0] > 0, **extra)


def _covariance(problem: RunningRows, moments: Moments, asymptotic: np.ndarray | None, kind: Any) -> Covariance:
    if kind == "plugin":
        if asymptotic is None:
            raise OptionError("vcov='plugin' is not there with restricted=True; use 'jackknife'.")
        return Covariance(asymptotic, kind, "plug-in", np.inf)
    if kind == "jackknife":
        found = covariance(moments, "HC0", normal=True)
        return Covariance(found.matrix, kind, found.label.replace("HC0", "jackknife"), np.inf, found.square_root)
    return covariance(moments, kind, cluster_codes(problem.design, kind), normal=True)


METHOD = Method(
    verb="rd_density",
    name="polynomial",
    estimate=estimate,
    options=PolynomialOptions,
    summary="jump of the running variable's density by local polynomials of its distribution function",
    citation="Cattaneo, Jansson and Ma (2020), Simple local polynomial density estimators",
    arxiv="1811.11512",
    guarantee="the test has its size as the sample grows; robust to the bias that the bandwidth leaves",
    vignette="rd-density",
    traits={"column shift": "the cutoff stands where it is", "column scale": "densities are per unit of the column"},
)
