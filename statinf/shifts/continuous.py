"""What the target-shift methods share: their result, bandwidths, product kernels, checks of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import DataError, NumericalWarning, issue_warning
from statinf.shifts.samples import Samples
from statinf.shifts.scaling import weighted_scaling

FEWEST_VALUES = 10
OUTSIDE_SHARE = 0.2


@dataclass(frozen=True)
class OutcomeRatio:
    """An estimated ratio of outcome densities.

    Attributes
    ----------
    rule : object
        Its `at(y)` is omega at outcomes y.
    raw : ndarray, shape (n,)
        omega at the outcomes of the samples before negative values are set to zero.
    settings, facts : mapping
    """

    rule: Any
    raw: np.ndarray
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]


def column_bandwidths(x: np.ndarray) -> np.ndarray:
    """Silverman's rule, 1.06 sd n^(-1/(p + 4)) per column; n^(-1/5) for one column."""
    n, p = x.shape
    spread = weighted_scaling(x, np.full(n, 1.0 / n)).spread * np.sqrt(n / (n - 1.0))
    return 1.06 * spread * n ** (-1.0 / (p + 4))


def product_kernel(x: np.ndarray, centers: np.ndarray, bandwidth: np.ndarray) -> np.ndarray:
    """``exp(-sum_k (x_ik - c_jk)^2 / (2 h_k^2))``, shape (n, m)."""
    from statinf.numerics.kernels.distances import gaussian

    return gaussian(x / bandwidth, centers / bandwidth, 2.0)


def check_outcome(samples: Samples) -> None:
    """Refuse outcomes that are classes and columns without spread; warn where target features lie far outside.

    Raises
    ------
    DataError
    """
    assert samples.y is not None
    outcome = samples.design.response_names[0]
    if not samples.names:
        raise DataError("the formula has no covariates that could reveal a shift; write 'outcome ~ x'.")
    values = len(np.unique(samples.y))
    if values < FEWEST_VALUES:
        raise DataError(
            f"the outcome '{outcome}' has {values} values; a continuous target shift needs at least {FEWEST_VALUES}. "
            "For classes use method='bbse' or 'mlls'."
        )
    if len(samples.xs) < 10 or len(samples.xt) < 2:
        raise DataError(f"{len(samples.xs)} source and {len(samples.xt)} target rows are too few for kernel densities.")
    for what, x in (("source", samples.xs), ("target", samples.xt)):
        flat = [n for n, s in zip(samples.names, np.ptp(x, axis=0), strict=True) if s == 0]
        if flat:
            raise DataError(f"constant in the {what}: {', '.join(map(repr, flat))}; a kernel density needs spread.")
    reach = 3.0 * column_bandwidths(samples.xs)
    outside = ((samples.xt < samples.xs.min(axis=0) - reach) | (samples.xt > samples.xs.max(axis=0) + reach)).any(
        axis=1
    )
    if outside.all():
        raise DataError(
            f"all {len(outside)} target rows lie more than three bandwidths outside the source's range of "
            f"{', '.join(map(repr, samples.names))}; a shift of '{outcome}' alone cannot have made them."
        )
    if outside.mean() > OUTSIDE_SHARE:
        issue_warning(
            f"{int(outside.sum())} of {len(outside)} target rows lie more than three bandwidths outside the source's range of "
            f"{', '.join(map(repr, samples.names))}: a shift of '{outcome}' alone cannot have made them.",
            NumericalWarning,
        )
