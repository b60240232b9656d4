"""Tests that covariates have the same law in two samples.

Gretton et al. (2012, Journal of Machine Learning Research 13) for the maximum mean discrepancy, Szekely and Rizzo (2013,
Journal of Statistical Planning and Inference 143) for the energy distance, Lopez-Paz and Oquab (2017, arXiv 1610.06545) for
the classifier: by permutation of the samples' labels, hence exact. Columns by Kolmogorov-Smirnov or chi-square, adjusted
by Benjamini and Hochberg (1995). Columns are divided by their standard deviation over both samples together, which the
labels do not enter.

With row weights that differ, the hypothesis is that the weighted laws are the same. Whole weights give the distances, the
Kolmogorov-Smirnov statistics and the shares of repeated rows (up to `scale` and the default bandwidth, which know rows). Such
rows are not exchangeable: p-values then come from random signs instead of permutations (`statinf.shifts.permutation`), those of
single columns too, and the classifier is not to be had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError, one_of
from statinf.numerics.order.content import content_order
from statinf.results.methods import Method
from statinf.results.options import count, flag, value
from statinf.shifts import classifier, permutation
from statinf.shifts.columns import Absent, ColumnTests, column_tests
from statinf.shifts.kernels import GaussianKernelOptions, bandwidths, kernel_sums, warn_scales
from statinf.shifts.samples import Samples
from statinf.shifts.scaling import weighted_scaling
from statinf.shifts.shift_test_result import Global

TESTS = ("mmd", "energy", "classifier", "columns")
UNBIASED_UP_TO = 20_000


def check_tests(name: str, given: Any) -> tuple[str, ...]:
    """Names of tests, each once."""
    if not isinstance(given, str | Sequence) or len(given) == 0:
        raise OptionError(f"{name}={given!r}: name one or several of {', '.join(map(repr, TESTS))}.")
    chosen = tuple(dict.fromkeys((given,) if isinstance(given, str) else given))
    for test in chosen:
        one_of(name, test, TESTS)
    return chosen


@dataclass(frozen=True, kw_only=True)
class TwoSampleOptions(GaussianKernelOptions):
    """Options of the tests of two samples."""

    tests: Any = value(
        TESTS,
        "maximum mean discrepancy with a Gaussian kernel, energy distance, a cross-fitted linear-quadratic classifier, "
        "and a test of each variable",
        "one or several of 'mmd', 'energy', 'classifier', 'columns'",
        check_tests,
    )
    permutations: int = count(
        999, "random relabellings behind the p-values of the whole law; random signs where weights differ"
    )
    folds: int = count(5, "of the classifier", low=2)
    progress: bool | None = flag(None, "a bar; None shows one in a terminal on work over a second")


@dataclass(frozen=True)
class Pooled:
    """The rows of both samples in an order that does not depend on their labels.

    Attributes
    ----------
    x : ndarray, shape (N, p)
    first : ndarray of bool, shape (N,)
        Which rows are the source's.
    share : ndarray, shape (N,), or None
        Weights, which sum to one in either sample; None where those of a sample are equal.
    """

    x: np.ndarray
    first: np.ndarray
    share: np.ndarray | None = None


def estimate(
    samples: Samples, options: TwoSampleOptions, absent: Absent | None = None
) -> tuple[tuple[Global, ...], ColumnTests | None]:
    """The tests that were asked for; `absent` as `column_tests` takes it."""
    n, m = len(samples.xs), len(samples.xt)
    tests = _possible(options.tests, samples)
    if "classifier" in tests and 2 * options.folds > n + m:
        raise DataError(f"{n} and {m} rows are too few for a classifier with folds={options.folds}; leave it out.")
    x = np.concatenate([samples.xs, samples.xt])
    order = content_order(*x.T)
    share = None
    if samples.unequal:
        share = np.concatenate([samples.ws / samples.ws.sum(), samples.wt / samples.wt.sum()])[order]
    units = Pooled(_units(x[order], samples, options), order < n, share)
    made = [MAKERS[name](units, options, samples.seed) for name in tests if name in MAKERS]
    columns = None
    if "columns" in tests:
        columns = column_tests(samples, None if share is None else options.permutations, absent)
    return tuple(made), columns


def _possible(tests: tuple[str, ...], samples: Samples) -> tuple[str, ...]:
    if not samples.unequal or "classifier" not in tests:
        return tests
    if tests is not TESTS:
        raise OptionError(
            "tests='classifier' has no law with weights that differ within a sample: its folds permute rows as equals. Leave "
            "it out, such as tests=('mmd', 'energy', 'columns')."
        )
    return tuple(name for name in tests if name != "classifier")


def _units(x: np.ndarray, samples: Samples, options: TwoSampleOptions) -> np.ndarray:
    if samples.unequal:
        scaling = samples.scaling
    else:
        scaling = weighted_scaling(x, np.full(len(x), 1.0 / len(x)))
    if options.scale:
        return scaling.apply(x)
    if {"mmd", "energy"} & set(options.tests):
        warn_scales(scaling.spread, samples.names)
    return x


def _mmd(pooled: Pooled, options: TwoSampleOptions, seed: int) -> Global:
    x, first = pooled.x, pooled.first
    width = float(bandwidths(options.bandwidth, x, seed)[0])
    found, null = permutation.mmd(x, first, width, options.permutations, seed, options.progress, pooled.share)
    facts = {"bandwidth": width}
    if pooled.share is None and len(x) <= UNBIASED_UP_TO:
        facts["unbiased"] = _unbiased(found, x[first], x[~first], width)
    return Global("mmd", found, permutation.p_value(found, null), null, facts)


def _unbiased(found: float, a: np.ndarray, b: np.ndarray, width: float) -> float:
    if min(len(a), len(b)) < 2:
        return float("nan")
    within = [float(kernel_sums(part, part, np.full(len(part), 1.0 / len(part)), width).mean()) for part in (a, b)]
    return permutation.unbiased(found, len(a), len(b), (within[0], within[1]))


def _energy(pooled: Pooled, options: TwoSampleOptions, seed: int) -> Global:
    x, first, share = pooled.x, pooled.first, pooled.share
    found, null = permutation.energy(x, first, options.permutations, seed, options.progress, share)
    return Global("energy", found, permutation.p_value(found, null), null, {})


def _classifier(pooled: Pooled, options: TwoSampleOptions, seed: int) -> Global:
    found, null = classifier.area_under_curve(pooled.x, pooled.first, options.permutations, options.folds, seed)
    return Global("classifier", found, permutation.p_value(found, null), null, {})


MAKERS = {"mmd": _mmd, "energy": _energy, "classifier": _classifier}

METHOD = Method(
    verb="shift_test",
    name="",
    estimate=estimate,
    options=TwoSampleOptions,
    summary="Permutation tests of the whole law, and a test of each column",
    citation="Gretton et al. (2012); Székely and Rizzo (2013); Lopez-Paz and Oquab (2017)",
    arxiv="1610.06545",
    guarantee="exact permutation p-values; columns at a false discovery rate",
    vignette="covariate-shift",
)
