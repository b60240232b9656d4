"""Conditional operator discrepancy (Yang, Ren and Luo 2024, arXiv 2408.06638) as a test of equal conditional laws.

The squared distance of two samples' conditional mean operators and conditional covariances in the space of a Gaussian kernel: the
law of the features given the condition, whatever the law of the condition is in either sample. Labels of the samples are
permuted within groups of rows whose condition is alike: quantile groups of one column of numbers, levels of one column of
categories, or quantile groups of the estimated odds of the samples given several columns. Groups are small (Kim, Neykov,
Balakrishnan and Wasserman 2022, arXiv 2112.11666): within a wide one the condition differs between the samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import chunks, generator, map_threads, progress_bar
from statinf.errors import DataError
from statinf.learners.logit import Logit
from statinf.numerics.discrepancy.conditional import ConditionalDistance, conditional_distance
from statinf.numerics.kernels.lowrank import pivoted_cholesky
from statinf.numerics.order.content import content_order
from statinf.results.methods import Method
from statinf.results.options import count, flag, number, value
from statinf.shifts.kernels import BANDWIDTH, GaussianKernelOptions, bandwidths, one_bandwidth, rbf
from statinf.shifts.permutation import p_value
from statinf.shifts.samples import Samples
from statinf.shifts.scaling import weighted_scaling
from statinf.shifts.shift_test_result import Global

_TOL, _RANK, _BATCH = 1e-8, 400, 32
_GROUP = 4
"""Rows of a group. In ten groups of any size the condition differs between the samples by more than the test overlooks: where
the target's is half a standard deviation higher, 500 rows of each reject a true hypothesis four times in ten; groups of four cost
no power."""
FEWEST = 10


@dataclass(frozen=True, kw_only=True)
class ConditionalTestOptions(GaussianKernelOptions):
    """Options of the test of equal conditional laws."""

    condition_bandwidth: Any = value(
        None,
        f"{BANDWIDTH}, of what is conditioned on; the median distance by default",
        "None, 'median' or a positive number",
        one_bandwidth,
    )
    ridge: float = number(0.05, "of the conditional operators, per row", low=0.0, open_low=True)
    permutations: int = count(499, "random relabellings within groups")
    bins: int | None = count(
        None, "groups of rows within which labels are permuted; a quarter of the rows by default", low=2, also=(None,)
    )
    progress: bool | None = flag(None, "a bar; None shows one in a terminal on work over a second")


def estimate(samples: Samples, options: ConditionalTestOptions) -> tuple[Global, ...]:
    """Tests by the distance of the means, of the covariances, and by their sum."""
    n, m = len(samples.xs), len(samples.xt)
    if min(n, m) < FEWEST:
        raise DataError(
            f"{n} and {m} rows are too few to compare conditional laws; give at least {FEWEST} of each sample."
        )
    z = np.concatenate([samples.xs, samples.xt])
    y = np.concatenate([_condition(samples, "source"), _condition(samples, "target")])
    if (y == y[0]).all():
        names = ", ".join(map(repr, samples.design.parts[0].without_intercept().names))
        raise DataError(
            f"{names}, which is conditioned on, is the same on all rows; compare whole laws by si.shift_test."
        )
    order = content_order(*z.T, *y.T)
    z, y, first = z[order], y[order], order < n
    widths = [("features", options.bandwidth, z), ("condition", options.condition_bandwidth, y)]
    factors, facts = [], {}
    for name, width, columns in widths:
        units = (
            weighted_scaling(columns, np.full(len(columns), 1.0 / len(columns))).apply(columns)
            if options.scale
            else columns
        )
        chosen = float(bandwidths(width, units, samples.seed)[0])
        factors.append(kernel_factor(units, chosen))
        facts[f"bandwidth, {name}"] = chosen
    features, condition = factors
    groups = strata(y, first, (n + m) // _GROUP if options.bins is None else options.bins)
    observed = conditional_distance(features, condition, first, options.ridge)

    def drawn(step: int) -> ConditionalDistance:
        return conditional_distance(features, condition, relabelled(first, groups, samples.seed, step), options.ridge)

    null: list[ConditionalDistance] = []
    batches = list(chunks(options.permutations, _BATCH))
    for batch in progress_bar(batches, total=len(batches), label="permutations", show=options.progress):
        null += map_threads(drawn, range(batch.start, batch.stop))
    made = []
    for name in ("mean", "covariance", "total"):
        found, law = getattr(observed, name), np.array([getattr(one, name) for one in null])
        made.append(Global(f"conditional {name}", found, p_value(found, law), law, facts))
    return tuple(made)


def _condition(samples: Samples, which: str) -> np.ndarray:
    """Columns of the condition on the rows of `xs` or `xt`, shape (rows, d)."""
    part = samples.design.parts[0]
    if which == "source":
        return part.without_intercept().values[samples.at_source]
    return samples.target.parts["covariates"][:, int(part.intercept) :][samples.at_target]


def kernel_factor(x: np.ndarray, bandwidth: float, tol: float = _TOL) -> np.ndarray:
    """A factor (N, q) of the Gaussian kernel matrix of rows x (N, d)."""
    found = pivoted_cholesky(
        lambda at: rbf(x, x[at], bandwidth), np.ones(len(x)), tol=tol, max_rank=min(_RANK, len(x)), partial=True
    )
    assert found is not None
    return found


def strata(y: np.ndarray, first: np.ndarray, bins: int) -> np.ndarray:
    """Groups of rows with a like condition (N, d), shape (N,): levels where there are few, else quantile groups."""
    if y.shape[1] == 1:
        levels, codes = np.unique(y[:, 0], return_inverse=True)
        if len(levels) <= bins:
            return codes
        score = y[:, 0]
    else:
        rows, codes = np.unique(y, axis=0, return_inverse=True)
        if len(rows) <= bins:
            return codes.ravel()
        scaled = weighted_scaling(y, np.full(len(y), 1.0 / len(y))).apply(y)
        # Given the odds of the samples, labels do not depend on the condition.
        score = Logit(penalty=1.0).fit(scaled, first.astype(np.float64), np.ones(len(y))).predict(scaled)
    edges = np.quantile(score, np.arange(1, bins) / bins)
    return np.searchsorted(edges, score, side="right")


def relabelled(first: np.ndarray, groups: np.ndarray, seed: int, step: int) -> np.ndarray:
    """Labels (N,) permuted within groups; each step has its own stream."""
    rng = generator(seed, 17, step)
    # Sorting random keys within groups shuffles the labels of each.
    by_group = np.argsort(groups, kind="stable")
    shuffled = np.lexsort((rng.random(len(first)), groups))
    out = np.empty_like(first)
    out[by_group] = first[shuffled]
    return out


METHOD = Method(
    verb="conditional_shift_test",
    name="",
    estimate=estimate,
    options=ConditionalTestOptions,
    summary="test of equal conditional laws in two samples by conditional operator discrepancy",
    citation="Yang, Ren and Luo (2024), COD: Learning conditional invariant representation for domain adaptation regression",
    arxiv="2408.06638",
    guarantee="labels permuted within groups of the condition; the level is approximate",
    vignette="target-shift",
)
