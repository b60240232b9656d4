"""Tests that covariates have the same law in two samples.

Gretton et al. (2012, Journal of Machine Learning Research 13) for the maximum mean discrepancy, Szekely and Rizzo (2013,
Journal of Statistical Planning and Inference 143) for the energy distance, Lopez-Paz and Oquab (2017, arXiv 1610.06545) for
the classifier: by permutation of the samples' labels, hence exact. Columns by Kolmogorov-Smirnov or chi-square, adjusted
by Benjamini and Hochberg (1995). Columns are divided by their standard deviation over both samples together, which the
labels do not enter.
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
from statinf.shifts.columns import ColumnTests, column_tests
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
    permutations: int = count(999, "random relabellings behind the p-values of the whole law")
    folds: int = count(5, "of the classifier", low=2)
    progress: bool | None = flag(None, "a bar; None shows one in a terminal on work over two seconds")


@dataclass(frozen=True)
class Pooled:
    """The rows of both samples in an order that does not depend on their labels.

    Attributes
    ----------
    x : ndarray, shape (N, p)
    first : ndarray of bool, shape (N,)
        Which rows are the source's.
    """

    x: np.ndarray
    first: np.ndarray


def estimate(samples: Samples, options: TwoSampleOptions) -> tuple[tuple[Global, ...], ColumnTests | None]:
    """The tests that were asked for."""
    n, m = len(samples.xs), len(samples.xt)
    if "classifier" in options.tests and 2 * options.folds > n + m:
        raise DataError(f"{n} and {m} rows are too few for a classifier with folds={options.folds}; leave it out.")
    x = np.concatenate([samples.xs, samples.xt])
    order = content_order(*x.T)
    pooled = Pooled(x[order], order < n)
    units = Pooled(_units(pooled.x, samples, options), pooled.first)
    made = [MAKERS[name](units, options, samples.seed) for name in options.tests if name in MAKERS]
    return tuple(made), column_tests(samples) if "columns" in options.tests else None


def _units(x: np.ndarray, samples: Samples, options: TwoSampleOptions) -> np.ndarray:
    scaling = weighted_scaling(x, np.full(len(x), 1.0 / len(x)))
    if options.scale:
        return scaling.apply(x)
    if {"mmd", "energy"} & set(options.tests):
        warn_scales(scaling.spread, samples.names)
    return x


def _mmd(pooled: Pooled, options: TwoSampleOptions, seed: int) -> Global:
    x, first = pooled.x, pooled.first
    width = float(bandwidths(options.bandwidth, x, seed)[0])
    found, null = permutation.mmd(x, first, width, options.permutations, seed, options.progress)
    facts = {"bandwidth": width}
    if len(x) <= UNBIASED_UP_TO:
        facts["unbiased"] = _unbiased(found, x[first], x[~first], width)
    return Global("mmd", found, permutation.p_value(found, null), null, facts)


def _unbiased(found: float, a: np.ndarray, b: np.ndarray, width: float) -> float:
    if min(len(a), len(b)) < 2:
        return float("nan")
    within = [float(kernel_sums(part, part, np.full(len(part), 1.0 / len(part)), width).mean()) for part in (a, b)]
    return permutation.unbiased(found, len(a), len(b), (within[0], within[1]))


def _energy(pooled: Pooled, options: TwoSampleOptions, seed: int) -> Global:
    found, null = permutation.energy(pooled.x, pooled.first, options.permutations, seed, options.progress)
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
